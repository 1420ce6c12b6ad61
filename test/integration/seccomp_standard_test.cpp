// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/vm_sockets.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <fstream>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

/// Seccomp::standard(): what it lets live, and what it stops.
class StandardFilter : public ContainerTest {
protected:
    /// The host's files, read-only, with an empty /tmp.
    Container on_host_files() {
        return session()
            .create("host-files")
            .add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Uts, Namespace::Ipc, Namespace::Net})
            .set_root({.path = "/", .read_only = true})
            .add_mount({.source = "tmpfs", .target = "/tmp", .type = "tmpfs", .options = {"mode=1777"}})
            .add_default_mounts();
    }

    static ProcessSpec shell(const std::string& script) {
        ProcessSpec spec;
        spec.argv = {"/bin/sh", "-c", script};
        spec.no_new_privileges = true;
        spec.seccomp = Seccomp::standard();
        spec.working_directory = "/tmp";
        return spec;
    }

    /// What becomes of a system call of root with all capabilities.
    std::string call(long number, std::vector<std::string> arguments = {}) {
        Container box = isolated();
        arguments.insert(arguments.begin(), {"call", std::to_string(number)});
        ProcessSpec spec = program(std::move(arguments));
        spec.no_new_privileges = true;
        spec.seccomp = Seccomp::standard();
        return run(box, spec).err;
    }
};

TEST_F(StandardFilter, LetsBusyboxLive) {
    const std::filesystem::path busybox = "/bin/busybox";
    if (!std::filesystem::exists(busybox)) GTEST_SKIP() << "busybox is not installed";
    std::filesystem::copy_file(busybox, image() / "bin/busybox");
    make_dir("image/tmp");
    Container box = isolated().add_default_mounts();
    ProcessSpec spec;
    spec.argv = {"/bin/busybox", "sh", "-c",
                 "b=/bin/busybox; $b seq 1 100 | $b grep 7 | $b sort -r | $b head -n 1; $b mkdir -p /tmp/a/b && "
                 "$b find /tmp | $b wc -l; $b tar c /bin/busybox 2>/dev/null | $b gzip | $b gunzip | $b tar t; $b ps | "
                 "$b wc -l >/dev/null; ($b sleep 0 & wait); $b id -u; $b df /tmp >/dev/null && $b date >/dev/null"};
    spec.no_new_privileges = true;
    spec.seccomp = Seccomp::standard();
    const Finished finished = run(box, spec);
    EXPECT_TRUE(succeeded(finished));
    EXPECT_EQ(finished.out, "97\n3\nbin/busybox\n0\n");
}

TEST_F(StandardFilter, LetsACompilerLive) {
    Container box = on_host_files();
    const Finished finished = run(box, shell("cat >a.cpp <<'END'\n"
                                             "#include <future>\n"
                                             "#include <iostream>\n"
                                             "int main() {\n"
                                             "    auto sum = std::async(std::launch::async, [] { return 20 + 22; });\n"
                                             "    std::cout << sum.get() << std::endl;\n"
                                             "}\n"
                                             "END\n"
                                             "g++ -O1 -pthread -pipe a.cpp -o a && ./a"));
    EXPECT_TRUE(succeeded(finished));
    EXPECT_EQ(finished.out, "42\n");
}

TEST_F(StandardFilter, LetsADatabaseServerLive) {
    // Debian's package of the client has the server's program, without starting one.
    constexpr const char* server = "/usr/bin/redis-check-rdb";
    if (!std::filesystem::exists(server)) GTEST_SKIP() << "redis-tools is not installed";
    Container box = on_host_files();
    const Finished finished =
        run(box, shell("ln -s /usr/bin/redis-check-rdb redis-server\n"
                       "./redis-server --port 0 --unixsocket /tmp/redis --dir /tmp --appendonly yes --save '' >log &\n"
                       "ask() { redis-cli -s /tmp/redis \"$@\"; }\n"
                       "until [ \"$(ask ping 2>/dev/null)\" = PONG ]; do kill -0 $! || { cat log >&2; exit 9; }; done\n"
                       "ask set key value && ask get key && ask bgsave && ask bgrewriteaof && ask eval 'return 1+1' 0\n"
                       "ask shutdown nosave; wait && test -d appendonlydir"));
    EXPECT_TRUE(succeeded(finished));
    EXPECT_TRUE(contains(finished.out, "OK\nvalue\nBackground saving started\n"));
    EXPECT_TRUE(contains(finished.out, "\n2\n"));
}

TEST_F(StandardFilter, StopsMountsAndNamespaces) {
    EXPECT_TRUE(contains(call(SYS_mount, {"none", "/bin", "tmpfs", "0", "0"}), "EPERM"));
    EXPECT_TRUE(contains(call(SYS_umount2, {"/", "2"}), "EPERM"));
    EXPECT_TRUE(contains(call(SYS_fsopen, {"tmpfs", "0"}), "EPERM"));
    EXPECT_TRUE(contains(call(SYS_open_tree, {"0", "/", "1"}), "EPERM"));
    EXPECT_TRUE(contains(call(SYS_unshare, {std::to_string(CLONE_NEWUSER)}), "EPERM"));
    EXPECT_TRUE(contains(call(SYS_setns, {"0", "0"}), "EPERM"));
    EXPECT_TRUE(contains(call(SYS_clone, {std::to_string(CLONE_NEWUSER | SIGCHLD), "0"}), "EPERM"));
    EXPECT_TRUE(contains(call(SYS_clone, {std::to_string(CLONE_NEWNET | CLONE_NEWPID), "0"}), "EPERM"));
    EXPECT_TRUE(contains(call(SYS_clone3, {"0", "0"}), "ENOSYS"));
}

TEST_F(StandardFilter, StopsWhatConcernsTheMachine) {
    for (const long number : {SYS_bpf,
                              SYS_perf_event_open,
                              SYS_keyctl,
                              SYS_add_key,
                              SYS_request_key,
                              SYS_reboot,
                              SYS_init_module,
                              SYS_finit_module,
                              SYS_delete_module,
                              SYS_kexec_load,
                              SYS_swapon,
                              SYS_acct,
                              SYS_settimeofday,
                              SYS_clock_settime,
                              SYS_userfaultfd,
                              SYS_io_uring_setup,
                              SYS_open_by_handle_at,
                              SYS_process_vm_readv,
                              SYS_kcmp,
                              SYS_pidfd_getfd,
                              SYS_ptrace,
                              SYS_quotactl,
                              SYS_sethostname}) {
        EXPECT_TRUE(contains(call(number), "EPERM")) << number;
    }
    constexpr long not_yet_there = 1000;
    EXPECT_TRUE(contains(call(not_yet_there), "ENOSYS"));
}

TEST_F(StandardFilter, StopsArgumentsThatAreDangerous) {
    constexpr std::uint64_t upper_half = 1ULL << 32; // which the kernel does not look at
    for (const std::uint64_t upper : {std::uint64_t{0}, upper_half}) {
        const auto number = [&](std::uint64_t value) { return std::to_string(value | upper); };
        EXPECT_TRUE(contains(call(SYS_ioctl, {"0", number(0x5412), "x"}), "EPERM")); // TIOCSTI
        EXPECT_TRUE(contains(call(SYS_ioctl, {"0", number(0x541c), "x"}), "EPERM")); // TIOCLINUX
        EXPECT_TRUE(contains(call(SYS_socket, {number(AF_VSOCK), "1", "0"}), "EAFNOSUPPORT"));
        EXPECT_TRUE(contains(call(SYS_socket, {number(38), "5", "0"}), "EAFNOSUPPORT")); // AF_ALG
        EXPECT_TRUE(contains(call(SYS_personality, {number(0x0400000)}), "EPERM"));      // READ_IMPLIES_EXEC
        EXPECT_EQ(call(SYS_socket, {number(AF_UNIX), "1", "0"}), "");
        EXPECT_EQ(call(SYS_socket, {number(AF_INET), "1", "0"}), "");
        EXPECT_EQ(call(SYS_personality, {number(0xffffffff)}), "");
    }
}

TEST_F(StandardFilter, StopsPtraceOfOthers) {
    // Without a pid namespace the host process can be named.
    Container box = plain();
    ProcessSpec spec = host_program(
        {"call", std::to_string(SYS_ptrace), std::to_string(PTRACE_SEIZE), std::to_string(::getpid()), "0", "0"});
    spec.no_new_privileges = true;
    spec.seccomp = Seccomp::standard();
    EXPECT_TRUE(contains(run(box, spec).err, "EPERM"));
    spec.seccomp->rules.insert(spec.seccomp->rules.begin(), {{"ptrace"}, SeccompAction::allow()});
    EXPECT_EQ(run(box, spec).err, ""); // so the rule in front counts, and the filter was the reason
}

TEST_F(StandardFilter, WithNoNewPrivilegesStopsSetuidPrograms) {
    Container box = isolated();
    const std::filesystem::path program_file = image() / "bin/setuid";
    std::filesystem::copy_file(image() / "bin/test_init", program_file);
    ASSERT_EQ(::chmod(program_file.c_str(), 04755), 0);
    ProcessSpec spec = program({"exec", "/bin/setuid", "ids"});
    spec.user = User{1000, 1000};
    EXPECT_TRUE(contains(run(box, spec).out, "uid 1000 0 0"));
    spec.no_new_privileges = true;
    spec.seccomp = Seccomp::standard();
    EXPECT_TRUE(contains(run(box, spec).out, "uid 1000 1000 1000"));
}

} // namespace
} // namespace ct::test
