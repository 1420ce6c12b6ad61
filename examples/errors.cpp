// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// Does things that cannot work, and shows what libct says to them.

#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <ct/ct.hpp>

namespace {

//! [show]
void show(const std::function<void()>& attempt) {
    try {
        attempt();
    } catch (const ct::Error& error) {
        std::cout << error.what() << '\n';
        std::cout << "    stage: " << to_string(error.stage());
        if (!error.path().empty()) std::cout << ", path: " << error.path();
        if (error.code() == std::errc::no_such_file_or_directory) std::cout << ", something is missing";
        if (error.code() == ct::Errc::InvalidConfig) std::cout << ", violations: " << error.violations().size();
        std::cout << '\n';
    }
}
//! [show]

} // namespace

int main(int argc, char** argv) try {
    if (argc != 2) throw std::invalid_argument("usage: errors ROOT");
    const std::string root = argv[1];
    ct::Session session;
    ct::Container web = session.create("web");

    //! [attempts]
    show([&] { (void)session.create("web"); });
    show([&] { web.set_hostname("web").set_root({.path = root, .read_only = true}).start({.argv = {"sh"}}); });
    web.add_namespaces({ct::Namespace::Mount, ct::Namespace::Uts});
    show([&] { web.start({.argv = {"httpd-2"}, .environment = std::vector<std::string>{"PATH=/bin"}}); });
    show([&] { web.start({.argv = {"/bin"}}); });
    web.add_mount({.target = "/data", .type = "tmpfs", .options = {"size=lots"}});
    show([&] { web.start({.argv = {"/bin/sh"}}); });
    show([&] { web.enter({.argv = {"/bin/sh"}}); });
    //! [attempts]
    return 0;
} catch (const std::exception& error) {
    std::cerr << "errors: " << error.what() << '\n';
    return 125;
}
