// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/magic.h>

#include <algorithm>
#include <array>

#include "config/paths.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

/// A place that has to be a file system of the kernel's own, lest something else is masked.
struct Base {
    const char* path;
    const char* type;
    std::uint32_t magic;
};
constexpr std::array Bases{Base{"/proc", "proc", PROC_SUPER_MAGIC}, Base{"/sys", "sysfs", SYSFS_MAGIC}};

enum class Mounted { Nothing, KernelFileSystem, SomethingElse };

Mounted mounted_on(const Base& base, const Spec& spec) {
    const auto own = std::find_if(spec.mounts.begin(), spec.mounts.end(),
                                  [&](const Mount& mount) { return normal_path(mount.target) == base.path; });
    if (own != spec.mounts.end()) return own->type == base.type ? Mounted::KernelFileSystem : Mounted::SomethingElse;
    return spec.default_mounts ? Mounted::KernelFileSystem : Mounted::Nothing;
}

MaskArgs mask_args(Plan& plan, const Spec& spec, const std::string& path) {
    const std::string normal = normal_path(path);
    MaskArgs args{};
    args.path = plan.text(normal);
    for (const Base& base : Bases) {
        const std::size_t length = std::string_view(base.path).size();
        if (normal.size() <= length + 1 || !normal.starts_with(base.path) || normal[length] != '/') continue;
        const Mounted mounted = mounted_on(base, spec);
        if (mounted == Mounted::SomethingElse) continue;
        args.base = base.path;
        args.below = args.path + length + 1;
        args.magic = base.magic;
        args.base_may_be_missing = mounted == Mounted::Nothing;
    }
    return args;
}

} // namespace

void plan_masks(Plan& plan, const Spec& spec) {
    for (const std::string& path : spec.read_only_paths) {
        plan.steps.add(Op::ReadOnlyPath, mask_args(plan, spec, path),
                       {Stage::Mounts, "make read-only the path", plan.text(path)});
    }
    for (const std::string& path : spec.masked_paths) {
        plan.steps.add(Op::MaskPath, mask_args(plan, spec, path), {Stage::Mounts, "mask", plan.text(path)});
    }
}

} // namespace ct::internal
