// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Talking to a running container from the program that started it: input, terminals, attached handlers.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <thread>

#include "attach_fixture.hpp"

namespace ct::test {
namespace {

using namespace std::chrono_literals;

using AttachTest = AttachServerTest;

std::string without_returns(std::string text) {
    std::erase(text, '\r');
    return text;
}

TEST_F(AttachTest, InputIsReadAndItsEndIsSeen) {
    std::string text;
    Container box = attachable();
    const AttachStream stream = box.attach(into(text));
    box.start(shell("cat; echo end"));
    EXPECT_EQ(box.write_input("one\n"), 4U);
    ASSERT_TRUE(dispatch_until([&] { return text == "one\n"; }));
    EXPECT_EQ(box.write_input("two\n"), 4U);
    box.close_input();
    EXPECT_TRUE(exited(box.wait(), 0));
    EXPECT_EQ(text, "one\ntwo\nend\n");
    EXPECT_FALSE(stream.attached());
}

TEST_F(AttachTest, StandardInputIsAPipeThatCanBeReopened) {
    std::string text;
    Container box = attachable();
    const AttachStream stream = box.attach(into(text));
    box.start(shell("test -p /dev/stdin && read line < /dev/stdin && echo $line"));
    EXPECT_EQ(box.write_input("hello\n"), 6U);
    EXPECT_TRUE(exited(box.wait(), 0));
    EXPECT_EQ(text, "hello\n");
}

TEST_F(AttachTest, WhoNeverReadsTakesWhatThePipeHolds) {
    std::string text;
    Container box = attachable();
    int rooms = 0;
    AttachOptions options = into(text);
    options.on_room = [&] { ++rooms; };
    AttachStream stream = box.attach(options);
    box.start(shell("exec sleep 1000"));
    const std::string much(1024UL * 1024, 'x');
    const std::size_t sent = stream.write(much);
    EXPECT_GT(sent, 0U);
    EXPECT_LT(sent, much.size());
    EXPECT_EQ(stream.write("y"), 0U);
    EXPECT_EQ(session().dispatch(), 0U);
    EXPECT_EQ(rooms, 0);
    box.kill();
    box.wait();
}

TEST_F(AttachTest, RoomIsToldUntilAllIsWritten) {
    std::string text;
    const std::string much(1024UL * 1024 + 17, 'x');
    std::size_t sent = 0;
    AttachStream stream;
    Container box = attachable();
    AttachOptions options = into(text);
    options.on_room = [&] {
        sent += stream.write(std::string_view(much).substr(sent));
        if (sent == much.size()) stream.close_input();
    };
    stream = box.attach(options);
    box.start(shell("wc -c"));
    options.on_room();
    ASSERT_TRUE(dispatch_until([&] { return !text.empty(); }));
    box.wait();
    EXPECT_EQ(text, std::to_string(much.size()) + "\n");
}

TEST_F(AttachTest, BrokenPipeIsAnErrorAndNoSignal) {
    Container box = attachable();
    const Process init = box.start(shell("exec 0</dev/null; echo closed; exec sleep 1000"));
    std::string text;
    const AttachStream stream = box.attach(into(text, 1 * KiB));
    EXPECT_TRUE(await([&] {
        try {
            (void)box.write_input("x");
            return false;
        } catch (const Error& error) {
            return error.code() == std::errc::broken_pipe;
        }
    }));
    sigset_t pending;
    ASSERT_EQ(::sigpending(&pending), 0);
    EXPECT_EQ(::sigismember(&pending, SIGPIPE), 0);
    box.close_input(); // once more
    box.stop(1s);
}

TEST_F(AttachTest, InputNeedsARunThatHasSome) {
    Container box = plain();
    EXPECT_TRUE(fails([&] { (void)box.write_input("x"); }, Errc::InvalidState, {"write to its input", "attachable"}));
    EXPECT_TRUE(fails([&] { (void)box.attach({}); }, Errc::InvalidState, {"attach", "set_attachable"}));
    box.set_attachable({});
    EXPECT_EQ(box.attachable(), Attachable{});
    EXPECT_TRUE(fails([&] { box.close_input(); }, Errc::InvalidState, {"close its input"}));
    ProcessSpec spec = shell("exec sleep 1000");
    spec.stdio.in = Stdio::Null;
    box.start(spec);
    EXPECT_TRUE(fails([&] { (void)box.write_input("x"); }, Errc::InvalidState, {"Stdio::Null"}));
    EXPECT_TRUE(fails([&] { box.set_attachable({}); }, Errc::InvalidState, {"stopped"}));
    EXPECT_TRUE(fails([&] { box.resize_terminal({}); }, std::errc::inappropriate_io_control_operation, {"terminal"}));
    box.kill();
    box.wait();
    EXPECT_TRUE(fails([&] { (void)box.write_input("x"); }, Errc::InvalidState, {}));
    box.clear_attachable();
    EXPECT_FALSE(box.attachable());
}

TEST_F(AttachTest, WhatTheCallerWantsItselfIsRefused) {
    Container box = attachable();
    ProcessSpec spec = shell("true");
    spec.stdio.in = Stdio::Pipe;
    EXPECT_TRUE(fails([&] { box.start(spec); }, Errc::InvalidConfig, {"descriptor 0", "attachable"}));
    spec.stdio.in = Stdio::Inherit;
    spec.fds = {{.target = 0, .source = 1}};
    EXPECT_TRUE(fails([&] { box.start(spec); }, Errc::InvalidConfig, {"descriptor 0 is mapped"}));
    EXPECT_TRUE(fails([&] { box.set_attachable({.history = 65 * MiB}); }, Errc::InvalidConfig, {"history"}));
}

TEST_F(AttachTest, InputMayStayTheCallers) {
    std::string text;
    Container box = attachable({.input = false});
    const AttachStream stream = box.attach(into(text));
    ProcessSpec spec = shell("cat");
    spec.stdio.in = Stdio::Pipe;
    const Process init = box.start(spec);
    ASSERT_EQ(::write(init.stream(0), "mine\n", 5), 5);
    init.close_stream(0);
    box.wait();
    EXPECT_EQ(text, "mine\n");
}

TEST_F(AttachTest, TerminalTakesInputResizesAndItsEndOfFile) {
    std::string text;
    Container box = attachable();
    const AttachStream stream = box.attach(into(text));
    ProcessSpec spec = shell("stty size; cat; echo end; while read line; do stty size; echo got $line; done");
    spec.terminal = TerminalSize{.rows = 10, .columns = 40};
    box.start(spec);
    ASSERT_TRUE(dispatch_until([&] { return without_returns(text).starts_with("10 40\n"); }));
    text.clear();
    EXPECT_EQ(box.write_input("hello\n"), 6U);
    ASSERT_TRUE(dispatch_until([&] { return without_returns(text) == "hello\nhello\n"; })); // echo, and cat
    text.clear();
    EXPECT_EQ(box.write_input("unfinished"), 10U);
    box.close_input(); // in a line
    ASSERT_TRUE(dispatch_until([&] { return text.ends_with("end\r\n"); })) << text;
    EXPECT_NE(text.find("unfinishedunfinished"), std::string::npos) << text;
    text.clear();
    EXPECT_EQ(box.write_input("more\n"), 5U); // a terminal stays open
    ASSERT_TRUE(dispatch_until([&] { return text.ends_with("got more\r\n"); })) << text;
    text.clear();
    box.resize_terminal({.rows = 33, .columns = 99});
    EXPECT_EQ(box.write_input("x\n"), 2U);
    ASSERT_TRUE(dispatch_until([&] { return text.ends_with("got x\r\n"); })) << text;
    EXPECT_NE(text.find("33 99"), std::string::npos) << text;
    box.close_input();
    EXPECT_TRUE(exited(box.wait(), 0));
}

TEST_F(AttachTest, HistoryComesFirstAndNothingTwice) {
    std::string all, late, none;
    Container box = attachable({.history = Bytes{8}});
    const AttachStream first = box.attach(into(all));
    box.start(shell("printf 1234567890; cat"));
    ASSERT_TRUE(dispatch_until([&] { return all == "1234567890"; }));
    const AttachStream second = box.attach(into(late, 100 * KiB));
    const AttachStream third = box.attach(into(none));
    ASSERT_TRUE(dispatch_until([&] { return late == "34567890"; }));
    EXPECT_EQ(box.write_input("abc"), 3U);
    ASSERT_TRUE(dispatch_until([&] { return all == "1234567890abc"; }));
    std::string part;
    const AttachStream fourth = box.attach(into(part, Bytes{4}));
    box.close_input();
    box.wait();
    EXPECT_EQ(late, "34567890abc");
    EXPECT_EQ(none, "abc");
    EXPECT_EQ(part, "0abc");
}

TEST_F(AttachTest, ErrorsAndOutputAreTold) {
    std::vector<Stream> streams;
    Container box = attachable({.history = 1 * KiB});
    box.start(shell("echo out; cat >&2"));
    const AttachStream stream = box.attach({.history = 1 * KiB, .on_output = [&](const OutputChunk& chunk) {
                                                EXPECT_EQ(chunk.container, "box");
                                                streams.push_back(chunk.stream);
                                            }});
    ASSERT_TRUE(dispatch_until([&] { return streams.size() == 1; }));
    EXPECT_EQ(box.write_input("err"), 3U);
    box.close_input();
    box.wait();
    EXPECT_EQ(streams, (std::vector{Stream::Output, Stream::Error}));
}

TEST_F(AttachTest, DetachedGetsNothingAndCanComeBack) {
    std::string first, second;
    int ends = 0;
    Container box = attachable();
    AttachOptions options = into(first);
    options.on_end = [&] { ++ends; };
    AttachStream stream = box.attach(options);
    box.start(shell("cat"));
    EXPECT_EQ(stream.write("one"), 3U);
    ASSERT_TRUE(dispatch_until([&] { return first == "one"; }));
    stream.detach();
    EXPECT_FALSE(stream.attached());
    EXPECT_TRUE(fails([&] { (void)stream.write("x"); }, Errc::InvalidState, {}));
    EXPECT_EQ(box.write_input("two"), 3U);
    options = into(second);
    options.on_end = [&] { ++ends; };
    stream = box.attach(options);
    EXPECT_TRUE(stream.attached());
    box.close_input();
    box.wait();
    EXPECT_EQ(first, "one");
    EXPECT_EQ(second, "two");
    EXPECT_EQ(ends, 1);
}

TEST_F(AttachTest, HandlersMayDetachThrowAndReleaseTheContainer) {
    std::string others;
    std::optional<AttachStream> stream;
    std::optional<Container> box = attachable();
    box->on_output([&](const OutputChunk&) {});
    int calls = 0;
    stream = box->attach({.on_output = [&](const OutputChunk&) {
        ++calls;
        stream.reset();
        box.reset();
        throw std::runtime_error("mine");
    }});
    bool ended = false;
    AttachOptions options = into(others);
    options.on_end = [&] { ended = true; };
    const AttachStream other = box->attach(options);
    box->start(shell("echo one; echo two"));
    int thrown = 0;
    ASSERT_TRUE(await([&] {
        try {
            session().dispatch_for(10ms);
        } catch (const std::runtime_error&) {
            ++thrown;
        }
        const auto found = session().find("box"); // the session has the last handle
        return !found || !found->running();
    }));
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(thrown, 1);
    EXPECT_EQ(others, "one\ntwo\n");
    EXPECT_TRUE(ended);
}

TEST_F(AttachTest, FailedStartKeepsThoseWhoWait) {
    std::string text;
    Container box = attachable();
    const AttachStream stream = box.attach(into(text));
    EXPECT_TRUE(fails([&] { box.start({.argv = {"/nonexistent"}}); }, std::errc::no_such_file_or_directory, {}));
    EXPECT_TRUE(stream.attached());
    box.start(shell("echo now"));
    box.wait();
    EXPECT_EQ(text, "now\n");
}

TEST_F(AttachTest, CallablesAreAttachableToo) {
    std::string text;
    Container box = attachable();
    const AttachStream stream = box.attach(into(text));
    box.start({}, [] {
        char byte = 0;
        while (::read(0, &byte, 1) == 1)
            if (::write(1, &byte, 1) != 1) return 1;
        return 0;
    });
    EXPECT_EQ(box.write_input("called"), 6U);
    box.close_input();
    EXPECT_TRUE(exited(box.wait(), 0));
    EXPECT_EQ(text, "called");
}

TEST_F(AttachTest, ClosingTheSessionDetaches) {
    std::string text;
    Container box = attachable();
    AttachStream stream = box.attach(into(text));
    box.start(shell("exec cat"));
    close_session();
    EXPECT_FALSE(stream.attached());
    EXPECT_TRUE(fails([&] { (void)stream.write("x"); }, Errc::InvalidState, {}));
}

TEST_F(AttachTest, ThreadsMayWriteWhileOthersDispatch) {
    constexpr int Lines = 2000;
    std::string text;
    Container box = attachable();
    const AttachStream stream = box.attach(into(text));
    box.start(shell("cat"));
    const auto write_lines = [&](std::string line) {
        for (int i = 0; i < Lines; ++i)
            while (box.write_input(line) == 0) std::this_thread::yield(); // whole lines: they are below PIPE_BUF
    };
    std::thread a(write_lines, "aaa\n");
    std::thread b(write_lines, "bbb\n");
    EXPECT_TRUE(dispatch_until([&] { return text.size() == 2UL * Lines * 4; }));
    a.join();
    b.join();
    box.close_input();
    box.wait();
    std::size_t good = 0;
    for (const std::string& line : lines(text)) good += line == "aaa" || line == "bbb" ? 1U : 0U;
    EXPECT_EQ(good, 2UL * Lines);
}

} // namespace
} // namespace ct::test
