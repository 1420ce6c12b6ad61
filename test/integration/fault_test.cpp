// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Every step of a start, of the host and of the child, is made to fail in turn. ContainerTest checks that nothing is
// left.
#include <cstdlib>

#include <csignal>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bridge/nftables.hpp"
#include "support/faults.hpp"
#include "support/fixture.hpp"
#include "support/subreaper.hpp"

namespace ct::test {
namespace {

/// A start that uses much.
struct Scenario {
    const char* name;
    std::function<void(Container&, ProcessSpec&)> configure;
    bool callable = false;
};

void PrintTo(const Scenario& scenario, std::ostream* out) { // NOLINT(readability-identifier-naming): GoogleTest's name
    *out << scenario.name;
}

class Fault : public ContainerTest, public ::testing::WithParamInterface<Scenario> {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        faults_.emplace();
    }

    void TearDown() override {
        faults_.reset();
        ContainerTest::TearDown();
    }

    /// What a start that succeeded has created in the image.
    void remove_mount_points() const {
        for (const auto& entry : std::filesystem::directory_iterator{image()})
            if (entry.path().filename() != "bin") std::filesystem::remove_all(entry);
    }

    /// What is left of bridges that libct has made, and of ports that were published.
    std::string networks() const {
        std::string left;
        if (std::filesystem::exists(dir() / "network")) {
            for (const auto& entry : std::filesystem::directory_iterator{dir() / "network"}) {
                left += tree(entry.path()) + content(entry.path() / "record.json");
            }
        }
        if (GetParam().name == std::string_view("Bridge")) left += internal::Nftables::run("list tables", "look");
        return left;
    }

    Container configured(ProcessSpec& process) { return configured(process, session()); }
    Container configured(ProcessSpec& process, Session& session) const {
        Container container = session.create("box");
        container.set_root(image().string()).add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Uts});
        process = program({"exit", "7"});
        GetParam().configure(container, process);
        return container;
    }

    static Process start(Container& container, const ProcessSpec& process) {
        if (!GetParam().callable) return container.start(process);
        ProcessSpec called = process;
        called.argv.clear();
        return container.start(called, [] { return 7; });
    }

private:
    std::optional<SharedFaults> faults_;
};

TEST_P(Fault, AtEachPointFailsWithASentenceAndLeavesNothing) {
    ProcessSpec process;
    { // What a session makes once.
        Container container = configured(process);
        (void)start(container, process);
        EXPECT_TRUE(exited(container.wait(), 7));
    }
    const HostState before = HostState::capture();
    std::uint32_t failed = 0;
    bool all_passed = false;
    for (std::uint32_t at = 1; !all_passed; ++at) {
        ASSERT_LT(at, 1000U) << "there is no end";
        {
            Container container = configured(process);
            remove_mount_points();
            const std::string image_before = tree(image());
            SharedFaults::set(at, ENOTRECOVERABLE);
            try {
                (void)start(container, process);
                all_passed = SharedFaults::passed() < at;
                SharedFaults::clear();
            } catch (const Error& error) {
                SharedFaults::clear();
                ++failed;
                EXPECT_EQ(error.code().value(), ENOTRECOVERABLE) << error.what();
                EXPECT_TRUE(contains(error.what(), "container 'box': ")) << at;
                EXPECT_TRUE(contains(error.what(), "State not recoverable")) << at;
                EXPECT_EQ(container.state(), State::Stopped);
                EXPECT_EQ(before.difference(HostState::capture()), "") << at << ": " << error.what();
                EXPECT_EQ(tree(image()), image_before) << at << ": " << error.what();
                EXPECT_EQ(networks(), "") << at << ": " << error.what();
                // It can be started as if nothing had happened.
                (void)start(container, process);
            }
            EXPECT_TRUE(exited(container.wait(), 7)) << at;
        }
        EXPECT_EQ(before.difference(HostState::capture()), "") << at;
    }
    EXPECT_GT(failed, 5U);
}

/// Like a program whose owner kills it at the worst moment; and the next one.
TEST_P(Fault, AtEachPointTheHostMayBeKilledAndTheNextSessionCleansUp) {
    const Subreaper reaper;
    const SessionOptions options{
        .state_directory = dir() / "state", .network_directory = dir() / "network", .cgroup_parent = cgroup_parent()};
    { const Session makes_the_directory(options); }
    bool all_passed = false;
    for (std::uint32_t at = 1; !all_passed; ++at) {
        ASSERT_LT(at, 1000U) << "there is no end";
        remove_mount_points();
        const std::string image_before = tree(image());
        const HostState before = HostState::capture();
        const int status = SharedFaults::kill_at(at, [&] {
            Session session(options);
            ProcessSpec process;
            Container container = configured(process, session);
            (void)start(container, process);
            container.wait();
        });
        all_passed = WIFEXITED(status);
        bool started = all_passed;
        EXPECT_TRUE(all_passed ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL) << at;
        {
            Session session(options);
            for (const ContainerInfo& info : session.containers()) {
                EXPECT_NE(info.state, State::Starting) << at;
                session.open(info.name).remove(Remove::Force);
                started = true; // in time
            }
        }
        Subreaper::reap_all();
        EXPECT_TRUE(std::filesystem::is_empty(dir() / "state")) << at << ": " << tree(dir() / "state");
        EXPECT_EQ(networks(), "") << at;
        EXPECT_EQ(before.difference(HostState::capture()), "") << at;
        if (!started) {
            EXPECT_EQ(tree(image()), image_before) << at;
        }
        SharedFaults::clear();
    }
}

const Scenario Scenarios[] = {
    {"Plain", [](Container& container, ProcessSpec&) { container.set_spec({}).set_root("/"); }, true},
    {"Files",
     [](Container& container, ProcessSpec& process) {
         container.add_default_mounts().set_hostname("box").add_mount(
             {.source = "tmpfs", .target = "/made/here", .type = "tmpfs", .options = {}});
         process.user = User{1000, 1000};
         process.capabilities.emplace();
         process.no_new_privileges = true;
         process.working_directory = "/dev";
         process.umask = 022;
     }},
    {"UserNamespace",
     [](Container& container, ProcessSpec& process) {
         container.add_namespace(Namespace::User).add_uid_map({0, 0, 1000}).add_gid_map({0, 0, 1000});
         container.add_default_mounts();
         process.stdio = {Stdio::Null, Stdio::Pipe, Stdio::Pipe};
     }},
    {"Names",
     [](Container& container, ProcessSpec&) {
         container.set_hostname("box").set_names({.hosts = {{"192.0.2.9", {"db"}}}, .host_entries = true});
     }},
    {"Joins",
     [](Container& container, ProcessSpec& process) {
         container.join_namespace(Namespace::Net, "/proc/self/ns/net")
             .join_namespace(Namespace::Ipc, "/proc/self/ns/ipc");
         process.terminal = TerminalSize{};
     }},
    {"Cgroups",
     [](Container& container, ProcessSpec&) {
         container.add_namespace(Namespace::Cgroup)
             .add_controller(Controller::Memory)
             .add_controller(Controller::Cpuset)
             .set_controller_value(Controller::Pids, "pids.max", "100");
         Cgroup cgroup = container.spec().cgroup;
         cgroup.own_group = true;
         container.set_cgroup(std::move(cgroup));
     }},
    {"CgroupsOfACallable",
     [](Container& container, ProcessSpec&) {
         Cgroup cgroup{.own_group = true, .controllers = {Controller::Memory}};
         cgroup.values = {{Controller::Pids, "pids.max", "100"}};
         cgroup.limits_after_set_up = true;
         container.set_cgroup(std::move(cgroup));
     },
     true},
    {"Network",
     [](Container& container, ProcessSpec&) {
         container.add_namespace(Namespace::Net)
             .add_network(Veth{.host_name = "fault0", .addresses = {{"10.0.0.2/24"}}})
             .add_network(Veth{.host_name = "fault1", .container_name = "eth1"})
             .add_neighbour({.device = "eth0", .address = "10.0.0.9", .mac = "02:00:00:00:00:09"})
             .add_route({.gateway = "10.0.0.1"})
             .add_rule({.from = "10.0.0.0/24", .table = 7});
     }},
    {"Bridge",
     [](Container& container, ProcessSpec&) {
         container.add_namespace(Namespace::Net)
             .add_bridge({.name = "fault", .addresses = {"10.89.0.1/24", "fd00:89::1/64"}, .nat = true})
             .add_network(Veth{.bridge = "fault", .lease = true})
             .publish({.host_port = 8080, .container_port = 80});
     }},
    {"CgroupsInside",
     [](Container& container, ProcessSpec&) {
         container.add_namespaces({Namespace::Cgroup, Namespace::User});
         container.add_uid_map({0, 0, 1000}).add_gid_map({0, 0, 1000});
         container.set_cgroup({.controllers = {Controller::Pids, Controller::Cpu}, .mount = CgroupMount::Writable});
     }},
    {"Reaper",
     [](Container& container, ProcessSpec& process) {
         container.add_default_mounts();
         process.init = Init::Reaper;
         process.user = User{1000, 1000};
     }},
    {"Attributes",
     [](Container& container, ProcessSpec& process) {
         container.add_namespace(Namespace::User).add_uid_map({0, 0, 2000}).add_gid_map({0, 0, 2000});
         process.user_name = "1000";
         process.capability_sets.emplace();
         process.secure_bits = 4;
         process.scheduling = {.nice = 1, .scheduler = Scheduler{}, .io_priority = IoPriority{}, .cpus = {0}};
         process.oom_score_adj = 500;
         process.personality = 0;
         process.stdio.out = Stdio::Pipe;
     }},
    {"Masks",
     [](Container& container, ProcessSpec&) {
         container.add_default_mounts().add_default_masks().add_device({.path = "/dev/zero2", .major = 1, .minor = 5});
         container.add_mount({.source = container.spec().root->path,
                              .target = "/mapped",
                              .options = {},
                              .id_mapped = true,
                              .uid_map = {{0, 1000, 1}},
                              .gid_map = {{0, 1000, 1}}});
     }},
    {"Confined",
     [](Container&, ProcessSpec& process) {
         process.no_new_privileges = true;
         process.seccomp = Seccomp::standard();
         process.landlock.emplace().paths.push_back({.path = "/", .read = true, .execute = true});
     }},
    {"Hooks",
     [](Container& container, ProcessSpec&) {
         for (const HookPoint point : {HookPoint::CreateRuntime, HookPoint::CreateContainer, HookPoint::Poststop}) {
             container.add_hook({.point = point, .command = {.argv = {"/bin/sh", "-c", "cat >&2"}}});
         }
         container.add_hook(HookPoint::CreateRuntime, [](const HookEvent&) {});
     }},
    {"TimeNamespace", [](Container& container, ProcessSpec&) { container.add_namespace(Namespace::Time); }},
    {"Callable",
     [](Container& container, ProcessSpec& process) {
         container.add_default_mounts();
         process.stdio.out = Stdio::Pipe;
     },
     true},
    {"Overlay",
     [](Container& container, ProcessSpec&) {
         const std::filesystem::path dir = std::filesystem::path{container.spec().root->path}.parent_path();
         std::filesystem::create_directories(dir / "upper");
         std::filesystem::create_directories(dir / "work");
         container.set_private(OverlayArea{.upper = dir / "upper", .work = dir / "work"});
         container.add_mount({.source = "tmpfs", .target = "/made/here", .type = "tmpfs", .options = {}});
     }},
    {"ThrowAwayOverlay",
     [](Container& container, ProcessSpec&) { container.set_private(OverlayArea{.target = "/made/area"}); }, true},
    {"ImageInAUserNamespace",
     [](Container& container, ProcessSpec&) {
         const std::string root = container.spec().root->path;
         const std::string file = root + ".ext4";
         const std::string make = "mkfs.ext4 -q -d " + root + " " + file + " 8M";
         if (!std::filesystem::exists(file) && std::system(make.c_str()) != 0) throw std::runtime_error{make};
         container.add_namespace(Namespace::User).add_uid_map({0, 0, 1000}).add_gid_map({0, 0, 1000});
         container.set_private(ImageArea{.path = file});
     }},
    {"Tmpfs",
     [](Container& container, ProcessSpec&) {
         const std::string bin = container.spec().root->path + "/bin";
         container.set_private(TmpfsArea{}).add_mount({.source = bin, .target = "/bin", .options = {}});
     }},
    {"Chroot",
     [](Container& container, ProcessSpec&) {
         const std::string root = container.spec().root->path;
         Spec spec;
         spec.root = Root{.path = root};
         spec.private_area = BindDir{.source = root};
         container.set_spec(spec);
     }},
};

INSTANTIATE_TEST_SUITE_P(Each, Fault, ::testing::ValuesIn(Scenarios),
                         [](const auto& scenario) { return std::string{scenario.param.name}; });

} // namespace
} // namespace ct::test
