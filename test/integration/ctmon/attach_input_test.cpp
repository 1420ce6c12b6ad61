// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What clients of the attach socket send.
#include "attached_fixture.hpp"

#include <sys/socket.h>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class AttachInput : public AttachedTest {};

TEST_F(AttachInput, ReachesTheContainerAsItWasSent) {
    container("save input\n");
    created({"-i"});
    start();
    const AttachClient client = attach();
    const std::string bytes("one\ntwo\0\xff\r\n", 11);
    client.send(bytes);
    client.end_input();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(root_ / "input"), bytes);
}

TEST_F(AttachInput, BeforeTheStartIsKept) {
    container("save input\n");
    created({"-i"});
    {
        const AttachClient client = attach();
        client.send("early");
    }
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(root_ / "input"), "early");
}

TEST_F(AttachInput, AnEmptyPacketIsItsEnd) {
    container("save input\nwrite 1 saved\n");
    created({"-i"});
    AttachClient client = attach();
    client.send("text");
    client.send("");
    start();
    EXPECT_EQ(client.rest_of('\2'), "saved") << "output goes on";
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(root_ / "input"), "text");
}

TEST_F(AttachInput, HalfClosedTheClientStillGetsOutput) {
    container("echo\nwrite 1 more\n");
    created({"-i"});
    AttachClient client = attach();
    start();
    client.send("echoed ");
    client.end_input();
    EXPECT_EQ(client.rest_of('\2'), "echoed more");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachInput, PacketsOf64KiBAreTakenWhole) {
    container("save input\n");
    created({"-i"});
    start();
    const AttachClient client = attach();
    const std::string text = numbered_lines(2048, 31);
    ASSERT_EQ(text.size(), 65536U);
    client.send(text.substr(0, 32769)); // podman's largest
    client.send(text);
    client.end_input();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_TRUE(content(root_ / "input") == text.substr(0, 32769) + text);
}

TEST_F(AttachInput, ThatTheContainerDoesNotReadYetIsAllKept) {
    container("file ready yes\nwait more\nsave input\n");
    make_fifo("more");
    created({"-i"});
    start();
    (void)awaited(root_ / "ready");
    const AttachClient client = attach();
    const std::string text = numbered_lines(10000, 29); // the pipe holds 64 KiB; the rest waits in the socket
    const std::size_t part = 10000;
    for (std::size_t at = 0; at < text.size(); at += part) {
        if (at == 10 * part) open_fifo("more");
        client.send(text.substr(at, part));
    }
    client.end_input();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_TRUE(content(root_ / "input") == text);
}

TEST_F(AttachInput, WithoutStdinIsSwallowed) {
    container("save input\nwrite 1 hello\n");
    created();
    AttachClient client = attach();
    for (int i = 0; i < 100; ++i) client.send(std::string(30000, 'x'));
    client.end_input();
    start();
    EXPECT_EQ(client.rest_of('\2'), "hello");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(root_ / "input"), "");
}

TEST_F(AttachInput, OfSeveralClientsIsMerged) {
    container("line first\nfile got yes\nline second\nline third\n");
    created({"-i", "--leave-stdin-open"});
    start();
    const AttachClient one = attach();
    const AttachClient two = attach();
    one.send("a\n");
    (void)awaited(root_ / "first");
    two.send("b\n");
    (void)awaited(root_ / "second");
    one.send("c\n");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(root_ / "first"), "a\n");
    EXPECT_EQ(content(root_ / "second"), "b\n");
    EXPECT_EQ(content(root_ / "third"), "c\n");
}

TEST_F(AttachInput, EndsWhenTheLastClientHasEndedIt) {
    container("save input\n");
    created({"-i"});
    start();
    const AttachClient one = attach();
    const AttachClient two = attach();
    one.send("one ");
    one.end_input();
    const AttachClient three = attach(); // what was sent before has been read by now, or comes before its text
    two.send("two ");
    two.end_input();
    three.send("three");
    three.end_input();
    EXPECT_EQ(monitor_ends(), 0);
    const std::string all = content(root_ / "input");
    EXPECT_EQ(all.size(), 13U) << all;
    for (const char* part : {"one ", "two ", "three"}) EXPECT_TRUE(contains(all, part));
}

TEST_F(AttachInput, EndsForGoodOnceClosed) {
    container("save input\nfile closed yes\nwait more\nwrite 1 hello\n");
    make_fifo("more");
    created({"-i"});
    start();
    { const AttachClient first = attach(); }
    (void)awaited(root_ / "closed");
    AttachClient late = attach();
    late.send("too late");
    open_fifo("more");
    EXPECT_EQ(late.rest_of('\2'), "hello") << "a later client still sees the output";
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(root_ / "input"), "");
}

TEST_F(AttachInput, StaysOpenForLaterClientsWithLeaveStdinOpen) {
    container("line first\nline second\n");
    created({"-i", "--leave-stdin-open"});
    start();
    {
        const AttachClient first = attach();
        first.send("one\n");
        first.end_input();
        (void)awaited(root_ / "first");
    }
    const AttachClient second = attach();
    second.send("two\n");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(root_ / "second"), "two\n");
}

TEST_F(AttachInput, OfATerminalGoesOnAfterAClientHasLeft) {
    container("line first\nline second\n");
    created({"-t"}); // as podman creates: without -i
    start();
    {
        const AttachClient first = attach();
        first.send("one\n");
        (void)awaited(root_ / "first");
    }
    const AttachClient second = attach();
    second.send("two\n");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(root_ / "first"), "one\n");
    EXPECT_EQ(content(root_ / "second"), "two\n");
}

TEST_F(AttachInput, TheEndOfAClientLeavesATerminalsProcessAlone) {
    container("line first\nwait more\n");
    make_fifo("more");
    created({"-t", "-i"});
    start();
    AttachClient client = attach();
    client.send("typed\n");
    client.end_input();
    EXPECT_EQ(awaited(root_ / "first"), "typed\n");
    EXPECT_TRUE(alive(container_pid()));
    open_fifo("more");
    EXPECT_EQ(client.rest_of('\2'), "typed\r\n") << "the echo of the terminal";
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachInput, AMegabyteCanBeSentBeforeAnythingIsRead) {
    container("echo\n");
    created({"-i"});
    start();
    AttachClient client = attach();
    const std::string text = numbered_lines(1 << 15, 31);
    ASSERT_EQ(text.size(), 1U << 20);
    for (std::size_t at = 0; at < text.size(); at += 32768) client.send(text.substr(at, 32768));
    client.end_input();
    EXPECT_TRUE(client.rest_of('\2') == text);
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachInput, OfAClientThatVanishesHalfWayReachesTheContainer) {
    container("wait more\nsave input\n");
    make_fifo("more");
    created({"-i"});
    start();
    const std::string text = numbered_lines(2000, 49); // more than the pipe holds
    {
        const AttachClient client = attach();
        for (std::size_t at = 0; at < text.size(); at += 10000) client.send(text.substr(at, 10000));
    }
    open_fifo("more");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_TRUE(content(root_ / "input") == text);
}

TEST_F(AttachInput, ThatTheContainerHasClosedIsThrownAway) {
    container("close 0\nfile closed yes\nwait more\nwrite 1 hello\n");
    make_fifo("more");
    created({"-i"});
    start();
    (void)awaited(root_ / "closed");
    AttachClient client = attach();
    for (int i = 0; i < 20; ++i) client.send(std::string(30000, 'x'));
    open_fifo("more");
    EXPECT_EQ(client.rest_of('\2'), "hello");
    EXPECT_EQ(monitor_ends(), 0);
}

} // namespace
} // namespace ct::test
