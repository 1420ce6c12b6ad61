// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <unistd.h>

#include "config/defaults.hpp"
#include "config/validate.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

/// \returns MS_PRIVATE or the like; 0 as long as nothing is to be changed at that moment
std::uint64_t root_propagation(const Spec& spec, bool pivoted) {
    if (!spec.root || !spec.root->propagation) return 0;
    // pivot_root(2) refuses a shared root.
    const bool late = *spec.root->propagation == Propagation::Shared;
    return late == pivoted ? propagation_flag(*spec.root->propagation) : 0;
}

void plan_root_propagation(Plan& plan, const Spec& spec, const char* root, bool pivoted) {
    const std::uint64_t propagation = root_propagation(spec, pivoted);
    if (propagation == 0) return;
    plan.steps.add(Op::RootPropagation, PropagationArgs{propagation, pivoted},
                   {Stage::Root, "set the propagation of", root});
}

void plan_root_in_mount_namespace(Plan& plan, const Spec& spec, const FdLayout& fds, const HookTable& hooks) {
    const MountSetup setup{fds.trees, hooks};
    const char* const root = spec.root ? plan.text(spec.root->path) : "/";
    plan.steps.add(Op::SlavePropagation, {Stage::Mounts, "make all mounts slaves of the host's"});
    if (!spec.root) {
        plan.steps.add(Op::OpenRoot, PathArgs{root}, {Stage::Root, "open the root", root});
    } else if (!spec.private_area || !covers_root(*spec.private_area)) {
        // With all that is mounted below it.
        plan.steps.add(Op::AttachRoot, AttachRootArgs{root, root, true}, {Stage::Root, "bind the root", root});
    }
    if (spec.private_area) plan_area(plan, spec, fds);
    plan_root_propagation(plan, spec, root, false);
    const bool host_has_mqueue = has_namespace(spec, Namespace::User) && ::access("/dev/mqueue", F_OK) == 0;
    const MountOrder order = order_mounts(spec, host_has_mqueue);
    plan_mounts(plan, order.before_devices, setup);
    plan_devices(plan, spec, fds);
    plan_mounts(plan, order.after_devices, setup);
    plan_names(plan, spec);
    plan_cgroup_mount(plan, spec, fds.groups.view);
    plan_masks(plan, spec);
    plan_created_hooks(plan, spec);
    if (!spec.root) return;
    const auto* const bind = spec.private_area ? std::get_if<BindDir>(&*spec.private_area) : nullptr;
    const bool area_read_only = bind != nullptr && bind->read_only && covers_root(*bind);
    if (spec.root->read_only || area_read_only) {
        plan.steps.add(Op::ReadOnlyRoot, {Stage::Root, "make read-only the root", root});
    }
    plan.steps.add(Op::PivotRoot, {Stage::Root, "pivot_root to", root});
    plan_root_propagation(plan, spec, root, true);
}

} // namespace

void plan_root(Plan& plan, const Spec& spec, const FdLayout& fds, const HookTable& hooks) {
    if (makes_namespace(spec, Namespace::Mount)) {
        plan_root_in_mount_namespace(plan, spec, fds, hooks);
        return;
    }
    const char* const root = spec.root ? plan.text(spec.root->path) : nullptr;
    if (spec.root && spec.root->host_mounts) {
        // HostSide takes the mounts away at the end.
        plan.steps.add(Op::OpenRoot, PathArgs{root}, {Stage::Root, "open the root", root});
        plan_mounts(plan, spec.mounts, {fds.trees, hooks});
        plan_devices(plan, spec, fds);
    }
    plan_created_hooks(plan, spec);
    if (root != nullptr) plan.steps.add(Op::ChangeRoot, PathArgs{root}, {Stage::Root, "chroot to", root});
}

} // namespace ct::internal
