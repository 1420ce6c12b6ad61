// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "cgroup/devices.hpp"
#include "cgroup/parents.hpp"
#include "cgroup/removal.hpp"
#include "support/cgroups.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

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
