// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/futex.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace ct::internal {

/// A mount point or node that the child had to create, so that the parent can remove it if the start fails.
struct CreatedEntry {
    std::uint32_t step;   ///< Whose path it belongs to.
    std::uint16_t length; ///< Of the leading part of the step's path that names it, or WholePath.
    std::uint16_t type;   ///< S_IFDIR and the like.
    std::uint64_t inode;
    std::uint32_t device_major;
    std::uint32_t device_minor;

    static constexpr std::uint16_t WholePath = 0xffff;
};

/// What parent and child tell each other during a start: one word of memory that both see, and no descriptors.
///
/// A pipe would do it too, but any thread of the host may fork at that moment and keep the pipe's end open for as long
/// as its child lives, and a host with thousands of descriptors has no low numbers left. So the child is watched by
/// a robust futex (get_robust_list(2)): the kernel itself writes `word` and wakes the parent when the child executes
/// a program or dies, however it dies.
///
/// Values of `word`: Unborn until the child is registered; then the child's tid with FUTEX_WAITERS, whose
/// FUTEX_OWNER_DIED bit the child flips to announce a new `phase`; Gone when the kernel has seen it exec or exit.
struct Handshake {
    static constexpr std::uint32_t Unborn = FUTEX_WAITERS;
    static constexpr std::uint32_t Gone = FUTEX_WAITERS | FUTEX_OWNER_DIED;

    enum Phase : std::uint32_t {
        Working,   ///< Performing `step`.
        Awaiting,  ///< Waits until the parent changes `go`.
        Filtering, ///< Installs a seccomp filter, then sets `filtered` and waits for `go` without any system call.
        Ready,     ///< All is set up, and the callable runs or nothing is left to do.
    };
    enum StepsOf : std::uint32_t { OfChild, OfHelper, OfReaper };
    enum ExecDetail : std::uint32_t { NoDetail, MissingInterpreter, IsDirectory, NotExecutable, HostProgram };

    robust_list_head robust_head;
    robust_list robust_node;
    std::uint32_t word;
    std::uint32_t go;    ///< Futex; the parent adds 1 for each Await that it has served.
    std::uint32_t await; ///< Phase Awaiting: for which Await.
    std::uint32_t phase; ///< Set by the child to announce, set back to Working by the parent before `go`.

    std::uint32_t filtered;  ///< Phase Filtering: the filter is installed.
    std::uint32_t step;      ///< Index of the step under way; tells where the child was when it died.
    std::int32_t error;      ///< errno of that step, 0 as long as all is well.
    std::uint32_t detail;    ///< Op::Exec: ExecDetail.
    std::uint32_t candidate; ///< Op::Exec: index of the path that `error` is about; hooks: status as of waitpid(2).
    std::uint32_t steps_of;  ///< Whose steps `step` counts, a StepsOf.

    std::int32_t reaper_child_pidfd; ///< In the reaper's descriptor table, until it executes its program; or -1.
    void* reaper_child_stack;        ///< For the child of Op::StartReaper.
    std::uint64_t reaper_child_stack_size;

    std::int32_t host_pidfd; ///< Of the parent, until Op::MapFds: tells whether it is still there; or -1.
    std::int32_t child_pid;  ///< Written by the kernel when a helper makes the child.
    std::int32_t child_pidfd;

    /// Descriptors of the child that steps leave for the parent, which takes them while it serves an Await; or -1.
    static constexpr std::uint32_t MaxOffered = 4;
    std::int32_t offered[MaxOffered];
    static constexpr std::uint32_t ListenerSlot = MaxOffered - 1; ///< Of a seccomp filter.

    static constexpr std::uint32_t MaxCreated = 64;
    std::uint32_t created_count;
    CreatedEntry created[MaxCreated];
    char message[256]; ///< What the file system said about a failed mount, or the file not copied; may be empty.
};
static_assert(std::is_trivially_destructible_v<Handshake> && std::is_standard_layout_v<Handshake>);

} // namespace ct::internal
