// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/streams.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "reaper/reaper_fds.hpp"

namespace ct::internal {

void check_borrowed_fds(const Spec& spec, const ProcessSpec& process) {
    for (const auto& [kind, source] : spec.namespaces) {
        const auto* fd = std::get_if<NamespaceFd>(&source);
        if (fd != nullptr && ::fcntl(fd->fd, F_GETFD) < 0) {
            throw sys::error(errno, Stage::Namespaces, concat("join ", to_string(kind), " namespace"),
                             concat("fd ", fd->fd));
        }
    }
    for (const FdMapping& mapping : process.fds) {
        if (mapping.path.empty() && ::fcntl(mapping.source, F_GETFD) < 0) {
            throw sys::error(errno, Stage::Stdio, concat("map descriptor ", mapping.target, " to"),
                             concat("fd ", mapping.source));
        }
    }
    if (process.controlling_terminal >= 0 && ::fcntl(process.controlling_terminal, F_GETFD) < 0) {
        throw sys::error(errno, Stage::Stdio, "take the terminal", concat("fd ", process.controlling_terminal));
    }
}

Streams::Streams(const ProcessSpec& process, LowFds& low_fds, std::optional<StreamOwner> owner)
    : low_fds_(low_fds), lease_(low_fds) {
    const auto is_mapped = [&](int number) {
        return std::any_of(process.fds.begin(), process.fds.end(),
                           [&](const FdMapping& mapping) { return mapping.target == number; });
    };
    if (process.terminal) {
        open_terminal(*process.terminal);
    } else {
        const std::array kinds{process.stdio.in, process.stdio.out, process.stdio.err};
        for (int number = 0; number < 3; ++number) {
            if (!is_mapped(number)) open_stream(number, kinds.at(static_cast<std::size_t>(number)));
        }
    }
    if (owner) {
        // Without the privilege they stay the caller's, which is all that can be done.
        for (const UniqueFd& fd : child_ends_) (void)::fchown(fd.get(), owner->uid, owner->gid);
    }
    if (!process.user_name.empty()) note_made(process);
    for (const FdMapping& mapping : process.fds) {
        if (mapping.path.empty()) {
            add(mapping.target, mapping.source, ::fcntl(mapping.source, F_GETFD));
        } else {
            layout_.files.push_back({mapping.target, mapping.path});
        }
    }
    if (process.controlling_terminal >= 0) {
        layout_.terminal = lease_.low(process.controlling_terminal);
        layout_.terminal_name = concat("fd ", process.controlling_terminal);
        layout_.lent.push_back(layout_.terminal);
    }
    layout_.keeps_all = process.inherit_fds;
}

void Streams::note_made(const ProcessSpec& process) {
    if (process.terminal) {
        layout_.made.push_back(layout_.terminal);
        return;
    }
    const std::array kinds{process.stdio.in, process.stdio.out, process.stdio.err};
    for (const FdSource& entry : layout_.map) {
        if (kinds.at(static_cast<std::size_t>(entry.target)) == Stdio::Pipe) layout_.made.push_back(entry.source);
    }
}

int Streams::lend(UniqueFd fd) {
    layout_.lent.push_back(lease_.low(fd.get()));
    child_ends_.push_back(std::move(fd));
    return layout_.lent.back();
}

void Streams::lend_tree(MountKey mount, UniqueFd tree) {
    layout_.trees[std::move(mount)] = lend(std::move(tree));
}

void Streams::add_reaper(int image) {
    sys::Pipe status = sys::pipe(Stage::Stdio);
    for (int target = 0; target < 3; ++target) layout_.reaper.push_back({target, low_fds_.null()});
    layout_.reaper.push_back({StatusFd, lease_.low(status.write.get())});
    layout_.reaper.push_back({ProgramFd, lease_.low(image)});
    child_ends_.push_back(std::move(status.write));
    host_ends_.status = std::move(status.read);
}

void Streams::lend_proc() {
    UniqueFd proc = sys::open("/proc", O_PATH | O_DIRECTORY, Stage::Process);
    struct statfs status {};
    if (::fstatfs(proc.get(), &status) < 0) throw sys::error(errno, Stage::Process, "look at", "/proc");
    if (status.f_type != PROC_SUPER_MAGIC) {
        throw sys::error(ENODEV, Stage::Process, "look at", "/proc", "no proc file system is mounted there");
    }
    layout_.proc = lend(std::move(proc));
}

void Streams::add(int target, int source, int fd_flags) {
    const int low = lease_.low(source);
    layout_.map.push_back({target, low, low == source && (fd_flags & FD_CLOEXEC) == 0});
}

void Streams::open_stream(int number, Stdio kind) {
    switch (kind) {
    case Stdio::Inherit: {
        // What is close-on-exec there is not meant for others: most likely a passing descriptor of another thread, in a
        // host that closed its standard streams.
        const int flags = ::fcntl(number, F_GETFD);
        const bool meant = flags >= 0 && (flags & FD_CLOEXEC) == 0;
        add(number, meant ? number : low_fds_.null(), meant ? flags : FD_CLOEXEC);
        break;
    }
    case Stdio::Closed: break;
    case Stdio::Null: add(number, low_fds_.null()); break;
    case Stdio::Output: {
        // Output comes before error, so it is there, unless the map defines it.
        const auto output = std::find_if(layout_.map.begin(), layout_.map.end(),
                                         [](const FdSource& entry) { return entry.target == 1; });
        add(number, output != layout_.map.end() ? output->source : 1);
        break;
    }
    case Stdio::Pipe: {
        sys::Pipe pipe = sys::pipe(Stage::Stdio);
        const bool is_input = number == 0;
        add(number, is_input ? pipe.read.get() : pipe.write.get());
        host_ends_.pipes.at(static_cast<std::size_t>(number)) = is_input ? std::move(pipe.write) : std::move(pipe.read);
        child_ends_.push_back(is_input ? std::move(pipe.read) : std::move(pipe.write));
        break;
    }
    }
}

void Streams::open_terminal(const TerminalSize& size) {
    host_ends_.terminal = sys::open("/dev/ptmx", O_RDWR | O_NOCTTY, Stage::Stdio, "open a terminal by");
    const int master = host_ends_.terminal.get();
    const int unlocked = 0;
    int number = 0;
    const winsize window{size.rows, size.columns, 0, 0};
    if (::ioctl(master, TIOCSPTLCK, &unlocked) < 0 || ::ioctl(master, TIOCGPTN, &number) < 0 ||
        ::ioctl(master, TIOCSWINSZ, &window) < 0) {
        throw sys::error(errno, Stage::Stdio, "set up a terminal of", "/dev/ptmx");
    }
    // By ioctl, not by name: whatever is mounted on /dev/pts, this is the other end.
    const int peer = ::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (peer < 0) throw sys::error(errno, Stage::Stdio, "open the other end of a terminal of", "/dev/ptmx");
    child_ends_.push_back(sys::above_stdio(UniqueFd(peer), Stage::Stdio, "open the other end of a terminal"));
    for (int target = 0; target < 3; ++target) add(target, child_ends_.back().get());
    layout_.terminal = layout_.map.back().source;
    layout_.terminal_path = layout_.terminal_name = concat("/dev/pts/", number);
}

} // namespace ct::internal
