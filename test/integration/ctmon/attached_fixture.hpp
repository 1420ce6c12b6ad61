// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "monitor_fixture.hpp"

namespace ct::test {

[[nodiscard]] Words operator+(Words first, const Words& second);

/// A container that waits for start(), and its monitor in the background.
class AttachedTest : public MonitorTest {
protected:
    /// Calls the monitor for what container() describes, and returns when the container was created.
    void created(const Words& more = {}) { begin(create("none") + more); }
    /// The same with all arguments, and with descriptors that the monitor inherits.
    void begin(const Words& arguments, const std::vector<std::pair<int, int>>& fds = {});

    /// A call with these arguments.
    [[nodiscard]] static Launch call(const Words& arguments, const std::string& directory = {});

    /// A client that the monitor has taken in: it sees all that the container writes from now on. What it sends and
    /// nobody takes is an error after a while.
    [[nodiscard]] AttachClient attach() const { return attach(bundle_); }
    [[nodiscard]] AttachClient attach(const std::filesystem::path& directory) const;

    /// What descriptors of a process refer to that begins so, such as "socket:".
    [[nodiscard]] static std::set<std::string> fds(pid_t pid, std::string_view prefix);
    /// A field of /proc/PID/status.
    [[nodiscard]] static std::string status_of(pid_t pid, const std::string& field);
    /// Whether the process is there and no zombie.
    [[nodiscard]] static bool alive(pid_t pid);
};

/// A container's output so long that no pipe and no socket can hold it.
inline constexpr std::size_t Much = 16 << 20;

/// The numbered lines that `lines FD COUNT LENGTH` writes.
[[nodiscard]] std::string numbered_lines(std::size_t count, std::size_t length);

/// Files that appear in or vanish from directories, in their order, as "+NAME" and "-NAME".
class Happenings {
public:
    explicit Happenings(const std::vector<std::filesystem::path>& directories);
    [[nodiscard]] Words so_far() const;

private:
    UniqueFd fd_;
};

} // namespace ct::test
