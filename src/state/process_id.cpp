// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "state/process_id.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <mutex>
#include <string_view>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "launch/exit_status.hpp"

namespace ct::internal {

namespace {

std::string read_line(const std::string& path) {
    const UniqueFd file = sys::open(path, O_RDONLY, Stage::State, "open");
    std::array<char, 64> buffer{};
    const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
    if (size <= 0) throw sys::error(errno, Stage::State, "read", path);
    std::string line(buffer.data(), static_cast<std::size_t>(size));
    return line.substr(0, line.find('\n'));
}

std::uint64_t inode(const char* path) {
    struct stat status {};
    return ::stat(path, &status) == 0 ? status.st_ino : 0;
}

} // namespace

std::optional<ProcessId> ProcessId::of(pid_t pid) {
    const auto stat = read_process_stat(pid);
    if (!stat) return std::nullopt;
    return ProcessId{pid, stat->start_time};
}

ProcessId ProcessId::self() {
    static std::mutex mutex;
    static ProcessId known;
    const pid_t pid = ::getpid();
    const std::lock_guard lock(mutex);
    if (known.pid != pid) {
        const auto now = of(pid);
        if (!now) throw sys::error(ENOENT, Stage::State, "read", "/proc/self/stat", "records need a /proc of the host");
        known = *now;
    }
    return known;
}

UniqueFd open_if_alive(const ProcessId& process) {
    if (process.pid <= 0) return {};
    UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
    if (!pidfd) return {};
    pidfd = sys::above_stdio(std::move(pidfd), Stage::State, "open a pidfd");
    if (ProcessId::of(process.pid) != process) return {};
    // What was read is this process's if it has not ended until now. Zombies are readable, and a process of which only
    // the first thread has ended is not.
    if (wait_until_ended(pidfd.get(), std::chrono::nanoseconds(0))) return {};
    return pidfd;
}

Viewpoint Viewpoint::here() {
    return {read_line("/proc/sys/kernel/random/boot_id"), inode("/proc/self/ns/pid"), inode("/proc/self/ns/time")};
}

} // namespace ct::internal
