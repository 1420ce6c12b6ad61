// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// What a process is besides its program, files and streams. Plain data, parts of ct::ProcessSpec.
namespace ct {

/// The five capability sets that a process has when its program is executed; see capabilities(7), also for what the
/// execution then makes of them: for a user other than 0 and a file without capabilities of its own, permitted and
/// effective become the ambient set; for user 0 they become inheritable and bounding together.
///
/// Names as in ProcessSpec::capabilities. Rules: effective is part of permitted; ambient is part of permitted and of
/// inheritable; inheritable is part of bounding.
struct CapabilitySets {
    std::vector<std::string> bounding = {};
    std::vector<std::string> permitted = {};
    std::vector<std::string> effective = {};
    std::vector<std::string> inheritable = {};
    std::vector<std::string> ambient = {};
    bool operator==(const CapabilitySets&) const = default;
};

/// Labels of Linux security modules, which the process gets when its program is executed. Empty is the host process's.
/// A label of a module that this kernel does not have, or that is disabled, is Errc::Unsupported.
struct SecurityLabels {
    std::string apparmor = {}; ///< Name of a loaded AppArmor profile, or "unconfined".
    std::string selinux = {};  ///< A whole SELinux context, such as "system_u:system_r:container_t:s0:c1,c2".
    bool operator==(const SecurityLabels&) const = default;
};

/// See sched(7).
enum class SchedulingPolicy : std::uint8_t {
    Other,      ///< SCHED_OTHER, the usual one; obeys Scheduling::nice, as Batch does.
    Batch,      ///< SCHED_BATCH
    Idle,       ///< SCHED_IDLE
    Fifo,       ///< SCHED_FIFO, real-time.
    RoundRobin, ///< SCHED_RR, real-time.
    Deadline,   ///< SCHED_DEADLINE
};

/// The scheduler of a process; see sched_setattr(2).
struct Scheduler {
    SchedulingPolicy policy = SchedulingPolicy::Other;
    int priority = 0; ///< Fifo and RoundRobin: 1 (low) to 99.
    /// Deadline: `runtime` within each `period`, to be done `deadline` after its begin. A period of 0 is the deadline.
    std::chrono::nanoseconds runtime = {};
    std::chrono::nanoseconds deadline = {};
    std::chrono::nanoseconds period = {};
    bool reset_on_fork = false; ///< Children of the process are SCHED_OTHER. A Deadline process needs it to have any.
    bool operator==(const Scheduler&) const = default;
};

/// See ioprio_set(2).
enum class IoClass : std::uint8_t { RealTime, BestEffort, Idle };

/// Priority of a process at block devices whose I/O scheduler has priorities.
struct IoPriority {
    IoClass io_class = IoClass::BestEffort;
    int level = 4; ///< RealTime and BestEffort: 0 (first) to 7. Idle has none.
    bool operator==(const IoPriority&) const = default;
};

/// When and where a process runs. Real-time and Deadline policies, a lower nice value and IoClass::RealTime need
/// CAP_SYS_NICE of the *host* process, also for a container with a user namespace.
struct Scheduling {
    std::optional<int> nice = {}; ///< -20 (first) to 19.
    std::optional<Scheduler> scheduler = {};
    std::optional<IoPriority> io_priority = {};
    std::vector<unsigned> cpus = {}; ///< Runs on these CPUs only, counted from 0; all of them have to be there.
    /// How late a timer may be, at least 1 ns; see PR_SET_TIMERSLACK in prctl(2).
    std::optional<std::chrono::nanoseconds> timer_slack = {};
    bool operator==(const Scheduling&) const = default;
};

/// See set_mempolicy(2).
enum class MemoryPolicyMode : std::uint8_t {
    Default,            ///< MPOL_DEFAULT
    Preferred,          ///< MPOL_PREFERRED: one node.
    Bind,               ///< MPOL_BIND
    Interleave,         ///< MPOL_INTERLEAVE
    Local,              ///< MPOL_LOCAL
    PreferredMany,      ///< MPOL_PREFERRED_MANY, Linux 5.15.
    WeightedInterleave, ///< MPOL_WEIGHTED_INTERLEAVE, Linux 6.9.
};

/// From which NUMA nodes a process gets its memory.
struct MemoryPolicy {
    MemoryPolicyMode mode = MemoryPolicyMode::Default;
    std::vector<unsigned> nodes = {}; ///< Not for Default and Local.
    bool static_nodes = false;        ///< MPOL_F_STATIC_NODES
    bool relative_nodes = false;      ///< MPOL_F_RELATIVE_NODES
    bool numa_balancing = false;      ///< MPOL_F_NUMA_BALANCING; only for Bind.
    bool operator==(const MemoryPolicy&) const = default;
};

/// A session keyring; see keyctl_join_session_keyring(3).
struct SessionKeyring {
    /// An existing keyring of that name is joined if it is the process's user's own, else one is made. Empty: a new
    /// one without a name, which nobody else can join.
    std::string name = {};
    bool operator==(const SessionKeyring&) const = default;
};

} // namespace ct
