// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <csignal>
#include <cstdlib>

#include <sys/wait.h>
#include <unistd.h>

#include "cgroup/hierarchies.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using internal::Hierarchies;

/// Why there can be no scopes here; empty if there can.
std::string why_not() {
    if (!fs::exists("/run/systemd/system")) return "needs systemd";
    for (const internal::Hierarchy& hierarchy : Hierarchies::detect().all()) {
        if (hierarchy.version == 1) return "needs cgroup version 2 alone";
    }
    return "";
}

SessionOptions with_systemd(std::optional<std::string> slice = {}) {
    return {.cgroup_parent = std::move(slice), .cgroup_manager = CgroupManager::Systemd};
}

std::string output_of(const std::string& command) {
    std::string text;
    FILE* const pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) return "cannot run " + command;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
    ::pclose(pipe);
    return text;
}

std::string property(const std::string& name, const std::string& unit = "libct-box.scope") {
    std::string text = output_of("systemctl show --value --property=" + name + " " + unit);
    return text.substr(0, text.find('\n'));
}

/// Of version 2.
std::string group_of(pid_t pid) {
    const std::string text = content("/proc/" + std::to_string(pid) + "/cgroup");
    return text.substr(0, text.find('\n'));
}

class SystemdScopes : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        if (const std::string reason = why_not(); !reason.empty()) GTEST_SKIP() << reason;
    }
    [[nodiscard]] Container scoped(Session& session) const {
        return session.create("box")
            .set_root(image().string())
            .add_namespaces({Namespace::Mount, Namespace::Pid})
            .set_controller_value(Controller::Pids, "pids.max", "7");
    }
};

class SystemdRefusals : public ContainerTest {};

TEST_F(SystemdScopes, AContainerIsInAGroupOfADelegatedScope) {
    Session session(with_systemd());
    Container container = scoped(session);
    for (int round = 0; round < 2; ++round) {
        const Process init = start_ready(container, program({"pause"}));
        EXPECT_EQ(group_of(init.pid()), "0::/system.slice/libct-box.scope/box");
        EXPECT_EQ(container.cgroup_path(Controller::Pids), "/sys/fs/cgroup/system.slice/libct-box.scope/box");
        EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "7");
        EXPECT_EQ(property("Delegate"), "yes");
        EXPECT_EQ(property("Description"), "libct container box");
        EXPECT_TRUE(contains(run_entered(container, program({"cat", "/proc/self/stat"})).err, ""));
        ProcessSpec pause = program({"pause"});
        pause.stdio.out = Stdio::Pipe;
        const Process entered = container.enter(pause);
        EXPECT_EQ(read_line(entered.stream(1)), "ready");
        EXPECT_EQ(group_of(entered.pid()), group_of(init.pid()));
        container.kill();
        container.wait();
        EXPECT_EQ(property("LoadState"), "not-found");
        EXPECT_FALSE(fs::exists("/sys/fs/cgroup/system.slice/libct-box.scope"));
    }
}

TEST_F(SystemdScopes, ASliceAndPropertiesAreAsked) {
    SessionOptions options = with_systemd("libcttest.slice");
    options.systemd_properties = {{"RuntimeMaxUSec", std::uint64_t{3600'000'000}}, {"SendSIGHUP", true}};
    {
        Session session(options);
        Container container = scoped(session);
        const Process init = start_ready(container, program({"pause"}));
        EXPECT_EQ(group_of(init.pid()), "0::/libcttest.slice/libct-box.scope/box");
        EXPECT_EQ(property("RuntimeMaxUSec"), "1h");
        EXPECT_EQ(property("SendSIGHUP"), "yes");
    }
    EXPECT_EQ(property("LoadState"), "not-found");
    EXPECT_EQ(output_of("systemctl stop libcttest.slice"), "");
}

TEST_F(SystemdScopes, SystemdLeavesTheLimitsAlone) {
    Session session(with_systemd());
    Container container = scoped(session);
    const Process init = start_ready(container, program({"pause"}));
    EXPECT_EQ(output_of("systemctl daemon-reload 2>&1"), "");
    EXPECT_EQ(output_of("systemctl set-property --runtime libct-box.scope TasksMax=100 2>&1"), "");
    EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "7");
    EXPECT_EQ(group_of(init.pid()), "0::/system.slice/libct-box.scope/box");
    container.kill();
    container.wait();
}

TEST_F(SystemdScopes, LimitsMayComeAfterTheSetUp) {
    Session session(with_systemd());
    Container container = session.create("box").set_cgroup(
        {.values = {{Controller::Pids, "pids.max", "5"}}, .limits_after_set_up = true});
    const Process init = start_ready(container, host_program({"pause"}));
    EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "5");
    container.kill();
    container.wait();
}

TEST_F(SystemdScopes, OneThatStopsTheScopeEndsTheContainer) {
    Session session(with_systemd());
    Container container = scoped(session);
    const Process init = start_ready(container, program({"pause"}));
    EXPECT_EQ(output_of("systemctl kill --signal=KILL libct-box.scope 2>&1"), "");
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
    EXPECT_EQ(property("LoadState"), "not-found");
}

TEST_F(SystemdScopes, ANameThatIsTakenIsToldAndLeftAlone) {
    ASSERT_EQ(output_of("systemd-run --quiet --unit=libct-box.scope --scope sleep 1000 >/dev/null 2>&1 & "
                        "until systemctl --quiet is-active libct-box.scope; do :; done"),
              "");
    Session session(with_systemd());
    Container container = scoped(session);
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        Errc::NameInUse, {"container 'box': start the scope 'libct-box.scope'", "a unit of that name is loaded"}));
    EXPECT_EQ(property("ActiveState"), "active");
    EXPECT_EQ(output_of("systemctl stop libct-box.scope"), "");
    EXPECT_TRUE(exited(container.start(program({"exit", "3"})).wait(), 3));
}

TEST_F(SystemdScopes, AFailedStartLeavesNoUnit) {
    Session session(with_systemd());
    Container container = scoped(session).set_controller_value(Controller::Pids, "pids.max", "many");
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::invalid_argument, {"container 'box': write \"many\" to", "libct-box.scope/box/pids.max"}));
    EXPECT_EQ(property("LoadState"), "not-found");
    SessionOptions options = with_systemd();
    options.systemd_properties = {{"NoSuchProperty", true}};
    Session other(options);
    Container second = scoped(other);
    try {
        second.start(program({"exit", "0"}));
        ADD_FAILURE() << "a property that does not exist was taken";
    } catch (const Error& error) {
        EXPECT_TRUE(contains(error.what(), "start the scope 'libct-box.scope'"));
        EXPECT_TRUE(contains(error.what(), "NoSuchProperty"));
    }
    EXPECT_EQ(property("LoadState"), "not-found");
    EXPECT_TRUE(fails([&] { scoped(session).hold(); }, Errc::NameInUse, {"box"}));
}

TEST_F(SystemdScopes, AnOrdinaryUserAsksItsOwnManager) {
    if (!fs::exists("/run/user/1000/bus")) GTEST_SKIP() << "needs a lingering manager of user 1000";
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        ::setenv("XDG_RUNTIME_DIR", "/run/user/1000", 1);
        ::unsetenv("DBUS_SESSION_BUS_ADDRESS");
        Session session(with_systemd());
        Container container = session.create("box").set_controller_value(Controller::Pids, "pids.max", "7");
        const Process init = start_ready(container, host_program({"pause"}));
        EXPECT_TRUE(contains(group_of(init.pid()), "/user@1000.service/"));
        EXPECT_TRUE(group_of(init.pid()).ends_with("/libct-box.scope/box"));
        EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "7");
        ProcessSpec pause = host_program({"pause"});
        pause.stdio.out = Stdio::Pipe;
        const Process entered = container.enter(pause);
        EXPECT_EQ(read_line(entered.stream(1)), "ready");
        EXPECT_EQ(group_of(entered.pid()), group_of(init.pid()));
        container.kill();
        container.wait();
    }));
}

TEST_F(SystemdRefusals, ControllersOfVersion1AreSaidToBeTheReason) {
    const auto hierarchies = Hierarchies::detect();
    const auto& all = hierarchies.all();
    const bool old = std::any_of(all.begin(), all.end(), [](const auto& hierarchy) { return hierarchy.version == 1; });
    if (!old) GTEST_SKIP() << "needs cgroup version 1";
    Session session(with_systemd());
    Container container = session.create("box").add_controller(Controller::Pids);
    EXPECT_TRUE(fails(
        [&] {
            container.start(host_program({"exit", "0"}));
        },
        Errc::Unsupported, {"container 'box': make a scope of systemd", "version 2 alone", all.front().mount_point}));
    EXPECT_TRUE(exited(session.create("free").start(host_program({"exit", "3"})).wait(), 3));
}

TEST_F(SystemdRefusals, AHostWithoutSystemdIsTold) {
    if (fs::exists("/run/systemd/system")) GTEST_SKIP() << "this host has systemd";
    if (Hierarchies::detect().all().size() != 1) GTEST_SKIP() << "needs cgroup version 2 alone";
    Session session(with_systemd());
    Container container = session.create("box").add_controller(Controller::Pids);
    EXPECT_TRUE(fails(
        [&] {
            container.start(host_program({"exit", "0"}));
        },
        Errc::Unsupported, {"container 'box': talk to systemd", "not booted with systemd"}));
}

TEST_F(SystemdRefusals, AParentIsASlice) {
    for (const char* const bad : {"", "/machine", "machine", ".slice", "a/b.slice", "a b.slice"}) {
        EXPECT_TRUE(fails([&] { Session session(with_systemd(bad)); }, Errc::InvalidConfig, {"the slice '"})) << bad;
    }
}

} // namespace
} // namespace ct::test
