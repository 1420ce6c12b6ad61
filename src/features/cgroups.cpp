// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "base/concat.hpp"
#include "features/features.hpp"

namespace ct::internal {

namespace {

bool is_of_type(const char* path, long magic) {
    struct statfs status {};
    return ::statfs(path, &status) == 0 && status.f_type == magic;
}

/// The controllers of version 1, as mounted.
std::string version_1_controllers() {
    std::set<std::string> names;
    std::ifstream file("/proc/self/mountinfo");
    for (std::string line; std::getline(file, line);) {
        const std::size_t at = line.find(" - cgroup ");
        if (at == std::string::npos) continue;
        std::istringstream options(line.substr(line.rfind(' ') + 1));
        for (std::string option; std::getline(options, option, ',');) {
            if (option != "rw" && option != "ro" && option.find('=') == std::string::npos) names.insert(option);
        }
    }
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
    return text;
}

} // namespace

void add_cgroup_features(Features& features) {
    constexpr const char* root = "/sys/fs/cgroup";
    constexpr const char* unified = "/sys/fs/cgroup/unified";
    const bool pure = is_of_type(root, CGROUP2_SUPER_MAGIC);
    const bool hybrid = !pure && is_of_type(unified, CGROUP2_SUPER_MAGIC);
    const std::string old = version_1_controllers();
    const std::string layout = pure ? "version 2" : hybrid ? "hybrid" : old.empty() ? "" : "version 1";
    add_feature(features, "cgroup", layout.empty() ? ENOENT : 0, concat("mount -t cgroup2 none ", root),
                layout.empty() ? "no hierarchy is mounted" : layout);
    if (!old.empty()) add_feature(features, "cgroup.v1", 0, {}, old);
    if (pure || hybrid) {
        add_feature(features, "cgroup.v2", 0, {}, first_line(concat(pure ? root : unified, "/cgroup.controllers")));
    }
    const bool pressure = ::access("/proc/pressure/memory", R_OK) == 0;
    add_feature(features, "cgroup.pressure", pressure ? 0 : ENOENT, "boot with psi=1",
                pressure ? "" : "the kernel keeps no pressure stall information");
}

} // namespace ct::internal
