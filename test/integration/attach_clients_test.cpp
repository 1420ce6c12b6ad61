// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Slow, hostile and dying clients of an attach server.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <optional>

#include "attach_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class AttachClientsTest : public AttachServerTest {
protected:
    /// For a script that waits: `read go < FIFO`.
    [[nodiscard]] std::string make_fifo() const {
        EXPECT_EQ(::mkfifo(fifo().c_str(), 0600), 0);
        return fifo().string();
    }
    void go() const { std::ofstream(fifo()) << "go\n"; }

    /// The container waits for clients that do not read; little of their output is kept meanwhile.
    [[nodiscard]] AttachServerOptions waiting() const {
        AttachServerOptions options = at_path();
        options.slow = SlowClient::Wait;
        options.queue = 64 * KiB;
        return options;
    }
    /// Until the queue of a client is full, and nothing happens any more.
    [[nodiscard]] bool dispatch_until_stuck(const Container& box) {
        if (!dispatch_until([&] { return box.log_stats().bytes > 64UL * 1024; })) return false;
        while (session().dispatch_for(1s) > 0) continue;
        return true;
    }
    /// Sends as much as there is room for. \returns how much
    static std::size_t fill(const Client& client) {
        const std::string packet(16UL * 1024, 'x');
        std::size_t sent = 0;
        while (client.send(packet)) sent += packet.size();
        return sent;
    }
    /// Connects, sends \p count packets of \p size, and is gone.
    void pass_by(const AttachServer& server, std::size_t count, std::size_t size) {
        const std::uint64_t before = server.stats().accepted;
        const std::size_t there = server.stats().clients;
        Client client(path());
        ASSERT_TRUE(accepts(server, before + 1)) << server.stats().refused;
        const std::string packet(size, 'x');
        for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(client.send(packet));
        client.close();
        ASSERT_TRUE(dispatch_until([&] { return server.stats().clients == there; }));
    }

private:
    [[nodiscard]] fs::path fifo() const { return dir() / "fifo"; }
};

TEST_F(AttachClientsTest, SlowClientIsDisconnectedAndOthersGetAll) {
    constexpr std::size_t Size = 64UL * 1024 * 1024;
    for (const SlowClient slow : {SlowClient::Disconnect, SlowClient::Skip}) {
        Container box = attachable();
        AttachServerOptions options = at_path();
        options.slow = slow;
        // A turn reads up to 256 KiB, and the socket of one who reads between the turns may hold less than that.
        options.queue = 32 * MiB;
        AttachServer server(box, options);
        Client stalled(path()), reader(path());
        ASSERT_TRUE(accepts(server, 2));
        box.start(shell("head -c 67108864 /dev/zero; echo end >&2"));
        std::size_t got = 0;
        ASSERT_TRUE(dispatch_until([&] {
            reader.read();
            got += reader.out.size();
            reader.out.clear();
            return reader.ended;
        }));
        EXPECT_EQ(got, Size);
        EXPECT_EQ(reader.err, "end\n");
        const AttachServerStats stats = server.stats();
        if (slow == SlowClient::Disconnect) {
            EXPECT_EQ(stats.disconnected, 1U);
            EXPECT_EQ(stats.skipped_bytes, 0U);
            EXPECT_TRUE(stalled.read()); // what it was sent
            EXPECT_GT(stalled.out.size(), 0U);
        } else {
            EXPECT_EQ(stats.disconnected, 0U);
            ASSERT_TRUE(dispatch_to_end(box, server, {&stalled}));
            EXPECT_EQ(stalled.out.size() + stalled.err.size() + server.stats().skipped_bytes, Size + 4);
            EXPECT_GT(server.stats().skipped_bytes, Size / 4);
        }
        box.wait();
    }
}

TEST_F(AttachClientsTest, ContainerWaitsForAClientIfTold) {
    constexpr std::size_t Size = 8UL * 1024 * 1024;
    Container box = attachable();
    AttachServer server(box, waiting());
    Client client(path());
    ASSERT_TRUE(accepts(server, 1));
    box.start(shell("head -c 8388608 /dev/zero; echo end >&2"));
    ASSERT_TRUE(dispatch_until_stuck(box));
    EXPECT_TRUE(box.running());
    const std::uint64_t read = box.log_stats().bytes;
    EXPECT_LT(read, Size / 2);
    ASSERT_TRUE(dispatch_to_end(box, server, {&client}));
    EXPECT_EQ(client.out.size(), Size);
    EXPECT_EQ(client.err, "end\n");
}

TEST_F(AttachClientsTest, WhoOnlyWaitsServesAClientThatIsWaitedFor) {
    Container box = attachable();
    AttachServer server(box, waiting());
    Client client(path());
    ASSERT_TRUE(accepts(server, 1));
    box.start(shell("head -c 8388608 /dev/zero"));
    const pid_t reader = ::fork();
    if (reader == 0) {
        std::size_t got = 0;
        std::array<char, 8193> packet{};
        pollfd ready{client.fd(), POLLIN, 0};
        while (::poll(&ready, 1, -1) == 1) {
            const ssize_t size = ::recv(client.fd(), packet.data(), packet.size(), 0);
            if (size <= 0) break;
            got += static_cast<std::size_t>(size) - 1;
            if (got == 8388608) ::_exit(0);
        }
        ::_exit(1);
    }
    box.wait();
    EXPECT_TRUE(dispatch_until([&] { return server.finished(); }));
    int status = -1;
    EXPECT_EQ(::waitpid(reader, &status, 0), reader);
    EXPECT_EQ(status, 0);
}

TEST_F(AttachClientsTest, UnreadInputStopsClientsAndNothingElse) {
    Container box = attachable();
    AttachServer server(box, at_path());
    Client writer(path()), reader(path());
    ASSERT_TRUE(accepts(server, 2));
    box.start(shell("while ! test -e " + (dir() / "go").string() + "; do echo output; sleep 0.01; done; cat"));
    std::size_t sent = 0;
    // Full, and a while later still full.
    ASSERT_TRUE(dispatch_until([&] {
        reader.read();
        const std::size_t more = fill(writer);
        sent += more;
        return more == 0 && reader.out.size() > 100;
    }));
    EXPECT_LT(sent, 2U * 1024 * 1024);
    EXPECT_EQ(reader.ended, false);
    make_file("go");
    writer.end_input();
    ASSERT_TRUE(dispatch_until([&] {
        writer.read();
        reader.read();
        return std::ranges::count(reader.out, 'x') == static_cast<std::ptrdiff_t>(sent);
    }));
    EXPECT_EQ(server.stats().clients, 2U);
    // Its end does not matter by default; all it has sent comes before.
    EXPECT_EQ(box.write_input("!"), 1U);
    box.close_input();
    ASSERT_TRUE(dispatch_to_end(box, server, {&writer, &reader}));
    EXPECT_TRUE(reader.out.ends_with("x!")) << reader.out.substr(reader.out.size() - 40);
}

TEST_F(AttachClientsTest, InputOfAClientThatIsGoneIsDelivered) {
    Container box = attachable();
    AttachServer server(box, at_path(ClientEof::CloseInput));
    std::string text;
    const AttachStream stream = box.attach(into(text));
    const std::size_t sent = fill(Client(path()));
    EXPECT_GT(sent, 64U * 1024);
    ASSERT_TRUE(accepts(server, 1));
    box.start(shell("wc -c"));
    ASSERT_TRUE(dispatch_to_end(box, server, {}));
    EXPECT_EQ(text, std::to_string(sent) + "\n");
}

TEST_F(AttachClientsTest, InputOfAClientThatHasNotReadItsOutputIsDelivered) {
    Container box = attachable();
    AttachServer server(box, at_path(ClientEof::CloseInput));
    std::string text;
    const AttachStream stream = box.attach(into(text));
    std::optional<Client> client(path());
    ASSERT_TRUE(accepts(server, 1));
    box.start(shell("echo unread; wc -c"));
    ASSERT_TRUE(dispatch_until([&] {
        pollfd ready{client->fd(), POLLIN, 0};
        return ::poll(&ready, 1, 0) == 1;
    }));
    const std::size_t sent = fill(*client);
    client.reset();
    ASSERT_TRUE(dispatch_to_end(box, server, {}));
    EXPECT_EQ(text, "unread\n" + std::to_string(sent) + "\n");
}

TEST_F(AttachClientsTest, WhoIsGoneTakesNoPlaceWhileItsInputWaits) {
    constexpr std::size_t Size = 100UL * 1024;
    Container box = attachable();
    AttachServerOptions options = at_path(ClientEof::CloseInput);
    options.max_clients = 2;
    AttachServer server(box, options);
    box.start(shell("read go < " + make_fifo() + "; wc -c"));
    Client living(path()); // keeps the input open
    ASSERT_TRUE(accepts(server, 1));
    ASSERT_NO_FATAL_FAILURE(pass_by(server, 1, Size));
    const std::size_t before = open_descriptors();
    for (int i = 1; i < 20; ++i) ASSERT_NO_FATAL_FAILURE(pass_by(server, 1, Size));
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_GT(server.stats().orphaned_input, 19 * Size);
    ASSERT_TRUE(living.send("!"));
    living.end_input();
    go();
    ASSERT_TRUE(dispatch_to_end(box, server, {&living}));
    EXPECT_EQ(living.out, std::to_string(20 * Size + 1) + "\n"); // nothing is lost
    EXPECT_EQ(server.stats(), (AttachServerStats{.accepted = 21}));
}

TEST_F(AttachClientsTest, WhatIsBeyondTheLimitOfOrphanedInputIsCounted) {
    constexpr std::size_t Packet = 10UL * 1024;
    Container box = attachable();
    AttachServerOptions options = at_path(ClientEof::CloseInput);
    options.orphaned_input = 256 * KiB;
    AttachServer server(box, options);
    box.start(shell("read go < " + make_fifo() + "; wc -c"));
    Client living(path());
    ASSERT_TRUE(accepts(server, 1));
    for (int i = 0; i < 10; ++i) ASSERT_NO_FATAL_FAILURE(pass_by(server, 10, Packet));
    const AttachServerStats stats = server.stats();
    EXPECT_LE(stats.orphaned_input, 256U * 1024);
    EXPECT_GT(stats.orphaned_input, 256U * 1024 - Packet - 128);
    EXPECT_GT(stats.lost_input, 0U);
    EXPECT_EQ(stats.clients, 1U);
    EXPECT_EQ(stats.disconnected, 0U);
    living.end_input();
    go();
    ASSERT_TRUE(dispatch_to_end(box, server, {&living}));
    EXPECT_EQ(living.out, std::to_string(100 * Packet - stats.lost_input) + "\n");
    EXPECT_EQ(server.stats().orphaned_input, 0U);
}

TEST_F(AttachClientsTest, SlowContainerGetsAllOfAClientThatIsGone) {
    const std::string packet = std::string(1023, 'x') + '\n';
    constexpr int Packets = 400;
    Container box = attachable();
    AttachServer server(box, at_path(ClientEof::CloseInput));
    std::string text;
    const AttachStream stream = box.attach(into(text));
    box.start(shell("n=0; while read -r line; do n=$((n + ${#line} + 1)); done; echo $n")); // byte by byte
    {
        const Client client(path());
        for (int sent = 0; sent < Packets;) {
            ASSERT_TRUE(dispatch_until([&] { return client.send(packet); }));
            ++sent;
        }
    }
    ASSERT_TRUE(dispatch_to_end(box, server, {}));
    EXPECT_EQ(text, std::to_string(Packets * packet.size()) + "\n");
    EXPECT_EQ(server.stats(), AttachServerStats{.accepted = 1});
}

TEST_F(AttachClientsTest, OrphanedInputIsForgottenWithItsContainer) {
    Container box = attachable();
    AttachServer server(box, at_path());
    box.start(shell("read go < " + make_fifo()));
    for (int i = 0; i < 2; ++i) {
        ASSERT_NO_FATAL_FAILURE(pass_by(server, 2, 100UL * 1024));
        EXPECT_GT(server.stats().orphaned_input, 0U);
        if (i == 0) server.disconnect_clients();
        EXPECT_EQ(server.stats().orphaned_input > 0, i == 1);
    }
    go();
    ASSERT_TRUE(dispatch_to_end(box, server, {}));
    EXPECT_EQ(server.stats().orphaned_input, 0U);
}

TEST_F(AttachClientsTest, ContainerWithoutInputThrowsItAway) {
    Container box = attachable();
    AttachServer server(box, at_path());
    Client client(path());
    ASSERT_TRUE(accepts(server, 1));
    ProcessSpec spec = shell("read go < " + make_fifo());
    spec.stdio.in = Stdio::Null;
    box.start(spec);
    std::size_t sent = 0;
    ASSERT_TRUE(dispatch_until([&] {
        sent += fill(client);
        return sent > 4U * 1024 * 1024;
    }));
    go();
    ASSERT_TRUE(dispatch_to_end(box, server, {&client}));
}

TEST_F(AttachClientsTest, HostilePacketsDoNoHarm) {
    Container box = attachable();
    AttachServer server(box, at_path());
    Client good(path()), huge(path()), passing(path());
    ASSERT_TRUE(accepts(server, 3));
    box.start(shell("cat"));
    const int size = 4 * 1024 * 1024;
    if (::setsockopt(huge.fd(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) == 0) {
        ASSERT_TRUE(huge.send(std::string(300UL * 1024, 'h')));
        ASSERT_TRUE(dispatch_until([&] { return server.stats().disconnected == 1; }));
        EXPECT_TRUE(huge.read());
    }
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 100; ++i) {
        char byte = 'p';
        iovec part{&byte, 1};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * 8)> control{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * 8);
        for (int n = 0; n < 8; ++n) *(reinterpret_cast<int*>(CMSG_DATA(header)) + n) = passing.fd();
        ASSERT_EQ(::sendmsg(passing.fd(), &message, MSG_NOSIGNAL), 1);
        ASSERT_TRUE(dispatch_until([&] { return good.read(), good.out.size() == static_cast<std::size_t>(i) + 1; }));
    }
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_EQ(good.out, std::string(100, 'p'));
    box.close_input();
    ASSERT_TRUE(dispatch_to_end(box, server, {&good, &huge, &passing}));
}

TEST_F(AttachClientsTest, ThousandsComeAndGo) {
    Container box = attachable();
    AttachServer server(box, at_path());
    box.start(shell("cat"));
    Client good(path());
    ASSERT_TRUE(accepts(server, 1));
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 3000; ++i) {
        const Client passer(path());
        if (i % 3 == 0) (void)passer.send("x");
        if (i % 16 == 0) session().dispatch();
    }
    ASSERT_TRUE(dispatch_until([&] { return server.stats().clients == 1; }));
    for (int i = 0; i < 100; ++i) session().dispatch(); // who still waited to be accepted
    ASSERT_TRUE(dispatch_until([&] { return server.stats().clients == 1; }));
    EXPECT_EQ(open_descriptors(), before);
    EXPECT_GT(server.stats().accepted, 100U);
    ASSERT_TRUE(good.send("still here"));
    ASSERT_TRUE(dispatch_until([&] { return good.read(), good.out.ends_with("still here"); }));
    box.close_input();
    ASSERT_TRUE(dispatch_to_end(box, server, {&good}));
}

TEST_F(AttachClientsTest, TooManyClientsAreRefused) {
    Container box = attachable();
    AttachServerOptions options = at_path();
    options.max_clients = 2;
    AttachServer server(box, options);
    std::optional<Client> first(path());
    Client second(path()), third(path());
    ASSERT_TRUE(dispatch_until([&] { return server.stats().refused == 1; }));
    EXPECT_TRUE(third.read());
    first.reset();
    ASSERT_TRUE(dispatch_until([&] { return server.stats().clients == 1; }));
    const Client fourth(path());
    ASSERT_TRUE(accepts(server, 3));
}

TEST_F(AttachClientsTest, NoDescriptorsLeftIsNoEndlessLoop) {
    const Container box = attachable();
    AttachServer server(box, at_path());
    Client client(path());
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{3, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    std::size_t calls = 0;
    for (int i = 0; i < 100; ++i) calls += session().dispatch();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_LE(calls, 4U);
    EXPECT_EQ(server.stats().accepted, 0U);
    ASSERT_TRUE(accepts(server, 1));
}

TEST_F(AttachClientsTest, KilledClientsLeaveNothing) {
    Container box = attachable();
    AttachServer server(box, waiting()); // the worst that it can hold up
    const pid_t victim = ::fork();
    if (victim == 0) {
        const Client client(path());
        (void)client.send("typed");
        for (;;) ::pause();
    }
    ASSERT_TRUE(accepts(server, 1));
    box.start(shell("head -c 4194304 /dev/zero; cat"));
    ASSERT_TRUE(dispatch_until_stuck(box));
    EXPECT_LT(box.log_stats().bytes, 4194304U);
    ASSERT_EQ(::kill(victim, SIGKILL), 0);
    ASSERT_EQ(::waitpid(victim, nullptr, 0), victim);
    ASSERT_TRUE(dispatch_until([&] { return server.stats().clients == 0 && box.log_stats().bytes == 4194304U + 5; }));
    box.close_input();
    ASSERT_TRUE(dispatch_to_end(box, server, {}));
}

TEST_F(AttachClientsTest, StoppingWhileClientsWaitDeliversWhatWasWritten) {
    Container box = attachable();
    AttachServer server(box, waiting());
    Client client(path());
    ASSERT_TRUE(accepts(server, 1));
    box.start(shell("exec cat /dev/zero"));
    ASSERT_TRUE(dispatch_until_stuck(box));
    EXPECT_TRUE(signaled(box.stop(10s), SIGTERM));
    EXPECT_FALSE(server.finished());
    EXPECT_FALSE(fs::exists(path()));
    ASSERT_TRUE(dispatch_to_end(box, server, {&client}));
    EXPECT_EQ(client.out.size(), box.log_stats().bytes);
}

TEST_F(AttachClientsTest, LingeringIsLimited) {
    Container box = attachable();
    AttachServerOptions options = at_path();
    options.linger = 0ms;
    options.queue = 32 * MiB;
    AttachServer server(box, options);
    Client client(path());
    ASSERT_TRUE(accepts(server, 1));
    box.start(shell("head -c 16777216 /dev/zero"));
    ASSERT_TRUE(dispatch_until([&] { return !box.running() && server.finished(); }));
    EXPECT_TRUE(client.read());
    EXPECT_GT(client.out.size(), 0U);
    EXPECT_LT(client.out.size(), 16777216U);
}

} // namespace
} // namespace ct::test
