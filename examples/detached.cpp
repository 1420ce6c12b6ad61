// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// detached ROOT start | stop: a container that outlives the program that has started it.
#include <chrono>
#include <iostream>
#include <string_view>

#include <ct/ct.hpp>

namespace {

void start(ct::Session& session, const char* root) {
    //! [save]
    ct::Container service = session.create("service");
    service.set_root(root).add_namespaces({ct::Namespace::Mount, ct::Namespace::Pid});
    service.set_process({
        .argv = {"/bin/sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.1; done"},
        .stdio = {.in = ct::Stdio::Null, .out = ct::Stdio::Null, .err = ct::Stdio::Null},
    });
    service.save();
    //! [save]
    //! [detach]
    service.start();
    service.detach();
    //! [detach]
    std::cout << "The service is " << to_string(service.state()) << ".\n";
}

void stop(ct::Session& session) {
    //! [open]
    ct::Container service = session.open("service");
    std::cout << "The service is " << to_string(service.state()) << ".\n";
    const ct::ExitStatus status = service.stop(std::chrono::seconds(10));
    std::cout << "It " << status.describe() << ".\n";
    service.remove();
    //! [open]
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: " << argv[0] << " ROOT start|stop\n";
        return 2;
    }
    try {
        //! [session]
        ct::Session session({.state_directory = ct::default_state_directory()});
        //! [session]
        if (std::string_view(argv[2]) == "start") {
            start(session, argv[1]);
        } else {
            stop(session);
        }
        return 0;
    } catch (const ct::Error& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
