// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The host process is a busy one: threads that allocate, fork, execute, log and handle signals. It must not notice that
// containers start in its midst.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <thread>

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

#ifdef __SANITIZE_THREAD__
constexpr int Rounds = 3; // ThreadSanitizer is some ten times slower
#else
constexpr int Rounds = 12;
#endif
constexpr int Workers = 32;

class Guest : public ContainerTest {
protected:
    void TearDown() override {
        ::signal(SIGUSR1, SIG_DFL);
        ::signal(SIGCHLD, SIG_DFL);
        ::signal(SIGPIPE, SIG_DFL);
        ContainerTest::TearDown();
    }

    /// Counts what goes wrong in any thread; gtest's own assertions would serialise the threads.
    void check(bool good, const char* what, const std::string& detail = "") {
        if (!good && failures_++ < 10) std::fprintf(stderr, "%s %s\n", what, detail.c_str());
    }

    /// Calls \p body in a thread until the workers are done.
    template <typename Body>
    void noise(Body body) {
        noises_.emplace_back([this, body] {
            while (!done_) body();
        });
    }

    void allocate() {
        std::vector<std::unique_ptr<char[]>> blocks;
        for (std::size_t size = 1; size < 200000; size = size * 3 + 1) blocks.push_back(std::make_unique<char[]>(size));
    }

    /// The wait status of a child of the host, which signals may interrupt; -1 if there is none.
    static int reap(pid_t child) {
        int status = -1;
        pid_t reaped = ::waitpid(child, &status, 0);
        while (reaped < 0 && errno == EINTR) reaped = ::waitpid(child, &status, 0);
        return reaped == child ? status : -1;
    }

    void fork_and_reap() {
        const pid_t child = ::fork();
        if (child == 0) ::_exit(7);
        const int status = reap(child);
        check(WIFEXITED(status) && WEXITSTATUS(status) == 7, "somebody else took the status of a host's child");
    }

    /// The descriptors that a program inherits when the host executes it right now.
    std::string inherited_by_exec() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return "pipe2 failed";
        const std::string path = image().string() + InitPath;
        const pid_t child = ::fork();
        if (child == 0) {
            ::dup2(ends[1], 1);
            ::execl(path.c_str(), "test_init", "fds", nullptr);
            ::_exit(127);
        }
        ::close(ends[1]);
        std::string text;
        for (char buffer[4096];;) {
            const ssize_t length = ::read(ends[0], buffer, sizeof buffer);
            if (length < 0 && errno == EINTR) continue;
            if (length <= 0) break;
            text.append(buffer, static_cast<std::size_t>(length));
        }
        ::close(ends[0]);
        check(reap(child) == 0, "a program that the host executed failed");
        std::string numbers;
        for (const std::string& line : lines(text)) numbers += line.substr(0, line.find(' ')) + " ";
        return numbers;
    }

    /// The attributes that all threads share, without changing them as umask(2) would.
    static std::string shared_attributes() {
        std::string text;
        for (const std::string& line : lines(content("/proc/thread-self/status")))
            if (line.starts_with("Umask:") || line.starts_with("SigBlk:") || line.starts_with("SigIgn:") ||
                line.starts_with("SigCgt:") || line.starts_with("Uid:") || line.starts_with("CapEff:"))
                text += line + "\n";
        return text + fs::current_path().string();
    }

    /// One worker's containers, started and entered again and again.
    void work(int number) {
        const std::string id = std::to_string(number);
        Container container = session().create("guest-" + id, spec_);
        ProcessSpec init = program({"trap", "15", id});
        init.user = User{static_cast<std::uint32_t>(1000 + number), 1000};
        init.capabilities = std::vector<std::string>{"CHOWN"};
        init.no_new_privileges = true;
        init.umask = 077;
        init.stdio = {Stdio::Null, Stdio::Pipe, Stdio::Null};
        for (int round = 0; round < Rounds; ++round) {
            const Process process = container.start(init);
            check(read_line(process.stream(1)) == "ready", "the first process is not ready");
            const Finished entered = run_entered(container, program({"exit", id}));
            check(static_cast<bool>(exited(entered.status, number)), "an entered process has another status");
            if (number % 4 == 0 && !ForksCannotAllocate) {
                const Process callable = container.enter({}, [number] { return number + 100; });
                check(static_cast<bool>(exited(callable.wait(), number + 100)), "a callable has another status");
            }
            container.signal(SIGTERM);
            check(static_cast<bool>(exited(container.wait(), number)), "the first process has another status");
            try {
                container.start({.argv = {"/missing"}});
                check(false, "a missing program was started");
            } catch (const Error& error) {
                check(error.code() == std::errc::no_such_file_or_directory, error.what());
            }
        }
    }

    Spec spec_;
    std::atomic<bool> done_{false};
    std::atomic<int> failures_{0};
    std::vector<std::thread> noises_;
};

std::atomic<int> user_signals{0};

TEST_F(Guest, IsNotNoticedByABusyHost) {
    ::signal(SIGUSR1, [](int) { ++user_signals; });
    ::signal(SIGCHLD, [](int) {});
    ::signal(SIGPIPE, SIG_IGN);
    ::setenv("CT_TEST_GUEST", "here", 1);
    const mode_t umask_before = ::umask(0137);
    const int inheritable = ::open("/dev/null", O_RDONLY); // NOLINT: not close-on-exec on purpose
    sigset_t block;
    sigset_t mask_before;
    ::sigemptyset(&block);
    ::sigaddset(&block, SIGUSR2);
    ::pthread_sigmask(SIG_BLOCK, &block, &mask_before);

    spec_ = isolated().add_default_mounts().set_hostname("guest").spec();
    close_session();
    const HostState before = HostState::capture();
    const int threads = thread_count();
    const std::string attributes = shared_attributes();
    const std::string inherited = inherited_by_exec();
    (void)session(); // opened here, not by one of the workers
    const std::string log_path = (dir() / "log").string();
    std::unique_ptr<FILE, int (*)(FILE*)> log{std::fopen(log_path.c_str(), "we"), &std::fclose};

    noise([this] { allocate(); });
    noise([this] { allocate(); });
    noise([this] { fork_and_reap(); });
    noise([&] {
        const std::string now = inherited_by_exec();
        check(now == inherited, "a descriptor of the library leaked into a host's program, which has", now);
    });
    noise([&] { check(shared_attributes() == attributes, "an attribute of the process changed for a while"); });
    noise([&] { std::fprintf(log.get(), "a line that is written while containers start\n"); });
    noise([] { ::kill(::getpid(), SIGUSR1); });
    std::vector<std::thread> workers;
    for (int number = 0; number < Workers; ++number) workers.emplace_back([this, number] { work(number); });
    for (std::thread& worker : workers) worker.join();
    done_ = true;
    for (std::thread& thread : noises_) thread.join();
    close_session();
    log.reset();

    EXPECT_EQ(failures_, 0);
    EXPECT_GT(user_signals, 0);
    EXPECT_GT(fs::file_size(log_path), 0U);
    EXPECT_TRUE(settle_threads(threads));
    EXPECT_EQ(before.difference(HostState::capture()), "");
    ::pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
    ::close(inheritable);
    ::umask(umask_before);
    ::unsetenv("CT_TEST_GUEST");
}

} // namespace
} // namespace ct::test
