// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "base/fault.hpp"
#include "cgroup/devices.hpp"
#include "cgroup/parents.hpp"
#include "cgroup/removal.hpp"
#include "support/cgroups.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using internal::Group;

constexpr DeviceRule Null{.allow = true, .type = DeviceClass::Character, .major = 1, .minor = 3};
constexpr DeviceRule Full{.allow = true, .type = DeviceClass::Character, .major = 1, .minor = 7};

class DeviceRules : public ContainerTest {
protected:
    [[nodiscard]] Container ruled(std::vector<DeviceRule> rules, const std::string& name = "box") {
        return isolated(name).add_default_mounts().set_cgroup({.limits = {.devices = std::move(rules)}});
    }
    /// errno of opening it inside, or 0.
    static int open_inside(Container& container, const char* path, int flags) {
        const auto result = [path, flags] { return ::open(path, flags) >= 0 ? 0 : errno; };
        return container.start({}, result).wait().value;
    }
    static int make_inside(Container& container, mode_t type, unsigned major, unsigned minor) {
        const auto result = [=] { return ::mknod("/dev/made", type | 0600, ::makedev(major, minor)) == 0 ? 0 : errno; };
        return container.start({}, result).wait().value;
    }
};

TEST_F(DeviceRules, AnEmptyListDeniesAllOnceTheContainerIsSetUp) {
    // Its own nodes are made before, and the host's /dev/null is open already.
    Container container = ruled({});
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    EXPECT_EQ(open_inside(container, "/dev/null", O_RDWR), EPERM);
    EXPECT_EQ(open_inside(container, "/dev/full", O_RDONLY), EPERM);
    EXPECT_EQ(make_inside(container, S_IFCHR, 1, 7), EPERM);
    EXPECT_EQ(make_inside(container, S_IFIFO, 0, 0), 0) << "no device";
}

TEST_F(DeviceRules, GrantWhatTheyAllow) {
    Container container = ruled({Null});
    EXPECT_EQ(open_inside(container, "/dev/null", O_RDWR), 0);
    EXPECT_EQ(open_inside(container, "/dev/full", O_RDWR), EPERM);
    EXPECT_EQ(make_inside(container, S_IFCHR, 1, 3), 0);
    EXPECT_EQ(make_inside(container, S_IFBLK, 1, 3), EPERM);

    DeviceRule read = Full;
    read.write = read.make = false;
    Container reads = ruled({read}, "reads");
    EXPECT_EQ(open_inside(reads, "/dev/full", O_RDONLY), 0);
    EXPECT_EQ(open_inside(reads, "/dev/full", O_WRONLY), EPERM);
    EXPECT_EQ(open_inside(reads, "/dev/full", O_RDWR), EPERM) << "it takes both";
    EXPECT_EQ(make_inside(reads, S_IFCHR, 1, 7), EPERM);
}

TEST_F(DeviceRules, TheLastOneCounts) {
    DeviceRule no_full = Full;
    no_full.allow = false;
    Container container = ruled({{.allow = true}, no_full});
    EXPECT_EQ(open_inside(container, "/dev/full", O_RDONLY), EPERM);
    EXPECT_EQ(open_inside(container, "/dev/zero", O_RDWR), 0);
    Container again = ruled({{.allow = true}, no_full, Full}, "again");
    EXPECT_EQ(open_inside(again, "/dev/full", O_RDWR), 0);
}

TEST_F(DeviceRules, TheDefaultOnesDoForATerminalAndWhoEnters) {
    Container container = ruled(default_device_rules());
    ProcessSpec terminal = program({"tty"});
    terminal.terminal.emplace();
    terminal.new_session = true;
    EXPECT_TRUE(exited(container.start(terminal).wait(), 0));
    start_ready(container, program({"pause"}));
    EXPECT_TRUE(succeeded(run_entered(container, program({"openpty"}))));
    EXPECT_EQ(container.enter({}, [] { return ::open("/dev/full", O_RDWR) >= 0 ? 0 : errno; }).wait().value, 0);
    EXPECT_EQ(container
                  .enter({},
                         [] {
                             return ::mknod("/dev/loop", S_IFBLK | 0600, ::makedev(7, 0)) == 0 &&
                                            ::open("/dev/loop", O_RDONLY) < 0
                                        ? errno
                                        : 0;
                         })
                  .wait()
                  .value,
              EPERM);
    container.kill();
    container.wait();
}

TEST_F(DeviceRules, HaveNumbersThatDevicesCanHave) {
    EXPECT_TRUE(fails([&] { (void)ruled({{.allow = true, .major = ~0U}}); }, Errc::InvalidConfig, {"device rule"}));
    EXPECT_TRUE(fails([&] { (void)ruled({{.allow = true, .minor = 1U << 20U}}, "second"); }, Errc::InvalidConfig,
                      {"device rule"}));
}

class UpdatedDeviceRules : public DeviceRules {
protected:
    /// errno of opening null and full by somebody who enters.
    static std::pair<int, int> errors(Container& container) {
        const auto open = [](const char* path) { return ::open(path, O_RDWR) >= 0 ? 0 : errno; };
        return {container.enter({}, [&] { return open("/dev/null"); }).wait().value,
                container.enter({}, [&] { return open("/dev/full"); }).wait().value};
    }
    /// Starts it, checks \p body, and ends it.
    void with(Container container, const std::function<void(Container&)>& body) {
        start_ready(container, program({"pause"}));
        body(container);
        container.kill();
        container.wait();
    }
    static Limits rules(std::vector<DeviceRule> list) { return {.devices = std::move(list)}; }
};

TEST_F(UpdatedDeviceRules, ReplaceThoseBefore) {
    Container container = ruled({Null});
    with(container, [&](Container&) {
        EXPECT_EQ(errors(container), std::pair(0, EPERM));
        container.update(rules({Full}));
        EXPECT_EQ(errors(container), std::pair(EPERM, 0));
        EXPECT_EQ(container.spec().cgroup.limits.devices, std::vector{Full});
        container.update(rules({Full, Null}));
        EXPECT_EQ(errors(container), std::pair(0, 0));
        container.update({});
        EXPECT_EQ(errors(container), std::pair(0, 0)) << "they are as they were";
        container.update(rules({}));
        EXPECT_EQ(errors(container), std::pair(EPERM, EPERM));
        container.update(rules({{.allow = true}}));
        EXPECT_EQ(errors(container), std::pair(0, 0));
    });
}

TEST_F(UpdatedDeviceRules, FollowNoRulesAtAll) {
    Container container = isolated().add_default_mounts().add_controller(Controller::Devices);
    with(container, [&](Container&) {
        EXPECT_EQ(errors(container), std::pair(0, 0));
        container.update(rules({Null}));
        EXPECT_EQ(errors(container), std::pair(0, EPERM));
    });
}

TEST_F(UpdatedDeviceRules, HoldForGroupsThatTheContainerHasMade) {
    Container container = ruled({Null, Full});
    with(container, [&](Container&) {
        const std::string nested = container.cgroup_path(Controller::Devices) + "/nested";
        ASSERT_EQ(::mkdir(nested.c_str(), 0755), 0);
        const auto moved = [&] {
            const auto open = [&] {
                const std::string processes = nested + "/cgroup.procs";
                const int file = ::open(processes.c_str(), O_WRONLY);
                if (::write(file, "0", 1) != 1) return -1;
                return ::open("/dev/full", O_RDWR) >= 0 ? 0 : errno;
            };
            // In the host's files.
            const Process entered = session().create("mover").start({}, open);
            return entered.wait().value;
        };
        EXPECT_EQ(moved(), 0);
        container.update(rules({Null}));
        EXPECT_EQ(moved(), EPERM);
    });
}

TEST_F(UpdatedDeviceRules, AFailedUpdateChangesNothing) {
    Container container =
        isolated().add_default_mounts().set_cgroup({.limits = {.pids_max = 20, .devices = std::vector{Null}}});
    with(container, [&](Container&) {
        const Limits given{.pids_max = 30, .devices = std::vector{Full}};
        internal::Faults faults{.error = ENOTRECOVERABLE};
        bool failed = true;
        for (faults.at = 1; failed; ++faults.at) {
            faults.passed = 0;
            internal::faults = &faults;
            failed = false;
            try {
                container.update(given);
            } catch (const Error& error) {
                EXPECT_EQ(error.code(), std::errc::state_not_recoverable) << error.what();
                failed = true;
            }
            internal::faults = nullptr;
            if (!failed) continue;
            EXPECT_EQ(errors(container), std::pair(0, EPERM)) << faults.at;
            EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "20") << faults.at;
            EXPECT_EQ(container.spec().cgroup.limits.devices, std::vector{Null});
        }
        EXPECT_GE(faults.at, 4U);
        EXPECT_EQ(errors(container), std::pair(EPERM, 0));
        EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "30");
    });
}

TEST_F(UpdatedDeviceRules, AFullDiskLetsThemBeAsTheyWere) {
    mount_tmpfs(dir() / "state", "size=128k,mode=700");
    const fs::path filler = dir() / "state" / "filler";
    Session own({.state_directory = dir() / "state", .cgroup_parent = cgroup_parent()});
    for (const bool ruled_before : {true, false}) {
        SCOPED_TRACE(ruled_before ? "there are rules" : "there are none");
        Container container = own.create(ruled_before ? "ruled" : "free")
                                  .set_root(image().string())
                                  .add_namespaces({Namespace::Mount, Namespace::Pid})
                                  .add_default_mounts()
                                  .add_controller(Controller::Devices);
        if (ruled_before) container.set_limits(rules({Null}));
        const auto expected = ruled_before ? std::pair(0, EPERM) : std::pair(0, 0);
        with(container, [&](Container&) {
            std::ofstream(filler) << std::string(std::size_t{1} << 20U, 'x');
            EXPECT_TRUE(fails([&] { container.update(rules({Full})); }, std::errc::no_space_on_device, {"record"}));
            fs::remove(filler);
            EXPECT_EQ(errors(container), expected);
            EXPECT_EQ(container.spec().cgroup.limits.devices.has_value(), ruled_before);
            container.update(rules({Full}));
            EXPECT_EQ(errors(container), std::pair(EPERM, 0));
        });
    }
}

TEST_F(UpdatedDeviceRules, OfVersion1AreOfOneKind) {
    if (!has_version_1(Controller::Devices)) GTEST_SKIP() << "needs the devices controller of cgroup version 1";
    DeviceRule no_full = Full;
    no_full.allow = false;
    DeviceRule no_null = Null;
    no_null.allow = false;
    with(ruled({{.allow = true}, no_full}), [&](Container& container) {
        container.update(rules({{.allow = true}, no_null}));
        EXPECT_EQ(errors(container), std::pair(EPERM, 0));
        EXPECT_TRUE(fails([&] { container.update(rules({Full})); }, Errc::Unsupported,
                          {"container 'box': change the device rules", "start the container anew"}));
        EXPECT_EQ(errors(container), std::pair(EPERM, 0));
    });
    with(ruled({Null}, "other"), [&](Container& container) {
        EXPECT_TRUE(fails(
            [&] {
                container.update(rules({{.allow = true}, no_null}));
            },
            Errc::Unsupported,
            {"container 'other': change the device rules", "without granting everything for a moment"}));
        EXPECT_EQ(errors(container), std::pair(0, EPERM));
    });
}

TEST_F(UpdatedDeviceRules, NeedTheController) {
    if (!has_version_1(Controller::Devices)) GTEST_SKIP() << "needs the devices controller of cgroup version 1";
    with(isolated().set_limits({.pids_max = 20}), [&](Container& container) {
        EXPECT_TRUE(fails([&] { container.update({.pids_max = 30, .devices = std::vector{Null}}); }, Errc::InvalidState,
                          {"use the devices controller", "started without it"}));
        EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "20");
    });
}

/// The program of version 2, also where the devices controller is one of version 1: both count there.
class DevicePrograms : public DeviceRules {
protected:
    void SetUp() override {
        DeviceRules::SetUp();
        unified_ = hierarchies_.unified() != nullptr && hierarchies_.unified()->writable;
    }
    const internal::Hierarchies hierarchies_ = internal::Hierarchies::detect();
    bool unified_ = false;
};

TEST_F(DevicePrograms, AreReplacedAndGoWithTheGroup) {
    if (!unified_) GTEST_SKIP() << "needs cgroup version 2";
    Container container = isolated().add_default_mounts().set_cgroup({.own_group = true});
    start_ready(container, program({"pause"}));
    const internal::Groups groups = internal::open_groups(hierarchies_, {own_group_path(container)});
    const Group& group = *groups.unified();
    const auto errors = [&] {
        const auto open = [](const char* path) { return ::open(path, O_RDWR) >= 0 ? 0 : errno; };
        return std::pair(container.enter({}, [&] { return open("/dev/null"); }).wait().value,
                         container.enter({}, [&] { return open("/dev/full"); }).wait().value);
    };
    EXPECT_EQ(errors(), std::pair(0, 0));
    internal::attach_device_program(group, {Null});
    EXPECT_EQ(errors(), std::pair(0, EPERM));
    for (int i = 0; i < 100; ++i) internal::attach_device_program(group, {Full}); // the kernel takes 64 at once
    EXPECT_EQ(errors(), std::pair(EPERM, 0));
    internal::attach_device_program(group, {{.allow = true}});
    EXPECT_EQ(errors(), std::pair(0, 0));
    // As many rules as anybody has.
    std::vector<DeviceRule> many(2000, Full);
    for (std::size_t i = 0; i < many.size(); ++i) {
        many[i].minor = static_cast<std::uint32_t>(1000 + i);
        many[i].allow = i % 3 != 0;
    }
    many.push_back(Null);
    internal::attach_device_program(group, many);
    EXPECT_EQ(errors(), std::pair(0, EPERM));
    container.kill();
    container.wait();
}

TEST_F(DevicePrograms, ComeBackIfTheLastStepFails) {
    if (!unified_) GTEST_SKIP() << "needs cgroup version 2";
    Container container = isolated().add_default_mounts().set_cgroup({.own_group = true});
    start_ready(container, program({"pause"}));
    const internal::Groups groups = internal::open_groups(hierarchies_, {own_group_path(container)});
    const Group& group = *groups.unified();
    const auto full = [&] {
        return container.enter({}, [] { return ::open("/dev/full", O_RDWR) >= 0 ? 0 : errno; }).wait().value;
    };
    const auto fail = [&](int expected) {
        const auto finish = [&] {
            EXPECT_EQ(full(), expected) << "it comes last";
            throw Error(Errc::BadRecord, Stage::State, "write");
        };
        const std::vector<DeviceRule> rules = expected == 0 ? std::vector{Full} : std::vector{Null};
        EXPECT_TRUE(fails([&] { internal::update_device_rules(group, {}, rules, finish); }, Errc::BadRecord, {}));
    };
    fail(EPERM);
    EXPECT_EQ(full(), 0) << "there was none";
    internal::attach_device_program(group, {Null});
    for (int i = 0; i < 100; ++i) fail(0); // the kernel takes 64 at once
    EXPECT_EQ(full(), EPERM);
    container.kill();
    container.wait();
}

TEST_F(DevicePrograms, AreRefusedWithTheReason) {
    if (!unified_) GTEST_SKIP() << "needs cgroup version 2";
    Container container = isolated().set_cgroup({.own_group = true});
    start_ready(container, program({"pause"}));
    const std::string path = own_group_path(container);
    EXPECT_TRUE(passes_in_child([&] {
        const internal::Groups groups = internal::open_groups(hierarchies_, {path});
        become_unprivileged();
        EXPECT_TRUE(fails([&] { internal::attach_device_program(*groups.unified(), {Null}); },
                          std::errc::operation_not_permitted,
                          {"load the eBPF program for the devices of '" + path, "CAP_SYS_ADMIN"}));
    }));
    container.kill();
    container.wait();
}

} // namespace
} // namespace ct::test
