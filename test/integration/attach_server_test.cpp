// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Serving those who attach to a container from outside.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "attach_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

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
        AttachServer server(box, at_path(ClientEof::CloseInput));
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
    AttachServer server(box, at_path(ClientEof::CloseInput));
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

TEST_F(AttachServerTest, EndsWhileAnotherThreadServesThoseWhoCome) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    Session& own = session();
    std::atomic<bool> over{false};
    std::thread dispatching([&] {
        while (!over) own.dispatch_for(1ms);
    });
    for (int round = 0; round < 100; ++round) {
        AttachServerOptions options = at_path();
        AttachServer server(session(), options);
        server.set_input(pipe[1]);
        std::vector<std::unique_ptr<Client>> clients;
        for (int i = 0; i < 50; ++i) {
            clients.push_back(std::make_unique<Client>(path()));
            EXPECT_TRUE(clients.back()->send("x"));
        }
        if (round % 2 == 0) server.finish();
        if (round % 4 < 2) clients.clear();
    }
    EXPECT_FALSE(fs::exists(path()));
    over = true;
    dispatching.join();
    for (const int end : pipe) ::close(end);
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
