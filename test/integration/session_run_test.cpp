// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Session::run(): a loop for hosts that have none.

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <stop_token>
#include <thread>

#include "events_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class SessionRun : public EventsTest {
protected:
    static std::ptrdiff_t descriptors() {
        const auto all = fs::directory_iterator("/proc/self/fd");
        return std::distance(fs::begin(all), fs::end(all));
    }
    /// Whether that thread of this process sleeps.
    static bool sleeps(pid_t thread) {
        const std::string stat = content("/proc/self/task/" + std::to_string(thread) + "/stat");
        return stat.find(") S ") != std::string::npos;
    }
};

TEST_F(SessionRun, DispatchesUntilACallbackHasItStop) {
    std::stop_source stop;
    Container container = plain();
    note(container);
    container.on_exit([&](const ExitEvent&) { stop.request_stop(); });
    container.start({}, [] { return 0; });
    const auto before = descriptors();
    session().run(stop.get_token());
    EXPECT_EQ(descriptors(), before);
    dispatch_until([&] { return stopped(); });
}

TEST_F(SessionRun, DoesNothingIfItIsToStopAlready) {
    std::stop_source stop;
    stop.request_stop();
    Container container = plain();
    note(container);
    container.start({}, [] { return 0; });
    session().run(stop.get_token());
    EXPECT_TRUE(said.empty());
    dispatch_until([&] { return stopped(); });
}

TEST_F(SessionRun, SleepsUntilAnotherThreadHasItStop) {
    (void)session().fd();
    std::atomic<pid_t> thread = 0;
    long switches = 0;
    std::jthread running([&](const std::stop_token& stop) {
        rusage before{};
        rusage after{};
        thread = static_cast<pid_t>(::syscall(SYS_gettid));
        (void)::getrusage(RUSAGE_THREAD, &before);
        session().run(stop);
        (void)::getrusage(RUSAGE_THREAD, &after);
        switches = after.ru_nvcsw - before.ru_nvcsw;
    });
    EXPECT_TRUE(await([&] { return thread != 0 && sleeps(thread); }));
    // All that it is woken up for are the events of one container, and the request.
    Container container = plain();
    std::promise<void> ended;
    container.on_exit([&](const ExitEvent&) { ended.set_value(); });
    container.start({}, [] { return 0; });
    ended.get_future().wait();
    EXPECT_TRUE(await([&] { return sleeps(thread); }));
    running.request_stop();
    running.join();
    EXPECT_LT(switches, 20);
}

TEST_F(SessionRun, AnExceptionLeavesItAndItGoesOn) {
    std::stop_source stop;
    Container container = plain();
    note(container);
    container.on_start([](const StartEvent&) { throw std::runtime_error("no"); });
    container.on_exit([&](const ExitEvent&) { stop.request_stop(); });
    container.start({}, [] { return 0; });
    EXPECT_THROW(session().run(stop.get_token()), std::runtime_error);
    session().run(stop.get_token());
    EXPECT_TRUE(stop.stop_requested());
}

TEST_F(SessionRun, InACallbackItIsRefused) {
    std::stop_source stop;
    Container container = plain();
    container.on_start([&](const StartEvent&) {
        EXPECT_TRUE(fails([&] { session().run(stop.get_token()); }, Errc::InvalidState, {"run the session"}));
        stop.request_stop();
    });
    container.start({}, [] { return 0; });
    session().run(stop.get_token());
    container.wait();
}

TEST_F(SessionRun, WaitsForAnotherThreadThatDispatches) {
    Container container = plain();
    std::promise<void> begun;
    std::promise<void> go_on;
    std::promise<void> ended;
    container.on_start([&](const StartEvent&) {
        begun.set_value();
        go_on.get_future().wait();
    });
    container.on_exit([&](const ExitEvent&) { ended.set_value(); });
    container.start({}, [] { return 0; });
    std::thread other([&] { (void)session().dispatch(); });
    begun.get_future().wait();
    std::atomic<pid_t> thread = 0;
    std::jthread running([&](const std::stop_token& stop) {
        thread = static_cast<pid_t>(::syscall(SYS_gettid));
        session().run(stop);
    });
    EXPECT_TRUE(await([&] { return thread != 0 && sleeps(thread); }));
    go_on.set_value();
    other.join();
    ended.get_future().wait();
}

} // namespace
} // namespace ct::test
