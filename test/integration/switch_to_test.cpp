// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// A thread of the host goes into a container; the others must not notice.
#include <array>
#include <atomic>
#include <thread>

#include <sys/capability.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

/// Where the calling thread is: namespaces, root and working directory.
std::string place() {
    std::string text;
    for (const char* const file : {"ns/mnt", "ns/net", "ns/uts", "ns/ipc", "ns/user", "ns/cgroup", "ns/time",
                                   "ns/pid_for_children", "root", "cwd"}) {
        std::array<char, 4096> target{};
        const std::string path = std::string("/proc/thread-self/") + file;
        text += ::readlink(path.c_str(), target.data(), target.size() - 1) < 0 ? "?" : target.data();
        text += '\n';
    }
    return text;
}

std::string host_name() {
    utsname names{};
    ::uname(&names);
    return names.nodename;
}

class SwitchTo : public ContainerTest {
protected:
    Container box() { return isolated().add_namespace(Namespace::Net).set_hostname("switched").add_default_mounts(); }

    /// Runs \p body in a thread of its own, and checks that this one stays where it is.
    static void in_thread(const std::function<void()>& body) {
        const std::string before = place();
        std::thread thread(body);
        thread.join();
        EXPECT_EQ(place(), before);
    }
};

TEST_F(SwitchTo, MovesOnlyTheCallingThread) {
    Container container = box();
    const Process init = start_ready(container, program({"pause"}));
    in_thread([&] {
        container.switch_to();
        EXPECT_EQ(host_name(), "switched");
        EXPECT_EQ(::access("/bin/test_init", X_OK), 0);
        EXPECT_NE(::access("/usr", F_OK), 0);
        EXPECT_EQ(fs::current_path(), "/");
        // The container's own /proc knows nothing of this process, whose pids are the host's.
        const pid_t child = ::fork();
        if (child == 0) ::_exit(::getpid() < 1000 ? 3 : 4);
        int status = 0;
        EXPECT_EQ(::waitpid(child, &status, 0), child);
        EXPECT_EQ(WEXITSTATUS(status), 3) << "children are in its pid namespace";
    });
    container.kill();
    container.wait();
}

TEST_F(SwitchTo, WorksTwice) {
    Container container = plain().add_namespaces({Namespace::Uts, Namespace::Net}).set_hostname("held");
    container.hold();
    in_thread([&] {
        container.switch_to();
        const std::string there = place();
        container.switch_to();
        EXPECT_EQ(place(), there);
    });
    container.kill();
}

TEST_F(SwitchTo, WorksForHeldContainers) {
    Container container = plain().set_root(image().string()).add_namespaces({Namespace::Mount, Namespace::Uts});
    container.set_hostname("held");
    container.hold();
    in_thread([&] {
        container.switch_to();
        EXPECT_EQ(host_name(), "held");
        EXPECT_NE(::access("/usr", F_OK), 0);
    });
    container.kill();
}

TEST_F(SwitchTo, ChangesToAChrootedRoot) {
    Container container = plain().set_root(image().string());
    const Process init = start_ready(container, program({"pause"}));
    in_thread([&] {
        container.switch_to();
        EXPECT_EQ(::access("/bin/test_init", X_OK), 0);
        EXPECT_NE(::access("/usr", F_OK), 0);
    });
    container.kill();
    container.wait();
}

TEST_F(SwitchTo, UserNamespaceIsRefusedWithSeveralThreadsAndChangesNothing) {
    Container container = box().add_namespace(Namespace::User).map_root_to_caller();
    const Process init = start_ready(container, program({"pause"}));
    in_thread([&] {
        const std::string before = place();
        EXPECT_TRUE(fails([&] { container.switch_to(); }, std::errc::invalid_argument,
                          {"container 'box': join user namespace", "more than one thread"}));
        EXPECT_EQ(place(), before);
    });
    container.kill();
    container.wait();
}

TEST_F(SwitchTo, EntersAUserNamespaceWithOneThread) {
    if (ForksHaveThreads) GTEST_SKIP() << "setns(2): a process with several threads joins no user or time namespace";
    Container container = box().add_namespaces({Namespace::User, Namespace::Time}).map_root_to_caller();
    const Process init = start_ready(container, program({"pause"}));
    EXPECT_TRUE(passes_in_child([&] {
        container.switch_to();
        EXPECT_EQ(host_name(), "switched");
        EXPECT_NE(::access("/usr", F_OK), 0);
    }));
    container.kill();
    container.wait();
}

TEST_F(SwitchTo, FailureInTheMiddleLeavesTheThreadWhereItWas) {
    Container container = plain().set_root(image().string()).add_namespaces({Namespace::Uts, Namespace::Net});
    const Process init = start_ready(container, program({"pause"}));
    EXPECT_TRUE(passes_in_child([&] {
        // May join namespaces, but not change the root.
        const cap_value_t chroot = CAP_SYS_CHROOT;
        const cap_t capabilities = ::cap_get_proc();
        ASSERT_EQ(::cap_set_flag(capabilities, CAP_EFFECTIVE, 1, &chroot, CAP_CLEAR), 0);
        ASSERT_EQ(::cap_set_proc(capabilities), 0);
        ::cap_free(capabilities);
        const std::string before = place();
        EXPECT_TRUE(fails([&] { container.switch_to(); }, std::errc::operation_not_permitted,
                          {"container 'box': change to the container's root", "CAP_SYS_CHROOT"}));
        EXPECT_EQ(place(), before);
    }));
    container.kill();
    container.wait();
}

TEST_F(SwitchTo, NeedsARunningContainer) {
    Container container = box();
    EXPECT_TRUE(fails([&] { container.switch_to(); }, Errc::InvalidState, {"switch to", "it is stopped"}));
}

TEST_F(SwitchTo, OtherThreadsStartContainersMeanwhile) {
    Container container = box();
    const Process init = start_ready(container, program({"pause"}));
    std::atomic<bool> done = false;
    std::thread visitor([&] {
        container.switch_to();
        while (!done) EXPECT_EQ(host_name(), "switched");
    });
    for (int i = 0; i < 20; ++i) {
        Container other = isolated("other").set_hostname("other");
        EXPECT_EQ(run(other, program({"uname"})).out, "other\n(none)\n");
        EXPECT_NE(host_name(), "switched");
    }
    done = true;
    visitor.join();
    container.kill();
    container.wait();
}

} // namespace
} // namespace ct::test
