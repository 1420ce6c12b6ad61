// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ct/spec.hpp>

namespace ct::internal {

/// The path below /proc/sys of a sysctl in either notation: the first separator tells which one it is, and the other
/// one then is part of the names ("net/ipv4/conf/eth0.100/forwarding", "net.ipv4.conf.eth0/100.forwarding").
[[nodiscard]] std::string sysctl_path(std::string_view name);

/// The kind of namespace that has a sysctl of its own, by its path; empty if setting it would change the host.
[[nodiscard]] std::optional<Namespace> sysctl_namespace(std::string_view path);

/// \throws Error with Errc::InvalidConfig for a malformed name or value
void check_sysctl(std::string_view name, std::string_view value);

/// Sysctls that do not fit the namespaces, or each other.
void find_sysctl_violations(std::vector<std::string>& found, const Spec& spec);

} // namespace ct::internal
