// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.hpp"
#include "support/hosts.hpp"

namespace ct::test {
namespace {

using Callable = ContainerTest;

TEST_F(Callable, ReturnValueIsTheExitStatus) {
    Container container = plain();
    for (const int value : {0, 1, 42, 255}) {
        const Process process = container.start({}, [value] { return value; });
        EXPECT_TRUE(exited(process.wait(), value));
        EXPECT_TRUE(exited(container.wait(), value));
    }
}

TEST_F(Callable, OnlyTheLowEightBitsCount) {
    Container container = plain();
    EXPECT_TRUE(exited(run(container, {}, [] { return 0x1234; }).status, 0x34));
    EXPECT_TRUE(exited(run(container, {}, [] { return -1; }).status, 255));
}

TEST_F(Callable, SeesTheHostsMemoryAndChangesOnlyItsCopy) {
    Container container = plain();
    std::map<std::string, int> values{{"before", 1}};
    EXPECT_TRUE(succeeded(run(container, {}, [&] {
        const bool seen = values.at("before") == 1;
        values["inside"] = 2;
        return seen ? 0 : 1;
    })));
    EXPECT_EQ(values, (std::map<std::string, int>{{"before", 1}}));
}

TEST_F(Callable, RunsInsideTheContainer) {
    Container container = isolated().set_hostname("inside").add_default_mounts();
    const Finished finished = run(container, {}, [] {
        std::array<char, 64> name{};
        ::gethostname(name.data(), name.size());
        std::printf("%s %d %d\n", name.data(), ::getpid(), ::access("/proc/1/stat", R_OK));
        return ::access(InitPath, X_OK);
    });
    EXPECT_TRUE(succeeded(finished));
    EXPECT_EQ(finished.out, "inside 1 0\n");
}

TEST_F(Callable, RunsInEachKindOfNamespace) {
    Container container =
        isolated("all").add_namespaces({Namespace::Net, Namespace::Cgroup, Namespace::Time, Namespace::User});
    container.map_root_to_caller();
    EXPECT_TRUE(exited(run(container, {}, [] { return ::getpid() == 1 ? 7 : 8; }).status, 7));
}

TEST_F(Callable, HasTheAttributesOfItsProcess) {
    make_dir("image/work");
    Container container = isolated();
    ProcessSpec spec;
    spec.user = User{1000, 1001};
    spec.working_directory = "/work";
    spec.umask = 037;
    spec.no_new_privileges = true;
    spec.environment = std::vector<std::string>{"ONLY=this"};
    const Finished finished = run(container, spec, [] {
        const std::string cwd = std::unique_ptr<char, decltype(&std::free)>{::getcwd(nullptr, 0), &std::free}.get();
        const char* only = std::getenv("ONLY");
        std::printf("%u %u %s %o %d %s %s\n", ::getuid(), ::getgid(), cwd.c_str(), ::umask(0),
                    ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), only != nullptr ? only : "?",
                    std::getenv("PATH") != nullptr ? "leaked" : "clean");
        return 0;
    });
    EXPECT_EQ(finished.out, "1000 1001 /work 37 1 this clean\n");
}

TEST_F(Callable, HasOnlyTheCallingThread) {
    std::atomic<bool> done{false};
    std::thread other{[&] { done.wait(false); }};
    Container container = isolated().add_default_mounts();
    const Finished finished = run(container, {}, [] { return thread_count(); });
    done = true;
    done.notify_all();
    other.join();
    EXPECT_TRUE(exited(finished.status, 1));
}

TEST_F(Callable, StartsThreadsOfItsOwn) {
    if (ForksHaveThreads) GTEST_SKIP() << "ThreadSanitizer allows no new threads after a fork";
    Container container = isolated();
    EXPECT_TRUE(exited(run(container, {},
                           [] {
                               int value = 0;
                               std::thread{[&] { value = 5; }}.join();
                               return value;
                           })
                           .status,
                       5));
}

TEST_F(Callable, CatchesItsOwnExceptions) {
    Container container = isolated();
    EXPECT_TRUE(exited(run(container, {},
                           [] {
                               try {
                                   throw std::runtime_error{"inside"};
                               } catch (const std::exception& error) {
                                   return std::string{error.what()} == "inside" ? 3 : 4;
                               }
                           })
                           .status,
                       3));
}

TEST_F(Callable, ThatThrowsIsTerminated) {
    Container container = plain();
    ProcessSpec spec;
    spec.stdio.err = Stdio::Pipe;
    spec.limits = {{RLIMIT_CORE, 0, 0}};
    EXPECT_TRUE(signaled(run(container, spec, []() -> int { throw std::runtime_error{"unhandled"}; }).status, SIGABRT));
    EXPECT_EQ(container.state(), State::Stopped);
}

TEST_F(Callable, ThatIsEmptyIsRefused) {
    Container container = plain();
    EXPECT_TRUE(fails([&] { container.start({}, std::function<int()>{}); }, std::errc::invalid_argument,
                      {"container 'box': "}));
}

TEST_F(Callable, RunsNoExitHandlersOfTheHost) {
    // In a host of its own: handlers cannot be taken back.
    EXPECT_EQ(run_host("exit-handlers", dir().string(), image().string()), "");
}

TEST_F(Callable, WritesNothingOfTheHostsBuffers) {
    const std::string path = (dir() / "buffered").string();
    FILE* file = std::fopen(path.c_str(), "we");
    ASSERT_NE(file, nullptr);
    std::fputs("of the host", file);
    Container container = isolated();
    EXPECT_TRUE(succeeded(run(container, {}, [] { return 0; })));
    EXPECT_EQ(content(path), "");
    std::fclose(file);
    EXPECT_EQ(content(path), "of the host");
}

TEST_F(Callable, WritesItsOwnOutputOnceAndTheHostsNever) {
    const std::string out = (dir() / "stdout").string();
    EXPECT_EQ(run_host("buffered-output", dir().string(), image().string(),
                       [&] { ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 1); }),
              "");
    EXPECT_EQ(content(out), "of the callable\nof the host\n");
}

TEST_F(Callable, HasTheDefaultSignalSettings) {
    static std::atomic<int> caught{0};
    const auto before = ::signal(SIGUSR1, [](int) { ++caught; });
    sigset_t block;
    sigset_t mask_before;
    ::sigfillset(&block);
    ::pthread_sigmask(SIG_BLOCK, &block, &mask_before);
    Container container = plain();
    const Finished finished = run(container, {}, [] {
        sigset_t mask;
        ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
        ::raise(SIGUSR1);
        return 1;
    });
    ::pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);
    ::signal(SIGUSR1, before);
    EXPECT_TRUE(signaled(finished.status, SIGUSR1));
    EXPECT_EQ(caught, 0);
}

TEST_F(Callable, UsesMallocWhileTheHostsThreadsDo) {
    if (ForksCannotAllocate) GTEST_SKIP() << "a forked copy cannot allocate under AddressSanitizer";
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&done] {
            for (std::size_t size = 16; !done; size = size % 100000 + 1000)
                std::vector<char>(size).swap(*std::make_unique<std::vector<char>>(size));
        });
    Container container = plain();
    for (int i = 0; i < 50; ++i) {
        const Finished finished = run(container, {}, [] {
            std::string text;
            for (int j = 0; j < 1000; ++j) text += std::string(static_cast<std::size_t>(j), 'x');
            return text.size() == 499500 ? 0 : 1;
        });
        ASSERT_TRUE(succeeded(finished)) << i;
    }
    done = true;
    for (std::thread& thread : threads) thread.join();
}

TEST_F(Callable, IsKilled) {
    Container container = isolated();
    const Process process = container.start({}, []() -> int {
        for (;;) ::pause();
    });
    EXPECT_EQ(container.state(), State::Running);
    container.kill();
    EXPECT_TRUE(signaled(process.wait(), SIGKILL));
    container.wait();
}

TEST_F(Callable, IsNotStartedWhenTheSetUpFails) {
    const std::string path = (dir() / "touched").string();
    Container container = isolated().set_root((dir() / "missing").string());
    EXPECT_TRUE(fails([&] { container.start({}, [&] { return std::ofstream{path} ? 0 : 1; }); },
                      std::errc::no_such_file_or_directory, {"container 'box': ", "missing"}));
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(Callable, MayEndEarly) {
    Container container = plain();
    EXPECT_TRUE(exited(run(container, {}, []() -> int { ::_exit(9); }).status, 9));
}

void exit_handlers(Host& host) {
    // The handler's trace is memory that the callable's process shares.
    static int* const calls =
        static_cast<int*>(::mmap(nullptr, sizeof(int), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    std::atexit([] { ++*calls; });
    static const struct Destroyed {
        ~Destroyed() { ++*calls; }
    } destroyed;
    Session session;
    Container container = session.create("box");
    host.expect(exited(container.start({}, [] { return 5; }).wait(), 5), "the callable's value is lost");
    host.expect(*calls == 0, "an exit handler or destructor of the host ran in the callable's process");
}

void buffered_output(Host& host) {
    std::printf("of the host\n"); // stays in the buffer: standard output is a file
    Session session;
    Container container = session.create("box");
    const Process process = container.start({}, [] {
        std::printf("of the callable\n");
        return 0;
    });
    host.expect(process.wait().success(), "the callable failed");
}

const RegisteredHost Hosts[] = {
    {"exit-handlers", exit_handlers},
    {"buffered-output", buffered_output},
};

} // namespace
} // namespace ct::test
