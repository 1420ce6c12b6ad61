// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ct/session.hpp>

#include "net/host_links.hpp"
#include "net/link_state.hpp"
#include "state/process_id.hpp"

namespace ct::internal {

/// A mount of the host's own mount namespace that a container has.
struct HostMount {
    std::string target;   ///< Absolute path.
    std::uint64_t id = 0; ///< See STATX_MNT_ID_UNIQUE; the reusable id on kernels before 6.8.
    bool operator==(const HostMount&) const = default;
};

/// Where a container is in its life, as others see it.
enum class Phase : std::uint8_t {
    Idle,     ///< No process: newly made, or stopped.
    Starting, ///< Its owner is at work. Once `init` is set it may be alive.
    Running,  ///< `init` has executed its program.
};

/// What programs know of each other's containers: the content of a file in the state directory.
struct Record {
    static constexpr int Version = 1;

    std::string name;
    Phase phase = Phase::Idle;
    bool saved = false;   ///< Kept until it is removed; else it goes with its owner and its process.
    bool adopted = false; ///< The owner has not started the process.
    bool held = false;    ///< While it runs: it has no first process, and goes with its owner.
    OnClose on_close = OnClose::Kill;
    Viewpoint viewpoint;
    ProcessId owner;                 ///< The process whose session the container belongs to; none if detached.
    ProcessId init;                  ///< The first process of the present start or run.
    std::chrono::seconds created{0}; ///< Since the epoch, as `started`.
    std::optional<std::chrono::seconds> started = {};
    std::optional<ExitStatus> last_exit = {};

    std::vector<std::string> command = {}; ///< argv of the present or last run.
    std::vector<LogTarget> log = {};       ///< Where its output is, or was, logged.
    std::string attach_socket = {};        ///< Where an AttachServer serves it; empty: nowhere.
    bool records_events = false;           ///< Whoever has started it writes its events, see EventFile.

    /// To undo if the owner cannot; written before they are made.
    std::optional<HostMount> area_mount = {};
    std::vector<std::string> groups = {}; ///< Paths of its cgroups.
    std::string group_mark = {};          ///< What marks these groups as its own, see cgroup/mark.hpp.
    std::vector<HostLink> links = {};
    std::vector<NicState> nics = {};            ///< Links of the host that were moved, to be brought back.
    std::string nic_pin = {};                   ///< What keeps the namespace in which they are, see host_nics.hpp.
    std::string files_root = {};                ///< The directory that `mount_points` are in.
    std::vector<std::string> mount_points = {}; ///< Made by this start unless it was killed before; outermost first.

    std::shared_ptr<const Spec> spec = std::make_shared<const Spec>();
    std::shared_ptr<const ProcessSpec> process = {}; ///< If it was saved or set.
};

[[nodiscard]] std::string write_record(const Record& record);
/// \throws Error with Errc::BadRecord that says what is wrong
[[nodiscard]] Record read_record(std::string_view text);

} // namespace ct::internal
