// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <ct/session.hpp>

#include "state/store.hpp"

/// What a record says of a container is what its owner knew last. Here it is compared with what is there, and what a
/// dead owner could not finish is finished.
namespace ct::internal {

enum class Standing {
    Elsewhere,   ///< Its pids are those of another pid namespace: nothing can be said.
    Reserved,    ///< Not running, and of its living owner only.
    Saved,       ///< Not running, for everybody.
    Starting,    ///< Its living owner is starting it.
    HalfStarted, ///< Its owner died while starting it.
    Running,
    Ending,    ///< Its process has ended, and its owner, another process, still has output of it to log.
    Ended,     ///< Its process, or the one that held it, has ended, and nobody has taken notice yet.
    Abandoned, ///< Not running, and its owner is dead.
};

struct Assessment {
    Standing standing;
    UniqueFd owner; ///< Pidfds, if they are alive.
    UniqueFd init;
};
[[nodiscard]] Assessment assess(const Record& record, const Viewpoint& viewpoint);

/// Whether something is left to do that nobody but the next one who looks will do.
[[nodiscard]] bool is_unsettled(Standing standing) noexcept;

/// Whether the owner lives, whatever else is the case.
[[nodiscard]] bool owner_alive(const Record& record, const Viewpoint& viewpoint);

/// The run is over: undoes what is left of it on the host, and writes the record of a stopped container or, if nobody
/// wants to keep it, removes it. \returns what is there now
std::optional<StoredRecord> finish(const Store& store, LockedEntry& entry, Record record,
                                   std::optional<ExitStatus> status);

/// Brings the record in line with what is there; kills what was half started. Blocks until that has ended.
/// \throws Error for a record that cannot be read, or a process that does not end
void settle(const Store& store, const std::string& name);

/// settle() for all; what fails goes to \p warn.
void sweep(const Store& store, const std::function<void(const std::string&)>& warn);

/// The mount points that a start may have to create in the directory \p root, outermost first.
[[nodiscard]] std::vector<std::string> missing_mount_points(int root, const Spec& spec);

/// The mount at \p fd, which may still be detached.
[[nodiscard]] std::uint64_t mount_id(int fd) noexcept;
/// The path by which the kernel knows an open file.
[[nodiscard]] std::string path_of_fd(int fd);

} // namespace ct::internal
