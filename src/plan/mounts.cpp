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

/// Whatever is in <sys/mount.h>, which cannot be included together with <linux/mount.h>.
constexpr std::uint64_t NoSymlinksFlag = 256;   // MS_NOSYMFOLLOW
constexpr std::uint64_t NeverFlag = 1024;       // MS_NOATIME
constexpr std::uint64_t NoDirectoryFlag = 2048; // MS_NODIRATIME
constexpr std::uint64_t RelativeFlag = 1 << 21; // MS_RELATIME
constexpr std::uint64_t StrictFlag = 1 << 24;   // MS_STRICTATIME

void set_access_time(const Mount& mount, MountArgs& args) {
    if (mount.access_time == AccessTime::Default) return;
    args.cleared = MOUNT_ATTR__ATIME;
    switch (mount.access_time) {
    case AccessTime::Strict:
        args.attributes |= MOUNT_ATTR_STRICTATIME;
        args.flags |= StrictFlag;
        break;
    case AccessTime::Never:
        args.attributes |= MOUNT_ATTR_NOATIME;
        args.flags |= NeverFlag;
        break;
    default: args.flags |= RelativeFlag; // the attribute is 0
    }
}

/// \p mount is in both forms: as attributes, and as flags of mount(2).
void set_flags(const Mount& mount, MountArgs& args) {
    const auto set = [&](bool wanted, std::uint64_t attribute, std::uint64_t flag) {
        if (!wanted) return;
        args.attributes |= attribute;
        args.flags |= flag;
    };
    set(mount.read_only, MOUNT_ATTR_RDONLY, MOUNT_ATTR_RDONLY); // the same up to MS_NOEXEC
    set(mount.no_suid, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NOSUID);
    set(mount.no_dev, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODEV);
    set(mount.no_exec, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOEXEC);
    set(mount.no_symlinks, MOUNT_ATTR_NOSYMFOLLOW, NoSymlinksFlag);
    set(mount.no_directory_access_time, MOUNT_ATTR_NODIRATIME, NoDirectoryFlag);
    set_access_time(mount, args);
    if (mount.propagation) args.propagation = propagation_flag(*mount.propagation);
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
    // Paths would be relative to the working directory, which mount(2) is given as its target.
    constexpr std::array pathless{"proc", "sysfs", "tmpfs", "devpts", "mqueue"};
    const bool takes_paths = std::find(pathless.begin(), pathless.end(), mount.type) == pathless.end();
    args.takes_paths = takes_paths;
    args.copy_up = mount.copy_up;
    if (!has_comma) args.data = plan.text(join(mount.options, ","));
    plan.steps.add(Op::Mount, args, {Stage::Mounts, plan.text("mount ", mount.type, " on"), args.target});
}

} // namespace

std::uint64_t propagation_flag(Propagation propagation) {
    switch (propagation) {
    case Propagation::Private: return 1 << 18;    // MS_PRIVATE
    case Propagation::Slave: return 1 << 19;      // MS_SLAVE
    case Propagation::Shared: return 1 << 20;     // MS_SHARED
    case Propagation::Unbindable: return 1 << 17; // MS_UNBINDABLE
    }
    return 0;
}

MountArgs mount_flags(const Mount& mount) {
    MountArgs args{};
    set_flags(mount, args);
    return args;
}

void plan_mounts(Plan& plan, const std::vector<Mount>& mounts, const MountSetup& setup) {
    MountKeys keys;
    for (const Mount& mount : mounts) {
        const MountKey key = keys.next(mount.target);
        const auto hooks = setup.hooks.find(key);
        if (hooks != setup.hooks.end()) plan_hooks(plan, hooks->second.before, "before", mount.target);
        MountArgs args = mount_flags(mount);
        args.target = plan.text(mount.target);
        const auto tree = setup.trees.find(key);
        if (tree != setup.trees.end()) args.tree = tree->second;
        if (mount.type.empty()) {
            plan_bind(plan, mount, args);
        } else {
            plan_file_system(plan, mount, args);
        }
        if (hooks != setup.hooks.end()) plan_hooks(plan, hooks->second.after, "after", mount.target);
    }
}

} // namespace ct::internal
