// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <set>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cgroup/controllers.hpp"
#include "cgroup/hierarchies.hpp"
#include "support/fixture.hpp"
#include "support/missing_calls.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using internal::Hierarchies;
using internal::Hierarchy;

class CgroupMounts : public ContainerTest {
protected:
    /// Seeing groups of all hierarchies that have controllers.
    [[nodiscard]] Container seeing(Container container, CgroupMount mount) const {
        Cgroup cgroup{.mount = mount};
        for (const Controller controller : internal::AllControllers) {
            if (hierarchies_.find(controller) != nullptr) cgroup.controllers.push_back(controller);
        }
        container.add_namespaces({Namespace::Cgroup}).set_cgroup(cgroup).add_default_mounts();
        return container;
    }
    [[nodiscard]] Container in_user_namespace(Container container) const {
        fs::permissions(image(), fs::perms{0777});
        container.add_namespaces({Namespace::User, Namespace::Net});
        return container.add_uid_map({0, 100000, 65536}).add_gid_map({0, 100000, 65536});
    }
    [[nodiscard]] bool is_version_2_alone() const {
        return std::none_of(hierarchies_.all().begin(), hierarchies_.all().end(), [](const Hierarchy& hierarchy) {
            return hierarchy.version == 1 && !hierarchy.controllers.empty();
        });
    }
    /// Where a container sees its group.
    [[nodiscard]] std::string inside(const Hierarchy& hierarchy) const {
        if (is_version_2_alone()) return "/sys/fs/cgroup";
        return "/sys/fs/cgroup/" + (hierarchy.version == 2 ? std::string("unified") : hierarchy.name);
    }
    [[nodiscard]] std::vector<const Hierarchy*> with_controllers() const {
        std::vector<const Hierarchy*> found;
        for (const Hierarchy& hierarchy : hierarchies_.all()) {
            if (!hierarchy.controllers.empty()) found.push_back(&hierarchy);
        }
        return found;
    }
    /// A limit of that hierarchy which only the host shall change, and a value for it; empty if it has none.
    [[nodiscard]] std::pair<std::string, std::string> limit(const Hierarchy& hierarchy) const {
        const bool old = hierarchy.version == 1;
        if (hierarchy.has(Controller::Memory)) return {old ? "memory.limit_in_bytes" : "memory.max", "1073741824"};
        if (hierarchy.has(Controller::Pids)) return {"pids.max", "100"};
        if (hierarchy.has(Controller::Cpu)) return {old ? "cpu.shares" : "cpu.weight", "50"};
        if (hierarchy.has(Controller::Hugetlb) && !old) return {"hugetlb.2MB.max", "0"};
        return {};
    }
    static void end(Container& container) {
        container.kill();
        container.wait();
    }
    /// Runs a program of the image in the running container.
    static Finished in(Container& container, std::vector<std::string> args) {
        return run_entered(container, program(std::move(args)));
    }

    const Hierarchies hierarchies_ = Hierarchies::detect();
};

TEST_F(CgroupMounts, ShowItsOwnGroupsAndNothingElse) {
    Container neighbour = seeing(isolated("neighbour"), CgroupMount::None);
    const Process other = start_ready(neighbour, program({"pause"}));
    Container container = seeing(isolated(), CgroupMount::ReadOnly);
    const Process init = start_ready(container, program({"pause"}));

    std::set<std::string> expected;
    for (const Hierarchy* const hierarchy : with_controllers()) {
        const std::string place = inside(*hierarchy);
        EXPECT_TRUE(contains(in(container, {"cat", place + "/cgroup.procs"}).out, "1\n")) << place;
        EXPECT_TRUE(contains(in(container, {"statvfs", place}).out, " ro nosuid nodev noexec")) << place;
        // Directories are groups: there is none but its own, and above it is only the tmpfs.
        for (const std::string& name : lines(in(container, {"ls", place}).out)) {
            EXPECT_FALSE(contains(in(container, {"stat", place + "/" + name}).out, "dir")) << name;
        }
        const std::string above = in(container, {"inode", place + "/.."}).out;
        EXPECT_EQ(above, in(container, {"inode", is_version_2_alone() ? "/sys/fs" : "/sys/fs/cgroup"}).out);
        if (is_version_2_alone()) continue;
        expected.insert(fs::path(place).filename());
        if (hierarchy->version == 2 || hierarchy->controllers.size() == 1) continue;
        for (const std::string& link : lines(in(container, {"ls", "/sys/fs/cgroup"}).out)) {
            if (link != hierarchy->name && contains("," + hierarchy->name + ",", "," + link + ",")) {
                expected.insert(link);
                EXPECT_EQ(in(container, {"readlink", "/sys/fs/cgroup/" + link}).out, hierarchy->name + "\n");
            }
        }
    }
    if (!is_version_2_alone()) {
        const auto found = lines(in(container, {"ls", "/sys/fs/cgroup"}).out);
        EXPECT_EQ(std::set<std::string>(found.begin(), found.end()), expected);
    }
    end(container);
    end(neighbour);
}

TEST_F(CgroupMounts, ReadOnlyOnesCannotBeChanged) {
    Container container = seeing(isolated(), CgroupMount::ReadOnly);
    const Process init = start_ready(container, program({"pause"}));
    for (const Hierarchy* const hierarchy : with_controllers()) {
        const std::string place = inside(*hierarchy);
        EXPECT_TRUE(contains(in(container, {"mkdir", place + "/sub"}).err, "EROFS"));
        EXPECT_TRUE(contains(in(container, {"write", place + "/cgroup.procs", "1"}).err, "EROFS"));
    }
    EXPECT_TRUE(contains(in(container, {"mkdir", "/sys/fs/cgroup/sub"}).err, "EROFS"));
    end(container);
}

TEST_F(CgroupMounts, WritableOnesTakeGroupsOfItsOwn) {
    Container container = seeing(isolated(), CgroupMount::Writable);
    const Process init = start_ready(container, program({"pause"}));
    for (const Hierarchy* const hierarchy : with_controllers()) {
        const std::string sub = inside(*hierarchy) + "/sub";
        EXPECT_TRUE(succeeded(in(container, {"mkdir", sub}))) << sub;
        if (hierarchy->version == 1 && hierarchy->has(Controller::Cpuset)) continue; // takes no process without CPUs
        EXPECT_TRUE(succeeded(in(container, {"write", sub + "/cgroup.procs", "1"}))) << sub;
        EXPECT_TRUE(contains(in(container, {"cat", "/proc/1/cgroup"}).out, hierarchy->name + ":/sub\n"));
    }
    end(container); // and all of it goes: the fixture looks
}

TEST_F(CgroupMounts, DelegateToTheRootOfAUserNamespace) {
    Container container = in_user_namespace(seeing(isolated(), CgroupMount::Writable));
    for (const Hierarchy* const hierarchy : with_controllers()) {
        const auto [file, value] = limit(*hierarchy);
        if (!file.empty()) container.set_controller_value(hierarchy->controllers.front(), file, value);
    }
    const Process init = start_ready(container, program({"pause"}));
    for (const Hierarchy* const hierarchy : with_controllers()) {
        const std::string place = inside(*hierarchy);
        SCOPED_TRACE(place);
        EXPECT_TRUE(contains(in(container, {"stat", place, place + "/cgroup.procs"}).out, "dir 755 0:0"));
        EXPECT_TRUE(succeeded(in(container, {"mkdir", place + "/sub"})));
        if (!(hierarchy->version == 1 && hierarchy->has(Controller::Cpuset))) {
            EXPECT_TRUE(succeeded(in(container, {"write", place + "/sub/cgroup.procs", "1"})));
            EXPECT_TRUE(contains(in(container, {"cat", "/proc/1/cgroup"}).out, hierarchy->name + ":/sub\n"));
            EXPECT_TRUE(succeeded(in(container, {"write", place + "/cgroup.procs", "1"}))) << "and back again";
        }
        // Its own limits are the host's.
        const auto [file, value] = limit(*hierarchy);
        if (file.empty()) continue;
        EXPECT_TRUE(contains(in(container, {"write", place + "/" + file, value}).err, "EACCES")) << file;
        if (hierarchy->version == 2) continue; // groups of its own have such files once it has enabled controllers
        const std::string before = in(container, {"cat", place + "/" + file}).out;
        EXPECT_TRUE(succeeded(in(container, {"write", place + "/sub/" + file, value})));
        EXPECT_EQ(in(container, {"cat", place + "/" + file}).out, before);
    }
    end(container);
}

TEST_F(CgroupMounts, ReadOnlyOnesInAUserNamespaceStayTheHostsEvenIfRemounted) {
    Container container = in_user_namespace(seeing(isolated(), CgroupMount::ReadOnly));
    const Process init = start_ready(container, program({"pause"}));
    for (const Hierarchy* const hierarchy : with_controllers()) {
        const std::string place = inside(*hierarchy);
        EXPECT_TRUE(contains(in(container, {"stat", place}).out, "dir 755 65534:65534")) << place;
        ASSERT_TRUE(
            succeeded(in(container, {"call", std::to_string(SYS_mount), "none", place, "none",
                                     std::to_string(MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC), "0"})));
        EXPECT_TRUE(contains(in(container, {"mkdir", place + "/sub"}).err, "EACCES")) << place;
        EXPECT_TRUE(contains(in(container, {"write", place + "/cgroup.procs", "1"}).err, "EACCES"));
    }
    end(container);
}

TEST_F(CgroupMounts, WhatTheContainerMountsItselfShowsNoMore) {
    if (hierarchies_.unified() == nullptr) GTEST_SKIP() << "no cgroup version 2 on this host";
    Container neighbour = seeing(isolated("neighbour"), CgroupMount::None);
    const Process other = start_ready(neighbour, program({"pause"}));
    Container container = in_user_namespace(seeing(isolated(), CgroupMount::Writable));
    container.add_mount({.target = "/mine", .type = "cgroup2"});
    const Process init = start_ready(container, program({"pause"}));
    EXPECT_EQ(in(container, {"inode", "/mine"}).out, in(container, {"inode", inside(*hierarchies_.unified())}).out);
    EXPECT_EQ(in(container, {"inode", "/mine/.."}).out, in(container, {"inode", "/"}).out);
    // Nobody outside can be moved, or be seen.
    EXPECT_TRUE(contains(in(container, {"write", "/mine/cgroup.procs", std::to_string(other.pid())}).err, "E"));
    EXPECT_EQ(in(container, {"cat", "/mine/cgroup.procs"}).out.find(std::to_string(other.pid())), std::string::npos);
    end(container);
    end(neighbour);
}

TEST_F(CgroupMounts, WithoutACgroupNamespaceToo) {
    Container container = isolated();
    container.set_cgroup({.mount = CgroupMount::ReadOnly}).add_default_mounts();
    const Process init = start_ready(container, program({"pause"}));
    const Hierarchy* const hierarchy =
        hierarchies_.unified() != nullptr ? hierarchies_.unified() : hierarchies_.find(Controller::Freezer);
    ASSERT_NE(hierarchy, nullptr);
    EXPECT_TRUE(contains(in(container, {"cat", inside(*hierarchy) + "/cgroup.procs"}).out, "1\n"));
    EXPECT_TRUE(contains(in(container, {"cat", "/proc/self/cgroup"}).out, cgroup_parent() + "/box\n"));
    EXPECT_TRUE(contains(in(container, {"cat", "/proc/self/mountinfo"}).out,
                         cgroup_parent() + "/box " + inside(*hierarchy) + " ro"));
    end(container);
}

TEST_F(CgroupMounts, CoverTheHostsForAContainerWithoutARoot) {
    Container container = plain();
    container.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Cgroup});
    container.set_cgroup({.own_group = true, .controllers = {Controller::Cpuacct}, .mount = CgroupMount::ReadOnly});
    container.set_proc_mode(ProcMode::New).add_mount({.target = "/proc", .type = "proc"});
    const Process init = start_ready(container, host_program({"pause"}));
    const std::string place = inside(*hierarchies_.find(Controller::Cpuacct));
    EXPECT_TRUE(contains(run_entered(container, host_program({"cat", place + "/cgroup.procs"})).out, "1\n"));
    EXPECT_EQ(run_entered(container, host_program({"stat", place + cgroup_parent()})).out, "");
    end(container);
}

TEST_F(CgroupMounts, LinksInTheImageLeadNowhere) {
    make_dir("image/elsewhere");
    fs::create_directories(image() / "elsewhere" / "cgroup");
    for (const char* const link : {"sys", "sys/fs", "sys/fs/cgroup"}) {
        SCOPED_TRACE(link);
        fs::remove_all(image() / "sys");
        fs::create_directories((image() / link).parent_path());
        fs::create_directory_symlink("/elsewhere", image() / link);
        const std::string before = tree(image());
        Container container = isolated();
        container.set_cgroup({.mount = CgroupMount::Writable}).add_namespace(Namespace::Cgroup);
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::too_many_symbolic_link_levels,
            {"container 'box': mount the container's cgroups on '/sys/fs/cgroup'", "symbolic link"}));
        EXPECT_EQ(tree(image()), before);
    }
}

TEST_F(CgroupMounts, WhateverTheKernelLacks) {
    struct Lack {
        std::initializer_list<int> calls;
        unsigned error;
    };
    for (const Lack& lack : {Lack{NewMountCalls, ENOSYS}, Lack{NewMountCalls, EPERM}, Lack{{SYS_mount_setattr}, ENOSYS},
                             Lack{{SYS_move_mount}, EPERM}}) {
        EXPECT_TRUE(passes_in_child([&] {
            lose_calls(lack.calls, lack.error);
            Session session({.cgroup_parent = cgroup_parent()});
            Container container = session.create("box").set_root(image().string());
            container.add_namespaces({Namespace::Mount, Namespace::Pid});
            container = seeing(container, CgroupMount::ReadOnly);
            const Process init = start_ready(container, program({"pause"}));
            for (const Hierarchy* const hierarchy : with_controllers()) {
                const std::string place = inside(*hierarchy);
                EXPECT_TRUE(contains(in(container, {"cat", place + "/cgroup.procs"}).out, "1\n")) << place;
                EXPECT_TRUE(contains(in(container, {"statvfs", place}).out, " ro nosuid nodev noexec")) << place;
                EXPECT_TRUE(contains(in(container, {"mkdir", place + "/sub"}).err, "EROFS")) << place;
            }
            EXPECT_TRUE(contains(in(container, {"mkdir", "/sys/fs/cgroup/sub"}).err, "EROFS"));
            end(container);
        }));
    }
}

/// What a user of a container would do, in the words of a shell.
constexpr const char* Script = R"(
set -e
cd "$1"
mkdir payload
echo $$ >payload/cgroup.procs
echo "+$2" >cgroup.subtree_control
mkdir second
echo "$4" >"second/$3"
cat "second/$3"
grep '^0::' /proc/self/cgroup
echo ready
exec sleep 1000
)";

TEST_F(CgroupMounts, GroupsOfItsOwnGetControllers) {
    const Hierarchy* const unified = hierarchies_.unified();
    if (unified == nullptr) GTEST_SKIP() << "no cgroup version 2 on this host";
    const bool pids = unified->has(Controller::Pids);
    if (!pids && !unified->has(Controller::Hugetlb)) GTEST_SKIP() << "version 2 has no controller to enable here";
    Container container = plain();
    container.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Cgroup, Namespace::User, Namespace::Ipc});
    container.add_uid_map({0, 100000, 65536}).add_gid_map({0, 100000, 65536});
    container.add_mount({.target = "/proc", .type = "proc"});
    const Controller controller = pids ? Controller::Pids : Controller::Hugetlb;
    container.set_cgroup({.controllers = {controller}, .mount = CgroupMount::Writable});
    const std::vector<std::string> words = pids ? std::vector<std::string>{"pids", "pids.max", "7"}
                                                : std::vector<std::string>{"hugetlb", "hugetlb.2MB.max", "0"};
    const Process init =
        container.start({.argv = {"/bin/sh", "-c", Script, "sh", inside(*unified), words[0], words[1], words[2]},
                         .stdio = {.out = Stdio::Pipe}});
    EXPECT_EQ(read_line(init.stream(1)), words[2]);
    EXPECT_EQ(read_line(init.stream(1)), "0::/payload");
    ASSERT_EQ(read_line(init.stream(1)), "ready");
    // Its own group takes no process any more.
    const Finished entered = run_entered(container, {.argv = {"/bin/grep", "^0::", "/proc/self/cgroup"}});
    EXPECT_TRUE(succeeded(entered));
    EXPECT_EQ(entered.out, "0::/payload\n");
    end(container);
}

TEST_F(CgroupMounts, FreezingTheFirstProcessAgainDoesNotSaveIt) {
    const Hierarchy* const freezer = hierarchies_.find(Controller::Freezer);
    if (freezer == nullptr || freezer->version != 1) GTEST_SKIP() << "needs the freezer controller of cgroup version 1";
    const auto race = [&](const std::function<void(Container&)>& end) {
        Container container = seeing(isolated(), CgroupMount::Writable);
        const Process init = start_ready(container, program({"pause"}));
        const std::string nested = inside(*freezer) + "/nested";
        ASSERT_TRUE(succeeded(in(container, {"mkdir", nested})));
        for (int i = 0; i < 4; ++i) {
            container.enter({}, [&] {
                const int state = ::open((nested + "/freezer.state").c_str(), O_WRONLY);
                while (::pwrite(state, "FROZEN", 6, 0) == 6) continue;
                return 1;
            });
        }
        ASSERT_TRUE(succeeded(in(container, {"write", nested + "/cgroup.procs", "1"})));
        end(container);
        EXPECT_TRUE(signaled(container.wait(), SIGKILL));
        container.remove();
    };
    race([](Container& container) { container.stop(std::chrono::milliseconds(1)); });
    race([](Container& container) { container.kill(); });
    race([this](Container&) { close_session(); });
}

TEST_F(CgroupMounts, WithTheDefaultMountsNeedARoot) {
    Container container = seeing(plain(), CgroupMount::ReadOnly).add_namespaces({Namespace::Mount, Namespace::Pid});
    EXPECT_TRUE(fails(
        [&] {
            container.start(host_program({"exit", "0"}));
        },
        Errc::InvalidConfig, {"container 'box'", "with the default mounts needs a root"}));
}

TEST_F(CgroupMounts, NeedRootInTheUserNamespaceToDelegate) {
    Container container = isolated();
    container.add_namespaces({Namespace::User}).add_uid_map({1, 100000, 10}).add_gid_map({1, 100000, 10});
    container.set_cgroup({.mount = CgroupMount::Writable});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        Errc::InvalidConfig, {"container 'box'", "user and a group 0 inside"}));
}

} // namespace
} // namespace ct::test
