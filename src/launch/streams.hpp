// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <fcntl.h>

#include <array>
#include <cstdint>
#include <optional>

#include <ct/process.hpp>
#include <ct/spec.hpp>

#include "base/unique_fd.hpp"
#include "config/validate.hpp"
#include "launch/low_fds.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

/// Checks the descriptors that the specification borrows, before anything is opened that could get their numbers.
/// \throws Error with EBADF
void check_borrowed_fds(const Spec& spec, const ProcessSpec& process);

/// The host's ends of a process's streams.
struct HostEnds {
    std::array<UniqueFd, 3> pipes;
    UniqueFd terminal;
    UniqueFd status; ///< Where the reaper tells the wait status of its child.
};

/// The descriptors of one new process, opened on the host's side. The child's ends are closed with this object.
class Streams {
public:
    /// \throws Error with Stage::Stdio, for example if a descriptor of the map is not open
    /// \param owner  pipes and terminal become its own, so that it can reopen them
    Streams(const ProcessSpec& process, LowFds& low_fds, std::optional<StreamOwner> owner = {});

    [[nodiscard]] const FdLayout& layout() const noexcept { return layout_; }
    /// Keeps \p fd open for the set-up in the child. \returns the number by which the child finds it
    int lend(UniqueFd fd);
    /// What the process joins; borrowed.
    void set_joins(std::vector<NamespaceJoin> joins) { layout_.joins = std::move(joins); }
    void set_groups(GroupLayout groups) { layout_.groups = std::move(groups); }
    /// Lends what the mount attaches.
    void lend_tree(MountKey mount, UniqueFd tree);
    /// Lends the mount of an image.
    void lend_area(UniqueFd tree) { layout_.area = lend(std::move(tree)); }
    /// Lends the host's /proc. \throws Error if it is none
    void lend_proc();
    /// The descriptors of the reaper, whose program is \p image. Borrowed.
    void add_reaper(int image);
    [[nodiscard]] HostEnds take_host_ends() noexcept { return std::move(host_ends_); }

private:
    void open_terminal(const TerminalSize& size);
    void note_made(const ProcessSpec& process);
    void open_stream(int number, Stdio kind);
    void add(int target, int source, int fd_flags = FD_CLOEXEC);

    LowFds& low_fds_;
    LowFds::Lease lease_;
    FdLayout layout_;
    HostEnds host_ends_;
    std::vector<UniqueFd> child_ends_;
};

} // namespace ct::internal
