// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

#include <grp.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

std::string setgroups_of(pid_t pid) {
    return content("/proc/" + std::to_string(pid) + "/setgroups");
}

class IdMap : public ContainerTest {
protected:
    Container mapped() {
        return plain().add_namespace(Namespace::User).add_uid_map({0, 10000, 1000}).add_gid_map({0, 20000, 1000});
    }
};

TEST_F(IdMap, SeveralExtentsAreWritten) {
    Container container = plain()
                              .add_namespace(Namespace::User)
                              .add_uid_map({0, 10000, 1})
                              .add_uid_map({1, 30000, 100})
                              .add_uid_map({500, 50000, 10})
                              .add_gid_map({0, 20000, 1})
                              .add_gid_map({7, 40000, 3});
    ProcessSpec spec = host_program({"pause"});
    spec.user = User{505, 8, {9, 0}};
    const Process process = start_ready(container, spec);
    EXPECT_EQ(map_of(process.pid(), "uid_map"), "0 10000 1\n1 30000 100\n500 50000 10\n");
    EXPECT_EQ(map_of(process.pid(), "gid_map"), "0 20000 1\n7 40000 3\n");
    const std::string status = content("/proc/" + std::to_string(process.pid()) + "/status");
    EXPECT_TRUE(contains(status, "Uid:\t50005\t50005\t50005\t50005\n"));
    EXPECT_TRUE(contains(status, "Gid:\t40001\t40001\t40001\t40001\n"));
    EXPECT_TRUE(contains(status, "Groups:\t20000 40002 \n"));
    container.kill();
    container.wait();
}

TEST_F(IdMap, ThreeHundredExtentsAreWritten) {
    Container container = plain().add_namespace(Namespace::User);
    std::string expected;
    for (std::uint32_t i = 0; i < 300; ++i) {
        container.add_uid_map({i, 100000 + 2 * i, 1}).add_gid_map({i, 100000 + 2 * i, 1});
        expected += std::to_string(i) + " " + std::to_string(100000 + 2 * i) + " 1\n";
    }
    ProcessSpec spec = host_program({"pause"});
    spec.user = User{};
    const Process process = start_ready(container, spec);
    EXPECT_EQ(map_of(process.pid(), "uid_map"), expected);
    EXPECT_EQ(map_of(process.pid(), "gid_map"), expected);
    container.kill();
    container.wait();
}

TEST_F(IdMap, UserInsideIsAnotherOneOutside) {
    Container container = mapped();
    ProcessSpec spec = host_program({"ids"});
    spec.user = User{};
    const Finished finished = run(container, spec);
    ASSERT_TRUE(succeeded(finished));
    EXPECT_EQ(finished.out, "uid 0 0 0\ngid 0 0 0\ngroups\n");
}

TEST_F(IdMap, RootOfTheNamespaceHasAllItsCapabilities) {
    Container container = mapped().add_namespace(Namespace::Mount);
    ProcessSpec spec = host_program({"mount", "tmpfs", "/tmp"});
    spec.user = User{};
    EXPECT_TRUE(succeeded(run(container, spec)));
}

TEST_F(IdMap, MapsRootToTheCaller) {
    Container container = plain().add_namespace(Namespace::User).map_root_to_caller();
    const Process process = start_ready(container, host_program({"pause"}));
    EXPECT_EQ(map_of(process.pid(), "uid_map"), "0 0 1\n");
    EXPECT_EQ(map_of(process.pid(), "gid_map"), "0 0 1\n");
    container.kill();
    container.wait();
}

TEST_F(IdMap, SetGroupsIsAllowedForAPrivilegedCaller) {
    Container container = mapped();
    ProcessSpec spec = host_program({"pause"});
    spec.user = User{0, 0, {5}};
    const Process process = start_ready(container, spec);
    EXPECT_EQ(setgroups_of(process.pid()), "allow\n");
    container.kill();
    container.wait();
}

TEST_F(IdMap, SetGroupsIsDeniedOnRequest) {
    Container container = mapped().set_setgroups(SetGroups::Deny);
    ProcessSpec spec = host_program({"pause"});
    spec.user = User{};
    const Process process = start_ready(container, spec);
    EXPECT_EQ(setgroups_of(process.pid()), "deny\n");
    container.kill();
    container.wait();
}

TEST_F(IdMap, OwnedFilesAreSeenAsMapped) {
    make_dir("image/data");
    ASSERT_EQ(::chown((image() / "data").c_str(), 10007, 20008), 0);
    Container container =
        isolated().add_namespace(Namespace::User).add_uid_map({0, 10000, 1000}).add_gid_map({0, 20000, 1000});
    ProcessSpec spec = program({"stat", "/data"});
    spec.user = User{};
    const Finished finished = run(container, spec);
    ASSERT_TRUE(succeeded(finished));
    EXPECT_TRUE(contains(finished.out, " 7:8 "));
}

TEST_F(IdMap, UserWithoutAMappingIsRefused) {
    Container container = mapped();
    ProcessSpec spec = host_program({"exit", "0"});
    spec.user = User{5000, 0};
    EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::invalid_argument, {"container 'box': ", "5000"}));
}

/// An ordinary user as the host: an image and a session of its own, in a forked child.
class UnprivilegedHost : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        CT_REQUIRE(Privilege::SetUser);
        CT_REQUIRE(Privilege::UserNamespaces);
        own_ = make_image(dir() / "own");
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator{own_})
            ASSERT_EQ(::chown(entry.path().c_str(), 1000, 1000), 0);
        ASSERT_EQ(::chown(own_.c_str(), 1000, 1000), 0);
    }

    /// What a container engine asks for without being root.
    static Container rootless(Session& session, const fs::path& root) {
        return session.create("rootless")
            .set_root(root.string())
            .add_namespaces(
                {Namespace::User, Namespace::Mount, Namespace::Pid, Namespace::Net, Namespace::Uts, Namespace::Ipc})
            .map_root_to_caller()
            .set_hostname("rootless")
            .add_default_mounts();
    }

    fs::path own_;
};

TEST_F(UnprivilegedHost, MapsItselfToRoot) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("box").add_namespace(Namespace::User).map_root_to_caller();
        EXPECT_EQ(run(container, host_program({"ids"})).out, "uid 0 0 0\ngid 0 0 0\ngroups\n");
        const Process process = start_ready(container, host_program({"pause"}));
        EXPECT_EQ(map_of(process.pid(), "uid_map"), "0 1000 1\n");
        EXPECT_EQ(map_of(process.pid(), "gid_map"), "0 1000 1\n");
        EXPECT_EQ(setgroups_of(process.pid()), "deny\n");
        container.kill();
        container.wait();
    }));
}

TEST_F(UnprivilegedHost, MapsItselfToAnotherNumber) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container =
            session.create("box").add_namespace(Namespace::User).add_uid_map({5, 1000, 1}).add_gid_map({6, 1000, 1});
        ProcessSpec spec = host_program({"ids"});
        spec.user = User{5, 6};
        EXPECT_EQ(run(container, spec).out, "uid 5 5 5\ngid 6 6 6\ngroups\n");
    }));
}

TEST_F(UnprivilegedHost, RunsAWholeContainer) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = rootless(session, own_);
        EXPECT_EQ(lines(run(container, program({"uname"})).out).at(0), "rootless");
        const Finished status = run(container, program({"status"}));
        EXPECT_TRUE(succeeded(status));
        EXPECT_TRUE(contains(status.out, "pid 1\n"));
        EXPECT_EQ(run(container, program({"read-device", "/dev/zero"})).out, "8\n");
        EXPECT_EQ(run(container, program({"ls", "/sys/class/net"})).out, "lo\n");
    }));
}

TEST_F(UnprivilegedHost, SharesTheNetworkAndStillGetsSysAndMqueue) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = rootless(session, own_).share_host(Namespace::Net).share_host(Namespace::Ipc);
        const Finished finished = run(container, program({"ls", "/sys"}));
        EXPECT_TRUE(succeeded(finished));
        EXPECT_TRUE(contains(finished.out, "class\n"));
        EXPECT_TRUE(contains(run(container, program({"statvfs", "/sys"})).out, " ro"));
        // Nothing to bind on a host that has no mqueue mounted.
        const bool of_host = fs::exists("/dev/mqueue");
        EXPECT_EQ(static_cast<bool>(contains(run(container, program({"ls", "/dev"})).out, "mqueue\n")), of_host);
    }));
}

TEST_F(UnprivilegedHost, EntersItsContainer) {
    if (ForksHaveThreads) GTEST_SKIP() << "setns(2): a process with several threads joins no user or time namespace";
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = rootless(session, own_);
        const Process init = start_ready(container, program({"pause"}));
        EXPECT_EQ(run_entered(container, program({"uname"})).out, "rootless\n(none)\n");
        EXPECT_EQ(run_entered(container, program({"ids"})).out, "uid 0 0 0\ngid 0 0 0\ngroups\n");
        EXPECT_TRUE(exited(run_entered(container, {}, [] { return ::getpid() > 1 ? 4 : 5; }).status, 4));
        container.kill();
        container.wait();
    }));
}

TEST_F(UnprivilegedHost, RunsACallable) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = rootless(session, own_);
        EXPECT_TRUE(exited(run(container, {}, [] { return ::getpid() == 1 && ::getuid() == 0 ? 3 : 4; }).status, 3));
    }));
}

TEST_F(UnprivilegedHost, IsToldWhatIsNotPermitted) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("box").add_namespace(Namespace::Uts);
        EXPECT_TRUE(fails(
            [&] {
                container.start(host_program({"exit", "0"}));
            },
            std::errc::operation_not_permitted, {"container 'box': ", "Operation not permitted"}));
        Container wide =
            session.create("wide").add_namespace(Namespace::User).add_uid_map({0, 0, 10}).add_gid_map({0, 1000, 1});
        EXPECT_TRUE(fails(
            [&] {
                wide.start(host_program({"exit", "0"}));
            },
            std::errc::operation_not_permitted, {"container 'wide': ", "uid_map"}));
    }));
}

TEST_F(UnprivilegedHost, AllowingSetGroupsIsRefusedByTheKernel) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container =
            session.create("box").add_namespace(Namespace::User).map_root_to_caller().set_setgroups(SetGroups::Allow);
        EXPECT_TRUE(fails(
            [&] {
                container.start(host_program({"exit", "0"}));
            },
            std::errc::operation_not_permitted, {"container 'box': ", "gid_map"}));
    }));
}

} // namespace
} // namespace ct::test
