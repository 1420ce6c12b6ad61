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
    int home_fd = -1;      ///< The working directory; mounting leaves it for a moment.
    long umask = 0;        ///< The host's.
};

// files.cpp
long slave_propagation(Context& context) noexcept;
long attach_root(Context& context, const AttachRootArgs& args) noexcept;
long open_root(Context& context) noexcept;
long open_directory(Context& context, const PathArgs& args) noexcept;
long mount_in_root(Context& context, const MountArgs& args) noexcept;
long make_node(const Context& context, const NodeArgs& args) noexcept;
long make_symlink(const Context& context, const SymlinkArgs& args) noexcept;
long read_only_root(Context& context) noexcept;
long pivot_root(Context& context) noexcept;
long change_root(const PathArgs& args) noexcept;

// attributes.cpp
long enter_own_time(int proc) noexcept;
long reset_signals() noexcept;
long unblock_signals() noexcept;
long resource_limit(const LimitArgs& args) noexcept;
long drop_bounding_set(const CapabilityArgs& args) noexcept;
long set_credentials(const CredentialsArgs& args) noexcept;
long set_capabilities(const CapabilityArgs& args) noexcept;
long raise_ambient(const CapabilityArgs& args) noexcept;
long write_proc(const ProcWriteArgs& args) noexcept;
long map_fds(const FdMapArgs& args) noexcept;

// exec.cpp
long execute(Context& context, const ExecArgs& args) noexcept;
long exec_reaper(const ExecReaperArgs& args) noexcept;

} // namespace ct::internal::child
