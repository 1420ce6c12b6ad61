// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <unistd.h>

#include "config/defaults.hpp"
#include "config/validate.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

void plan_root_in_mount_namespace(Plan& plan, const Spec& spec, const FdLayout& fds) {
    const char* const root = spec.root ? plan.text(spec.root->path) : "/";
    plan.steps.add(Op::SlavePropagation, {Stage::Mounts, "make all mounts slaves of the host's"});
    if (!spec.root) {
        plan.steps.add(Op::OpenRoot, {Stage::Root, "open the root", root});
    } else if (!spec.private_area || !covers_root(*spec.private_area)) {
        // With all that is mounted below it.
        plan.steps.add(Op::AttachRoot, AttachRootArgs{root, root, true}, {Stage::Root, "bind the root", root});
    }
    if (spec.private_area) plan_area(plan, spec, fds);
    const bool host_has_mqueue = has_namespace(spec, Namespace::User) && ::access("/dev/mqueue", F_OK) == 0;
    const MountOrder order = order_mounts(spec, host_has_mqueue);
    plan_mounts(plan, order.before_devices);
    plan_devices(plan, spec, fds);
    plan_mounts(plan, order.after_devices);
    if (!spec.root) return;
    const auto* const bind = spec.private_area ? std::get_if<BindDir>(&*spec.private_area) : nullptr;
    const bool area_read_only = bind != nullptr && bind->read_only && covers_root(*bind);
    if (spec.root->read_only || area_read_only) {
        plan.steps.add(Op::ReadOnlyRoot, {Stage::Root, "make read-only the root", root});
    }
    plan.steps.add(Op::PivotRoot, {Stage::Root, "pivot_root to", root});
}

} // namespace

void plan_root(Plan& plan, const Spec& spec, const FdLayout& fds) {
    if (makes_namespace(spec, Namespace::Mount)) {
        plan_root_in_mount_namespace(plan, spec, fds);
    } else if (spec.root) {
        const char* const root = plan.text(spec.root->path);
        plan.steps.add(Op::ChangeRoot, PathArgs{root}, {Stage::Root, "chroot to", root});
    }
}

} // namespace ct::internal
