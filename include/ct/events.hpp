// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <ct/export.hpp>
#include <ct/limits.hpp>
#include <ct/process.hpp>

/// \file
/// What becomes of a container, told to handlers: see Container::on_exit() and its kin.
///
/// Each event is told once, by Session::dispatch() or dispatch_for() and on the thread that calls these. Those of one
/// container come in the order in which they happened:
///
///     state Starting, state Running, start, ..., [oom, ...,] state Stopping, exit, state Stopped
///
/// The events of a failed start are "state Starting, state Stopped". All output was delivered, and all processes that
/// had entered have ended and were told, before "exit"; the group's last oom, memory and pids events come before it,
/// too. Whoever waits otherwise, by Container::wait() or stop(), takes nothing away: the events are told by the next
/// dispatch(). A handler that is set while the container runs is told what happens from then on.
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
    ExitStatus status = {};
    std::chrono::system_clock::time_point started = {};
    std::chrono::system_clock::time_point ended = {};
    std::chrono::nanoseconds ran{0};             ///< By a clock that nobody sets.
    std::optional<std::uint64_t> oom_kills = {}; ///< Processes that the OOM killer has killed.
    std::optional<std::chrono::nanoseconds> cpu_user = {};
    std::optional<std::chrono::nanoseconds> cpu_system = {};
    std::optional<std::chrono::nanoseconds> throttled = {}; ///< By Limits::cpus.
    /// Most memory at a time: of the group; without one, the most resident memory of one process.
    std::optional<Bytes> peak_memory = {};
    std::optional<std::uint64_t> major_faults = {};
    std::optional<Bytes> read = {}; ///< From block devices.
    std::optional<Bytes> written = {};
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

using StateHandler = std::function<void(const StateEvent&)>;
using StartHandler = std::function<void(const StartEvent&)>;
using ExitHandler = std::function<void(const ExitEvent&)>;
using OomHandler = std::function<void(const OomEvent&)>;
using LimitHandler = std::function<void(const LimitEvent&)>;
using ProcessExitHandler = std::function<void(const ProcessExitEvent&)>;
using FrozenHandler = std::function<void(const FrozenEvent&)>;

} // namespace ct
