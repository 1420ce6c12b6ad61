// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// An ordinary user who maps more than itself, by way of newuidmap(1) and newgidmap(1).
#include <atomic>
#include <csignal>

#include <pwd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

std::atomic<int> children_seen = 0;

class SubordinateIds : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        CT_REQUIRE(Privilege::SetUser);
        CT_REQUIRE(Privilege::UserNamespaces);
        ASSERT_EQ(::access("/usr/bin/newuidmap", X_OK), 0) << "tools/setup test installs it";
    }

    void TearDown() override {
        for (const char* const file : covered_) EXPECT_EQ(::umount(file), 0) << file;
        ContainerTest::TearDown();
    }

    /// Puts \p text in place of a file of the host, for the mount namespace of this test.
    void cover(const char* file, const std::string& text) {
        if (!fs::exists(file)) GTEST_SKIP() << file << " is missing";
        const fs::path own = make_file(fs::path(file).filename(), text);
        ASSERT_EQ(::mount(own.c_str(), file, nullptr, MS_BIND, nullptr), 0);
        covered_.push_back(file);
    }
    void give_ids(const std::string& uids, const std::string& gids) {
        cover("/etc/subuid", uids);
        cover("/etc/subgid", gids);
    }

    static Container mapped(Session& session) {
        return session.create("own").add_namespace(Namespace::User).map_subordinate_ids();
    }

private:
    std::vector<const char*> covered_;
};

TEST_F(SubordinateIds, AreMappedAboveTheCaller) {
    give_ids("root:500000:10\n1000:100000:65536\n1000:300000:1000\n", "1000:200000:65536\n");
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = mapped(session).add_namespaces({Namespace::Mount, Namespace::Uts}).set_hostname("many");
        ProcessSpec spec = host_program({"ids"});
        spec.user = User{70, 80, {90, 100}};
        EXPECT_EQ(run(container, spec).out, "uid 70 70 70\ngid 80 80 80\ngroups 90 100\n");
        const Process process = start_ready(container, host_program({"pause"}));
        EXPECT_EQ(map_of(process.pid(), "uid_map"), "0 1000 1\n1 100000 65536\n65537 300000 1000\n");
        EXPECT_EQ(map_of(process.pid(), "gid_map"), "0 1000 1\n1 200000 65536\n");
        EXPECT_EQ(run_entered(container, host_program({"uname"})).out, "many\n(none)\n");
        EXPECT_TRUE(exited(run(session.create("called").set_spec(container.spec()), {}, [] { return 5; }).status, 5));
        container.kill();
        container.wait();
    }));
}

TEST_F(SubordinateIds, AreFoundByTheUsersName) {
    const passwd* const user = ::getpwuid(1000);
    if (user == nullptr) GTEST_SKIP() << "user 1000 has no name here";
    const std::string name = user->pw_name;
    give_ids(name + ":100000:5\n", name + ":100000:5\n");
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        EXPECT_EQ(mapped(session).spec().uid_map, (std::vector<IdRange>{{0, 1000, 1}, {1, 100000, 5}}));
    }));
}

TEST_F(SubordinateIds, HeldContainersHaveThemToo) {
    if (ForksHaveThreads) GTEST_SKIP() << "setns(2): a process with several threads joins no user or time namespace";
    give_ids("1000:100000:65536\n", "1000:200000:65536\n");
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = mapped(session);
        container.hold();
        ProcessSpec spec = host_program({"ids"});
        spec.user = User{7, 8, {9}};
        EXPECT_EQ(run_entered(container, spec).out, "uid 7 7 7\ngid 8 8 8\ngroups 9\n");
        container.kill();
    }));
}

TEST_F(SubordinateIds, HostSeesNothingOfTheHelpers) {
    give_ids("1000:100000:65536\n", "1000:200000:65536\n");
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        struct sigaction action {};
        action.sa_handler = [](int) { ++children_seen; };
        ::sigaction(SIGCHLD, &action, nullptr);
        Session session;
        Container container = mapped(session);
        container.hold(); // no program of libct's own, whose end would be seen
        EXPECT_EQ(children_seen, 0);
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
        EXPECT_EQ(errno, ECHILD);
        container.kill();
    }));
}

TEST_F(SubordinateIds, MissingOnesAreExplained) {
    give_ids("somebody:100000:65536\n1000:oops:3\n1000:100000\n:1000:5\n", "1000:200000:65536\n");
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("own").add_namespace(Namespace::User);
        EXPECT_TRUE(fails([&] { container.map_subordinate_ids(); }, Errc::Unsupported,
                          {"container 'own': map the subordinate ids of user", "'/etc/subuid'", "add a line such as",
                           ":100000:65536"}));
        EXPECT_TRUE(container.spec().uid_map.empty());
        EXPECT_TRUE(container.spec().gid_map.empty());
    }));
}

TEST_F(SubordinateIds, HelperTellsWhatItRefuses) {
    give_ids("1000:100000:10\n", "1000:200000:10\n");
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("own").add_namespace(Namespace::User);
        container.add_uid_map({0, 0, 10}).add_gid_map({0, 1000, 1});
        EXPECT_TRUE(fails(
            [&] {
                container.start(host_program({"exit", "0"}));
            },
            std::errc::operation_not_permitted,
            {"container 'own': write the map \"0 0 10\" to '/proc/", "uid_map", "newuidmap exited with", "not allowed",
             "/etc/subuid"}));
        EXPECT_EQ(container.state(), State::Stopped);
        ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        Container late = session.create("late").add_namespace(Namespace::User).map_subordinate_ids();
        EXPECT_TRUE(fails(
            [&] {
                late.start(host_program({"exit", "0"}));
            },
            std::errc::operation_not_permitted, {"gid_map", "no_new_privs"}));
    }));
}

TEST_F(SubordinateIds, MissingHelperIsNamed) {
    give_ids("1000:100000:10\n", "1000:200000:10\n");
    cover("/usr/bin/newgidmap", ""); // nobody may execute it
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = mapped(session);
        EXPECT_TRUE(fails(
            [&] {
                container.start(host_program({"exit", "0"}));
            },
            Errc::Unsupported, {"gid_map", "needs newgidmap", "Debian package uidmap"}));
    }));
}

TEST_F(SubordinateIds, RootNeedsNoHelper) {
    give_ids("root:100000:10\n", "0:200000:10\n");
    cover("/usr/bin/newuidmap", "");
    cover("/usr/bin/newgidmap", "");
    Container container = mapped(session());
    const Process process = start_ready(container, host_program({"pause"}));
    EXPECT_EQ(map_of(process.pid(), "uid_map"), "0 0 1\n1 100000 10\n");
    EXPECT_EQ(map_of(process.pid(), "gid_map"), "0 0 1\n1 200000 10\n");
    container.kill();
    container.wait();
}

} // namespace
} // namespace ct::test
