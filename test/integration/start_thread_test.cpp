// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <csignal>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* ThreadName = "libct-start\n";

/// The directories in /proc of this process's threads that the library has made.
std::vector<fs::path> own_threads() {
    std::vector<fs::path> found;
    for (const fs::directory_entry& task : fs::directory_iterator{"/proc/self/task"})
        if (content(task.path() / "comm") == ThreadName) found.push_back(task.path());
    return found;
}

/// Whether there are that many, at the latest when threads that are just ending have ended.
::testing::AssertionResult has_own_threads(std::size_t count) {
    std::size_t present = 0;
    if (await([&] { return (present = own_threads().size()) == count; })) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "there are " << present << " threads of the library";
}

class StartThreadTest : public ContainerTest {
protected:
    static SessionOptions options(OnClose on_close = OnClose::Kill) {
        return {.on_close = on_close, .log_handler = {}, .start_thread = StartThread::Own};
    }
    Container box(Session& session, const std::string& name = "box") {
        return session.create(name).set_root(image().string()).add_namespaces({Namespace::Mount, Namespace::Pid});
    }
    static ProcessSpec dying(std::vector<std::string> args) {
        ProcessSpec spec = program(std::move(args));
        spec.parent_death_signal = SIGKILL;
        return spec;
    }
    /// Starts from a thread that ends at once.
    static Process start_elsewhere(Container& container, const ProcessSpec& spec) {
        std::optional<Process> process;
        std::thread{[&] { process = start_ready(container, spec); }}.join();
        return *process;
    }
};

TEST_F(StartThreadTest, OfTheCallerTakesTheProcessAlong) {
    Container container = isolated();
    start_elsewhere(container, dying({"pause"}));
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

TEST_F(StartThreadTest, OfTheSessionOutlivesTheCaller) {
    Session own{options()};
    Container container = box(own);
    const Process init = start_elsewhere(container, dying({"trap", "15", "3"}));
    std::optional<Process> entered;
    ProcessSpec spec = dying({"trap", "15", "4"});
    spec.stdio.out = Stdio::Pipe;
    std::thread{[&] { entered = container.enter(spec); }}.join();
    EXPECT_EQ(read_line(entered->stream(1)), "ready");
    entered->signal(SIGTERM);
    EXPECT_TRUE(exited(entered->wait(), 4)) << "the end of the calling thread would have killed it";
    init.signal(SIGTERM);
    EXPECT_TRUE(exited(container.wait(), 3));
}

TEST_F(StartThreadTest, IsMadeByTheFirstStartAndTakesNoSignals) {
    {
        Session own{options()};
        Container container = box(own);
        EXPECT_TRUE(has_own_threads(0));
        EXPECT_TRUE(exited(run(container, program({"exit", "5"})).status, 5));
        EXPECT_TRUE(exited(run(container, program({"exit", "6"})).status, 6));
        const std::vector<fs::path> threads = own_threads();
        ASSERT_EQ(threads.size(), 1U);
        std::istringstream status{content(threads.front() / "status")};
        std::string blocked;
        for (std::string word; status >> word;)
            if (word == "SigBlk:") status >> blocked;
        EXPECT_EQ(blocked, "fffffffe7ffbfeff") << "all but SIGKILL, SIGSTOP and the two that glibc keeps for itself";
    }
    EXPECT_TRUE(has_own_threads(0)) << "joined when the session closes";
}

TEST_F(StartThreadTest, PassesErrorsOn) {
    Session own{options()};
    Container container = box(own);
    EXPECT_TRUE(fails([&] { container.start({.argv = {"/nowhere"}}); }, std::errc::no_such_file_or_directory,
                      {"container 'box': exec '/nowhere'"}));
    ASSERT_TRUE(exited(run(container, program({"exit", "0"})).status, 0));
    // An error of the clone itself, which arises on that thread.
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session{options()};
        Container refused = session.create("net").add_namespace(Namespace::Net);
        EXPECT_TRUE(fails(
            [&] {
                refused.start(host_program({"exit", "0"}));
            },
            std::errc::operation_not_permitted, {"container 'net': make a process with new namespaces (net)"}));
    }));
}

TEST_F(StartThreadTest, RunsCallables) {
    Session own{options()};
    Container container = box(own);
    ProcessSpec spec;
    spec.parent_death_signal = SIGKILL;
    std::string message = "from the host's memory";
    for (int i = 0; i < 3; ++i) {
        const Finished finished = run(container, spec, [&] {
            std::puts((message + std::to_string(i)).c_str());
            return ::getpid() == 1 ? i : 100;
        });
        EXPECT_EQ(finished.out, message + std::to_string(i) + "\n");
        EXPECT_TRUE(exited(finished.status, i));
    }
}

TEST_F(StartThreadTest, ServesManyThreadsAtOnce) {
    Session own{options()};
    std::vector<std::thread> starters;
    for (int number = 0; number < 6; ++number) {
        starters.emplace_back([&, number] {
            Container container = box(own, "box" + std::to_string(number)).add_default_mounts();
            for (int i = 0; i < 20; ++i) {
                ProcessSpec spec = program({"exit", std::to_string(number)});
                if (i % 5 == 4) spec.argv = {"/nowhere"};
                try {
                    container.start(spec);
                    EXPECT_TRUE(exited(container.wait(), number));
                } catch (const Error& error) {
                    EXPECT_EQ(i % 5, 4) << error.what();
                }
            }
        });
    }
    for (std::thread& starter : starters) starter.join();
    EXPECT_TRUE(has_own_threads(1));
}

TEST_F(StartThreadTest, DetachedProcessesKeepTheThreadUntilTheirEnd) {
    std::optional<Session> own{std::in_place, options(OnClose::Detach)};
    Container container = box(*own);
    const Process init = start_ready(container, dying({"trap", "15", "3"}));
    own.reset();
    EXPECT_TRUE(has_own_threads(1));
    init.signal(SIGTERM);
    EXPECT_TRUE(exited(init.wait(), 3)) << "the session's end would have killed it";
    // The fixture waits for the end of the thread.
}

TEST_F(StartThreadTest, DetachedProcessesWithoutADeathSignalDoNot) {
    std::optional<Session> own{std::in_place, options(OnClose::Detach)};
    Container container = box(*own);
    const Process init = start_ready(container, program({"pause"}));
    own.reset();
    EXPECT_TRUE(has_own_threads(0));
    init.kill();
    EXPECT_TRUE(signaled(init.wait(), SIGKILL));
}

TEST_F(StartThreadTest, DeathOfTheHostIsSignalled) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const pid_t host = ::fork();
    if (host == 0) {
        // Never destroyed: nothing but the end of the process ends the container.
        auto* const own = new Session{options(OnClose::Detach)};
        Container container = box(*own);
        ProcessSpec spec = dying({"pause"});
        spec.fds = {{.target = 1, .source = ends[1]}};
        container.start(spec);
        ::_exit(read_line(ends[0]) == "ready" ? 0 : 1);
    }
    ::close(ends[1]);
    int status = -1;
    EXPECT_EQ(::waitpid(host, &status, 0), host);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(reaches_end(ends[0])) << "the container lives on";
    ::close(ends[0]);
}

TEST_F(StartThreadTest, ForkOfTheHostMakesAnother) {
    if (ForksHaveThreads) GTEST_SKIP() << "ThreadSanitizer gives the fork a thread of its own";
    std::optional<Session> own{std::in_place, options()};
    Container container = box(*own);
    ASSERT_TRUE(exited(run(container, program({"exit", "0"})).status, 0));
    EXPECT_TRUE(passes_in_child([&] {
        EXPECT_TRUE(has_own_threads(0));
        own.reset(); // waits for no thread
    }));
    EXPECT_TRUE(passes_in_child([&] {
        EXPECT_TRUE(exited(run(container, program({"exit", "8"})).status, 8));
        EXPECT_TRUE(has_own_threads(1));
        own.reset();
        EXPECT_TRUE(has_own_threads(0));
    }));
    EXPECT_TRUE(exited(run(container, program({"exit", "9"})).status, 9));
}

} // namespace
} // namespace ct::test
