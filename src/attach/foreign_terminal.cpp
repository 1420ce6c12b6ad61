// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach/foreign_terminal.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "base/unique_fd.hpp"

namespace ct::internal {

namespace {

constexpr std::string_view Action = "resize the terminal";

/// Of UNIX98 pseudoterminals, see devices.txt of the kernel.
bool is_terminal(const struct stat& status) {
    return S_ISCHR(status.st_mode) && major(status.st_rdev) >= 136 && major(status.st_rdev) <= 143;
}

} // namespace

void resize_terminal_of(pid_t pid, int pidfd, TerminalSize size) {
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
        const std::string path = concat("/proc/", pid, "/fd/", number);
        // Held before it is looked at, and opened after: opening anything else might block or do something.
        const UniqueFd held(::open(path.c_str(), O_PATH | O_CLOEXEC));
        struct stat status {};
        if (!held && errno == EACCES) throw sys::error(errno, Stage::Stdio, Action, path);
        if (!held || ::fstat(held.get(), &status) < 0 || !is_terminal(status)) continue;
        const UniqueFd terminal(
            ::open(concat("/proc/self/fd/", held.get()).c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
        if (!terminal) throw sys::error(errno, Stage::Stdio, Action, path);
        // Another process of that number has nothing to do with it.
        if (::syscall(SYS_pidfd_send_signal, pidfd, 0, nullptr, 0) < 0) throw sys::error(errno, Stage::Stdio, Action);
        winsize window{};
        window.ws_row = size.rows;
        window.ws_col = size.columns;
        if (::ioctl(terminal.get(), TIOCSWINSZ, &window) < 0) throw sys::error(errno, Stage::Stdio, Action, path);
        return;
    }
    throw Error(Errc::InvalidState, Stage::Stdio, Action, {}, "it has none");
}

} // namespace ct::internal
