// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include <ct/session.hpp>

/// Talks to the service manager over D-Bus. libsystemd is loaded on first use: who does without does not pay for it.
namespace ct::internal {

/// What is wanted of a new scope.
struct ScopeRequest {
    std::string unit; ///< "libct-web.scope"
    std::string description;
    std::string slice; ///< Empty: systemd's choice.
    pid_t process = -1;
    std::vector<SystemdProperty> properties = {};
};

/// A connection to the manager of the system for root, to that of the user for others.
class SystemdBus {
public:
    /// \throws Error with Stage::Cgroup: Errc::Unsupported if there is no systemd, D-Bus or library
    SystemdBus();
    SystemdBus(const SystemdBus&) = delete;
    SystemdBus& operator=(const SystemdBus&) = delete;
    ~SystemdBus();

    /// Makes a delegated scope with the process in it, and waits until it is there. After a failure there is none.
    /// \throws Error with Errc::NameInUse, EACCES, ETIMEDOUT, ...
    void start_scope(const ScopeRequest& request);
    /// Moves a process into a group of the scope; \p group is below that, such as "/web".
    void attach(const std::string& unit, const std::string& group, pid_t process);
    /// Ends the scope if it is there, and waits for that.
    void stop_scope(const std::string& unit);
    /// "252 (252.39-1~deb12u2)"
    [[nodiscard]] std::string version();

private:
    struct Connection;
    std::unique_ptr<Connection> connection_;
};

/// The time that systemd has for each request.
inline constexpr std::chrono::seconds SystemdPatience{30};

} // namespace ct::internal
