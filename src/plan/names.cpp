// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/mount.h>
#include <unistd.h>

#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/names.hpp"
#include "config/validate.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

/// What a file of the host's has; nothing if there is none.
std::string host_file(std::string_view path) {
    constexpr std::string_view action = "copy the host's";
    constexpr std::size_t most = 1024 * 1024;
    sys::fault_point(Stage::Network, action, path);
    // A literal. Whatever the file is, opening it does not block.
    const UniqueFd file(::open(path.data(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file && (errno == ENOENT || errno == ENOTDIR)) return {};
    if (!file) throw sys::error(errno, Stage::Network, action, path);
    std::string text;
    for (;;) {
        char buffer[4096];
        const ssize_t size = ::read(file.get(), buffer, sizeof buffer);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) throw sys::error(errno, Stage::Network, action, path);
        if (size == 0) return text;
        text.append(buffer, static_cast<std::size_t>(size));
        if (text.size() > most) throw sys::error(EFBIG, Stage::Network, action, path, "it has more than 1 MiB");
    }
}

/// Of one of these paths, which are literals.
const char* name_in(std::string_view path) {
    return path.data() + path.rfind('/') + 1;
}

std::string resolv_conf(const Spec& spec) {
    const Names& names = *spec.network.names;
    const bool own_network = has_namespace(spec, Namespace::Net);
    std::string host;
    std::string behind_stub;
    if (takes_host_servers(names)) host = host_file(ResolvConf);
    if (own_network && has_loopback_server(host)) behind_stub = host_file("/run/systemd/resolve/resolv.conf");
    return resolv_conf_text(names, host, behind_stub, own_network);
}

std::string text_of(std::string_view path, const Spec& spec) {
    if (path == ResolvConf) return resolv_conf(spec);
    if (path == HostNameFile) return concat(spec.hostname, "\n");
    return hosts_text(spec, spec.network.names->host_entries ? host_file(Hosts) : std::string());
}

} // namespace

void plan_names(Plan& plan, const Spec& spec) {
    const std::vector<std::string_view> paths = name_files(spec);
    if (paths.empty()) return;
    std::vector<NamedText> files;
    std::size_t size = 64UL * 1024; // for pages that are not full, and for what a container may add
    for (const std::string_view path : paths) {
        const std::string text = text_of(path, spec);
        files.push_back({name_in(path), plan.text(text), text.size()});
        size += text.size();
    }
    const std::vector<MountOption> options{
        {"mode", "0755"}, {"size", plan.text(std::to_string(size))}, {"nr_inodes", "16"}};
    MountArgs tmpfs{};
    tmpfs.source = tmpfs.type = "tmpfs";
    tmpfs.options = plan.array(options);
    tmpfs.option_count = static_cast<std::uint32_t>(options.size());
    tmpfs.attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    plan.steps.add(Op::MakeNameFiles,
                   NameFilesArgs{plan.array(std::vector<MountArgs>{tmpfs}), plan.array(files),
                                 static_cast<std::uint32_t>(files.size())},
                   {Stage::Network, "make the files of names"});
    // The mount that is bound has the others already.
    const std::uint64_t attributes = spec.network.names->writable ? 0 : tmpfs.attributes | MOUNT_ATTR_RDONLY;
    for (const std::string_view path : paths) {
        plan.steps.add(Op::BindNameFile, NameFileArgs{name_in(path), path.data(), attributes, path == paths.back()},
                       {Stage::Network, "bind what was made for", path});
    }
}

} // namespace ct::internal
