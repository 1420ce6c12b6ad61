// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include <ct/export.hpp>
#include <ct/limits.hpp>
#include <ct/log.hpp>
#include <ct/process.hpp>
#include <ct/stats.hpp>

/// \file
/// What becomes of a container, told to handlers: see Container::on_exit() and its kin.
///
/// Each event is told once, by Session::dispatch(), dispatch_for() or run() and on the thread that calls these. Those
/// of one container come in the order in which they happened:
///
///     state Starting, state Running, start, ..., [oom, ...,] state Stopping, exit, state Stopped
///
/// The events of a failed start are "state Starting, state Stopped"; a container that is held tells no start and no
/// exit. Before "exit" all output was delivered, and who had entered was told: with groups or a pid namespace all
/// of them. The last oom, memory and pids events come before "state Stopping"; no pressure, statistics or health
/// after it. Processes that are left in the groups of an ended container are killed, and the groups removed, between
/// "state Stopping" and "exit": where that takes time, the other containers' events are told meanwhile. Whoever waits
/// otherwise, by Container::wait() or stop(), takes nothing away: the events are told by the next dispatch(). A handler
/// that is set while the container runs is told what happens from then on.
namespace ct {

enum class State : std::uint8_t;

struct StateEvent {
    std::string_view container;
    State from;
    State to;
};

/// Where the time of a start went.
struct StartTimes {
    std::chrono::nanoseconds prepare{0}; ///< On the host: checks, groups, what is lent to the child, its plan.
    std::chrono::nanoseconds birth{0};   ///< Until the new process was there.
    std::chrono::nanoseconds set_up{0};  ///< What that did until its program was executed, or its callable ran.
    std::chrono::nanoseconds total{0};   ///< From the call of start() to its return.
    bool operator==(const StartTimes&) const = default;
};

struct StartEvent {
    std::string_view container;
    pid_t pid = -1;
    StartTimes times = {};
};

/// How a run of a container went. What the groups have counted is about all processes of the container; without a group
/// that counts it, about its first process and those that this one has waited for. What nobody has counted is absent.
struct ExitRecord {
    std::string container = {};
    pid_t pid = -1; ///< That of the first process.
    /// Of the first process. If the host has reaped it, this is what the kernel still knows of it (Linux 6.15), or
    /// ExitStatus::Kind::Unknown.
    ExitStatus status = {};
    std::chrono::system_clock::time_point started = {}; ///< If somebody else has: since when this session follows it.
    std::chrono::system_clock::time_point ended = {};   ///< When that was noticed, and all output delivered.
    /// \name By a clock that nobody sets, CLOCK_MONOTONIC
    /// @{
    std::chrono::steady_clock::time_point monotonic_start = {};
    std::chrono::steady_clock::time_point monotonic_end = {};
    std::chrono::nanoseconds ran{0}; ///< From the one to the other.
    /// @}
    std::optional<std::uint64_t> oom_kills = {}; ///< Processes that the OOM killer has killed.
    std::optional<std::chrono::nanoseconds> cpu_user = {};
    std::optional<std::chrono::nanoseconds> cpu_system = {};
    std::optional<std::chrono::nanoseconds> throttled = {}; ///< By Limits::cpus.
    /// Most memory at a time: of the group; without one, the most resident memory of one process.
    std::optional<Bytes> peak_memory = {};
    std::optional<std::uint64_t> major_faults = {};
    std::optional<Bytes> read = {}; ///< From block devices.
    std::optional<Bytes> written = {};
    std::optional<LogStats> log = {}; ///< What was logged, and what of it dropped; absent if nothing was to be.
    StartTimes start = {};
    bool operator==(const ExitRecord&) const = default;

    /// "exited with code 1 after 2.041 s; 1 process killed for lack of memory; 12.3 MiB at most".
    [[nodiscard]] CT_EXPORT std::string describe() const;
};

/// One object; what is absent is left out, times are in nanoseconds and points in time those since 1970.
[[nodiscard]] CT_EXPORT std::string to_json(const ExitRecord& record);

struct ExitEvent {
    std::string_view container;
    const ExitRecord& record;
};

/// The container, or a group in it, had no memory left.
struct OomEvent {
    std::string_view container;
    std::uint64_t kills = 0;     ///< Processes killed since the last such event; may be 0 if none could be.
    std::uint64_t all_kills = 0; ///< Of this run. Version 1: without those in groups that the container has made.
};

/// A limit was met again. Several times may be one event.
struct LimitEvent {
    std::string_view container;
    std::uint64_t count = 0; ///< How often in this run.
};

/// A process that has entered the container has ended, see Container::enter().
struct ProcessExitEvent {
    std::string_view container;
    pid_t pid = -1;
    ExitStatus status = {};
};

struct FrozenEvent {
    std::string_view container;
    bool frozen = false;
};

enum class Resource : std::uint8_t { Cpu, Memory, Io };

/// Whose waiting for a resource counts.
enum class Stalled : std::uint8_t {
    Some, ///< That of at least one process.
    Full, ///< Only that of all at the same time.
};

/// When shortage of a resource is told: as soon as processes have waited for it \c stall long within \c window, at most
/// once in that time. See Documentation/accounting/psi.rst of the kernel.
struct PressureTrigger {
    Resource resource = Resource::Memory;
    std::chrono::microseconds stall{150'000};
    /// 500 ms to 10 s. Without CAP_SYS_RESOURCE it has to be a multiple of 2 s (from Linux 6.5 on; before, that
    /// capability is needed).
    std::chrono::microseconds window{2'000'000};
    Stalled stalled = Stalled::Some;
    auto operator<=>(const PressureTrigger&) const = default;
};

/// The container is short of a resource.
struct PressureEvent {
    std::string_view container;
    const PressureTrigger& trigger;
    Pressure pressure = {}; ///< Of that resource, as it was when the kernel told.
};

struct StatsEvent {
    std::string_view container;
    const Stats& stats;
    std::chrono::steady_clock::time_point time = {}; ///< When they were read.
};

/// How one finds out whether a container does its work.
struct HealthCheck {
    /// A program that enters the container, see Container::enter(): exit code 0 is good. It has no streams that are
    /// Stdio::Pipe, and no terminal. Or a callable that runs in the host process, on the thread that dispatches, and so
    /// must not wait: true is good.
    std::variant<ProcessSpec, std::function<bool()>> check = {};
    /// From the start of the container to the first check, and from the end of each to the next; 1 ms to a day.
    std::chrono::nanoseconds interval = std::chrono::seconds(30);
    /// A program that has not ended after that time is killed, and has failed; 1 ms to a day.
    std::chrono::nanoseconds timeout = std::chrono::seconds(30);
    unsigned retries = 3; ///< So many failures one after the other make it unhealthy; at least 1.
    /// Failures that soon after the start of the container do not count, unless a check was good before.
    std::chrono::nanoseconds start_period{0};
};

enum class Health : std::uint8_t {
    Starting, ///< The container runs, and nothing is known yet.
    Healthy,
    Unhealthy,
};

/// The name as one lower-case word.
[[nodiscard]] CT_EXPORT std::string_view to_string(Health health) noexcept;

/// The health of a container has changed.
struct HealthEvent {
    std::string_view container;
    Health health = Health::Starting;
    unsigned failures = 0;        ///< One after the other up to now.
    ExitStatus last = {};         ///< Of the last check, if that was a program that ran; Kind::Unknown otherwise.
    std::string_view reason = {}; ///< Of the last check: how it failed, such as "exited with code 1". Empty if good.
};

using StateHandler = std::function<void(const StateEvent&)>;
using StartHandler = std::function<void(const StartEvent&)>;
using ExitHandler = std::function<void(const ExitEvent&)>;
using OomHandler = std::function<void(const OomEvent&)>;
using LimitHandler = std::function<void(const LimitEvent&)>;
using ProcessExitHandler = std::function<void(const ProcessExitEvent&)>;
using FrozenHandler = std::function<void(const FrozenEvent&)>;
using PressureHandler = std::function<void(const PressureEvent&)>;
using StatsHandler = std::function<void(const StatsEvent&)>;
using HealthHandler = std::function<void(const HealthEvent&)>;

} // namespace ct
