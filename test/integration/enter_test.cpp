// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <array>
#include <atomic>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

constexpr std::array Kinds{Namespace::Mount, Namespace::Pid,  Namespace::Net,    Namespace::Uts,
                           Namespace::Ipc,   Namespace::User, Namespace::Cgroup, Namespace::Time};

class Enter : public ContainerTest {
protected:
    void TearDown() override {
        for (Container& container : running_) {
            if (container.running()) container.kill();
            container.wait();
        }
        running_.clear();
        ContainerTest::TearDown();
    }

    Process start(Container container) {
        Process init = start_ready(container, program({"pause"}));
        running_.push_back(container);
        return init;
    }

    static Process enter_ready(Container& container, ProcessSpec spec) {
        spec.stdio.out = Stdio::Pipe;
        Process process = container.enter(std::move(spec));
        EXPECT_EQ(read_line(process.stream(1)), "ready");
        return process;
    }

    std::vector<Container> running_;
};

TEST_F(Enter, JoinsTheCgroupNamespaceOfACallableInAUserNamespace) {
    Container container = plain().set_cgroup({.own_group = true});
    container.add_namespaces({Namespace::User, Namespace::Cgroup});
    container.add_uid_map({0, 100000, 65536}).add_gid_map({0, 100000, 65536});
    const auto pause = [] {
        for (;;) ::pause();
        return 0;
    };
    const Process init = container.start({}, pause);
    running_.push_back(container);
    const Process entered = container.enter({}, pause);
    EXPECT_EQ(namespace_of(entered.pid(), Namespace::Cgroup), namespace_of(init.pid(), Namespace::Cgroup));
    EXPECT_EQ(namespace_of(entered.pid(), Namespace::User), namespace_of(init.pid(), Namespace::User));
    entered.kill();
    EXPECT_TRUE(signaled(entered.wait(), SIGKILL));
}

TEST_F(Enter, SeesTheSameNamespacesAndRoot) {
    Container container = isolated().set_hostname("inside").add_default_mounts().map_root_to_caller();
    for (const Namespace kind : Kinds) container.add_namespace(kind);
    const Process init = start(container);
    const Process entered = enter_ready(container, program({"pause"}));
    for (const Namespace kind : Kinds)
        EXPECT_EQ(namespace_of(entered.pid(), kind), namespace_of(init.pid(), kind)) << to_string(kind);
    EXPECT_EQ(run_entered(container, program({"ls", "/"})).out, "bin\ndev\nproc\nsys\n");
    EXPECT_EQ(lines(run_entered(container, program({"uname"})).out).at(0), "inside");
    entered.kill();
    EXPECT_TRUE(signaled(entered.wait(), SIGKILL));
}

TEST_F(Enter, SeesTheRootOfAChrootedContainer) {
    Container container = plain().set_root(image().string());
    start(container);
    EXPECT_EQ(run_entered(container, program({"ls", "/"})).out, "bin\n");
    EXPECT_TRUE(contains(run_entered(container, program({"status"})).out, "cwd /\n"));
}

TEST_F(Enter, WorksWithoutAnyNamespace) {
    Container container = plain();
    const Process init = start_ready(container, host_program({"pause"}));
    EXPECT_TRUE(exited(run_entered(container, host_program({"exit", "3"})).status, 3));
    container.kill();
    container.wait();
}

TEST_F(Enter, WorksWithEachNamespaceAlone) {
    for (const Namespace kind : Kinds) {
        Container container = plain(std::string{to_string(kind)}).add_namespace(kind);
        if (kind == Namespace::User) container.map_root_to_caller();
        const Process init = start_ready(container, host_program({"pause"}));
        ProcessSpec spec = host_program({"pause"});
        const Process entered = enter_ready(container, spec);
        EXPECT_EQ(namespace_of(entered.pid(), kind), namespace_of(init.pid(), kind)) << to_string(kind);
        entered.kill();
        entered.wait();
        container.kill();
        container.wait();
    }
}

TEST_F(Enter, IsAProcessOfThePidNamespace) {
    Container container = isolated().add_default_mounts();
    start(container);
    const std::string status = run_entered(container, program({"status"})).out;
    EXPECT_FALSE(contains(status, "pid 1\n"));
    const Process entered = enter_ready(container, program({"pause"}));
    const std::string processes = "\n" + run_entered(container, program({"ls", "/proc"})).out;
    EXPECT_TRUE(contains(processes, "\n1\n"));
    EXPECT_GT(entered.pid(), 0);
    entered.kill();
    entered.wait();
}

TEST_F(Enter, StartsInTheRootDirectory) {
    Container container = isolated();
    start(container);
    EXPECT_TRUE(contains(run_entered(container, program({"status"})).out, "cwd /\n"));
}

TEST_F(Enter, HasAttributesOfItsOwn) {
    make_dir("image/work");
    Container container = isolated();
    start(container);
    ProcessSpec spec = program({"status"});
    spec.working_directory = "/work";
    spec.umask = 017;
    spec.no_new_privileges = true;
    spec.new_session = true;
    spec.user = User{1000, 1001, {5}};
    const std::string status = run_entered(container, spec).out;
    EXPECT_TRUE(contains(status, "cwd /work\n"));
    EXPECT_TRUE(contains(status, "umask 17\n"));
    EXPECT_TRUE(contains(status, "no_new_privs 1\n"));
    spec.argv = {InitPath, "ids"};
    EXPECT_EQ(run_entered(container, spec).out, "uid 1000 1000 1000\ngid 1001 1001 1001\ngroups 5\n");
    EXPECT_EQ(lines(run_entered(container, program({"ids"})).out).at(0), "uid 0 0 0");
}

TEST_F(Enter, HasCapabilitiesOfItsOwn) {
    Container container = isolated();
    start(container);
    ProcessSpec spec = program({"caps"});
    spec.user = User{1000, 1000};
    spec.capabilities = std::vector<std::string>{"CHOWN"};
    EXPECT_EQ(run_entered(container, spec).out, "permitted 1\neffective 1\ninheritable 1\nbounding 1\nambient 1\n");
}

TEST_F(Enter, HasEnvironmentAndLimitsOfItsOwn) {
    Container container = isolated();
    start(container);
    ProcessSpec spec = program({"env"});
    spec.environment = std::vector<std::string>{"ONLY=this"};
    EXPECT_EQ(run_entered(container, spec).out, "ONLY=this\n");
    spec.argv = {InitPath, "limits"};
    spec.limits = {{RLIMIT_NOFILE, 64, 64}};
    EXPECT_TRUE(contains(run_entered(container, spec).out, std::to_string(RLIMIT_NOFILE) + " 64 64\n"));
}

TEST_F(Enter, IsFoundAlongPathInside) {
    Container container = isolated();
    start(container);
    ProcessSpec spec{.argv = {"test_init", "exit", "6"}};
    spec.environment = std::vector<std::string>{"PATH=/bin"};
    EXPECT_TRUE(exited(run_entered(container, spec).status, 6));
}

TEST_F(Enter, InAUserNamespaceIsItsRoot) {
    Container container =
        isolated().add_namespace(Namespace::User).add_uid_map({0, 10000, 100}).add_gid_map({0, 20000, 100});
    ProcessSpec spec = program({"pause"});
    spec.user = User{};
    const Process init = start_ready(container, spec);
    running_.push_back(container);
    spec.argv = {InitPath, "ids"};
    EXPECT_EQ(run_entered(container, spec).out, "uid 0 0 0\ngid 0 0 0\ngroups\n");
    spec.user = User{33, 34, {35}};
    EXPECT_EQ(run_entered(container, spec).out, "uid 33 33 33\ngid 34 34 34\ngroups 35\n");
}

TEST_F(Enter, RunsACallable) {
    Container container = isolated().set_hostname("inside");
    start(container);
    const Finished finished = run_entered(container, {}, [] {
        std::array<char, 64> name{};
        ::gethostname(name.data(), name.size());
        std::printf("%s\n", name.data());
        return ::access(InitPath, X_OK) == 0 && ::getpid() > 1 ? 9 : 1;
    });
    EXPECT_TRUE(exited(finished.status, 9));
    EXPECT_EQ(finished.out, "inside\n");
}

TEST_F(Enter, RunsACallableInEveryNamespace) {
    if (ForksHaveThreads) GTEST_SKIP() << "setns(2): a process with several threads joins no user or time namespace";
    Container container = isolated().map_root_to_caller();
    for (const Namespace kind : Kinds) container.add_namespace(kind);
    start(container);
    EXPECT_TRUE(exited(run_entered(container, {}, [] { return ::getpid() > 1 && ::getuid() == 0 ? 2 : 3; }).status, 2));
}

TEST_F(Enter, SeveralRunAtOnce) {
    Container container = isolated();
    start(container);
    std::vector<Process> processes;
    for (int i = 0; i < 16; ++i)
        processes.push_back(enter_ready(container, program({"trap", "15", std::to_string(i)})));
    for (std::size_t i = processes.size(); i-- > 0;) {
        processes[i].signal(SIGTERM);
        EXPECT_TRUE(exited(processes[i].wait(), static_cast<int>(i)));
    }
    EXPECT_TRUE(container.running());
}

TEST_F(Enter, ThreadsEnterAtOnce) {
    Container container = isolated();
    start(container);
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&, i] {
            for (int j = 0; j < 10; ++j)
                good += exited(run_entered(container, program({"exit", std::to_string(i)})).status, i) ? 1 : 0;
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 80);
}

TEST_F(Enter, DoesNotKeepTheContainerRunning) {
    Container container = plain();
    const Process init = start_ready(container, host_program({"pause"}));
    const Process entered = enter_ready(container, host_program({"pause"}));
    init.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
    EXPECT_EQ(container.state(), State::Stopped);
    EXPECT_FALSE(entered.wait_for(std::chrono::seconds{0}).has_value());
    entered.kill();
    EXPECT_TRUE(signaled(entered.wait(), SIGKILL));
}

TEST_F(Enter, DiesWithThePidNamespace) {
    Container container = isolated();
    const Process init = start(container);
    const Process entered = enter_ready(container, program({"pause"}));
    container.kill();
    container.wait();
    EXPECT_TRUE(signaled(entered.wait(), SIGKILL));
}

TEST_F(Enter, StatusIsCollectedWithoutAHandle) {
    Container container = isolated();
    start(container);
    for (int i = 0; i < 5; ++i) {
        ProcessSpec spec = program({"copy"});
        spec.stdio = {Stdio::Pipe, Stdio::Pipe, Stdio::Inherit};
        const int out = container.enter(spec).release_stream(1); // no handle is left, and with it no input
        EXPECT_TRUE(reaches_end(out));
        ::close(out);
    }
    // That no child is left is seen by the fixture, once the session is closed.
}

TEST_F(Enter, ReportsWhatFailed) {
    Container container = isolated();
    start(container);
    EXPECT_TRUE(fails([&] { container.enter({.argv = {"/missing"}}); }, std::errc::no_such_file_or_directory,
                      {"container 'box': ", "'/missing'"}));
    ProcessSpec spec = program({"exit", "0"});
    spec.working_directory = "/nowhere";
    EXPECT_TRUE(fails([&] { container.enter(spec); }, std::errc::no_such_file_or_directory,
                      {"container 'box': ", "'/nowhere'"}));
    EXPECT_TRUE(fails([&] { container.enter({}); }, std::errc::invalid_argument, {"container 'box': ", "argv"}));
    EXPECT_TRUE(container.running());
}

TEST_F(Enter, NeedsARunningContainer) {
    Container container = isolated();
    EXPECT_TRUE(fails([&] { container.enter(program({"exit", "0"})); }, Errc::InvalidState, {"container 'box': "}));
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    EXPECT_TRUE(fails([&] { container.enter(program({"exit", "0"})); }, Errc::InvalidState, {"container 'box': "}));
}

TEST_F(Enter, WhileTheFirstProcessDiesSucceedsOrThrows) {
    Container container = isolated();
    for (int round = 0; round < 20; ++round) {
        const Process init = start_ready(container, program({"pause"}));
        std::vector<std::thread> threads;
        std::atomic<bool> entered{false};
        std::atomic<int> surprises{0};
        for (int i = 0; i < 2; ++i)
            threads.emplace_back([&] {
                try {
                    for (;;) {
                        const Process process = container.enter(program({"exit", "0"}));
                        const ExitStatus status = process.wait();
                        entered = true;
                        if (!status.success() && !signaled(status, SIGKILL)) ++surprises;
                    }
                } catch (const Error& error) {
                    if (!contains(error.what(), "container 'box': ")) ++surprises;
                    entered = true;
                }
            });
        while (!entered) std::this_thread::yield();
        container.kill();
        for (std::thread& thread : threads) thread.join();
        EXPECT_EQ(surprises, 0);
        container.wait();
    }
}

TEST_F(Enter, ProcessesInsideCannotHoldItUpForEver) {
    Container container = isolated();
    ProcessSpec spec;
    spec.stdio.out = Stdio::Pipe;
    const Process init = container.start(spec, []() -> int {
        ::signal(SIGCONT, SIG_IGN);
        (void)!::write(1, "ready\n", 6);
        for (;;) ::kill(-1, SIGSTOP);
    });
    ASSERT_EQ(read_line(init.stream(1)), "ready");
    for (int i = 0; i < 3; ++i) {
        try {
            // If it got in, it is stopped there.
            container.enter(program({"exit", "0"}));
        } catch (const Error& error) {
            EXPECT_TRUE(contains(error.what(), "keeps stopping it"));
        }
    }
    container.kill();
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

} // namespace
} // namespace ct::test
