// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What clients of the attach socket read.
#include "attached_fixture.hpp"

#include <algorithm>
#include <set>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class AttachOutput : public AttachedTest {
protected:
    /// All packets that a client gets, up to the end.
    static Words packets(AttachClient& client) {
        Words all;
        for (std::string packet = client.packet(); !packet.empty(); packet = client.packet()) all.push_back(packet);
        return all;
    }
};

TEST_F(AttachOutput, HasTheNumberOfItsStreamBeforeEachPacket) {
    container("write 1 out\nwait more\nwrite 2 err\n");
    make_fifo("more");
    created();
    AttachClient client = attach();
    start();
    EXPECT_EQ(client.packet(), "\2out");
    open_fifo("more");
    EXPECT_EQ(client.packet(), "\3err");
    EXPECT_EQ(client.packet(), "");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachOutput, ComesInPacketsOfAtMost8192BytesInOrder) {
    container("lines 1 20000 50\n");
    created();
    AttachClient client = attach();
    start();
    std::string all;
    for (const std::string& packet : packets(client)) {
        EXPECT_LE(packet.size(), 8193U);
        EXPECT_GE(packet.size(), 2U);
        EXPECT_EQ(packet.front(), '\2');
        all += packet.substr(1);
    }
    EXPECT_TRUE(all == numbered_lines(20000, 50)) << all.size();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachOutput, KeepsEveryByte) {
    container(R"(write 1 \x00\x01\x02\xff\r\n)");
    created();
    AttachClient client = attach();
    start();
    EXPECT_EQ(client.rest_of('\2'), std::string("\0\1\2\xff\r\n", 6));
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachOutput, OfATerminalIsAllStandardOutputWithCarriageReturns) {
    container("write 1 one\\n\nwrite 2 two\\n\n");
    created({"-t"});
    AttachClient client = attach();
    start();
    std::string all;
    for (const std::string& packet : packets(client)) {
        EXPECT_EQ(packet.front(), '\2');
        all += packet.substr(1);
    }
    EXPECT_EQ(all, "one\r\ntwo\r\n");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachOutput, GoesWholeToEachOfManyClients) {
    container("lines 1 2000 30\nlines 2 2000 20\n");
    created();
    std::vector<AttachClient> clients;
    for (int i = 0; i < 30; ++i) clients.push_back(attach());
    start();
    for (AttachClient& client : clients) {
        std::string out;
        std::string err;
        for (const std::string& packet : packets(client)) (packet.front() == '\2' ? out : err) += packet.substr(1);
        EXPECT_TRUE(out == numbered_lines(2000, 30)) << out.size();
        EXPECT_TRUE(err == numbered_lines(2000, 20)) << err.size();
    }
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachOutput, ClientsSeeWhatComesAfterThem) {
    container("write 1 first\nfile written yes\nwait more\nwrite 1 second\n");
    make_fifo("more");
    begin(create());
    AttachClient early = attach();
    start();
    (void)awaited(root_ / "written");
    EXPECT_EQ(early.packet(), "\2first");
    AttachClient late = attach();
    open_fifo("more");
    EXPECT_EQ(early.rest_of('\2'), "second");
    EXPECT_EQ(late.rest_of('\2'), "second");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(logged(), "firstsecond");
}

TEST_F(AttachOutput, LeftInThePipesAtTheEndIsSentToo) {
    container("fill 1 60000\nfill 2 60000\n");
    created();
    AttachClient client = attach();
    start();
    std::string out;
    std::string err;
    for (const std::string& packet : packets(client)) (packet.front() == '\2' ? out : err) += packet.substr(1);
    EXPECT_EQ(out.size(), 60000U);
    EXPECT_EQ(err.size(), 60000U);
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachOutput, EndsForAWaitingClientThoughNothingWasWritten) {
    created();
    AttachClient client = attach();
    start();
    EXPECT_EQ(client.packet(), "");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachOutput, OfAnExecReachesAClientThatIsThereBeforeTheProcess) {
    script("container", "write 1 hello\n");
    Channel sync = Channel::to_us();
    Channel attached = Channel::to_us();
    Channel gate = Channel::to_it();
    Launch words = call(exec() + Words{"--exec-attach"});
    words.with("_OCI_SYNCPIPE", sync).with("_OCI_ATTACHPIPE", attached).with("_OCI_STARTPIPE", gate);
    Monitor monitor = launch(words);
    gate.release();
    EXPECT_EQ(attached.line(), "{\"data\": 0}\n");
    AttachClient client(bundle_); // no engine can tell when it is accepted
    gate.release();
    EXPECT_EQ(monitor.foreground(), 0);
    const std::string report = sync.line();
    EXPECT_EQ(report, "{\"data\": " + std::to_string(container_pid()) + "}\n");
    EXPECT_EQ(client.rest_of('\2'), "hello");
    EXPECT_EQ(sync.line(), "{\"data\": 0}\n");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachOutput, ClientsThatVanishTroubleNobody) {
    container("lines 1 200000 50\n");
    created();
    AttachClient stays = attach();
    {
        AttachClient unread = attach();
        AttachClient half = attach();
        start();
        EXPECT_NE(half.packet(), "");
    }
    const std::string all = stays.rest_of('\2');
    EXPECT_TRUE(all == numbered_lines(200000, 50)) << all.size();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachOutput, ConnectingAndLeavingAtOnceTroublesNobody) {
    container("write 1 hello\n");
    created({"-i", "--leave-stdin-open"});
    const std::set<std::string> before = fds(monitor_pid(), "socket:");
    for (int i = 0; i < 300; ++i) AttachClient client(bundle_);
    AttachClient stays = attach();
    EXPECT_TRUE(await([&] { return fds(monitor_pid(), "socket:").size() == before.size() + 1; })) << "clients are kept";
    start();
    EXPECT_EQ(stays.rest_of('\2'), "hello");
    EXPECT_EQ(monitor_ends(), 0);
}

} // namespace
} // namespace ct::test
