// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include "child/child_plan.hpp"

/// The operations of the child. They run between clone and exec, perhaps in memory shared with the host: raw system
/// calls only, no allocation, no locks, nothing thread-local. Each returns 0 (or a descriptor) or -errno.
namespace ct::internal::child {

/// What steps leave for later ones; lives on the child's stack.
struct Context {
    Handshake& handshake;
    int root_fd = -1;      ///< The container's root directory, in which targets are resolved.
    int directory_fd = -1; ///< Of the last Op::OpenDirectory.
    bool directory_passing = false;
    int home_fd = -1;    ///< The working directory; mounting leaves it for a moment.
    int empty_fd = -1;   ///< The first masked directory: what others are copies of.
    int null_fd = -1;    ///< The host's /dev/null, once a file is masked.
    long umask = 0;      ///< The host's.
    int ruleset_fd = -1; ///< Of Landlock.
    int netlink_fd = -1; ///< Of Op::OpenNetlink.
    int names_fd = -1;   ///< The tmpfs of Op::MakeNameFiles, mounted over the root.
    /// Of Op::FindProgram: nothing but this program is to be executed; or why there is none, if `error` is set.
    bool found_program = false;
    long program_error = 0;
};

// root.cpp
long slave_propagation(Context& context) noexcept;
long attach_root(Context& context, const AttachRootArgs& args) noexcept;
long open_root(Context& context, const PathArgs& args) noexcept;
long root_propagation(const Context& context, const PropagationArgs& args) noexcept;
long read_only_root(Context& context) noexcept;
long pivot_root(Context& context) noexcept;
long change_root(const PathArgs& args) noexcept;

// mount.cpp
long mount_in_root(Context& context, const MountArgs& args) noexcept;
long unmount_in_root(Context& context, const PathArgs& args) noexcept;

// cgroup_mount.cpp
long mount_cgroups(Context& context, const CgroupMountArgs& args) noexcept;

// masks.cpp
long mask_path(Context& context, const MaskArgs& args) noexcept;
long read_only_path(Context& context, const MaskArgs& args) noexcept;

// hooks.cpp
long run_command(Context& context, const CommandArgs& args) noexcept;
long run_callable(Context& context, const CallableArgs& args) noexcept;

// nodes.cpp
long open_directory(Context& context, const DirectoryArgs& args) noexcept;
long make_node(Context& context, const NodeArgs& args) noexcept;
long bind_node(Context& context, const BindNodeArgs& args) noexcept;
long make_symlink(Context& context, const SymlinkArgs& args) noexcept;

// area.cpp
long attach_overlay(Context& context, const OverlayArgs& args) noexcept;
long attach_file_system(Context& context, const MountArgs& args) noexcept;
long attach_tree(Context& context, const TreeArgs& args) noexcept;

// network.cpp
long open_netlink(Context& context) noexcept;
long find_link(const Context& context, const FindLinkArgs& args) noexcept;
long request_netlink(const Context& context, const NetlinkArgs& args) noexcept;

// names.cpp
long make_name_files(Context& context, const NameFilesArgs& args) noexcept;
long bind_name_file(Context& context, const NameFileArgs& args) noexcept;

// attributes.cpp
long enter_own_time(int proc) noexcept;
long reset_signals() noexcept;
long unblock_signals() noexcept;
/// In decimal digits, with a NUL.
void write_number(char* text, long number) noexcept;
long resource_limit(const LimitArgs& args) noexcept;
long drop_bounding_set(const CapabilityArgs& args) noexcept;
long set_credentials(const CredentialsArgs& args) noexcept;
long set_capabilities(const CapabilitySetsArgs& args) noexcept;
long raise_ambient(const CapabilityArgs& args) noexcept;
long call(const CallArgs& args) noexcept;
long cpu_affinity(const AffinityArgs& args) noexcept;
long write_proc(const ProcWriteArgs& args) noexcept;
long map_fds(const FdMapArgs& args) noexcept;
long open_file(const OpenFileArgs& args) noexcept;

// users.cpp
long find_user(const UserArgs& args) noexcept;
long find_group(const UserArgs& args) noexcept;
long find_memberships(const UserArgs& args) noexcept;
long own_streams(const OwnStreamsArgs& args) noexcept;
// confine.cpp
long landlock_ruleset(Context& context, const LandlockRulesetArgs& args) noexcept;
long landlock_path(const Context& context, const LandlockPathArgs& args) noexcept;
long landlock_port(const Context& context, const LandlockPortArgs& args) noexcept;
long landlock_enforce(Context& context) noexcept;
long install_filter(Context& context, const SeccompArgs& args) noexcept;

// exec.cpp
long find_program(Context& context, const ExecArgs& args) noexcept;
long execute(Context& context, const ExecArgs& args) noexcept;
long exec_reaper(const ExecReaperArgs& args) noexcept;

} // namespace ct::internal::child
