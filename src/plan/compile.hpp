// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ct/hooks.hpp>
#include <ct/process.hpp>
#include <ct/spec.hpp>

#include "cgroup/view.hpp"
#include "plan/mount_key.hpp"
#include "plan/plan.hpp"

/// Compiles a specification into a plan: one function per theme, each in a file of that name. They only look: nothing
/// on the host is changed.
namespace ct::internal {

/// What the plan depends on besides the specification.
struct HostFacts {
    std::uint64_t capabilities = ~0ULL; ///< The effective set of the calling thread.
    std::uint32_t last_capability = 40; ///< The highest that the kernel knows.
    FilterCache* filters = nullptr;     ///< Where seccomp filters are taken from, if at all.

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

/// How a new process gets into the container's groups, see cgroup/membership.hpp.
struct GroupLayout {
    struct Tasks {
        int fd;
        std::string path;
    };
    bool used = false;          ///< There are groups.
    bool limits_memory = false; ///< One of them is of the memory controller.
    /// Others, already in the group or beside it, may run into a limit that counts for the process, too.
    bool shares_memory_limit = false;
    int directory = -1; ///< The group of version 2, or -1.
    std::string directory_path = {};
    std::vector<Tasks> tasks = {};                ///< The files of that name in the groups of version 1.
    CgroupView view = {};                         ///< Of a container that sees its groups.
    std::shared_ptr<const Groups> delegated = {}; ///< Those that the root of its user namespace shall own; or null.
};

/// The descriptors of a new process; made by the parent before the plan, see launch/streams.hpp.
struct FdLayout {
    std::vector<FdSource> map = {};
    /// Files of the container, opened by the process for itself.
    struct File {
        int target;
        std::string path;
    };
    std::vector<File> files = {};
    bool keeps_all = false;                ///< The host's other descriptors are not closed.
    std::vector<int> lent = {};            ///< Sources that only the set-up uses; closed with the rest before exec.
    int area = -1;                         ///< Source of the mount of an ImageArea, or -1; one of `lent`.
    int proc = -1;                         ///< Source of the host's /proc for Op::WriteProc, or -1; one of `lent`.
    std::vector<FdSource> reaper = {};     ///< The map of the reaper if there is to be one.
    std::vector<NamespaceJoin> joins = {}; ///< In the order in which they are to be joined.
    int terminal = -1;                     ///< Source of the controlling terminal, or -1.
    std::string terminal_name = {};        ///< For messages.
    std::string terminal_path = {};        ///< On the host, of a terminal that was made for the process.
    std::vector<int> made = {};            ///< Sources of the pipes or the terminal that were made for the process.
    std::map<MountKey, int> trees = {};    ///< See MountSetup.
    GroupLayout groups = {};
};

using HookTable = std::map<MountKey, MountHooks>;

/// What belongs to mounts besides the specification. References to what outlives the call.
struct MountSetup {
    const std::map<MountKey, int>& trees; ///< Binds that the parent has prepared: descriptors of FdLayout::lent.
    const HookTable& hooks;
};

/// A running container that is entered.
struct EnterTarget {
    int pidfd;           ///< Of its first process.
    unsigned namespaces; ///< CLONE_NEW* flags of those that differ from the host's.
    int root_fd;         ///< Its root directory if it only had chroot(2), else -1.
    /// Of a container that is held, which has no first process; then neither `pidfd` nor `namespaces` counts for the
    /// joins.
    std::vector<NamespaceJoin> held = {};
    /// Its cgroup namespace if that is joined after its groups, opened by the host: in a user namespace the child may
    /// not look it up. Else -1.
    int cgroup_namespace = -1;
};

/// A start by exec or, with \p callable, without a program at the end.
void compile_start(Plan& plan, const Spec& spec, const ProcessSpec& process, const FdLayout& fds, const HostFacts& host,
                   bool callable, const HookTable& hooks = {});

/// A start without a process: the child ends when all is set up.
void compile_hold(Plan& plan, const Spec& spec, const FdLayout& fds, const HostFacts& host,
                  const HookTable& hooks = {});

/// One more process for a running container.
void compile_enter(Plan& plan, const Spec& spec, const EnterTarget& target, const ProcessSpec& process,
                   const FdLayout& fds, const HostFacts& host, bool callable);

/// A mount for a running container, and the end of one.
void compile_mount(Plan& plan, const Spec& spec, const EnterTarget& target, const Mount& mount, const FdLayout& fds,
                   const HostFacts& host);
void compile_unmount(Plan& plan, const Spec& spec, const EnterTarget& target, const std::string& mount_point,
                     const HostFacts& host);

/// A process in a new user namespace with the maps of \p maps, which is there for \p use, and ends.
void compile_user_namespace(Plan& plan, const Spec& maps, const HostFacts& host, std::function<void(pid_t child)> use);

// The themes.
void plan_joins(Plan& plan, const std::vector<NamespaceJoin>& joins);
void plan_new_namespaces(Plan& plan, const Spec& spec);
void plan_groups(Plan& plan, const GroupLayout& groups);
/// A new cgroup namespace begins at the groups in which its maker is: it is made once the child is in its groups.
void plan_cgroup_namespace(Plan& plan, const GroupLayout& groups);
/// CLONE_NEW* flags of the namespaces that can be joined only once the process is in its groups: with the mount option
/// nsdelegate nobody inside a cgroup namespace reaches a group from outside of it.
[[nodiscard]] std::uint64_t namespaces_after_groups(const GroupLayout& groups) noexcept;
/// What the container sees of its groups.
void plan_cgroup_mount(Plan& plan, const Spec& spec, const CgroupView& view);
/// Once the ids are mapped.
void plan_delegation_task(Plan& plan, std::shared_ptr<const Groups> groups);
void plan_time_offsets(Plan& plan, const Spec& spec, const FdLayout& fds);
void plan_id_maps(Plan& plan, const Spec& spec, const HostFacts& host);
void plan_root(Plan& plan, const Spec& spec, const FdLayout& fds, const HookTable& hooks);
/// What the parent does for the private area while the child waits.
void plan_area_tasks(Plan& plan, const Spec& spec, const FdLayout& fds);
void plan_area(Plan& plan, const Spec& spec, const FdLayout& fds);
void plan_mounts(Plan& plan, const std::vector<Mount>& mounts, const MountSetup& setup);
void plan_hooks(Plan& plan, const std::vector<MountHook>& hooks, std::string_view moment, const std::string& target);
/// Before the root is changed: HookPoint::CreateRuntime is the parent's task, HookPoint::CreateContainer the child's.
void plan_created_hooks(Plan& plan, const Spec& spec);
[[nodiscard]] bool has_callables(const HookTable& hooks);
void plan_masks(Plan& plan, const Spec& spec);
void plan_devices(Plan& plan, const Spec& spec, const FdLayout& fds);
/// What the child does for its network. The devices that hang on links of the host are there by then.
void plan_network(Plan& plan, const Spec& spec);
void plan_hostname(Plan& plan, const Spec& spec);
/// \throws Error if the host's own files are to be copied, and cannot be read
void plan_names(Plan& plan, const Spec& spec);
/// Those that are to be set before there are devices.
void plan_device_defaults(Plan& plan, const Spec& spec, const FdLayout& fds);
void plan_sysctls(Plan& plan, const Spec& spec, const FdLayout& fds);
void plan_process(Plan& plan, const ProcessSpec& process, const HostFacts& host, bool groups_denied,
                  bool user_namespace, bool callable = false);
void plan_credentials(Plan& plan, const ProcessSpec& process, const HostFacts& host, bool groups_denied,
                      bool user_namespace);
/// What the child finds out about ProcessSpec::user_name, before its descriptors go.
void plan_user(Plan& plan, const ProcessSpec& process, const FdLayout& fds);
/// Scheduling, memory policy and personality: what the child does by itself ...
void plan_attributes(Plan& plan, const ProcessSpec& process, bool user_namespace);
/// ... and what the parent has to do for it, because the child has left the host's user namespace.
void plan_attribute_tasks(Plan& plan, const ProcessSpec& process, bool user_namespace);
/// Before the steps that hide the memory of a copy of the host.
void plan_oom_score(Plan& plan, const ProcessSpec& process, const FdLayout& fds, bool callable);

/// Where this kernel takes labels of security modules, below /proc; null if it does not.
struct LabelFiles {
    const char* apparmor;
    const char* selinux;
    static const LabelFiles& detect();
};
/// \throws Error with Errc::Unsupported
void plan_labels(Plan& plan, const ProcessSpec& process, const FdLayout& fds, const LabelFiles& files);
/// Whether the plan of that process may need FdLayout::proc.
[[nodiscard]] bool writes_proc(const ProcessSpec& process);

/// One more clause for a failed Op::Call, or for a failed look-up of a user, where errno alone misleads.
[[nodiscard]] std::string call_hint(const CallArgs& call, int error);
/// \param said  the kernel's own words, or empty
[[nodiscard]] std::string network_hint(std::string_view said, std::string_view action, int error);
[[nodiscard]] std::string user_hint(Op op, int error);
[[nodiscard]] std::string proc_hint(std::string_view path, int error);

/// A step that writes \p text to the file \p path of the host's /proc, such as "self/timerslack_ns". Needs fds.proc.
void plan_proc_write(Plan& plan, const FdLayout& fds, const char* path, std::string_view text, const StepInfo& info);
/// Makes the filter ready. \throws Error if it cannot be built
void prepare_filter(Plan& plan, const ProcessSpec& process, const HostFacts& host);
void plan_filter(Plan& plan, const ProcessSpec& process, bool callable);
void plan_landlock(Plan& plan, const Landlock& landlock);
/// \throws Error with Errc::InvalidConfig if the filter would stop the rest of the plan in a way that cannot be
/// reported
void check_filter(const Plan& plan, bool callable);
/// \param lent  closed without anything else; or null: everything that is not in the map is closed
void plan_fds(Plan& plan, Plan::Steps& steps, const std::vector<FdSource>& map, const std::vector<int>* lent = nullptr);
/// The process that comes after this step is a child of the container's first process, the reaper.
void plan_reaper(Plan& plan, const ProcessSpec& process, const FdLayout& fds, const HostFacts& host,
                 bool user_namespace);
void plan_callable(Plan& plan, const ProcessSpec& process);
/// \param foreign_files  whether the program comes from an image, which may be hostile
void plan_exec(Plan& plan, const ProcessSpec& process, bool foreign_files);

/// MS_PRIVATE and the like.
[[nodiscard]] std::uint64_t propagation_flag(Propagation propagation);
/// What changes the attributes of a mount; the rest of the arguments is empty.
[[nodiscard]] MountArgs mount_flags(const Mount& mount);

/// The environment of a new process: text of \p process, of the host, or of the plan.
[[nodiscard]] std::vector<std::string_view> plan_environment(Plan& plan, const ProcessSpec& process);
/// The same as the process gets it: with HOME, if the child looks that up.
[[nodiscard]] const char* const* plan_environment_array(Plan& plan, const std::vector<std::string_view>& entries);
/// What a hook executes.
[[nodiscard]] inline const std::string& program_of(const HookCommand& command) {
    return command.executable.empty() ? command.argv.at(0) : command.executable;
}
/// The paths where a program may be.
[[nodiscard]] std::vector<std::string> exec_candidates(const std::string& program,
                                                       const std::vector<std::string_view>& environment);

/// One above the highest source: what the child needs of the host's descriptor table.
[[nodiscard]] int low_fd_limit(const FdLayout& fds);

/// Whether the child writes to the host's /proc, see FdLayout::proc.
[[nodiscard]] bool needs_proc(const Spec& spec);

/// Whether setgroups(2) will be denied inside.
[[nodiscard]] bool denies_setgroups(const Spec& spec, const HostFacts& host);

} // namespace ct::internal
