// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Serving those who attach to a container from outside: also slow, hostile and dying ones.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

ProcessSpec shell(std::string script) {
    return {.argv = {"/bin/sh", "-c", std::move(script)}};
}

int make_socket() {
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    EXPECT_GE(fd, 0);
    return fd;
}

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    EXPECT_LT(path.size(), sizeof address.sun_path);
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

/// What podman and the like are: connected, never blocking here.
class Client {
public:
    explicit Client(const std::string& path) : fd_(make_socket()) {
        const sockaddr_un address = address_of(path);
        connected_ = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        EXPECT_TRUE(connected_) << path << " " << errno;
    }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client() { close(); }

    /// Reads what is there. \returns whether the end was reached
    bool read() {
        std::array<char, 8194> packet{};
        while (!ended) {
            const ssize_t size = ::recv(fd_, packet.data(), packet.size(), MSG_TRUNC);
            if (size < 0 && errno == EAGAIN) break;
            EXPECT_GE(size, 0) << errno; // no ECONNRESET
            EXPECT_LE(size, 8193);
            EXPECT_NE(size, 1);
            if (size <= 0) {
                ended = true;
                break;
            }
            EXPECT_TRUE(packet[0] == 2 || packet[0] == 3);
            (packet[0] == 2 ? out : err).append(packet.data() + 1, static_cast<std::size_t>(size) - 1);
        }
        return ended;
    }
    /// \returns whether it was taken
    bool send(std::string_view bytes) const { return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0; }
    void end_input() const { EXPECT_EQ(::shutdown(fd_, SHUT_WR), 0); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    [[nodiscard]] int fd() const { return fd_; }

    std::string out;
    std::string err;
    bool ended = false;

private:
    int fd_;
    bool connected_ = false;
};

std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& each : fs::directory_iterator("/proc/self/fd")) ++count;
    return count;
}

class AttachServerTest : public ContainerTest {
protected:
    [[nodiscard]] std::string path() const { return (dir() / "attach").string(); }
    [[nodiscard]] Container attachable(Attachable how = {}, const std::string& name = "box") {
        Container box = plain(name);
        box.set_attachable(how);
        return box;
    }
    [[nodiscard]] AttachServerOptions at_path() const { return {.path = path()}; }
    [[nodiscard]] bool dispatch_until(const std::function<bool()>& condition) {
        const auto deadline = std::chrono::steady_clock::now() + Patience;
        while (!condition()) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            session().dispatch_for(1ms);
        }
        return true;
    }
    [[nodiscard]] bool accepts(const AttachServer& server, std::uint64_t count) {
        return dispatch_until([&] { return server.stats().accepted == count; });
    }
    /// Dispatches until the container has ended and all clients are gone.
    [[nodiscard]] bool dispatch_to_end(Container& box, const AttachServer& server, std::initializer_list<Client*> all) {
        const bool ended = dispatch_until([&] {
            for (Client* client : all) client->read();
            return server.finished() && !box.running();
        });
        for (Client* client : all) client->read();
        return ended;
    }
};

TEST_F(AttachServerTest, ClientsGetTheSameAndMayWrite) {
    Container box = attachable();
    AttachServer server(box, at_path());
    Client first(path()), second(path());
    ASSERT_TRUE(first.send("early ")); // before it is accepted, and before there is a process
    ASSERT_TRUE(accepts(server, 2));
    box.start(shell("cat; echo end; echo err >&2"));
    ASSERT_TRUE(dispatch_until([&] { return first.read(), second.read(), second.out == "early "; }));
    ASSERT_TRUE(second.send("hello "));
    ASSERT_TRUE(dispatch_until([&] { return first.read(), second.read(), first.out == "early hello "; }));
    EXPECT_EQ(server.stats().clients, 2U);
    box.close_input();
    ASSERT_TRUE(dispatch_to_end(box, server, {&first, &second}));
    EXPECT_TRUE(first.read() && second.read());
    EXPECT_EQ(first.out, "early hello end\n");
    EXPECT_EQ(second.out, first.out);
    EXPECT_EQ(first.err, "err\n");
    EXPECT_EQ(second.err, "err\n");
    EXPECT_EQ(server.stats(), (AttachServerStats{.accepted = 2}));
    EXPECT_FALSE(fs::exists(path()));
}

TEST_F(AttachServerTest, SocketHasItsModeWhateverTheUmaskIs) {
    const Container box = attachable();
    AttachServerOptions options = at_path();
    options.mode = 0666;
    const mode_t before = ::umask(0177);
    {
        const AttachServer server(box, options);
        ::umask(before);
        struct stat found {};
        ASSERT_EQ(::stat(path().c_str(), &found), 0);
        EXPECT_EQ(found.st_mode, S_IFSOCK | 0666U);
    }
    EXPECT_FALSE(fs::exists(path()));
}

TEST_F(AttachServerTest, EndOfInputFollowsThePolicy) {
    for (const bool empty_packet : {false, true}) {
        Container box = attachable();
        AttachServerOptions options = at_path();
        options.eof = ClientEof::CloseInput;
        AttachServer server(box, options);
        Client first(path()), second(path());
        ASSERT_TRUE(accepts(server, 2));
        box.start(shell("cat"));
        ASSERT_TRUE(first.send("one "));
        first.end_input();
        ASSERT_TRUE(dispatch_until([&] { return first.read(), first.out == "one "; }));
        ASSERT_TRUE(second.send("two "));
        if (empty_packet) {
            ASSERT_TRUE(second.send(""));
        } else {
            second.end_input();
        }
        ASSERT_TRUE(dispatch_to_end(box, server, {&first, &second})); // cat has read the end
        EXPECT_EQ(first.out, "one two ");
        EXPECT_EQ(second.out, "one two ");
    }
}

TEST_F(AttachServerTest, EndOfInputBeforeTheStartIsNotForgotten) {
    Container box = attachable();
    AttachServerOptions options = at_path();
    options.eof = ClientEof::CloseInput;
    AttachServer server(box, options);
    Client client(path());
    client.end_input();
    ASSERT_TRUE(accepts(server, 1));
    for (int i = 0; i < 3; ++i) session().dispatch();
    box.start(shell("cat; echo end"));
    ASSERT_TRUE(dispatch_to_end(box, server, {&client}));
    EXPECT_EQ(client.out, "end\n");
}

TEST_F(AttachServerTest, DetachedClientsComeBackToHistory) {
    Container box = attachable({.history = 1 * KiB});
    AttachServerOptions options = at_path();
    options.history = 1 * KiB;
    AttachServer server(box, options);
    box.start(shell("echo begin; cat"));
    {
        Client client(path());
        ASSERT_TRUE(dispatch_until([&] { return client.read(), client.out == "begin\n"; }));
        ASSERT_TRUE(client.send("one\n"));
        ASSERT_TRUE(dispatch_until([&] { return client.read(), client.out == "begin\none\n"; }));
    }
    ASSERT_TRUE(dispatch_until([&] { return server.stats().clients == 0; }));
    EXPECT_EQ(box.write_input("two\n"), 4U);
    Client again(path());
    ASSERT_TRUE(dispatch_until([&] { return again.read(), again.out == "begin\none\ntwo\n"; }));
    box.close_input();
    ASSERT_TRUE(dispatch_to_end(box, server, {&again}));
}

TEST_F(AttachServerTest, WhoComesAtTheEndReadsTheEndAndNoError) {
    Container box = attachable({.history = 1 * KiB});
    AttachServerOptions options = at_path();
    options.history = 1 * KiB;
    const AttachServer server(box, options);
    box.start(shell("echo output"));
    Client client(path());
    ASSERT_TRUE(client.send("unread"));
    box.wait(); // accepts nobody, but for the end
    EXPECT_TRUE(client.read());
    EXPECT_EQ(client.out, "output\n");
    EXPECT_TRUE(server.finished());
}

TEST_F(AttachServerTest, SlowClientIsDisconnectedAndOthersGetAll) {
    constexpr std::size_t Size = 64UL * 1024 * 1024;
    for (const SlowClient slow : {SlowClient::Disconnect, SlowClient::Skip}) {
        Container box = attachable();
        AttachServerOptions options = at_path();
        options.slow = slow;
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
            EXPECT_GT(server.stats().skipped_bytes, Size / 2);
        }
        box.wait();
    }
}

TEST_F(AttachServerTest, ContainerWaitsForAClientIfTold) {
    constexpr std::size_t Size = 8UL * 1024 * 1024;
    Container box = attachable();
    AttachServerOptions options = at_path();
    options.slow = SlowClient::Wait;
    options.queue = 64 * KiB;
    AttachServer server(box, options);
    Client client(path());
    ASSERT_TRUE(accepts(server, 1));
    box.start(shell("head -c 8388608 /dev/zero; echo end >&2"));
    // Until nothing happens any more: the pipe, the socket and the queue are full.
    while (session().dispatch_for(200ms) > 0) {
    }
    EXPECT_TRUE(box.running());
    const std::uint64_t read = box.log_stats().bytes;
    EXPECT_LT(read, Size / 2);
    ASSERT_TRUE(dispatch_to_end(box, server, {&client}));
    EXPECT_EQ(client.out.size(), Size);
    EXPECT_EQ(client.err, "end\n");
}

TEST_F(AttachServerTest, WhoOnlyWaitsServesAClientThatIsWaitedFor) {
    Container box = attachable();
    AttachServerOptions options = at_path();
    options.slow = SlowClient::Wait;
    options.queue = 64 * KiB;
    AttachServer server(box, options);
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

TEST_F(AttachServerTest, UnreadInputStopsClientsAndNothingElse) {
    Container box = attachable();
    AttachServer server(box, at_path());
    Client writer(path()), reader(path());
    ASSERT_TRUE(accepts(server, 2));
    box.start(shell("while ! test -e " + (dir() / "go").string() + "; do echo output; sleep 0.01; done; cat | wc -c"));
    const std::string packet(32 * 1024, 'x');
    std::size_t sent = 0;
    // Full, and a while later still full.
    ASSERT_TRUE(dispatch_until([&] {
        reader.read();
        bool more = false;
        while (writer.send(packet)) {
            sent += packet.size();
            more = true;
        }
        return !more && reader.out.size() > 100;
    }));
    EXPECT_LT(sent, 2U * 1024 * 1024);
    EXPECT_EQ(reader.ended, false);
    make_file("go");
    writer.end_input();
    ASSERT_TRUE(dispatch_until([&] { return server.stats().clients == 2; }));
    // Its end does not matter by default; all it has sent comes before.
    std::size_t taken = 0;
    ASSERT_TRUE(dispatch_until([&] {
        taken = box.log_stats().bytes;
        try {
            return box.write_input("!") == 1;
        } catch (const Error&) {
            return true;
        }
    }));
    const AttachStream stream = box.attach({});
    for (int quiet = 0; quiet < 20;) quiet = session().dispatch_for(10ms) == 0 ? quiet + 1 : 0;
    box.close_input();
    ASSERT_TRUE(dispatch_to_end(box, server, {&writer, &reader}));
    EXPECT_TRUE(reader.out.ends_with(std::to_string(sent + 1) + "\n"))
        << sent << reader.out.substr(reader.out.size() - 40);
}

TEST_F(AttachServerTest, InputOfAClientThatIsGoneIsDelivered) {
    Container box = attachable();
    AttachServerOptions options = at_path();
    options.eof = ClientEof::CloseInput;
    AttachServer server(box, options);
    std::string text;
    const AttachStream stream = box.attach({.on_output = [&](const OutputChunk& chunk) { text += chunk.bytes; }});
    std::size_t sent = 0;
    {
        Client client(path());
        const std::string packet(16 * 1024, 'x');
        while (client.send(packet)) sent += packet.size();
    }
    EXPECT_GT(sent, 64U * 1024);
    ASSERT_TRUE(accepts(server, 1));
    box.start(shell("wc -c"));
    ASSERT_TRUE(dispatch_to_end(box, server, {}));
    EXPECT_EQ(text, std::to_string(sent) + "\n");
}

TEST_F(AttachServerTest, ContainerWithoutInputThrowsItAway) {
    Container box = attachable();
    AttachServer server(box, at_path());
    Client client(path());
    ASSERT_TRUE(accepts(server, 1));
    ProcessSpec spec = shell("read go < " + (dir() / "fifo").string());
    spec.stdio.in = Stdio::Null;
    ASSERT_EQ(::mkfifo((dir() / "fifo").c_str(), 0600), 0);
    box.start(spec);
    const std::string packet(16 * 1024, 'x');
    std::size_t sent = 0;
    ASSERT_TRUE(dispatch_until([&] {
        while (client.send(packet)) sent += packet.size();
        return sent > 4U * 1024 * 1024;
    }));
    std::ofstream(dir() / "fifo") << "go\n";
    ASSERT_TRUE(dispatch_to_end(box, server, {&client}));
}

TEST_F(AttachServerTest, HostilePacketsDoNoHarm) {
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

TEST_F(AttachServerTest, ThousandsComeAndGo) {
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

TEST_F(AttachServerTest, TooManyClientsAreRefused) {
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

TEST_F(AttachServerTest, NoDescriptorsLeftIsNoEndlessLoop) {
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

TEST_F(AttachServerTest, KilledClientsLeaveNothing) {
    Container box = attachable();
    AttachServerOptions options = at_path();
    options.slow = SlowClient::Wait; // the worst that it can hold up
    options.queue = 64 * KiB;
    AttachServer server(box, options);
    const pid_t victim = ::fork();
    if (victim == 0) {
        const Client client(path());
        (void)client.send("typed");
        for (;;) ::pause();
    }
    ASSERT_TRUE(accepts(server, 1));
    box.start(shell("head -c 4194304 /dev/zero; cat"));
    while (session().dispatch_for(200ms) > 0) {
    }
    EXPECT_LT(box.log_stats().bytes, 4194304U);
    ASSERT_EQ(::kill(victim, SIGKILL), 0);
    ASSERT_EQ(::waitpid(victim, nullptr, 0), victim);
    ASSERT_TRUE(dispatch_until([&] { return server.stats().clients == 0 && box.log_stats().bytes == 4194304U + 5; }));
    box.close_input();
    ASSERT_TRUE(dispatch_to_end(box, server, {}));
}

TEST_F(AttachServerTest, StoppingWhileClientsWaitDeliversWhatWasWritten) {
    Container box = attachable();
    AttachServerOptions options = at_path();
    options.slow = SlowClient::Wait;
    options.queue = 64 * KiB;
    AttachServer server(box, options);
    Client client(path());
    ASSERT_TRUE(accepts(server, 1));
    box.start(shell("exec cat /dev/zero"));
    while (session().dispatch_for(200ms) > 0) {
    }
    EXPECT_TRUE(signaled(box.stop(10s), SIGTERM));
    EXPECT_FALSE(server.finished());
    EXPECT_FALSE(fs::exists(path()));
    ASSERT_TRUE(dispatch_to_end(box, server, {&client}));
    EXPECT_EQ(client.out.size(), box.log_stats().bytes);
}

TEST_F(AttachServerTest, LingeringIsLimited) {
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

TEST_F(AttachServerTest, HandlersMayDestroyServerAndContainer) {
    std::optional<Container> box = attachable();
    std::optional<AttachServer> server;
    server.emplace(*box, at_path());
    Client client(path());
    ASSERT_TRUE(accepts(*server, 1));
    bool called = false;
    const AttachStream stream = box->attach({.on_output = [&](const OutputChunk&) {
        called = true;
        server.reset();
        box.reset();
    }});
    box->start(shell("echo output; cat"));
    ASSERT_TRUE(dispatch_until([&] { return client.read(); }));
    EXPECT_TRUE(called);
    EXPECT_EQ(client.out, "output\n"); // it was first
    EXPECT_FALSE(fs::exists(path()));
    session().find("box")->kill();
    session().find("box")->wait();
}

TEST_F(AttachServerTest, ClosingTheSessionDisconnectsAndRemovesTheSocket) {
    Container idle = attachable({}, "idle");
    Container box = attachable();
    AttachServerOptions other = at_path();
    other.path += ".idle";
    const AttachServer server(box, at_path());
    const AttachServer waiting(idle, other);
    Client client(path()), second(other.path);
    ASSERT_TRUE(accepts(server, 1) && accepts(waiting, 1));
    box.start(shell("echo output; exec sleep 1000"));
    ASSERT_TRUE(dispatch_until([&] { return client.read(), client.out == "output\n"; }));
    close_session();
    EXPECT_TRUE(client.read() && second.read());
    EXPECT_FALSE(fs::exists(path()) || fs::exists(other.path));
}

TEST_F(AttachServerTest, ForkOfTheHostLeavesTheSocketAlone) {
    Container box = attachable();
    std::optional<AttachServer> server;
    server.emplace(box, at_path());
    Client client(path());
    ASSERT_TRUE(accepts(*server, 1));
    const pid_t copy = ::fork();
    if (copy == 0) {
        server.reset();
        ::_exit(0);
    }
    ASSERT_EQ(::waitpid(copy, nullptr, 0), copy);
    EXPECT_TRUE(fs::exists(path()));
    box.start(shell("echo output"));
    ASSERT_TRUE(dispatch_to_end(box, *server, {&client}));
    EXPECT_EQ(client.out, "output\n");
}

TEST_F(AttachServerTest, OldSocketsGiveWayAndLivingOnesDoNot) {
    const Container box = attachable();
    { // one whose process has died
        const int dead = make_socket();
        const sockaddr_un address = address_of(path());
        ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        ASSERT_EQ(::listen(dead, 1), 0);
        ::close(dead);
    }
    ASSERT_TRUE(fs::exists(path()));
    std::optional<AttachServer> server;
    server.emplace(box, at_path());
    EXPECT_TRUE(fails([&] { const AttachServer second(box, at_path()); }, std::errc::address_in_use,
                      {"container 'box'", path(), "living"}));
    AttachServerOptions options = at_path();
    options.replace = true;
    const AttachServer second(box, options);
    server.reset();
    EXPECT_TRUE(fs::exists(path())); // the second one's
    const Client client(path());
    ASSERT_TRUE(accepts(second, 1));
    make_file("file");
    options.path = (dir() / "file").string();
    EXPECT_TRUE(fails([&] { const AttachServer third(box, options); }, std::errc::address_in_use, {"no socket"}));
    EXPECT_TRUE(fs::exists(options.path));
}

TEST_F(AttachServerTest, PathsMayBeLongAndErrorsAreClear) {
    const Container box = attachable();
    AttachServerOptions options = at_path();
    fs::path deep = dir();
    for (int i = 0; i < 5; ++i) deep /= std::string(60, 'd');
    fs::create_directories(deep);
    options.path = (deep / "attach").string();
    {
        const AttachServer server(box, options);
        ASSERT_TRUE(fs::is_socket(options.path));
        const int directory = ::open(deep.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
        const Client client("/proc/self/fd/" + std::to_string(directory) + "/attach");
        ASSERT_TRUE(accepts(server, 1));
        EXPECT_TRUE(fails([&] { const AttachServer second(box, options); }, std::errc::address_in_use, {"living"}));
        ::close(directory);
    }
    EXPECT_FALSE(fs::exists(options.path));
    options.path = (deep / std::string(120, 'n')).string();
    EXPECT_TRUE(fails([&] { const AttachServer server(box, options); }, std::errc::filename_too_long, {"component"}));
    options.path = "/nonexistent/attach";
    EXPECT_TRUE(fails([&] { const AttachServer server(box, options); }, std::errc::no_such_file_or_directory, {}));
    for (const std::string bad : {"", "attach", "/", "/tmp/.."}) {
        options.path = bad;
        EXPECT_TRUE(fails([&] { const AttachServer server(box, options); }, Errc::InvalidConfig, {})) << bad;
    }
    EXPECT_TRUE(fails([&] { const AttachServer server(plain("other"), at_path()); }, Errc::InvalidState,
                      {"container 'other'", "set_attachable"}));
}

TEST_F(AttachServerTest, SocketMayBeGiven) {
    Container box = attachable();
    const int given = make_socket();
    const sockaddr_un address = address_of(path());
    ASSERT_EQ(::bind(given, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const AttachServer server(box, {.fd = given});
    ::close(given);
    Client client(path());
    ASSERT_TRUE(accepts(server, 1));
    box.start(shell("echo output"));
    ASSERT_TRUE(dispatch_to_end(box, server, {&client}));
    EXPECT_EQ(client.out, "output\n");
    const int stream = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_TRUE(
        fails([&] { const AttachServer bad(box, {.fd = stream}); }, std::errc::wrong_protocol_type, {"SEQPACKET"}));
    ::close(stream);
}

TEST_F(AttachServerTest, ServesStreamsOfTheCallersToo) {
    AttachServerOptions options = at_path();
    options.history = 1 * KiB;
    AttachServer server(session(), options);
    server.write(Stream::Output, "before ");
    Client client(path());
    ASSERT_TRUE(client.send("input"));
    ASSERT_TRUE(accepts(server, 1));
    server.write(Stream::Error, "err");
    server.write(Stream::Output, "after");
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK), 0);
    server.set_input(pipe[1]);
    ::close(pipe[1]);
    std::array<char, 16> text{};
    ASSERT_TRUE(dispatch_until([&] { return ::read(pipe[0], text.data(), text.size()) == 5; }));
    client.read();
    EXPECT_EQ(client.out, "before after");
    EXPECT_EQ(client.err, "err");
    EXPECT_TRUE(server.takes_output());
    EXPECT_FALSE(server.finished());
    server.finish();
    EXPECT_EQ(::read(pipe[0], text.data(), text.size()), 0);
    ASSERT_TRUE(dispatch_until([&] { return server.finished(); }));
    EXPECT_TRUE(client.read());
    EXPECT_FALSE(fs::exists(path()));
    ::close(pipe[0]);
    const AttachServer other(attachable(), at_path());
    EXPECT_TRUE(fails([&] { const_cast<AttachServer&>(other).finish(); }, Errc::InvalidState, {"serves a container"}));
}

TEST_F(AttachServerTest, TerminalIsServedAndReattached) {
    Container box = attachable();
    AttachServerOptions options = at_path();
    AttachServer server(box, options);
    ProcessSpec spec = shell("stty size; while read line; do echo got $line; stty size; done");
    spec.terminal = TerminalSize{.rows = 10, .columns = 40};
    std::optional<Client> client(path());
    ASSERT_TRUE(accepts(server, 1));
    box.start(spec);
    ASSERT_TRUE(dispatch_until([&] { return client->read(), client->out == "10 40\r\n"; }));
    client->end_input(); // as podman does when it detaches
    client.reset();
    ASSERT_TRUE(dispatch_until([&] { return server.stats().clients == 0; }));
    box.resize_terminal({.rows = 20, .columns = 50});
    Client again(path());
    ASSERT_TRUE(accepts(server, 2));
    ASSERT_TRUE(again.send("line\n"));
    ASSERT_TRUE(dispatch_until([&] { return again.read(), again.out == "line\r\ngot line\r\n20 50\r\n"; }));
    box.close_input();
    ASSERT_TRUE(dispatch_to_end(box, server, {&again}));
}

} // namespace
} // namespace ct::test
