// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/sysctls.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "config/validate.hpp"

namespace ct::internal {

namespace {

/// Those of /proc/sys/kernel that belong to the IPC namespace, see ipc_namespaces(7); all others are the host's.
constexpr std::array<std::string_view, 12> IpcParameters{"auto_msgmni",     "msg_next_id", "msgmax",      "msgmnb",
                                                         "msgmni",          "sem",         "sem_next_id", "shm_next_id",
                                                         "shm_rmid_forced", "shmall",      "shmmax",      "shmmni"};

[[noreturn]] void reject(std::string_view name, std::string_view why) {
    throw Error::invalid_config({}, {concat("sysctl '", name.substr(0, 256), "' ", why)});
}

/// \p path after \p directory and a slash, or nothing.
std::string_view below(std::string_view path, std::string_view directory) {
    const bool inside =
        path.size() > directory.size() + 1 && path.starts_with(directory) && path[directory.size()] == '/';
    return inside ? path.substr(directory.size() + 1) : std::string_view{};
}

std::string_view what_it_needs(Namespace kind) {
    switch (kind) {
    case Namespace::Net: return "a new or joined net namespace";
    case Namespace::Ipc: return "a new or joined ipc namespace";
    case Namespace::Uts: return "a new or joined uts namespace";
    default: return "a new or joined user namespace";
    }
}

} // namespace

std::string sysctl_path(std::string_view name) {
    std::string path(name);
    const std::size_t first = path.find_first_of("./");
    if (first == std::string::npos || path[first] == '/') return path;
    for (char& c : path) {
        if (c == '.') {
            c = '/';
        } else if (c == '/') {
            c = '.';
        }
    }
    return path;
}

std::optional<Namespace> sysctl_namespace(std::string_view path) {
    if (!below(path, "net").empty()) return Namespace::Net;
    if (!below(path, "fs/mqueue").empty()) return Namespace::Ipc;
    if (!below(path, "user").empty()) return Namespace::User;
    const std::string_view parameter = below(path, "kernel");
    if (parameter == "hostname" || parameter == "domainname") return Namespace::Uts;
    if (std::find(IpcParameters.begin(), IpcParameters.end(), parameter) != IpcParameters.end()) return Namespace::Ipc;
    return std::nullopt;
}

void check_sysctl(std::string_view name, std::string_view value) {
    if (name.empty()) reject(name, "has no name");
    if (name.size() > 255) reject(name, "has a name longer than 255 bytes");
    const auto printable = [](char c) { return c > ' ' && c < 0x7f; };
    if (!std::all_of(name.begin(), name.end(), printable)) reject(name, "has a blank or unprintable character");
    const std::string path = sysctl_path(name);
    for (std::size_t at = 0; at <= path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        const std::string part = path.substr(at, end - at);
        if (part.empty() || part == "." || part == "..") reject(name, "is no path below /proc/sys");
        at = end + 1;
    }
    if (value.empty()) reject(name, "has no value");
    if (value.find('\0') != std::string_view::npos) reject(name, "has a NUL byte in its value");
    // proc_sys_call_handler() in the kernel takes less than a page.
    if (value.size() >= 4096) reject(name, "has a value longer than 4095 bytes");
}

void find_sysctl_violations(std::vector<std::string>& found, const Spec& spec) {
    std::set<std::string> paths;
    for (const auto& [name, value] : spec.sysctls) {
        const std::string path = sysctl_path(name);
        if (!paths.insert(path).second) found.push_back(concat("sysctl '", name, "' is set in both notations"));
        const std::optional<Namespace> kind = sysctl_namespace(path);
        if (!kind) {
            found.push_back(concat("sysctl '", name, "' would change the host: it belongs to no namespace"));
        } else if (!has_namespace(spec, *kind)) {
            found.push_back(concat("sysctl '", name, "' would change the host: it needs ", what_it_needs(*kind)));
        } else if ((path == "kernel/hostname" && !spec.hostname.empty()) ||
                   (path == "kernel/domainname" && !spec.domainname.empty())) {
            found.push_back(concat("sysctl '", name,
                                   "' and the specification's own name both set it; "
                                   "set_hostname() and set_domainname() are enough"));
        }
    }
}

} // namespace ct::internal
