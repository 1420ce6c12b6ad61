// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fstream>

#include <malloc.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cgroup/hierarchies.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using internal::Hierarchies;
using internal::Hierarchy;

void write_file(const std::string& path, const std::string& text) {
    std::ofstream file(path);
    file << text;
    if (!file.flush()) throw std::system_error(errno, std::system_category(), "write " + path);
}

/// Gives the group to user 1000 as systemd does: the directory and what moves processes, but no limits.
void delegate(const std::string& group) {
    for (const char* const file : {"", "/cgroup.procs", "/cgroup.threads", "/cgroup.subtree_control", "/tasks"}) {
        const std::string path = group + file;
        if (fs::exists(path) && ::chown(path.c_str(), 1000, 1000) != 0)
            throw std::system_error(errno, std::system_category(), "chown " + path);
    }
}

void as_root_of_its_own(Container& container) {
    container.add_namespaces({Namespace::User, Namespace::Pid}).add_uid_map({0, 1000, 1}).add_gid_map({0, 1000, 1});
}

class CgroupPlaces : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        pids_ = hierarchies_.find(Controller::Pids);
        if (pids_ == nullptr) GTEST_SKIP() << "needs the pids controller";
    }
    void TearDown() override {
        for (auto group = made_.rbegin(); group != made_.rend(); ++group) ::rmdir(group->c_str());
        ContainerTest::TearDown();
    }

    /// A new group, removed after the test. With \p hand_down those in it can use the pids controller.
    std::string make_group(const std::string& path, bool hand_down = true) {
        fs::create_directory(path);
        made_.push_back(path);
        if (hand_down && pids_->version == 2) {
            write_file(path.substr(0, path.rfind('/')) + "/cgroup.subtree_control", "+pids");
        }
        return path;
    }
    [[nodiscard]] std::string top() const { return pids_->mount_point + cgroup_parent(); }

    const Hierarchies hierarchies_ = Hierarchies::detect();
    const Hierarchy* pids_ = nullptr;

private:
    std::vector<std::string> made_;
};

TEST_F(CgroupPlaces, AUserHasThemBelowTheTopmostDelegatedGroup) {
    const std::string delegated = make_group(top());
    const std::string own = make_group(delegated + "/host", false);
    delegate(delegated);
    delegate(own);
    EXPECT_TRUE(passes_in_child([&] {
        write_file(own + "/cgroup.procs", std::to_string(::getpid()));
        become_unprivileged();
        Session session;
        Container container = session.create("box").set_cgroup({.controllers = {Controller::Pids}, .values = {}});
        // A group to end all of its processes would be in another hierarchy, of which nothing is delegated.
        if (hierarchies_.all().size() > 1) as_root_of_its_own(container);
        container.set_controller_value(Controller::Pids, "pids.max", "9");
        const Process init = start_ready(container, host_program({"pause"}));
        EXPECT_EQ(container.cgroup_path(Controller::Pids), delegated + "/box");
        EXPECT_EQ(container.controller_value(Controller::Pids, "pids.max"), "9");
        EXPECT_TRUE(succeeded(run_entered(container, host_program({"exit", "0"}))));
        container.kill();
        container.wait();
        EXPECT_FALSE(fs::exists(delegated + "/box"));
    }));
}

TEST_F(CgroupPlaces, AUserMayNameAParentThatBelongsToIt) {
    if (pids_->version == 2) GTEST_SKIP() << "needs version 1: of version 2 the host has to be below the parent";
    const std::string delegated = make_group(top());
    delegate(delegated);
    const std::string parent = cgroup_parent();
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session({.cgroup_parent = parent + "/inner"});
        Container container = session.create("box").add_controller(Controller::Pids);
        as_root_of_its_own(container);
        const Process init = start_ready(container, host_program({"pause"}));
        EXPECT_EQ(container.cgroup_path(Controller::Pids), delegated + "/inner/box");
        container.kill();
        container.wait();
    }));
    EXPECT_FALSE(fs::exists(delegated + "/inner"));
}

TEST_F(CgroupPlaces, AUserWithOneHierarchyIsToldToMakeAPidNamespace) {
    if (pids_->version == 2) GTEST_SKIP() << "needs the pids controller of version 1, and another hierarchy";
    const std::string delegated = make_group(top());
    delegate(delegated);
    for (const bool named : {true, false}) {
        EXPECT_TRUE(passes_in_child([&] {
            write_file(delegated + "/cgroup.procs", std::to_string(::getpid()));
            SessionOptions options;
            if (named) options.cgroup_parent = "/libct-test-" + std::to_string(::getppid());
            become_unprivileged();
            Session session(options);
            Container container = session.create("box").add_controller(Controller::Pids);
            const auto start = [&] { container.start(host_program({"exit", "0"})); };
            EXPECT_TRUE(fails(start, std::errc::permission_denied, {"add Namespace::Pid"}));
            EXPECT_FALSE(fs::exists(delegated + "/box"));
            container.set_cgroup({.own_group = true});
            try {
                start();
                ADD_FAILURE() << "nothing is delegated there";
            } catch (const Error& error) {
                EXPECT_EQ(error.hint().find("Namespace::Pid"), std::string::npos) << "it was asked for";
            }
        }));
    }
}

TEST_F(CgroupPlaces, AUserWithoutAnyIsToldSo) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("box").add_controller(Controller::Pids);
        EXPECT_TRUE(fails(
            [&] {
                container.start(host_program({"exit", "0"}));
            },
            std::errc::permission_denied,
            {"container 'box': find a cgroup to make groups in, below '" + pids_->mount_point + "'",
             "nothing there is delegated to this user"}));
        for (const HostFeature& feature : session.capabilities()) {
            if (feature.name != "cgroup.pids") continue;
            EXPECT_FALSE(feature.available);
            EXPECT_TRUE(contains(feature.detail, "nothing there is delegated to this user"));
            EXPECT_TRUE(contains(feature.remedy, "Delegate=yes"));
        }
    }));
}

TEST_F(CgroupPlaces, AGroupWithTheHostInItCannotHandControllersDown) {
    if (pids_->version == 1) GTEST_SKIP() << "needs the pids controller of version 2";
    const std::string delegated = make_group(top());
    delegate(delegated);
    EXPECT_TRUE(passes_in_child([&] {
        write_file(delegated + "/cgroup.procs", std::to_string(::getpid()));
        become_unprivileged();
        Session session;
        Container container = session.create("box").add_controller(Controller::Pids);
        EXPECT_TRUE(fails(
            [&] {
                container.start(host_program({"exit", "0"}));
            },
            std::errc::device_or_resource_busy, {"cgroup.subtree_control", "move them into a group below"}));
        EXPECT_FALSE(fs::exists(delegated + "/box"));
        for (const HostFeature& feature : session.capabilities()) {
            if (feature.name != "cgroup.pids") continue;
            EXPECT_TRUE(contains(feature.detail, "has processes of its own"));
        }
    }));
}

TEST_F(CgroupPlaces, AControllerThatIsNotHandedDownIsSaidToBe) {
    if (pids_->version == 1) GTEST_SKIP() << "needs the pids controller of version 2";
    const std::string above = make_group(top());
    const std::string delegated = make_group(above + "/delegated", false);
    const std::string own = make_group(delegated + "/host", false);
    delegate(delegated);
    delegate(own);
    EXPECT_TRUE(passes_in_child([&] {
        write_file(own + "/cgroup.procs", std::to_string(::getpid()));
        become_unprivileged();
        Session session;
        Container container = session.create("box").add_controller(Controller::Pids);
        EXPECT_TRUE(fails(
            [&] {
                container.start(host_program({"exit", "0"}));
            },
            Errc::Unsupported, {"use the pids controller", delegated + "/cgroup.controllers", "not handed down"}));
        EXPECT_TRUE(exited(
            session.create("plain").set_cgroup({.own_group = true}).start(host_program({"exit", "3"})).wait(), 3));
    }));
}

TEST_F(CgroupPlaces, ControllersAreHandedDownTheWholeWay) {
    if (pids_->version == 1) GTEST_SKIP() << "needs the pids controller of version 2";
    const std::string parent = cgroup_parent();
    Session session({.cgroup_parent = parent + "/a/b"});
    Container container = session.create("box").set_controller_value(Controller::Pids, "pids.max", "9");
    const Process init = start_ready(container, host_program({"pause"}));
    EXPECT_EQ(content(top() + "/a/b/box/pids.max"), "9\n");
    container.kill();
    container.wait();
}

TEST_F(CgroupPlaces, AReadOnlyMountIsNamed) {
    EXPECT_TRUE(passes_in_child([&] {
        ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
        ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        for (const Hierarchy& hierarchy : hierarchies_.all()) {
            ASSERT_EQ(
                ::mount(nullptr, hierarchy.mount_point.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
        }
        for (const std::optional<std::string>& parent :
             {std::optional<std::string>(), std::optional<std::string>("/libct-none")}) {
            Session session({.cgroup_parent = parent});
            Container container = session.create("box").add_controller(Controller::Pids);
            try {
                container.start(host_program({"exit", "0"}));
                ADD_FAILURE() << "it started";
            } catch (const Error& error) {
                EXPECT_TRUE(contains(error.what(), "the hierarchy is mounted read-only"));
            }
        }
    }));
}

TEST_F(CgroupPlaces, AHiddenMountIsNotUsed) {
    EXPECT_TRUE(passes_in_child([&] {
        ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
        ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        ASSERT_EQ(::mount("none", pids_->mount_point.c_str(), "tmpfs", 0, nullptr), 0);
        Session session;
        Container container = session.create("box").add_controller(Controller::Pids);
        EXPECT_TRUE(fails(
            [&] {
                container.start(host_program({"exit", "0"}));
            },
            Errc::Unsupported, {"pids controller"}));
    }));
}

TEST_F(CgroupPlaces, AHostInACgroupNamespaceMakesThemThere) {
    const std::string own = make_group(top());
    EXPECT_TRUE(passes_in_child([&] {
        write_file(own + "/cgroup.procs", std::to_string(::getpid()));
        ASSERT_EQ(::unshare(CLONE_NEWCGROUP | CLONE_NEWNS), 0);
        ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        const fs::path place = dir() / "groups";
        fs::create_directory(place);
        const bool old = pids_->version == 1;
        ASSERT_EQ(::mount("none", place.c_str(), old ? "cgroup" : "cgroup2", 0, old ? pids_->name.c_str() : nullptr),
                  0);
        for (const Hierarchy& hierarchy : hierarchies_.all()) ::umount2(hierarchy.mount_point.c_str(), MNT_DETACH);
        if (!old) {
            // The namespace's root must not have processes if it hands controllers down.
            fs::create_directory(place / "host");
            write_file(place / "host/cgroup.procs", std::to_string(::getpid()));
        }
        {
            Session session;
            Container container = session.create("box").add_controller(Controller::Pids).add_namespace(Namespace::Pid);
            const Process init = start_ready(container, host_program({"pause"}));
            EXPECT_EQ(container.cgroup_path(Controller::Pids), (place / "box").string());
            EXPECT_TRUE(fs::exists(place / "box/pids.max"));
            container.kill();
            container.wait();
        }
        ::umount2(place.c_str(), MNT_DETACH);
    }));
    ::rmdir((own + "/host").c_str());
    fs::remove(dir() / "groups");
}

std::size_t groups_in(const Hierarchies& hierarchies) {
    std::size_t count = 0;
    for (const Hierarchy& hierarchy : hierarchies.all()) {
        const fs::path top = hierarchy.mount_point + cgroup_parent();
        if (!fs::exists(top)) continue;
        for (const fs::directory_entry& entry : fs::recursive_directory_iterator(top)) count += entry.is_directory();
    }
    return count;
}

std::size_t descriptors() {
    const fs::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

TEST_F(CgroupPlaces, TwoThousandStartsAndStopsLeaveNoTrace) {
    Container container = plain().add_controller(Controller::Pids).add_controller(Controller::Freezer);
    const ProcessSpec process = host_program({"exit", "0"});
    const auto cycle = [&] {
        container.start(process);
        return container.wait().success();
    };
    // What is made once.
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(cycle());
    const std::size_t groups = groups_in(hierarchies_);
    const std::size_t open = descriptors();
    const struct mallinfo2 before = ::mallinfo2();
    const int cycles = ForksCannotAllocate || ForksHaveThreads ? 200 : 2000;
    for (int i = 0; i < cycles; ++i) ASSERT_TRUE(cycle());
    const struct mallinfo2 after = ::mallinfo2();
    EXPECT_EQ(groups_in(hierarchies_), groups);
    EXPECT_EQ(descriptors(), open);
    // One byte lost in each would be more.
    EXPECT_LT(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + 1500);
}

} // namespace
} // namespace ct::test
