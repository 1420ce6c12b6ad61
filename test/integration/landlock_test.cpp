// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <arpa/inet.h>
#include <csignal>
#include <cstring>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unique_fd.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

class LandlockRules : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        constexpr int ask_version = 1;
        abi_ = ::syscall(444, nullptr, 0, ask_version); // landlock_create_ruleset
        if (abi_ < 1) GTEST_SKIP() << "this kernel has no Landlock";
    }

    static ProcessSpec restricted(std::vector<std::string> args, std::vector<LandlockPath> paths) {
        ProcessSpec spec = program(std::move(args));
        spec.no_new_privileges = true;
        spec.landlock.emplace().paths = std::move(paths);
        return spec;
    }

    static LandlockPath executable(std::string path) { return {.path = std::move(path), .execute = true}; }
    static LandlockPath readable(std::string path) { return {.path = std::move(path), .read = true}; }
    static LandlockPath writable(std::string path) { return {.path = std::move(path), .write = true}; }

    long abi_ = 0;
};

TEST_F(LandlockRules, AllowOnlyWhatIsListed) {
    make_file("image/open/text", "hello");
    make_file("image/shut/text", "secret");
    Container box = isolated();
    const std::vector<LandlockPath> rules{executable("/bin"), readable("/open")};
    EXPECT_EQ(run(box, restricted({"cat", "/open/text"}, rules)).out, "hello");
    EXPECT_TRUE(contains(run(box, restricted({"cat", "/shut/text"}, rules)).err, "EACCES"));
    EXPECT_TRUE(contains(run(box, restricted({"ls", "/"}, rules)).err, "EACCES"));
    EXPECT_TRUE(contains(run(box, restricted({"write", "/open/text", "x"}, rules)).err, "EACCES"));
    EXPECT_TRUE(contains(run(box, restricted({"mkdir", "/open/made"}, rules)).err, "EACCES"));
    EXPECT_TRUE(contains(run(box, restricted({"exec", "/open/text"}, rules)).err, "EACCES"));
    EXPECT_EQ(content(image() / "open/text"), "hello");
}

TEST_F(LandlockRules, WritingIsCreatingAndRemovingToo) {
    make_dir("image/work");
    Container box = isolated();
    const std::vector<LandlockPath> rules{executable("/bin"), writable("/work")};
    EXPECT_TRUE(succeeded(run(box, restricted({"write", "/work/new", "text"}, rules))));
    EXPECT_TRUE(succeeded(run(box, restricted({"mkdir", "/work/made"}, rules))));
    EXPECT_TRUE(contains(run(box, restricted({"cat", "/work/new"}, rules)).err, "EACCES"));
    EXPECT_TRUE(contains(run(box, restricted({"mkdir", "/made"}, rules)).err, "EACCES"));
    EXPECT_EQ(content(image() / "work/new"), "text");
}

TEST_F(LandlockRules, MayNameFiles) {
    make_file("image/one", "first");
    make_file("image/two", "second");
    Container box = isolated();
    const std::vector<LandlockPath> rules{executable(InitPath), {.path = "/one", .read = true, .write = true}};
    EXPECT_EQ(run(box, restricted({"cat", "/one"}, rules)).out, "first");
    EXPECT_TRUE(succeeded(run(box, restricted({"write", "/one", "changed"}, rules))));
    EXPECT_TRUE(contains(run(box, restricted({"cat", "/two"}, rules)).err, "EACCES"));
}

TEST_F(LandlockRules, ErrorsNameThePathAndTheRule) {
    make_file("image/text", "hello");
    Container box = isolated();
    EXPECT_TRUE(fails(
        [&] {
            box.start(restricted({"exit", "0"}, {executable("/bin"), readable("/none")}));
        },
        std::errc::no_such_file_or_directory, {"allow by Landlock '/none'"}));
    EXPECT_TRUE(fails(
        [&] {
            box.start(restricted({"exit", "0"}, {readable("/")}));
        },
        std::errc::permission_denied, {"exec '/bin/test_init'", "the Landlock rules have to allow it"}));
    EXPECT_TRUE(fails(
        [&] {
            box.start(restricted({"exit", "0"}, {readable("text"), {.path = "/"}}));
        },
        Errc::InvalidConfig, {"'text' of a Landlock rule is not absolute", "'/' allows nothing"}));
    ProcessSpec spec = restricted({"exit", "0"}, {});
    EXPECT_TRUE(fails([&] { box.start(spec); }, Errc::InvalidConfig, {"restrict nothing"}));
    spec = restricted({"exit", "0"}, {executable("/")});
    spec.no_new_privileges = false;
    spec.user = User{1000, 1000};
    EXPECT_TRUE(fails([&] { box.start(spec); }, Errc::InvalidConfig, {"Landlock needs no_new_privileges"}));
    spec.user.reset();
    EXPECT_TRUE(exited(run(box, spec).status, 0)); // by CAP_SYS_ADMIN
}

TEST_F(LandlockRules, LinksOfTheImageDoNotLeadOutOfIt) {
    make_file("outside", "of the host");
    std::filesystem::create_symlink("../../../../.." + (dir() / "outside").string(), image() / "link");
    std::filesystem::create_symlink("/proc/self/exe", image() / "host");
    Container box = isolated().add_default_mounts();
    EXPECT_TRUE(fails(
        [&] {
            box.start(restricted({"exit", "0"}, {executable("/bin"), readable("/link")}));
        },
        std::errc::no_such_file_or_directory, {"'/link'"}));
    EXPECT_TRUE(fails(
        [&] {
            box.start(restricted({"exit", "0"}, {executable("/bin"), readable("/host")}));
        },
        std::errc::too_many_symbolic_link_levels, {"'/host'"}));
}

TEST_F(LandlockRules, GoTogetherWithAFilterThatKills) {
    Container box = isolated();
    ProcessSpec spec = restricted({"mkdir", "/made"}, {executable("/bin")});
    spec.seccomp.emplace().rules.push_back(
        {{"mkdir", "openat", "openat2", "landlock_add_rule", "landlock_restrict_self"}, SeccompAction::kill_process()});
    EXPECT_TRUE(signaled(run(box, spec).status, SIGSYS));
}

TEST_F(LandlockRules, ApplyToEnteringProcessesAndCallables) {
    make_file("image/text", "hello");
    Container box = isolated();
    start_ready(box, program({"pause"}));
    EXPECT_TRUE(contains(run_entered(box, restricted({"cat", "/text"}, {executable("/bin")})).err, "EACCES"));
    EXPECT_EQ(run_entered(box, program({"cat", "/text"})).out, "hello");
    ProcessSpec spec = restricted({}, {executable("/bin")});
    spec.argv.clear();
    EXPECT_TRUE(succeeded(run_entered(box, spec, [] {
        return ::access("/text", F_OK) == 0 && std::fopen("/text", "r") == nullptr && errno == EACCES ? 0 : 1;
    })));
    box.kill();
    box.wait();
}

TEST_F(LandlockRules, PortsOutsideOfTheListAreShut) {
    if (abi_ < 4) GTEST_SKIP() << "this kernel's Landlock has no network rules";
    Container box = isolated();
    ProcessSpec spec;
    spec.no_new_privileges = true;
    spec.landlock.emplace().bind_ports = {7001};
    spec.landlock->connect_ports = std::vector<std::uint16_t>{};
    EXPECT_TRUE(succeeded(run(box, spec, [] {
        const auto outcome = [](decltype(&::connect) call, std::uint16_t port) {
            const internal::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            sockaddr_in address{};
            address.sin_family = AF_INET;
            address.sin_port = htons(port);
            address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            return call(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
        };
        if (outcome(&::bind, 7001) == EACCES) return 1;
        if (outcome(&::bind, 7002) != EACCES) return 2;
        if (outcome(&::connect, 7001) != EACCES) return 3;
        return 0;
    })));
}

TEST_F(LandlockRules, ScopesKeepSignalsInside) {
    if (abi_ < 6) GTEST_SKIP() << "this kernel's Landlock has no scopes";
    Container box = plain(); // the same pid namespace: without the scope it could
    ProcessSpec spec;
    spec.no_new_privileges = true;
    const pid_t host = ::getpid();
    const auto main = [host] { return ::kill(host, 0) < 0 ? errno : 0; };
    EXPECT_TRUE(exited(run(box, spec, main).status, 0));
    spec.landlock.emplace().scope_signals = true;
    EXPECT_TRUE(exited(run(box, spec, main).status, EPERM));
}

TEST_F(LandlockRules, ServeAnUnprivilegedHost) {
    make_file("text", "hello");
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container box = session.create("box");
        ProcessSpec spec = host_program({"cat", (dir() / "text").string()});
        spec.no_new_privileges = true;
        spec.landlock.emplace().paths = {executable(std::filesystem::path(spec.argv[0]).parent_path().string())};
        EXPECT_TRUE(contains(run(box, spec).err, "EACCES"));
        spec.landlock->paths.push_back(readable(dir().string()));
        EXPECT_EQ(run(box, spec).out, "hello");
        spec.no_new_privileges = false;
        EXPECT_TRUE(fails([&] { box.start(spec); }, std::errc::operation_not_permitted,
                          {"restrict by Landlock", "needs no_new_privileges"}));
    }));
}

} // namespace
} // namespace ct::test
