// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "messages.hpp"
#include "monitor/loop.hpp"

namespace ctmon {

/// The group of a process in the hierarchy that has the memory controller.
struct MemoryGroup {
    std::string directory;
    bool version_2 = false;
    bool operator==(const MemoryGroup&) const = default;
};
/// \param memberships  what /proc/PID/cgroup says
/// \param root  where version 2 is mounted, or the hierarchies of version 1 are
[[nodiscard]] std::optional<MemoryGroup> find_memory_group(std::string_view memberships, bool version_2,
                                                           std::string_view root = "/sys/fs/cgroup");

/// Watches the memory controller of a container's group, v2 or v1, and makes the files that tell of an OOM kill:
/// `<persist-dir>/oom` and `<bundle>/oom`. What cannot be watched is told as a warning, and is no error.
class OomWatch {
public:
    /// \param files  what to make, empty and with mode 0644, if it is missing
    OomWatch(pid_t container, std::vector<std::string> files, std::shared_ptr<ct::internal::Loop> loop,
             const Messages& messages);
    OomWatch(const MemoryGroup& group, std::vector<std::string> files, std::shared_ptr<ct::internal::Loop> loop,
             const Messages& messages);
    OomWatch(const OomWatch&) = delete;
    OomWatch& operator=(const OomWatch&) = delete;
    ~OomWatch();

    /// The last look, after the end of the container and before its exit files.
    void look() noexcept;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

} // namespace ctmon
