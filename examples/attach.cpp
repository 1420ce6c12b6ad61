// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// attach SOCKET COMMAND...: runs a container whose standard streams are served at SOCKET, until it ends. For example
// `socat - UNIX-CONNECT:SOCKET,socktype=5` connects to it.
#include <filesystem>
#include <iostream>

#include <ct/ct.hpp>

int main(int argc, char** argv) {
    if (argc < 3) {
        std::cerr << "usage: attach SOCKET COMMAND...\n";
        return 2;
    }
    try {
        //! [serve]
        ct::Session session;
        ct::Container box = session.create("attachable");
        box.set_attachable({.history = 64 * ct::KiB});
        ct::AttachServer server(box, {.path = std::filesystem::absolute(argv[1]),
                                      .history = 64 * ct::KiB,
                                      .slow = ct::SlowClient::Wait,
                                      .eof = ct::ClientEof::CloseInput});
        //! [serve]
        //! [stream]
        const auto print = [](const ct::OutputChunk& chunk) { std::cout << chunk.bytes; };
        ct::AttachStream stream = box.attach({.on_output = print});
        box.start({.argv = {argv + 2, argv + argc}});
        (void)stream.write("hello\n");
        while (!server.finished()) session.dispatch_for(std::chrono::hours(1));
        //! [stream]
        return box.wait().shell_code();
    } catch (const std::exception& error) {
        std::cerr << "attach: " << error.what() << '\n';
        return 1;
    }
}
