// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Hooks, and threads that look, wait and stop meanwhile.
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>

#include <fstream>

#include <gmock/gmock.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;

class HookRaces : public ContainerTest {
protected:
    /// Who waits for one that was never started is told so.
    [[nodiscard]] Container run_once() {
        Container box = isolated();
        (void)box.start(program({"exit", "0"}));
        box.wait();
        return box;
    }
    [[nodiscard]] Hook command(HookPoint point, const std::string& script) const {
        return {.point = point, .command = {.argv = {"/bin/sh", "-c", script}, .working_directory = dir()}};
    }
};

/// Does something again and again beside the test.
class Beside {
public:
    explicit Beside(std::function<void()> work)
        : thread_([this, work = std::move(work)] {
              while (!over_) {
                  work();
                  ++rounds_;
              }
          }) {}
    Beside(const Beside&) = delete;
    Beside& operator=(const Beside&) = delete;
    ~Beside() {
        over_ = true;
        thread_.join();
    }
    /// Until it was done that often more.
    void pass(unsigned rounds) const {
        const unsigned goal = rounds_ + rounds;
        EXPECT_TRUE(await([&] { return rounds_ >= goal; }));
    }

private:
    std::atomic<bool> over_ = false;
    std::atomic<unsigned> rounds_ = 0;
    std::thread thread_;
};

TEST_F(HookRaces, FailureOfTheFirstFailsTheStartWhoeverLooksMeanwhile) {
    Container box = isolated();
    const Beside looking([&] { (void)box.state(); });
    std::thread::id caller;
    box.add_hook(command(HookPoint::CreateRuntime, "exit 0"));
    box.add_hook(HookPoint::CreateRuntime, [&](const HookEvent&) {
        caller = std::this_thread::get_id();
        looking.pass(3);
        throw std::runtime_error("no");
    });
    for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(fails([&] { (void)box.start(program({"exit", "0"})); }, std::errc::operation_canceled, {"no"}));
        EXPECT_EQ(caller, std::this_thread::get_id());
    }
    box.clear_hooks().add_hook(command(HookPoint::CreateRuntime, "exit 3"));
    for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(fails(
            [&] {
                (void)box.start(program({"exit", "0"}));
            },
            std::errc::operation_canceled, {"exited with code 3"}));
    }
}

TEST_F(HookRaces, PoststopComesAfterPoststart) {
    Container box = run_once();
    std::vector<std::string> told;
    {
        const Beside looking([&] {
            (void)session().dispatch();
            (void)box.try_wait();
        });
        box.on_exit([](const ExitEvent&) {});
        box.add_hook(HookPoint::Poststart, [&](const HookEvent&) {
            looking.pass(100);
            told.emplace_back("poststart");
        });
        box.add_hook(HookPoint::Poststop, [&](const HookEvent&) { told.emplace_back("poststop"); });
        const Process init = box.start(program({"exit", "7"}));
        EXPECT_TRUE(exited(box.wait(), 7));
    }
    EXPECT_THAT(told, ElementsAre("poststart", "poststop"));
}

TEST_F(HookRaces, AllWhoStopAHeldContainerWait) {
    ASSERT_EQ(::mkfifo((dir() / "gate").c_str(), 0600), 0);
    Spec spec = isolated("spec").spec();
    spec.namespaces.erase(Namespace::Pid);
    Container box = session().create("held", spec).add_hook(command(HookPoint::Poststop, "read line <gate"));
    box.hold();
    const auto stop = [&] {
        box.stop(0s);
        EXPECT_EQ(box.state(), State::Stopped);
    };
    std::thread one(stop), two(stop);
    EXPECT_TRUE(await([&] { return box.state() == State::Stopping; }));
    std::ofstream{dir() / "gate"} << "go\n";
    one.join();
    two.join();
}

TEST_F(HookRaces, OnExitMayStartAgainWhileOthersWait) {
    Container box = run_once();
    const Beside waiting([&] { (void)box.wait_for(1ms); });
    unsigned runs = 0;
    box.on_exit([&](const ExitEvent&) {
        if (++runs < 50) (void)box.start(program({"exit", "0"}));
    });
    (void)box.start(program({"exit", "0"}));
    while (runs < 50) (void)session().dispatch_for(Patience);
    box.wait();
}

TEST_F(HookRaces, ManyWhoWaitAndStopFindTheEnd) {
    Container box = run_once();
    std::atomic<unsigned> poststops = 0;
    box.add_hook(command(HookPoint::Poststop, "exit 0"));
    box.add_hook(HookPoint::Poststop, [&](const HookEvent&) { ++poststops; });
    box.on_exit([](const ExitEvent&) {});
    {
        const Beside dispatching([&] { (void)session().dispatch(); });
        const Beside waiting([&] { (void)box.wait_for(1ms); });
        const Beside stopping([&] { box.stop(1ms); });
        for (int i = 0; i < 100; ++i) {
            (void)box.start(program({"exit", "0"}));
            box.wait();
        }
    }
    EXPECT_EQ(poststops, 100U);
}

TEST_F(HookRaces, WhoWaitsForEverWaitsForTheHooksOfTheEnd) {
    Container box = isolated();
    std::atomic<bool> runs = false;
    std::atomic<bool> over = false;
    box.on_exit([](const ExitEvent&) {});
    box.add_hook(HookPoint::Poststop, [&](const HookEvent&) {
        runs = true;
        std::this_thread::sleep_for(50ms);
        over = true;
    });
    (void)box.start(program({"exit", "3"}));
    const Beside dispatching([&] { session().dispatch_for(1ms); });
    ASSERT_TRUE(await([&] { return runs.load(); }));
    const auto status = box.wait_for(std::chrono::nanoseconds::max());
    EXPECT_TRUE(over);
    ASSERT_TRUE(status);
    EXPECT_TRUE(exited(*status, 3));
}

TEST_F(HookRaces, SessionMayGoInACallableOfTheEnd) {
    auto other = std::make_unique<Session>();
    Spec spec = isolated("spec").spec();
    Container box = other->create("box", spec);
    box.add_hook(HookPoint::Poststop, [&](const HookEvent&) { other.reset(); });
    (void)box.start(program({"exit", "7"}));
    EXPECT_TRUE(exited(box.wait(), 7));
    EXPECT_EQ(other, nullptr);
}

} // namespace
} // namespace ct::test
