// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What becomes of the output of containers: handlers, and that nothing is lost.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

using LogTest = ContainerTest;

/// What a log in K8s format tells that was written to a stream.
std::string joined(const std::string& log, std::string_view stream) {
    std::string result;
    std::istringstream input(log);
    for (std::string line; std::getline(input, line);) {
        EXPECT_EQ(line.substr(35, 1), " ") << line.substr(0, 60);
        EXPECT_GE(line.size(), 45U);
        if (line.size() < 45 || line.substr(36, 6) != stream) continue;
        result += line.substr(45);
        if (line[43] == 'F') result += '\n';
    }
    return result;
}

/// What `test_init flood` writes to each stream.
std::array<std::string, 2> flood(std::uint64_t seed, std::uint64_t bytes) {
    std::array<std::string, 2> streams;
    for (std::uint64_t total = 0; total < bytes;) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        const std::uint64_t length = (seed >> 58U) % 16 == 0 ? (seed >> 33U) % 100000 + 1 : (seed >> 33U) % 200 + 1;
        streams.at(seed >> 62U == 0 ? 1 : 0) += std::string(length, static_cast<char>('a' + (seed >> 20U) % 26)) + '\n';
        total += length + 1;
    }
    return streams;
}

/// Collects what handlers get.
struct Lines {
    std::vector<std::string> lines;
    RecordHandler handler() {
        return [this](const LogRecord& record) {
            lines.push_back(std::string(record.stream == Stream::Error ? "err " : "out ") + std::string(record.bytes) +
                            (record.partial ? "..." : ""));
        };
    }
};

TEST_F(LogTest, WaitingDeliversLinesAndTheUnfinishedRest) {
    Lines log;
    Container box = plain().on_log(log.handler());
    std::string raw;
    box.on_output([&](const OutputChunk& chunk) {
        EXPECT_EQ(chunk.container, "box");
        raw += chunk.bytes;
    });
    box.start(shell("echo one; echo; printf end"));
    EXPECT_TRUE(exited(box.wait(), 0));
    EXPECT_EQ(log.lines, (std::vector<std::string>{"out one", "out ", "out end..."}));
    EXPECT_EQ(raw, "one\n\nend");
    EXPECT_EQ(box.log_stats().bytes, 8U);
    EXPECT_EQ(box.log_stats().records, 3U);
}

TEST_F(LogTest, DispatchingDeliversAllBeforeTheEndIsSeen) {
    Lines log;
    Container box = plain().on_log(log.handler());
    box.start(shell("echo out; echo err >&2"));
    while (box.running()) session().dispatch_for(Patience);
    std::ranges::sort(log.lines);
    EXPECT_EQ(log.lines, (std::vector<std::string>{"err err", "out out"}));
    EXPECT_TRUE(box.try_wait());
}

TEST_F(LogTest, DispatchingNoticesTheEndThoughOthersHoldTheOutput) {
    const fs::path path = dir() / "log";
    Container box = plain().set_log({.targets = {LogFile{.path = path, .format = LogFormat::Plain}}});
    const Process init =
        box.start({.argv = {"/bin/sh", "-c", "sleep 1000 & echo $!; read a"}, .stdio = {.in = Stdio::Pipe}});
    while (content(path).empty()) ASSERT_GT(session().dispatch_for(Patience), 0U);
    init.close_stream(0);
    while (box.running()) ASSERT_GT(session().dispatch_for(Patience), 0U);
    ::kill(std::stoi(content(path)), SIGKILL);
}

TEST_F(LogTest, RunsUntilItsOutputWasDelivered) {
    Lines log;
    Container box = plain().on_log(log.handler());
    const Process init = box.start(shell("echo out"));
    init.wait();
    EXPECT_EQ(box.state(), State::Running);
    EXPECT_TRUE(log.lines.empty());
    box.wait();
    EXPECT_EQ(log.lines, (std::vector<std::string>{"out out"}));
    EXPECT_EQ(box.state(), State::Stopped);
}

TEST_F(LogTest, PromptComesSoon) {
    Lines log;
    Container box = plain().on_log(log.handler());
    const Process init =
        box.start({.argv = {"/bin/sh", "-c", "printf 'name? '; read name; echo $name"}, .stdio = {.in = Stdio::Pipe}});
    while (log.lines.empty()) session().dispatch_for(Patience);
    EXPECT_EQ(log.lines, (std::vector<std::string>{"out name? ..."}));
    ASSERT_EQ(::write(init.stream(0), "joe\n", 4), 4);
    box.wait();
    EXPECT_EQ(log.lines, (std::vector<std::string>{"out name? ...", "out joe"}));
}

TEST_F(LogTest, CallablesAndTerminalsAreLoggedToo) {
    Lines log;
    Container box = plain().on_log(log.handler());
    box.start({}, [] { return ::write(2, "called\n", 7) == 7 ? 0 : 1; });
    EXPECT_TRUE(exited(box.wait(), 0));
    ProcessSpec spec = shell("echo tty; echo err >&2");
    spec.terminal = TerminalSize{};
    box.start(spec);
    box.wait();
    EXPECT_EQ(log.lines, (std::vector<std::string>{"err called", "out tty\r", "out err\r"}));
}

TEST_F(LogTest, ErrorsMayGoWithOutputOrNowhere) {
    Lines log;
    Container box = plain().on_log(log.handler());
    ProcessSpec spec = shell("echo a >&2; echo b");
    spec.stdio.err = Stdio::Output;
    box.start(spec);
    box.wait();
    spec.stdio = {.out = Stdio::Null};
    box.start(spec);
    box.wait();
    EXPECT_EQ(log.lines, (std::vector<std::string>{"out a", "out b", "err a"}));
}

TEST_F(LogTest, WhatTheCallerWantsItselfIsRefused) {
    Container box = plain().set_log({});
    ProcessSpec spec = shell("true");
    spec.stdio.out = Stdio::Pipe;
    spec.fds = {{.target = 2, .source = 0}};
    EXPECT_TRUE(fails([&] { box.start(spec); }, Errc::InvalidConfig,
                      {"descriptor 1 is a pipe of the caller's", "descriptor 2 is mapped"}));
    EXPECT_TRUE(fails([&] { box.set_log({.targets = {LogFile{.path = "log"}}}); }, Errc::InvalidConfig,
                      {"'log' is not an absolute path"}));
    EXPECT_TRUE(fails([&] { box.set_log({.line_size = {}}); }, Errc::InvalidConfig, {"line size"}));
    EXPECT_TRUE(fails([&] { box.add_sink(nullptr); }, Errc::InvalidConfig, {"null"}));
    box.clear_log();
    EXPECT_FALSE(box.log());
    EXPECT_EQ(run(box, shell("echo mine")).out, "mine\n");
}

TEST_F(LogTest, LoggedOneCannotBeDetached) {
    Container box = plain().set_log({});
    box.start(shell("exec sleep 1000"));
    EXPECT_TRUE(fails([&] { box.detach(); }, Errc::InvalidState, {"its output is logged"}));
    box.stop(0s);
    Session other({.on_close = OnClose::Detach, .cgroup_parent = cgroup_parent()});
    Container loose = other.create("loose").set_log({});
    EXPECT_TRUE(fails([&] { loose.start(shell("true")); }, Errc::InvalidConfig, {"OnClose::Detach"}));
}

TEST_F(LogTest, StoppingReadsWhatAFullPipeHolds) {
    Lines log;
    Container box = plain().on_log(log.handler());
    // It says more than a pipe holds, and its last words only after that.
    box.start(shell("trap 'head -c 3000000 /dev/zero | tr \"\\0\" x; echo; echo bye; exit 3' TERM; echo ready; "
                    "while :; do sleep 0.01; done"));
    while (log.lines.empty()) session().dispatch_for(Patience);
    EXPECT_TRUE(exited(box.stop(Patience), 3));
    std::size_t size = 0;
    for (const std::string& line : log.lines) size += static_cast<std::size_t>(std::ranges::count(line, 'x'));
    EXPECT_EQ(size, 3000000U);
    EXPECT_EQ(log.lines.back(), "out bye");
}

TEST_F(LogTest, FullPipeBlocksWhoWritesAndNotWhoKills) {
    const fs::path path = dir() / "log";
    Container box = plain().set_log({.targets = {LogFile{.path = path, .format = LogFormat::Plain}}});
    box.start(shell("exec yes"));
    EXPECT_TRUE(await([&] {
        EXPECT_FALSE(box.wait_for(1ms));
        return box.log_stats().bytes > 100000U;
    }));
    box.kill();
    EXPECT_TRUE(signaled(box.wait(), SIGKILL));
    EXPECT_EQ(fs::file_size(path), box.log_stats().bytes);
}

TEST_F(LogTest, ClosingTheSessionWritesTheRestWithoutHandlers) {
    const fs::path path = dir() / "log";
    const auto ring = std::make_shared<LogRing>(1 * KiB);
    bool called = false;
    {
        Container box = plain()
                            .set_log({.targets = {LogFile{.path = path, .format = LogFormat::Plain}}})
                            .add_sink(ring)
                            .on_log([&](const LogRecord&) { called = true; });
        const Process init = box.start(shell("echo last"));
        init.wait();
    }
    close_session();
    EXPECT_EQ(content(path), "last\n");
    EXPECT_EQ(ring->text(), "last\n");
    EXPECT_FALSE(called);
}

TEST_F(LogTest, ExceptionsLeaveTheCallAndLoseNothing) {
    int calls = 0;
    Container box = plain().on_log([&](const LogRecord&) {
        if (++calls == 1) throw std::runtime_error("no");
    });
    const auto ring = std::make_shared<LogRing>(1 * KiB);
    box.add_sink(ring);
    box.start(shell("echo a; echo b"));
    EXPECT_THROW(box.wait(), std::runtime_error);
    EXPECT_TRUE(exited(box.wait(), 0));
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(ring->text(), "a\nb\n");
}

TEST_F(LogTest, HandlersMayCallAnythingThatDoesNotWaitForThem) {
    Container box = plain();
    State seen = State::Stopped;
    std::optional<ExitStatus> looked = ExitStatus{};
    box.on_log([&](const LogRecord&) {
        seen = box.state();
        looked = box.try_wait();
        EXPECT_TRUE(fails([&] { box.wait(); }, Errc::InvalidState, {"handler of its output"}));
        EXPECT_TRUE(fails([&] { box.stop(0s); }, Errc::InvalidState, {"handler of its output"}));
        box.reopen_log();
        box.on_log({});
        box.kill();
    });
    box.start(shell("echo a; exec sleep 1000"));
    EXPECT_TRUE(signaled(box.wait(), SIGKILL));
    EXPECT_EQ(seen, State::Running);
    EXPECT_FALSE(looked);
}

TEST_F(LogTest, HandlerMayReleaseTheContainer) {
    auto box = std::make_unique<Container>(plain());
    bool called = false;
    box->on_log([&](const LogRecord&) {
        called = true;
        box.reset();
    });
    box->start(shell("echo a"));
    while (!called) session().dispatch_for(Patience);
    for (auto left = session().find("box"); left && left->running();) session().dispatch_for(10ms);
    EXPECT_FALSE(session().find("box"));
}

TEST_F(LogTest, GraceIsForThoseWhoOutliveTheFirstProcess) {
    Lines log;
    Container box = plain().on_log(log.handler());
    box.set_log({.grace = std::chrono::duration_cast<std::chrono::milliseconds>(Patience)});
    box.start(shell("(while kill -0 $$ 2>/dev/null; do sleep 0.01; done; echo late) & exit 0"));
    box.wait(); // ends with the survivor, not with the grace
    EXPECT_EQ(log.lines, (std::vector<std::string>{"out late"}));
}

TEST_F(LogTest, WithoutGraceSurvivorsDoNotDelayTheEnd) {
    Lines log;
    Container box = plain().on_log(log.handler());
    box.start(shell("sleep 1000 & echo $!"));
    box.wait();
    ASSERT_EQ(log.lines.size(), 1U);
    ::kill(std::stoi(log.lines.front().substr(4)), SIGKILL);
}

TEST_F(LogTest, IdleContainersDoNotWakeAnybody) {
    std::vector<Container> boxes;
    for (int i = 0; i < 20; ++i) {
        boxes.push_back(session().create("box" + std::to_string(i)).on_log([](const LogRecord&) {}));
        boxes.back().start(shell("echo hello; exec sleep 1000"));
    }
    std::uint64_t records = 0;
    while (records < boxes.size()) {
        session().dispatch_for(Patience);
        records = 0;
        for (const Container& box : boxes) records += box.log_stats().records;
    }
    (void)session().dispatch_for(200ms); // a timer that was set for an unfinished line, at most
    pollfd idle{session().fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&idle, 1, 200), 0);
    for (Container& box : boxes) box.kill();
    for (Container& box : boxes) box.wait();
}

TEST_F(LogTest, ManyWritersAndSomeKilledLoseNothing) {
    constexpr std::size_t count = 64;
    constexpr std::uint64_t bytes = 1024UL * 1024;
    std::vector<Container> boxes;
    std::vector<volatile std::uint64_t*> counters;
    for (std::size_t i = 0; i < count; ++i) {
        const std::string number = std::to_string(i);
        const fs::path counter = make_file("counter" + number, std::string(16, '\0'));
        const int fd = ::open(counter.c_str(), O_RDWR | O_CLOEXEC);
        void* const memory = ::mmap(nullptr, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        ::close(fd);
        ASSERT_NE(memory, MAP_FAILED);
        counters.push_back(static_cast<volatile std::uint64_t*>(memory));
        boxes.push_back(session().create("box" + number));
        boxes.back().set_log(
            {.targets = {LogFile{.path = dir() / ("log" + number), .rotate_size = 256 * KiB, .rotate_count = 100}}});
        boxes.back().start(host_program({"flood", number, std::to_string(bytes), counter}));
    }
    std::size_t killed = 0;
    for (std::size_t turn = 0; std::ranges::any_of(boxes, [](const Container& box) { return box.running(); }); ++turn) {
        (void)session().dispatch_for(10ms);
        // At some moment in the middle of what they write.
        for (std::size_t i = killed * 4; i < count && turn % 16 == 0; i += count) {
            if (!boxes[i].running()) continue;
            boxes[i].kill();
        }
        if (turn % 16 == 0 && killed < count / 4) ++killed;
    }
    EXPECT_GT(killed, 0U);
    for (std::size_t i = 0; i < count; ++i) {
        std::string log;
        const std::string path = dir() / ("log" + std::to_string(i));
        for (int old = 100; old > 0; --old) log += content(path + "." + std::to_string(old));
        log += content(path);
        const auto expected = flood(i, bytes);
        const bool success = boxes[i].wait().success();
        for (const std::size_t stream : {0UL, 1UL}) {
            const std::string got = joined(log, stream == 0 ? "stdout" : "stderr");
            EXPECT_GE(got.size(), counters[i][stream]);
            EXPECT_TRUE(got == std::string_view(expected.at(stream)).substr(0, got.size())) << i << ' ' << stream;
            EXPECT_TRUE(!success || got.size() == expected.at(stream).size()) << i << ' ' << stream;
        }
        ::munmap(const_cast<std::uint64_t*>(counters[i]), 16);
    }
}

} // namespace
} // namespace ct::test
