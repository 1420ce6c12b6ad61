// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// Shows what mounts can be: with other owners, copied, with hooks, and made while the container runs.

#include <exception>
#include <filesystem>
#include <iostream>
#include <string>

#include <ct/ct.hpp>

namespace {

void run(ct::Container& container, const std::string& script) {
    const ct::Process process = container.enter({.argv = {"/bin/sh", "-c", script}});
    (void)process.wait();
}

} // namespace

int main(int argc, char** argv) try {
    if (argc != 3) throw std::invalid_argument("usage: mounts ROOT FILES");
    const std::string root = argv[1];
    const std::string files = argv[2];
    ct::Session session;
    ct::Container box = session.create("box");
    box.set_root(root).add_default_mounts();
    box.add_namespaces({ct::Namespace::Mount, ct::Namespace::Pid, ct::Namespace::Uts, ct::Namespace::Ipc});

    //! [idmap]
    box.add_mount({.source = files,
                   .target = "/files",
                   .no_suid = true,
                   .id_mapped = true,
                   .uid_map = {{.inside = 0, .outside = 1000, .count = 10}},
                   .gid_map = {{.inside = 0, .outside = 1000, .count = 10}}});
    //! [idmap]

    //! [hooks]
    const auto fill = [&] {
        std::filesystem::create_directory(root + "/run/app");
        return 0;
    };
    box.add_mount({.target = "/run", .type = "tmpfs", .options = {"mode=755"}},
                  {.after = {fill, ct::HookCommand{.argv = {"touch", root + "/run/app/ready"}}}});
    //! [hooks]

    //! [devices]
    box.add_device({.path = "/dev/nought", .major = 1, .minor = 5, .mode = 0644});
    box.add_default_masks().add_masked_path("/etc/secret");
    //! [devices]

    box.start({.argv = {"/bin/sleep", "60"}});
    run(box, "ls -ln /files; ls /run/app; ls -l /dev/nought");

    //! [live]
    box.mount({.source = files, .target = "/later", .read_only = true});
    run(box, "ls /later; touch /later/new");
    box.unmount("/later");
    //! [live]
    run(box, "ls /later");
    (void)box.stop(std::chrono::seconds(0));
    return 0;
} catch (const std::exception& error) {
    std::cerr << "mounts: " << error.what() << '\n';
    return 125;
}
