// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Hosts with habits of their own, each a process of its own: containers work in them, and their habits stay.
#include <atomic>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fixture.hpp"
#include "support/hosts.hpp"

namespace ct::test {
namespace {

class OddHost : public ContainerTest {
protected:
    std::string run_here(const std::string& name, const std::function<void()>& prepare = {}) {
        return run_host(name, dir().string(), image().string(), prepare);
    }
};

Container make_container(Session& session, const Host& host, const std::string& name = "box") {
    return session.create(name)
        .set_root(host.image())
        .add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Uts, Namespace::Ipc})
        .add_default_mounts();
}

/// The status that counts: where somebody else may have taken it, it is unknown at worst, never a wrong one.
enum class Status { Exact, MaybeUnknown };

void expect_code(Host& host, const ExitStatus& status, int code, Status exact) {
    const bool unknown = exact == Status::MaybeUnknown && status.kind == ExitStatus::Kind::Unknown;
    host.expect(unknown || exited(status, code),
                "a process " + status.describe() + " instead of " + std::to_string(code));
}

/// A bit of everything: start, enter, callables, failures, several rounds.
void use_containers(Host& host, Status exact) {
    Session session;
    Container container = make_container(session, host);
    for (int round = 0; round < 5; ++round) {
        const Process init = start_ready(container, program({"trap", "15", "5"}));
        ProcessSpec copy = program({"copy"});
        copy.stdio = {Stdio::Pipe, Stdio::Pipe, Stdio::Null};
        const Process entered = container.enter(copy);
        host.expect(::write(entered.stream(0), "text\n", 5) == 5, "the entered process takes no input");
        host.expect(read_line(entered.stream(1)) == "text", "the entered process gives no output");
        entered.close_stream(0);
        expect_code(host, entered.wait(), 0, exact);
        expect_code(host, container.enter({}, [] { return 6; }).wait(), 6, exact);
        container.signal(SIGTERM);
        expect_code(host, container.wait(), 5, exact);
        container.start({}, [] { return 7; });
        expect_code(host, container.wait(), 7, exact);
        host.expect(container.state() == State::Stopped, "the container is not stopped");
        host.expect(static_cast<bool>(fails([&] { container.start({.argv = {"/missing"}}); },
                                            std::errc::no_such_file_or_directory, {"container 'box': ", "'/missing'"})),
                    "a missing program is not reported");
    }
}

/// The same, and then nothing in this process may differ.
void use_and_compare(Host& host, Status exact = Status::Exact) {
    const HostState before = HostState::capture();
    use_containers(host, exact);
    const std::string difference = before.difference(HostState::capture());
    host.expect(difference.empty(), difference);
}

TEST_F(OddHost, ThatIgnoresSigchldWorks) {
    EXPECT_EQ(run_here("ignores-sigchld", [] { ::signal(SIGCHLD, SIG_IGN); }), "");
}
void ignores_sigchld(Host& host) {
    host.expect(::signal(SIGCHLD, SIG_IGN) == SIG_IGN, "SIGCHLD is not ignored");
    use_and_compare(host, Status::MaybeUnknown);
}

TEST_F(OddHost, ThatReapsEveryChildWorks) {
    EXPECT_EQ(run_here("reaps-everything"), "");
}
void reaps_everything(Host& host) {
    std::atomic<int> own{0};
    const auto reap = [&own](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            int status = 0;
            const pid_t pid = ::waitpid(-1, &status, 0);
            if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 99) ++own;
            if (pid < 0) std::this_thread::yield();
        }
    };
    const std::jthread reaper(reap);
    for (int round = 0; round < 5; ++round) {
        if (::fork() == 0) ::_exit(99);
        use_containers(host, Status::MaybeUnknown);
    }
    while (own < 5) std::this_thread::yield(); // the reaper still gets the host's own children
}

TEST_F(OddHost, WithClosedStandardStreamsWorks) {
    for (unsigned closed = 1; closed < 8; ++closed) {
        EXPECT_EQ(run_here("closed-streams",
                           [closed] {
                               for (int fd = 0; fd < 3; ++fd)
                                   if ((closed >> fd & 1U) != 0) ::close(fd);
                           }),
                  "")
            << closed;
    }
}
void closed_streams(Host& host) {
    bool open[3];
    for (int fd = 0; fd < 3; ++fd) open[fd] = ::fcntl(fd, F_GETFD) >= 0;
    use_and_compare(host);
    Session session;
    Container container = make_container(session, host);
    // All three are inherited, or /dev/null in place of what is closed; a callable tells by its exit status.
    const Process process = container.start({}, [] {
        int count = 0;
        for (int fd = 0; fd < 1000; ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
        const bool all = ::fcntl(0, F_GETFD) >= 0 && ::fcntl(1, F_GETFD) >= 0 && ::fcntl(2, F_GETFD) >= 0;
        return all ? count : 100;
    });
    expect_code(host, process.wait(), 3, Status::Exact);
    for (int fd = 0; fd < 3; ++fd)
        host.expect((::fcntl(fd, F_GETFD) >= 0) == open[fd], "a standard stream of the host was opened or closed");
    ProcessSpec spec = program({"fds"});
    spec.stdio.out = Stdio::Pipe;
    container.wait();
    const Finished finished = finish(container.start(spec));
    host.expect(lines(finished.out).size() == 3, "the container's descriptors are: " + finished.out);
    container.wait();
}

TEST_F(OddHost, ThatIgnoresSigpipeWorks) {
    EXPECT_EQ(run_here("ignores-sigpipe", [] { ::signal(SIGPIPE, SIG_IGN); }), "");
}
void ignores_sigpipe(Host& host) {
    use_and_compare(host);
    host.expect(::signal(SIGPIPE, SIG_IGN) == SIG_IGN, "SIGPIPE is not ignored any more");
    // The container's processes die of it all the same.
    Session session;
    Container container = session.create("box"); // not the first of a pid namespace, which its own signals cannot kill
    container.start({.argv = {host.image() + InitPath, "raise", "13"}});
    host.expect(static_cast<bool>(signaled(container.wait(), SIGPIPE)), "SIGPIPE is ignored inside");
}

TEST_F(OddHost, ThatBlocksEverySignalWorks) {
    EXPECT_EQ(run_here("blocks-signals",
                       [] {
                           sigset_t all;
                           ::sigfillset(&all);
                           ::sigprocmask(SIG_SETMASK, &all, nullptr);
                       }),
              "");
}
void blocks_signals(Host& host) {
    use_and_compare(host);
}

TEST_F(OddHost, ThatIsInterruptedAllTheTimeWorks) {
    EXPECT_EQ(run_here("interrupted"), "");
}
void interrupted(Host& host) {
    static std::atomic<int> interrupts{0};
    struct sigaction action {};
    action.sa_handler = [](int) { ++interrupts; }; // no SA_RESTART: every blocking call sees EINTR
    ::sigaction(SIGALRM, &action, nullptr);
    const itimerval often{{0, 200}, {0, 200}};
    const itimerval never{};
    const HostState before = HostState::capture();
    ::setitimer(ITIMER_REAL, &often, nullptr);
    {
        Session session;
        Container container = make_container(session, host);
        for (int round = 0; round < 50; ++round) {
            container.start(program({"exit", "5"}));
            expect_code(host, container.wait(), 5, Status::Exact);
            container.start(program({"ignore", "15"}));
            expect_code(host, container.enter(program({"exit", "6"})).wait(), 6, Status::Exact);
            host.expect(static_cast<bool>(signaled(container.stop(std::chrono::milliseconds{1}), SIGKILL)),
                        "the container is not stopped");
            host.expect(static_cast<bool>(fails([&] { container.start({.argv = {"/missing"}}); },
                                                std::errc::no_such_file_or_directory, {"'/missing'"})),
                        "a missing program is not reported");
        }
    }
    ::setitimer(ITIMER_REAL, &never, nullptr);
    host.expect(interrupts > 0, "there was no interrupt");
    const std::string difference = before.difference(HostState::capture());
    host.expect(difference.empty(), difference);
}

TEST_F(OddHost, ThatIsNotDumpableStaysSo) {
    EXPECT_EQ(run_here("not-dumpable"), "");
}
void not_dumpable(Host& host) {
    ::prctl(PR_SET_DUMPABLE, 0);
    use_and_compare(host);
    host.expect(::prctl(PR_GET_DUMPABLE) == 0, "the host is dumpable now");
}

TEST_F(OddHost, ThatIsASubreaperStaysSo) {
    EXPECT_EQ(run_here("subreaper"), "");
}
void subreaper(Host& host) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    use_and_compare(host);
}

/// Found out without opening one.
std::string open_descriptors() {
    std::string open;
    for (int fd = 0; fd < 64; ++fd) open += ::fcntl(fd, F_GETFD) >= 0 ? 'x' : '.';
    return open;
}

TEST_F(OddHost, WithoutFreeDescriptorsGetsAnErrorAndLosesNone) {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "UndefinedBehaviorSanitizer, built in as well, needs descriptors to look at an object's type";
#endif
    EXPECT_EQ(run_here("no-descriptors"), "");
}
void no_descriptors(Host& host) {
    Session session;
    Container container = make_container(session, host);
    const rlimit low{64, 64};
    ::setrlimit(RLIMIT_NOFILE, &low);
    std::vector<int> taken;
    for (int fd = 0; (fd = ::fcntl(0, F_DUPFD_CLOEXEC, 3)) >= 0;) taken.push_back(fd);
    // With each number of free descriptors it either works or fails with EMFILE.
    int started = 0;
    int refused = 0;
    for (; !taken.empty(); taken.pop_back()) {
        const std::string before = open_descriptors();
        try {
            ProcessSpec spec = program({"exit", "0"});
            spec.stdio = {Stdio::Pipe, Stdio::Pipe, Stdio::Pipe};
            container.start(spec);
            container.wait();
            ++started;
        } catch (const Error& error) {
            host.expect(error.code() == std::errc::too_many_files_open, error.what());
            host.expect(static_cast<bool>(contains(error.what(), "container 'box': ")), error.what());
            ++refused;
            host.expect(open_descriptors() == before, "a failed start leaves a descriptor");
        }
        host.expect(container.state() == State::Stopped, "the container is not stopped");
        ::close(taken.back());
    }
    host.expect(refused > 0, "no start was refused");
    host.expect(started > 0, "no start succeeded");
}

TEST_F(OddHost, ThatStartsFromAShortLivedThreadWorks) {
    EXPECT_EQ(run_here("short-lived-thread"), "");
}
void short_lived_thread(Host& host) {
    Session session;
    for (int round = 0; round < 20; ++round) {
        Container container = make_container(session, host);
        std::thread{[&] { start_ready(container, program({"trap", "15", "4"})); }}.join();
        std::thread{[&] { container.signal(SIGTERM); }}.join();
        std::thread{[&] { expect_code(host, container.wait(), 4, Status::Exact); }}.join();
    }
}

TEST_F(OddHost, OnASmallStackWorks) {
    EXPECT_EQ(run_here("small-stack"), "");
}
void small_stack(Host& host) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    constexpr std::size_t stack = 1024 * 1024;
#else
    constexpr std::size_t stack = 64 * 1024; // as a server with thousands of threads may have it
#endif
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, stack);
    pthread_t thread;
    ::pthread_create(
        &thread, &attributes,
        [](void* argument) -> void* {
            Host& of_thread = *static_cast<Host*>(argument);
            Session session;
            Container container = make_container(session, of_thread);
            container.start(program({"exit", "3"}));
            expect_code(of_thread, container.wait(), 3, Status::Exact);
            return nullptr;
        },
        &host);
    ::pthread_join(thread, nullptr);
    ::pthread_attr_destroy(&attributes);
}

const RegisteredHost Hosts[] = {
    {"ignores-sigchld", ignores_sigchld}, {"reaps-everything", reaps_everything},
    {"closed-streams", closed_streams},   {"ignores-sigpipe", ignores_sigpipe},
    {"blocks-signals", blocks_signals},   {"interrupted", interrupted},
    {"not-dumpable", not_dumpable},       {"subreaper", subreaper},
    {"no-descriptors", no_descriptors},   {"short-lived-thread", short_lived_thread},
    {"small-stack", small_stack},
};

} // namespace
} // namespace ct::test
