// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/mount.h>

#include "cgroup/delegation.hpp"
#include "config/defaults.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

constexpr std::uint64_t Harmless = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

const MountArgs* tmpfs(Plan& plan) {
    auto* const args = plan.make<MountArgs>();
    args->target = CgroupPlace;
    args->type = "tmpfs";
    args->source = "cgroup";
    args->options = plan.array<MountOption>({{"mode", "755"}, {"size", "64k"}});
    args->option_count = 2;
    args->data = "mode=755,size=64k";
    args->attributes = Harmless;
    args->flags = Harmless; // the same numbers
    return args;
}

} // namespace

void plan_cgroup_mount(Plan& plan, const Spec& spec, const CgroupView& view) {
    if (spec.cgroup.mount == CgroupMount::None || view.trees.empty()) return;
    CgroupMountArgs args{};
    std::vector<CgroupTree> trees;
    std::vector<SymlinkArgs> links;
    for (const CgroupView::Tree& tree : view.trees) {
        const char* const name = plan.text(tree.name);
        const char* const place = view.in_tmpfs ? plan.text(CgroupPlace, "/", tree.name) : CgroupPlace;
        trees.push_back({plan.text(tree.source), name, place});
        for (const std::string& link : tree.links) links.push_back({plan.text(link), name});
    }
    args.tmpfs = view.in_tmpfs ? tmpfs(plan) : nullptr;
    args.trees = plan.array(trees);
    args.tree_count = static_cast<std::uint32_t>(trees.size());
    args.links = plan.array(links);
    args.link_count = static_cast<std::uint32_t>(links.size());
    args.attributes = Harmless | (spec.cgroup.mount == CgroupMount::ReadOnly ? MOUNT_ATTR_RDONLY : 0);
    plan.steps.add(Op::MountCgroups, args, {Stage::Cgroup, "mount the container's cgroups on", CgroupPlace});
}

void plan_delegation_task(Plan& plan, std::shared_ptr<const Groups> groups) {
    if (groups == nullptr) return;
    plan.parent_tasks.push_back({Await::Birth, [groups = std::move(groups)](const WaitingChild& child) {
                                     delegate_groups(*groups, root_of(child.pid));
                                 }});
}

} // namespace ct::internal
