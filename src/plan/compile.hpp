// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <vector>

#include <ct/process.hpp>
#include <ct/spec.hpp>

#include "plan/plan.hpp"

/// Compiles a specification into a plan: one function per theme, each in a file of that name. They only look: nothing
/// on the host is changed.
namespace ct::internal {

/// What the plan depends on besides the specification.
struct HostFacts {
    std::uint64_t capabilities = ~0ULL; ///< The effective set of the calling thread.
    std::uint32_t last_capability = 40; ///< The highest that the kernel knows.

    [[nodiscard]] bool can(int capability) const { return (capabilities >> capability & 1U) != 0; }
    static HostFacts detect();
};

/// A descriptor of the host for the child; see FdSource.
struct FdSource {
    int target;                 ///< In the new process.
    int source;                 ///< In the host's table.
    bool survives_exec = false; ///< It is not close-on-exec.
};

/// A namespace to be joined, open in the host.
struct NamespaceJoin {
    Namespace kind;
    int fd;
    std::string name; ///< For messages: its path, "fd N" or "container 'x'".
};

/// The descriptors of a new process; made by the parent before the plan, see launch/streams.hpp.
struct FdLayout {
    std::vector<FdSource> map = {};
    std::vector<int> lent = {};        ///< Sources that only the set-up uses; closed with the rest before exec.
    int proc = -1;                     ///< Source of the host's /proc for Op::WriteProc, or -1; one of `lent`.
    std::vector<FdSource> reaper = {}; ///< The map of the reaper if there is to be one.
    std::vector<NamespaceJoin> joins = {}; ///< In the order in which they are to be joined.
    int terminal = -1;                 ///< Source of the controlling terminal, or -1.
    std::string terminal_path = {};    ///< Of the terminal on the host.
};

/// A running container that is entered.
struct EnterTarget {
    int pidfd;           ///< Of its first process.
    unsigned namespaces; ///< CLONE_NEW* flags of those that differ from the host's.
    int root_fd;         ///< Its root directory if it only had chroot(2), else -1.
    /// Of a container that is held, which has no first process; then neither `pidfd` nor `namespaces` counts for the
    /// joins.
    std::vector<NamespaceJoin> held = {};
};

/// A start by exec or, with \p callable, without a program at the end.
void compile_start(Plan& plan, const Spec& spec, const ProcessSpec& process, const FdLayout& fds, const HostFacts& host,
                   bool callable);

/// A start without a process: the child ends when all is set up.
void compile_hold(Plan& plan, const Spec& spec, const FdLayout& fds, const HostFacts& host);

/// One more process for a running container.
void compile_enter(Plan& plan, const Spec& spec, const EnterTarget& target, const ProcessSpec& process,
                   const FdLayout& fds, const HostFacts& host, bool callable);

// The themes.
void plan_joins(Plan& plan, const std::vector<NamespaceJoin>& joins);
void plan_new_namespaces(Plan& plan, const Spec& spec);
void plan_time_offsets(Plan& plan, const Spec& spec, const FdLayout& fds);
void plan_id_maps(Plan& plan, const Spec& spec, const HostFacts& host);
void plan_root(Plan& plan, const Spec& spec, const FdLayout& fds);
void plan_mounts(Plan& plan, const std::vector<Mount>& mounts);
void plan_devices(Plan& plan, const Spec& spec, const FdLayout& fds);
void plan_hostname(Plan& plan, const Spec& spec);
void plan_sysctls(Plan& plan, const Spec& spec, const FdLayout& fds);
void plan_process(Plan& plan, const ProcessSpec& process, const HostFacts& host, bool groups_denied,
                  bool user_namespace);
/// A step that writes \p text to the file \p path of the host's /proc, such as "self/timerslack_ns". Needs fds.proc.
void plan_proc_write(Plan& plan, const FdLayout& fds, const char* path, std::string_view text, const StepInfo& info);
void plan_fds(Plan& plan, Plan::Steps& steps, const std::vector<FdSource>& map);
/// The process that comes after this step is a child of the container's first process, the reaper.
void plan_reaper(Plan& plan, const ProcessSpec& process, const FdLayout& fds, const HostFacts& host,
                 bool user_namespace);
void plan_callable(Plan& plan, const ProcessSpec& process);
/// \param foreign_files  whether the program comes from an image, which may be hostile
void plan_exec(Plan& plan, const ProcessSpec& process, bool foreign_files);

/// One above the highest source: what the child needs of the host's descriptor table.
[[nodiscard]] int low_fd_limit(const FdLayout& fds);

/// Whether the child writes to the host's /proc, see FdLayout::proc.
[[nodiscard]] bool needs_proc(const Spec& spec);

/// Whether setgroups(2) will be denied inside.
[[nodiscard]] bool denies_setgroups(const Spec& spec, const HostFacts& host);

} // namespace ct::internal
