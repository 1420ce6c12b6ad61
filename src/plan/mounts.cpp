// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <boost/filesystem/operations.hpp>

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

/// Whatever the host's working directory will be.
std::string absolute(const std::string& path) {
    return path.front() == '/' ? path : boost::filesystem::absolute(path).string();
}

void plan_bind(Plan& plan, const Mount& mount, MountArgs args) {
    args.source = plan.text(absolute(mount.source));
    args.recursive = mount.recursive;
    args.target_is_file = !is_directory(mount);
    plan.steps.add(Op::Mount, args, {Stage::Mounts, plan.text("bind '", mount.source, "' on"), args.target});
}

void plan_file_system(Plan& plan, const Mount& mount, MountArgs args) {
    std::vector<MountOption> options;
    bool has_comma = false;
    for (const std::string& option : mount.options) {
        const std::size_t equals = option.find('=');
        const std::string_view view = option;
        has_comma = has_comma || view.find(',') != std::string_view::npos;
        options.push_back(equals == std::string::npos
                              ? MountOption{plan.text(view), nullptr}
                              : MountOption{plan.text(view.substr(0, equals)), plan.text(view.substr(equals + 1))});
    }
    args.type = plan.text(mount.type);
    args.source = mount.source.empty() ? args.type : plan.text(mount.source); // mount(8) would show "none"
    args.options = plan.array(options);
    args.option_count = static_cast<std::uint32_t>(options.size());
    // Only for file systems that take no paths: these are relative to the working directory, which mount(2) is given.
    constexpr std::array pathless{"proc", "sysfs", "tmpfs", "devpts", "mqueue"};
    const bool takes_paths = std::find(pathless.begin(), pathless.end(), mount.type) == pathless.end();
    if (!has_comma && !takes_paths) args.data = plan.text(join(mount.options, ","));
    plan.steps.add(Op::Mount, args, {Stage::Mounts, plan.text("mount ", mount.type, " on"), args.target});
}

} // namespace

void plan_mounts(Plan& plan, const std::vector<Mount>& mounts) {
    for (const Mount& mount : mounts) {
        MountArgs args{};
        args.target = plan.text(mount.target);
        args.attributes = attributes(mount);
        if (mount.type.empty()) {
            plan_bind(plan, mount, args);
        } else {
            plan_file_system(plan, mount, args);
        }
    }
}

} // namespace ct::internal
