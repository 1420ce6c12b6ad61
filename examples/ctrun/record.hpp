// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// How one ctrun finds the containers of another: a small file for each in $XDG_RUNTIME_DIR/ctrun or /run/ctrun.
namespace ctrun {

/// A process that cannot be mistaken for a later one of the same pid.
struct ProcessId {
    pid_t pid = -1;
    std::uint64_t start_time = 0; ///< In clock ticks since the host's boot.

    static std::optional<ProcessId> of(pid_t pid);
    [[nodiscard]] bool alive() const;
    bool operator==(const ProcessId&) const = default;
};

struct RunningContainer {
    std::string name;
    ProcessId init;
};

/// The container of that name, if it is running. Waits for one that is just being started.
std::optional<RunningContainer> find_container(const std::string& name);
std::vector<RunningContainer> list_containers();

class Lock;

/// The record of a container that this process runs. Removed when the object goes.
class Record {
public:
    /// Reserves the name. Takes the place of what a killed ctrun left behind.
    /// \throws std::runtime_error if a running container has the name or the record cannot be written.
    explicit Record(std::string name);
    Record(const Record&) = delete;
    Record& operator=(const Record&) = delete;
    ~Record();

    /// From now on the container is found.
    void publish(pid_t init);

private:
    std::string name_;
    ProcessId owner_;
    std::unique_ptr<Lock> starting_; ///< From the construction until publish().
};

} // namespace ctrun
