// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// create: what is saved for later.
#include <filesystem>
#include <variant>

#include "../terminal.hpp"
#include "commands.hpp"

namespace ctrun {

namespace {

void make_absolute(std::string& path) {
    if (!path.empty()) path = std::filesystem::absolute(path).string();
}

void make_absolute(ct::BindDir& area) {
    make_absolute(area.source);
}

void make_absolute(ct::OverlayArea& area) {
    for (std::string& lower : area.lower) make_absolute(lower);
    make_absolute(area.upper);
    make_absolute(area.work);
}

void make_absolute(ct::TmpfsArea&) {}

void make_absolute(ct::ImageArea& area) {
    make_absolute(area.path);
}

/// Whatever the working directory will be when the container is started. Of mounts that are no binds only what is
/// surely a path: zfs has pool/dataset, nfs has host:/dir.
void make_absolute(ct::Spec& spec) {
    if (spec.root) make_absolute(spec.root->path);
    if (spec.private_area) std::visit([](auto& area) { make_absolute(area); }, *spec.private_area);
    for (ct::Mount& mount : spec.mounts)
        if (mount.type.empty() || mount.source.starts_with("./") || mount.source.starts_with("../"))
            make_absolute(mount.source);
    for (auto& [kind, source] : spec.namespaces)
        if (auto* const file = std::get_if<ct::NamespacePath>(&source)) make_absolute(file->path);
}

} // namespace

int execute(const CreateCommand& command) {
    ct::Session session = open_session();
    ct::Spec spec = command.spec;
    make_absolute(spec);
    ct::ProcessSpec process = command.process.spec;
    if (command.process.terminal) process.terminal = terminal_size();
    session.create(command.name, std::move(spec)).set_process(std::move(process)).save();
    return 0;
}

} // namespace ctrun
