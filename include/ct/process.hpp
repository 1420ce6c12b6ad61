// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ct/attributes.hpp>
#include <ct/export.hpp>
#include <ct/landlock.hpp>
#include <ct/seccomp.hpp>

namespace ct {

namespace internal {
class ProcessCore;
} // namespace internal

/// What a standard stream of the new process is.
enum class Stdio : std::uint8_t {
    Inherit, ///< The host process's own stream; /dev/null if it has that closed or marked close-on-exec.
    Null,    ///< /dev/null.
    Pipe,    ///< A pipe whose other end is Process::stream().
    Output,  ///< Only for `err`: the same file as standard output.
    Closed,  ///< Not open. The process's first files get its number, which few programs are made for.
};

/// The three standard streams.
struct StandardStreams {
    Stdio in = Stdio::Inherit;
    Stdio out = Stdio::Inherit;
    Stdio err = Stdio::Inherit;
    bool operator==(const StandardStreams&) const = default;
};

/// Size of a terminal in characters.
struct TerminalSize {
    std::uint16_t rows = 24;
    std::uint16_t columns = 80;
    bool operator==(const TerminalSize&) const = default;
};

/// User and groups of a process, as numbers inside the container's user namespace.
struct User {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups = {}; ///< Supplementary groups; exactly these, none by default.
    bool operator==(const User&) const = default;
};

/// One resource limit; see getrlimit(2).
struct ResourceLimit {
    int resource = 0; ///< RLIMIT_NOFILE, RLIMIT_CORE, ...
    std::uint64_t soft = 0;
    std::uint64_t hard = 0;
    bool operator==(const ResourceLimit&) const = default;

    /// No limit, for `soft` or `hard`.
    static constexpr std::uint64_t Unlimited = ~std::uint64_t{0};
};

/// Descriptor `target` of the new process is the host process's descriptor `source`, or a file of the container.
struct FdMapping {
    int target = -1;
    int source = -1; ///< Borrowed until the start or enter call returns; stays open in the host process.
    /// In place of `source`: a file inside the container that is opened for reading and writing, such as
    /// "/dev/console", once the container is set up. An absolute path.
    std::string path = {};
    bool operator==(const FdMapping&) const = default;
};

/// What runs as the first process of a container.
enum class Init : std::uint8_t {
    None, ///< The program itself. In a pid namespace it has to reap orphans, and gets only the signals that it handles.
    /// A tiny program of libct's own that starts the program as its child, reaps orphans, hands on signals, and ends
    /// with the program's status. The container's first process, which Process names, is the reaper.
    Reaper,
};

/// What a process is started with. Plain data; every field left out means "as the calling thread has it", except for
/// descriptors (only 0, 1, 2 and those in `fds` reach the process), the signal mask (empty) and signal dispositions
/// (default): what the host process does with these for its own sake is not the container's concern.
struct ProcessSpec {
    /// The program and its arguments. Needed unless a callable is started. A name without '/' is looked for along
    /// PATH of the process's own environment, inside the container.
    std::vector<std::string> argv = {};
    /// What to execute when it is not argv[0].
    std::string executable = {};
    /// Where a name without '/' is looked for, in the form of PATH, instead of along PATH of the environment.
    std::optional<std::string> search_path = {};

    /// Init::Reaper needs a new pid namespace, and a program rather than a callable. Not for entering.
    Init init = Init::None;

    /// The whole environment, each entry "NAME=value", in place of the host process's.
    std::optional<std::vector<std::string>> environment = {};
    /// Variables added to the environment or replacing those of the same name.
    std::map<std::string, std::string> add_environment = {};

    /// Absolute path inside the container. Default: "/" if the container has a root or a joined mount namespace.
    std::string working_directory = {};

    std::optional<User> user = {};
    /// The same by name, as images write it: "USER" or "USER:GROUP", each a name or a number, looked up in the
    /// container's own /etc/passwd and /etc/group. What consists of digits is a number, whatever those files say.
    /// Without a group, the user has the group of its entry and, as with initgroups(3), each group that it is a member
    /// of; with a group it has only that one. A user that is a number needs no entry (its group is 0 then), nor does a
    /// group that is one. Not together with `user`.
    std::string user_name = {};
    /// With `user_name`: a user that is a number needs an entry, too.
    bool user_needs_entry = false;
    /// With `user_name`: supplementary groups besides those of the user.
    std::vector<std::uint32_t> more_groups = {};
    std::optional<mode_t> umask = {};

    /// Capability names ("CAP_NET_BIND_SERVICE", case and "CAP_" do not matter, "ALL" is every one that the host
    /// process has): permitted, effective, inheritable, ambient and bounding set are exactly these, also for a user
    /// other than 0. An empty list drops all.
    std::optional<std::vector<std::string>> capabilities = {};
    /// Each capability set on its own, instead of `capabilities`.
    std::optional<CapabilitySets> capability_sets = {};
    /// The bounding set alone is at most this; the others are what they become. Not together with the two above.
    std::optional<std::vector<std::string>> bounding_capabilities = {};
    /// SECBIT_* of <linux/securebits.h>, see capabilities(7). Needs CAP_SETPCAP in the container's user namespace.
    std::optional<std::uint32_t> secure_bits = {};
    bool no_new_privileges = false; ///< See PR_SET_NO_NEW_PRIVS in prctl(2).
    SecurityLabels labels = {};     ///< Not for callables, which are never executed.
    /// Filters the system calls of the process. It is installed just before the program is executed, if
    /// `no_new_privileges` is set or CAP_SYS_ADMIN is kept; else (CAP_SYS_ADMIN is needed then) before user and
    /// capabilities change, and has to let the rest of the set-up pass.
    std::optional<Seccomp> seccomp = {};
    /// Restricts the process, just before the seccomp filter. Needs `no_new_privileges`, or CAP_SYS_ADMIN to be kept.
    std::optional<Landlock> landlock = {};
    std::vector<ResourceLimit> limits = {};

    Scheduling scheduling = {};
    std::optional<MemoryPolicy> memory_policy = {};
    /// How likely the kernel is to kill the process when memory runs out: -1000 (never) to 1000. A lower value than
    /// the lowest that the host process may have needs its CAP_SYS_RESOURCE. The host's own value stays what it is.
    std::optional<int> oom_score_adj = {};
    std::optional<std::uint32_t> personality = {};      ///< PER_LINUX32 and the like of <sys/personality.h>.
    std::optional<SessionKeyring> session_keyring = {}; ///< Owned by the process's user.

    bool new_session = false; ///< setsid(2). Implied by `terminal`.
    /// Sent to the process when the *thread* that started it ends, see PR_SET_PDEATHSIG in prctl(2): start such
    /// containers from a thread that lives as long as they should, or have the session do so, see
    /// SessionOptions::start_thread. 0 is none.
    int parent_death_signal = 0;

    StandardStreams stdio = {};
    /// Gives the process a new pseudo-terminal of this size as its controlling terminal and standard streams;
    /// Process::terminal() is the other end. `stdio` has to be left alone then.
    std::optional<TerminalSize> terminal = {};
    /// Descriptor of a terminal of the host that becomes the controlling terminal of the process, but none of its
    /// streams. Borrowed until the call returns. Needs `new_session`, and no `terminal`. Default: none.
    int controlling_terminal = -1;
    /// More descriptors, in any order; also permutations and descriptors used twice. All others are closed.
    std::vector<FdMapping> fds = {};
    /// Instead of closing them, hands on all the host process's descriptors that are not close-on-exec; to a callable
    /// all. That exposes whatever the host has open. Not together with `fds`.
    bool inherit_fds = false;

    bool operator==(const ProcessSpec&) const = default;
};

/// How a process ended.
struct ExitStatus {
    enum class Kind : std::uint8_t {
        Exited,   ///< By exit(2); `value` is the code, 0 to 255.
        Signaled, ///< By a signal; `value` is its number.
        Unknown,  ///< Somebody else in the host process (or an ignored SIGCHLD) took the status, and the kernel kept no
                  ///< copy.
    };
    Kind kind = Kind::Unknown;
    int value = 0;
    bool core_dumped = false;

    /// Exited with code 0.
    [[nodiscard]] bool success() const noexcept { return kind == Kind::Exited && value == 0; }
    /// As a shell shows it: the exit code, or 128 + signal; 255 if unknown.
    [[nodiscard]] CT_EXPORT int shell_code() const noexcept;
    /// "exited with code 3", "was killed by signal 9 (SIGKILL)", "ended with unknown status".
    [[nodiscard]] CT_EXPORT std::string describe() const;

    bool operator==(const ExitStatus&) const = default;
};

/// A process that libct started: the first process of a container, or one that entered it.
///
/// A handle; copies name the same process. Destroying all of them neither kills nor waits: it closes the host's ends of
/// an entered process's streams, and the session collects its status. (The first process of a container keeps its
/// streams until the container is started again or destroyed.) All calls may be made from any thread. A Process obeys
/// its pidfd: it never signals a reused pid, and neither needs nor disturbs the host process's own SIGCHLD handling.
class CT_EXPORT Process {
public:
    /// The pid as the host process sees it, or -1 once the process was waited for.
    [[nodiscard]] pid_t pid() const noexcept;
    /// A descriptor that becomes readable when the process ends. Borrowed; lives as long as this handle or a copy.
    /// The first process of a pid namespace ends only after those that entered were reaped: wait for them as well, or
    /// let Container::state() or wait() do so.
    [[nodiscard]] int pidfd() const noexcept;

    /// Blocks until the process has ended. Any number of threads may wait, any number of times.
    ExitStatus wait() const;
    /// The same with a time limit; empty when it has passed first. Zero only looks.
    [[nodiscard]] std::optional<ExitStatus> wait_for(std::chrono::nanoseconds limit) const;

    /// Sends \p number, 0 only checks. Does nothing if the process has ended already.
    /// \throws Error with EPERM if the process changed to a user whom the host process may not signal.
    void signal(int number) const;
    /// signal(SIGKILL).
    void kill() const { signal(9); }

    /// The host's end of standard stream \p number (0, 1 or 2) that is Stdio::Pipe, else -1. Borrowed, close-on-exec,
    /// blocking.
    [[nodiscard]] int stream(int number) const noexcept;
    /// The same, and the caller owns (closes) it from now on.
    [[nodiscard]] int release_stream(int number) const noexcept;
    /// Closes the host's end, so that the process sees the end of its input, or a broken pipe.
    void close_stream(int number) const noexcept;

    /// The host's end of the pseudo-terminal, or -1. Borrowed, close-on-exec, blocking. Reading fails with EIO once
    /// the last process has closed its end.
    [[nodiscard]] int terminal() const noexcept;
    /// Changes the terminal's size; the processes on it get SIGWINCH.
    /// \throws Error with ENOTTY if there is no terminal.
    void resize_terminal(TerminalSize size) const;

    /// Made by libct.
    explicit Process(std::shared_ptr<internal::ProcessCore> core) noexcept;
    Process(const Process&) noexcept;
    Process(Process&&) noexcept;
    Process& operator=(const Process&) noexcept;
    Process& operator=(Process&&) noexcept;
    ~Process();

private:
    std::shared_ptr<internal::ProcessCore> core_;
};

} // namespace ct
