// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

/// The private areas of Documentation/guide/files.md: runs a command on one of them, and shows what becomes of it.

#include <iostream>
#include <stdexcept>

#include <ct/ct.hpp>

namespace {

/// In a throw-away overlay: lists what the command changed, and makes a layer of it.
void build_layer(ct::Container& container, const ct::ProcessSpec& process, const std::string& layer) {
    //! [overlay]
    container.set_private(ct::OverlayArea{.size = 64 << 20}); // 64 MiB of changes at most
    //! [overlay]
    container.start(process);
    container.wait();
    //! [changes]
    for (const ct::Change& change : container.changes()) {
        std::cout << to_string(change.kind) << ' ' << change.path << '\n';
    }
    container.commit(layer);
    container.discard(); // gives the memory back now
    //! [changes]
}

/// Over that layer, with changes that stay.
void use_layer(ct::Container& container, const std::string& root, const std::string& layer, const std::string& state) {
    //! [layers]
    container.set_private(ct::OverlayArea{
        .lower = {layer, root}, // topmost first
        .upper = state + "/upper",
        .work = state + "/work",
    });
    //! [layers]
}

void use_memory(ct::Container& container, const std::string& root) {
    //! [tmpfs]
    container.set_private(ct::TmpfsArea{.size = 16 << 20})
        .add_mount({.source = root + "/bin", .target = "/bin", .read_only = true});
    //! [tmpfs]
}

void use_image(ct::Container& container, const std::string& file) {
    //! [image]
    container.set_private(ct::ImageArea{.path = file, .read_only = true});
    //! [image]
}

} // namespace

int main(int argc, char** argv) try {
    if (argc < 5) throw std::invalid_argument("usage: private_areas ROOT build|layer|memory|image WHAT COMMAND...");
    const std::string root = argv[1];
    const std::string kind = argv[2];
    const std::string what = argv[3];

    ct::Session session;
    ct::Container container = session.create("files");
    container.set_root(root).add_namespaces({ct::Namespace::Mount, ct::Namespace::Pid});
    const ct::ProcessSpec process{.argv = {argv + 4, argv + argc}};
    if (kind == "build") {
        build_layer(container, process, what);
        return 0;
    }
    if (kind == "layer") use_layer(container, root, what, what + "-state");
    if (kind == "memory") use_memory(container, root);
    if (kind == "image") use_image(container, what);
    container.start(process);
    return container.wait().shell_code();
} catch (const std::exception& error) {
    std::cerr << "private_areas: " << error.what() << '\n';
    return 125;
}
