// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/mount.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

std::uint64_t attributes(const Mount& mount) {
    return (mount.read_only ? MOUNT_ATTR_RDONLY : 0ULL) | (mount.no_suid ? MOUNT_ATTR_NOSUID : 0ULL) |
           (mount.no_dev ? MOUNT_ATTR_NODEV : 0ULL) | (mount.no_exec ? MOUNT_ATTR_NOEXEC : 0ULL);
}

/// Whether the bind's source is a directory; this is also where a missing source is found before anything is touched.
bool is_directory(const Mount& mount) {
    struct stat status {};
    if (::stat(mount.source.c_str(), &status) < 0) {
        throw sys::error(errno, Stage::Mounts, concat("bind on '", mount.target, "' from"), mount.source);
    }
    return S_ISDIR(status.st_mode);
}

} // namespace

void plan_mounts(Plan& plan, const std::vector<Mount>& mounts) {
    for (const Mount& mount : mounts) {
        MountArgs args{};
        args.target = plan.text(mount.target);
        args.source = plan.text(mount.source);
        args.attributes = attributes(mount);
        if (mount.type.empty()) {
            args.recursive = mount.recursive;
            args.target_is_file = !is_directory(mount);
            plan.steps.add(Op::Mount, args, {Stage::Mounts, concat("bind '", mount.source, "' on"), mount.target});
            continue;
        }
        std::vector<MountOption> options;
        for (const std::string& option : mount.options) {
            const std::size_t equals = option.find('=');
            options.push_back(equals == std::string::npos ? MountOption{plan.text(option), nullptr}
                                                          : MountOption{plan.text(option.substr(0, equals)),
                                                                        plan.text(option.substr(equals + 1))});
        }
        args.type = plan.text(mount.type);
        if (mount.source.empty()) args.source = args.type; // mount(8) shows "none" otherwise
        args.options = plan.array(options);
        args.option_count = static_cast<std::uint32_t>(options.size());
        plan.steps.add(Op::Mount, args, {Stage::Mounts, concat("mount ", mount.type, " on"), mount.target});
    }
}

} // namespace ct::internal
