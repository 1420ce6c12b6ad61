// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// `ctrun events`, and `ctrun stats` again and again.
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <fstream>

#include "cgroup/hierarchies.hpp"
#include "ctrun_follow_fixture.hpp"

namespace ct::test {
namespace {

using CtrunEventsTest = CtrunFollowTest;

/// "state stopped starting", "exit exited", ...
std::vector<std::string> told(const std::string& out) {
    std::vector<std::string> found;
    for (const std::string& line : lines(out)) {
        EXPECT_TRUE(line.starts_with(R"({"time":"2)") && line.ends_with('}')) << line;
        std::string text = member(line, "event");
        for (const char* key : {"from", "to", "status"})
            if (const std::string value = member(line, key); !value.empty()) text += " " + value;
        std::erase(text, '"');
        found.push_back(text);
    }
    return found;
}

const std::vector<std::string> WholeRun{
    "state stopped starting", "state starting running", "start", "state running stopping", "exit exited",
    "state stopping stopped"};

/// The end of the last event of a run.
constexpr std::string_view Stopped = R"("from":"stopping","to":"stopped"})"
                                     "\n";

/// Reads what \p follower tells after \p seen, up to the end of a container that nobody has waited for.
void expect_unknown_end(const Ctrun& follower, std::string seen) {
    EXPECT_TRUE(read_until(follower.out.get(), seen, Stopped));
    auto expected = WholeRun;
    expected[4] = "exit unknown";
    EXPECT_EQ(told(seen), expected) << seen;
    follower.signal(SIGTERM);
    (void)follower.wait();
}

TEST_F(CtrunEventsTest, OfARunComeInOrderToAllFollowers) {
    Ctrun first = start({"events", "--since", "1h"});
    Ctrun second = start({"events", "--since", "1h", "box"});
    Ctrun third = start({"events", "--since", "1h", "other"});
    ctrun(shell({"--name", "second"}, "true"));
    std::string seen;
    EXPECT_TRUE(read_until(first.out.get(), seen, Stopped));
    seen.clear();
    EXPECT_EQ(run_detached("exit 3").status, 0);
    EXPECT_TRUE(read_until(first.out.get(), seen, Stopped));
    EXPECT_EQ(told(seen), WholeRun) << seen;
    EXPECT_TRUE(contains(seen, R"("status":"exited","code":3)")) << seen;
    seen.clear();
    EXPECT_TRUE(read_until(second.out.get(), seen, Stopped));
    EXPECT_EQ(told(seen), WholeRun) << seen;
    for (Ctrun* follower : {&first, &second, &third}) follower->signal(SIGTERM);
    EXPECT_EQ(first.wait(), -SIGTERM);
    EXPECT_EQ(second.wait(), -SIGTERM);
    const Said nothing = finish(third);
    EXPECT_EQ(nothing.out, "");
    EXPECT_EQ(nothing.err, "ctrun: note: there is no container 'other' at present\n");
    reap();
    const Said recorded = ctrun({"events", "--no-follow", "box"});
    EXPECT_EQ(told(recorded.out), WholeRun) << recorded;
    EXPECT_EQ(told(ctrun({"events", "--no-follow"}).out).size(), 2 * WholeRun.size());
    EXPECT_EQ(told(ctrun({"events", "--no-follow", "--since", "1h", "box"}).out), WholeRun);
    EXPECT_EQ(ctrun({"events", "--no-follow", "--since", "2200-01-01T00:00:00Z"}).out, "");
    EXPECT_TRUE(contains(ctrun({"events", "--since", "x"}).err, "--since"));
}

TEST_F(CtrunEventsTest, TellTheEndOfAContainerWithoutAMonitor) {
    ctrun(shell({"-d", "--name", "box"}, "sleep 1000"));
    Ctrun follower = start({"events", "--since", "1h"});
    std::string seen;
    EXPECT_TRUE(read_until(follower.out.get(), seen, "\n"));
    const std::string pid = json_value(ctrun({"list", "--json"}).out, "pid");
    ASSERT_EQ(::kill(std::stoi(pid), SIGKILL), 0); // nobody looks after it
    expect_unknown_end(follower, seen);
}

TEST_F(CtrunEventsTest, TellTheEndOfAContainerWhoseMonitorWasKilled) {
    run_detached("echo on; sleep 1000");
    await_content("on");
    Ctrun follower = start({"events", "--since", "1h", "box"});
    std::string seen;
    EXPECT_TRUE(read_until(follower.out.get(), seen, R"("event":"start")"));
    const pid_t pid = std::stoi(json_value(ctrun({"list", "--json"}).out, "pid"));
    ASSERT_EQ(::kill(owner(), SIGKILL), 0);
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    expect_unknown_end(follower, seen);
}

TEST_F(CtrunEventsTest, AreToldOnceWhoeverEndsTheContainer) {
    run_detached("trap 'exit 0' TERM; echo on; while :; do sleep 0.01; done");
    await_content("on");
    EXPECT_EQ(ctrun({"stop", "--grace", "60", "box"}).status, 0);
    reap();
    EXPECT_EQ(told(ctrun({"events", "--no-follow"}).out), WholeRun);
}

TEST_F(CtrunEventsTest, TellStatesOfOtherPrograms) {
    Session host({.state_directory = (runtime() / "libct").string()}); // records nothing
    Ctrun follower = start({"events"});
    Container box = host.create("box");
    std::string seen;
    EXPECT_TRUE(await([&] { // until the follower is there
        box.start(host_program({"exit", "0"}));
        box.wait();
        pollfd ready{follower.out.get(), POLLIN, 0};
        return ::poll(&ready, 1, 0) == 1;
    }));
    EXPECT_TRUE(read_until(follower.out.get(), seen, "\n"));
    EXPECT_EQ(member(seen, "event"), "\"state\"");
    EXPECT_EQ(member(seen, "container"), "\"box\"");
    follower.signal(SIGTERM);
    (void)follower.wait();
}

TEST_F(CtrunEventsTest, AFullDiskStopsNobody) {
    mount_tmpfs(runtime() / "libct", "size=16k,mode=0700");
    EXPECT_EQ(ctrun(shell({"--name", "box"}, "exit 5")).status, 5);
    const std::string filler = runtime() / "libct/.events/filler";
    std::ofstream(filler) << std::string(1 << 20, 'x');
    const Said said = ctrun(shell({}, "exit 5"));
    EXPECT_TRUE(said.status == 5 || contains(said.err, "No space left")) << said;
    std::filesystem::remove(filler);
    EXPECT_EQ(ctrun({"events", "--no-follow"}).status, 0);
}

class CtrunLiveStatsTest : public CtrunFollowTest {
protected:
    void SetUp() override {
        CtrunFollowTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        const auto hierarchies = internal::Hierarchies::detect();
        if (hierarchies.find(Controller::Memory) == nullptr) GTEST_SKIP() << "no memory controller on this host";
        const bool version_1 = hierarchies.find(Controller::Cpuacct) != nullptr;
        cpu_ = version_1 ? Words{"--controller", "cpuacct"} : Words{"--cpus", "1"};
    }
    [[nodiscard]] Words limited() const {
        Words words{"--log", log(), "--memory", "32m", "--pids", "20", "--cgroup-parent", cgroup_parent()};
        words.insert(words.end(), cpu_.begin(), cpu_.end());
        return words;
    }

private:
    Words cpu_; ///< For whose use of CPU time is known.
};

TEST_F(CtrunLiveStatsTest, AnOutOfMemoryKillIsTold) {
    const Said run = run_detached("echo on; x=a; while :; do x=$x$x$x$x; done", limited());
    ASSERT_EQ(run.status, 0) << run;
    reap();
    const std::vector<std::string> all = told(ctrun({"events", "--no-follow", "box"}).out);
    const auto oom = std::find(all.begin(), all.end(), "oom");
    const auto exit = std::find(all.begin(), all.end(), "exit signaled");
    EXPECT_LT(oom, exit) << ctrun({"events", "--no-follow", "box"});
    EXPECT_NE(exit, all.end()) << ctrun({"events", "--no-follow", "box"});
}

TEST_F(CtrunLiveStatsTest, LinesWithoutATerminalUntilTheEnd) {
    const Said run = run_detached("echo on; sleep 1000", limited());
    ASSERT_EQ(run.status, 0) << run;
    await_content("on");
    Ctrun stats = start({"stats", "--interval", "100ms", "box"});
    std::string out;
    EXPECT_TRUE(read_until(stats.out.get(), out, "%"));
    EXPECT_TRUE(contains(out, "NAME  CPU")) << out;
    EXPECT_TRUE(contains(out, "32.0M")) << out;
    EXPECT_FALSE(contains(out, "\x1b")) << out;
    Ctrun json = start({"stats", "--json", "--interval", "100ms"});
    std::string lines_of_json;
    EXPECT_TRUE(read_until(json.out.get(), lines_of_json, "\n"));
    EXPECT_TRUE(read_until(json.out.get(), lines_of_json, "\n"));
    EXPECT_EQ(member(lines_of_json, "name"), "\"box\"");
    EXPECT_EQ(member(lines_of_json.substr(lines_of_json.find('\n')), "cpu_percent").find("null"), std::string::npos);
    EXPECT_EQ(ctrun({"kill", "box"}).status, 0);
    const Said said = finish(stats);
    EXPECT_EQ(said.status, 0) << said;
    EXPECT_TRUE(contains(said.out, "box   ended")) << said;
    json.out.close(); // nobody reads it any more
    (void)json.wait();
    reap();
    EXPECT_EQ(ctrun({"stats", "box"}).status, 125);
    EXPECT_EQ(ctrun({"stats"}).status, 0);
    EXPECT_EQ(ctrun({"stats", "--no-stream", "--json"}).out, "[]\n");
    for (const char* interval : {"0", "99ms"}) { // it would do nothing else
        const Said refused = ctrun({"stats", "--interval", interval});
        EXPECT_EQ(refused.status, 125) << refused;
        EXPECT_TRUE(contains(refused.err, "--interval: it is less than 100ms")) << refused;
    }
}

TEST_F(CtrunLiveStatsTest, RedrawsATerminal) {
    run_detached("echo on; sleep 1000", limited());
    await_content("on");
    const Fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_EQ(::grantpt(master.get()), 0);
    ASSERT_EQ(::unlockpt(master.get()), 0);
    std::array<char, 64> name{};
    ASSERT_EQ(::ptsname_r(master.get(), name.data(), name.size()), 0);
    Fd slave(::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    const winsize size{.ws_row = 24, .ws_col = 12, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(::ioctl(slave.get(), TIOCSWINSZ, &size), 0);
    Ctrun stats = spawn({"stats", "box"}, slave.get(), slave.get());
    std::string out;
    EXPECT_TRUE(read_until(master.get(), out, "\x1b[J"));
    EXPECT_TRUE(read_until(master.get(), out, "\x1b[H"));
    EXPECT_TRUE(contains(out, "\x1b[2J")) << out;
    for (const std::string& line : lines(out)) EXPECT_LE(line.size(), 12U + 16) << "it is cut: " << line;
    // A shell without job control has those that it starts in the background ignore SIGINT.
    stats.signal(SIGTERM);
    EXPECT_EQ(stats.wait(), -SIGTERM);
    const Said once = ctrun({"stats", "--no-stream", "box"});
    EXPECT_EQ(lines(once.out).size(), 2U) << once;
    ctrun({"kill", "box"});
    reap();
}

} // namespace
} // namespace ct::test
