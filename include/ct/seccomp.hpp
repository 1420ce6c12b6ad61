// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <ct/export.hpp>

namespace ct {

namespace internal {
struct ReceivedNotice;
} // namespace internal

/// What happens to a system call; see seccomp(2).
struct SeccompAction {
    enum class Kind : std::uint8_t {
        Allow,
        Errno, ///< The call is not made and fails with `error_number`.
        KillProcess,
        KillThread,
        Trap,   ///< SIGSYS for the thread.
        Log,    ///< Allowed, and logged by the kernel.
        Notify, ///< Container::on_seccomp() decides.
    };
    Kind kind = Kind::Allow;
    std::uint16_t error_number = 0; ///< Only for Kind::Errno: 1 to 4095.

    [[nodiscard]] static constexpr SeccompAction allow() { return {}; }
    [[nodiscard]] static constexpr SeccompAction fail(std::uint16_t number) { return {Kind::Errno, number}; }
    [[nodiscard]] static constexpr SeccompAction kill_process() { return {Kind::KillProcess}; }
    [[nodiscard]] static constexpr SeccompAction kill_thread() { return {Kind::KillThread}; }
    [[nodiscard]] static constexpr SeccompAction trap() { return {Kind::Trap}; }
    [[nodiscard]] static constexpr SeccompAction log() { return {Kind::Log}; }
    [[nodiscard]] static constexpr SeccompAction notify() { return {Kind::Notify}; }

    bool operator==(const SeccompAction&) const = default;
};

/// A comparison of one argument of a system call, as a 64-bit number. Where the kernel looks only at the low half of a
/// register (`int` and `unsigned int` arguments, such as the request of ioctl(2)), compare with MaskedEqual and the
/// mask 0xffffffff, else a process gets around the rule by setting upper bits.
struct SeccompCondition {
    enum class Comparison : std::uint8_t {
        Equal,
        NotEqual,
        Less,
        LessOrEqual,
        Greater,
        GreaterOrEqual,
        MaskedEqual, ///< (argument & mask) == value
    };
    unsigned argument = 0; ///< 0 to 5; at most one condition of a rule for each.
    Comparison comparison = Comparison::Equal;
    std::uint64_t value = 0;
    std::uint64_t mask = ~std::uint64_t{0}; ///< Only for MaskedEqual.

    bool operator==(const SeccompCondition&) const = default;
};

/// What happens to some system calls.
struct SeccompRule {
    /// By name ("mkdir"); a name that this machine does not have, but another architecture, counts for nothing.
    /// "@known" stands for every system call that libseccomp knows on this machine.
    std::vector<std::string> system_calls = {};
    SeccompAction action = {};
    std::vector<SeccompCondition> conditions = {}; ///< All of them have to hold.

    bool operator==(const SeccompRule&) const = default;
};

/// A kind of system calls that a machine offers; a program chooses it with each call.
enum class SeccompArchitecture : std::uint8_t { X86_64, X86, X32, Aarch64, Arm };

/// The kernel's name: "x86_64", "x86", "x32", "aarch64", "arm".
[[nodiscard]] CT_EXPORT std::string_view to_string(SeccompArchitecture architecture) noexcept;

/// A filter for the system calls of a process and of all its descendants; they cannot take it off. See seccomp(2).
///
/// The first rule that matches a call decides. The filter has to let the program be executed and the process end:
/// execve(2) may be allowed, logged or fail, exit_group(2) must be allowed or logged.
struct Seccomp {
    SeccompAction default_action = {}; ///< For calls that no rule matches.
    std::vector<SeccompRule> rules = {};
    /// Architectures, besides that of the host process, to which the rules apply as well: X86 and X32 on x86_64, Arm
    /// on aarch64. Each call by another one gets `foreign_action`, whatever it is.
    std::vector<SeccompArchitecture> architectures = {};
    SeccompAction foreign_action = SeccompAction::fail(38); // ENOSYS
    bool log = false; ///< The kernel logs every call that is neither allowed nor notified.

    /// A filter that ordinary programs, compilers and database servers do not notice, and that keeps processes from
    /// what works on the whole machine or has often been a way out: mounting, new namespaces, kernel modules, BPF,
    /// performance events, keys, clocks, io_uring, ptrace(2) and its kin, and sockets other than local, IP, netlink
    /// and packet ones. These fail with EPERM; system calls that did not exist when libseccomp was built fail with
    /// ENOSYS, so that programs fall back to older ones. To allow more, put a rule in front:
    /// `profile.rules.insert(profile.rules.begin(), {{"ptrace"}, SeccompAction::allow()})`.
    [[nodiscard]] CT_EXPORT static Seccomp standard();

    bool operator==(const Seccomp&) const = default;
};

/// Whether rules may name that system call: libseccomp knows it, on whatever architecture.
[[nodiscard]] CT_EXPORT bool is_system_call(std::string_view name);

/// Where a descriptor goes that SeccompNotice::add_fd() makes.
struct SeccompFd {
    int target = -1; ///< Its number in the process, replacing what is open there; -1 is the lowest free one.
    bool close_on_exec = true;
};

/// A system call that a filter reported, whose caller waits for the answer. Valid only during the handler's call.
///
/// The caller may be killed at any time, and another process get its pid: what read_memory() and add_fd() return was
/// checked against that, what a handler reads from /proc by itself has to be checked by valid() afterwards.
class CT_EXPORT SeccompNotice {
public:
    /// The calling *thread*, as the host process sees it; 0 if it does not see it.
    [[nodiscard]] pid_t pid() const noexcept;
    [[nodiscard]] SeccompArchitecture architecture() const noexcept;
    /// The number of the system call on that architecture, and its name; empty if libseccomp does not know it.
    [[nodiscard]] int system_call() const noexcept;
    [[nodiscard]] std::string name() const;
    [[nodiscard]] std::array<std::uint64_t, 6> arguments() const noexcept;

    /// Whether the caller still waits for the answer.
    [[nodiscard]] bool valid() const noexcept;
    /// Up to \p size bytes of the caller's memory; fewer where the mapping ends.
    /// \throws Error with ESRCH if the caller is gone, EPERM or EACCES if it may not be looked into (see ptrace(2)),
    ///         EFAULT if nothing is mapped at \p address.
    [[nodiscard]] std::vector<std::byte> read_memory(std::uint64_t address, std::size_t size) const;
    /// The text at \p address up to its NUL, such as a path. \throws Error as read_memory(), and with ENAMETOOLONG if
    /// there is no NUL in the first \p limit bytes.
    [[nodiscard]] std::string read_string(std::uint64_t address, std::size_t limit = 4096) const;
    /// Gives the caller a duplicate of the host's descriptor \p fd. \returns its number there
    /// \throws Error with ESRCH if the caller is gone, EMFILE if it has too many.
    int add_fd(int fd, SeccompFd where = {}) const;

    explicit SeccompNotice(const internal::ReceivedNotice& received) noexcept : received_(received) {}
    SeccompNotice(const SeccompNotice&) = delete;
    SeccompNotice& operator=(const SeccompNotice&) = delete;

private:
    const internal::ReceivedNotice& received_;
};

/// The answer to a SeccompNotice.
struct SeccompReply {
    enum class Kind : std::uint8_t { Continue, Return, Fail };
    Kind kind = Kind::Fail;
    std::int64_t value = 38; ///< What the call returns, or its errno; ENOSYS by default.

    /// The kernel makes the call. This is *not* a way to allow by what memory holds: between the handler's look and the
    /// kernel's, another thread of the process can change the memory that a pointer leads to. Continue only calls
    /// that would be harmless with any memory, and make the others in the handler's own process.
    [[nodiscard]] static constexpr SeccompReply continue_call() { return {Kind::Continue, 0}; }
    /// The call is not made and returns \p value.
    [[nodiscard]] static constexpr SeccompReply return_value(std::int64_t value) { return {Kind::Return, value}; }
    /// The call is not made and fails with errno \p number.
    [[nodiscard]] static constexpr SeccompReply fail(int number) { return {Kind::Fail, number}; }

    bool operator==(const SeccompReply&) const = default;
};

/// Answers the calls of SeccompAction::notify(), within Session::dispatch().
using SeccompHandler = std::function<SeccompReply(const SeccompNotice& notice)>;

} // namespace ct
