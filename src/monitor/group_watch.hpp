// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/unique_fd.hpp"
#include "cgroup/groups.hpp"
#include "monitor/loop.hpp"

namespace ct::internal {

/// What the kernel counts in a container's groups and announces.
struct GroupCounts {
    std::uint64_t ooms = 0;      ///< How often there was no memory left.
    std::uint64_t oom_kills = 0; ///< Processes killed for that.
    std::uint64_t memory_high = 0;
    std::uint64_t pids_limit = 0;
    bool frozen = false;
    bool operator==(const GroupCounts&) const = default;
};

/// Reports changes of these counts. Each is reported once.
class GroupWatch : public std::enable_shared_from_this<GroupWatch> {
public:
    /// Called on the thread that dispatches, or calls look(); must not throw, nor call back.
    using Report = std::function<void(const GroupCounts& before, const GroupCounts& now)>;

    GroupWatch(std::shared_ptr<Loop> loop, std::shared_ptr<const Groups> groups, Report report);
    GroupWatch(const GroupWatch&) = delete;
    GroupWatch& operator=(const GroupWatch&) = delete;
    ~GroupWatch();

    enum class From {
        Now,
        Beginning, ///< What was counted by now is reported, too.
    };
    /// \throws Error
    void start(From from);
    /// Reports what has changed up to now, such as before the groups are removed.
    void look();

private:
    struct File {
        UniqueFd fd;
        void (*parse)(std::string_view text, GroupCounts& counts);
    };
    void watch(const Group* group, const char* name, decltype(File::parse) parse);
    /// Version 1 announces that memory has run out by an eventfd.
    void watch_oom_control(const Group& group);
    void add(int fd, std::uint32_t events);
    /// \returns false if a file is gone, as its group is
    bool read(GroupCounts& counts) const;

    const std::shared_ptr<Loop> loop_;
    const std::shared_ptr<const Groups> groups_;
    const Report report_;
    std::vector<File> files_;
    UniqueFd oom_;
    std::mutex mutex_; ///< Guards what follows.
    GroupCounts counts_;
    std::vector<Loop::Id> ids_;
};

} // namespace ct::internal
