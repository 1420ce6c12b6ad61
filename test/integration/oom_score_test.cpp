// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <atomic>
#include <thread>

#include <linux/capability.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

bool may_lower() {
    const std::string status = content("/proc/self/status");
    const std::size_t at = status.find("CapEff:");
    return (std::stoull(status.substr(at + 7), nullptr, 16) >> CAP_SYS_RESOURCE & 1U) != 0;
}

std::string of(pid_t pid) {
    return content(fs::path{"/proc"} / std::to_string(pid) / "oom_score_adj");
}

/// The value of a process that shares the host's memory until it executes its program, and of the host.
class OomScore : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        // Not every user may make them.
        for (const char* const mount_point : {"image/proc", "image/sys", "image/dev"}) make_dir(mount_point);
    }

    static ProcessSpec with(int value, std::vector<std::string> args) {
        ProcessSpec spec = program(std::move(args));
        spec.oom_score_adj = value;
        return spec;
    }
    /// In a container with a /proc of its own.
    static std::string value_in(Container& container, ProcessSpec spec) {
        spec.argv = {InitPath, "cat", "/proc/self/oom_score_adj"};
        const Finished finished = run(container, std::move(spec));
        EXPECT_TRUE(succeeded(finished));
        return finished.out;
    }

    const std::string before_ = content("/proc/self/oom_score_adj");
};

TEST_F(OomScore, IsOfTheContainerAlone) {
    Container container = isolated().add_default_mounts();
    EXPECT_EQ(value_in(container, {}), before_);
    EXPECT_EQ(value_in(container, with(700, {})), "700\n");
    EXPECT_EQ(content("/proc/self/oom_score_adj"), before_);
    EXPECT_EQ(value_in(container, {}), before_);
}

TEST_F(OomScore, OfTheHostNeverChangesWhateverItsThreadsDo) {
    constexpr int threads = 4;
    constexpr int starts = 25;
    (void)session(); // before threads ask for it
    std::atomic<int> running{threads};
    std::atomic<int> wrong{0};
    std::vector<std::thread> starters;
    for (int number = 0; number < threads; ++number) {
        starters.emplace_back([&, number] {
            Container container = isolated("box" + std::to_string(number)).add_default_mounts();
            for (int i = 0; i < starts; ++i) {
                // One in four as the host has it, beside those that set a value.
                const int value = number == 0 ? 0 : number * 100 + i;
                ProcessSpec spec;
                if (number != 0) spec.oom_score_adj = value;
                if (value_in(container, spec) != (number == 0 ? before_ : std::to_string(value) + "\n")) ++wrong;
            }
            --running;
        });
    }
    int looks = 0;
    while (running > 0) {
        if (content("/proc/self/oom_score_adj") != before_) ++wrong;
        for (const fs::directory_entry& task : fs::directory_iterator{"/proc/self/task"}) {
            std::error_code gone;
            if (fs::exists(task.path(), gone) && content("/proc/thread-self/oom_score_adj") != before_) ++wrong;
        }
        ++looks;
    }
    for (std::thread& starter : starters) starter.join();
    EXPECT_EQ(wrong, 0) << "in " << looks << " looks";
    EXPECT_GT(looks, 0);
}

TEST_F(OomScore, IsSetInAUserNamespaceWhoseMapsTheParentWrites) {
    Container container = isolated().add_namespace(Namespace::User).add_default_mounts();
    container.add_uid_map({0, 100000, 2000}).add_gid_map({0, 100000, 2000});
    ProcessSpec spec = with(300, {});
    spec.user = User{1000, 1000};
    EXPECT_EQ(value_in(container, spec), "300\n");
    EXPECT_EQ(content("/proc/self/oom_score_adj"), before_);
}

TEST_F(OomScore, OfAnEnteringProcessIsItsOwn) {
    Container container = isolated().add_default_mounts();
    const Process init = start_ready(container, with(100, {"pause"}));
    EXPECT_EQ(of(init.pid()), "100\n");
    EXPECT_EQ(run_entered(container, with(200, {"cat", "/proc/self/oom_score_adj", "/proc/1/oom_score_adj"})).out,
              "200\n100\n");
    EXPECT_EQ(run_entered(container, program({"cat", "/proc/self/oom_score_adj"})).out, before_);
    EXPECT_EQ(content("/proc/self/oom_score_adj"), before_);
}

TEST_F(OomScore, OfACallableIsItsOwn) {
    Container container = isolated().add_default_mounts();
    ProcessSpec spec;
    spec.oom_score_adj = 150;
    EXPECT_TRUE(
        exited(run(container, spec, [] { return content("/proc/self/oom_score_adj") == "150\n" ? 0 : 1; }).status, 0));
    EXPECT_EQ(content("/proc/self/oom_score_adj"), before_);
}

TEST_F(OomScore, IsSetUnderAReaper) {
    Container container = isolated().add_default_mounts();
    ProcessSpec spec = with(120, {});
    spec.init = Init::Reaper;
    EXPECT_EQ(value_in(container, spec), "120\n");
    EXPECT_EQ(content("/proc/self/oom_score_adj"), before_);
}

TEST_F(OomScore, IsSetWithATimeNamespace) {
    // Without shared memory, that is.
    Container container = isolated().add_namespace(Namespace::Time).add_default_mounts();
    if (!fs::exists("/proc/self/ns/time")) GTEST_SKIP() << "this kernel has no time namespaces";
    EXPECT_EQ(value_in(container, with(250, {})), "250\n");
    EXPECT_EQ(content("/proc/self/oom_score_adj"), before_);
}

TEST_F(OomScore, FailedStartLeavesNothing) {
    Container container = isolated();
    ProcessSpec spec = with(10, {});
    spec.argv = {"/nowhere"};
    EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::no_such_file_or_directory, {"exec '/nowhere'"}));
    spec = with(10, {"exit", "0"});
    spec.working_directory = "/nowhere";
    EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::no_such_file_or_directory, {"'/nowhere'"}));
    spec.working_directory.clear();
    EXPECT_TRUE(exited(run(container, spec).status, 0));
}

TEST_F(OomScore, LowerThanTheHostsNeedsThePrivilege) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("box");
        ProcessSpec spec = host_program({"exit", "0"});
        spec.oom_score_adj = -1000;
        // The parent refuses while the child waits for it, and its helper for the child.
        EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::permission_denied,
                          {"container 'box': write -1000 to '/proc/", "oom_score_adj", "CAP_SYS_RESOURCE"}));
        EXPECT_EQ(content("/proc/self/oom_score_adj"), before_);
    }));
}

TEST_F(OomScore, LowerThanTheHostsIsSetWithThePrivilege) {
    if (!may_lower()) GTEST_SKIP() << "there is no CAP_SYS_RESOURCE here";
    Container container = isolated().add_default_mounts();
    EXPECT_EQ(value_in(container, with(-500, {})), "-500\n");
    EXPECT_EQ(content("/proc/self/oom_score_adj"), before_);
}

TEST_F(OomScore, OfAnUnprivilegedHostsContainerIsSet) {
    CT_REQUIRE(Privilege::UserNamespaces);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("box").set_root(image().string()).map_root_to_caller();
        container.add_namespaces({Namespace::User, Namespace::Mount, Namespace::Pid}).add_default_mounts();
        EXPECT_EQ(value_in(container, with(400, {})), "400\n");
        const Process init = start_ready(container, with(500, {"pause"}));
        EXPECT_EQ(run_entered(container, with(600, {"cat", "/proc/self/oom_score_adj", "/proc/1/oom_score_adj"})).out,
                  "600\n500\n");
        ProcessSpec spec;
        spec.oom_score_adj = 650;
        const auto main = [] { return content("/proc/self/oom_score_adj") == "650\n" ? 0 : 1; };
        EXPECT_TRUE(exited(run_entered(container, spec, main).status, 0));
        EXPECT_EQ(content("/proc/self/oom_score_adj"), before_);
    }));
}

} // namespace
} // namespace ct::test
