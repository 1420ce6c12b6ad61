// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <ct/spec.hpp>

/// The files by which programs find names. Pure functions.
namespace ct::internal {

/// \throws Error with Errc::InvalidConfig for a malformed value
void check_names(const Names& names);
void names_violations(std::vector<std::string>& found, const Spec& spec);

inline constexpr std::string_view ResolvConf = "/etc/resolv.conf";
inline constexpr std::string_view Hosts = "/etc/hosts";
inline constexpr std::string_view HostNameFile = "/etc/hostname";

/// The paths in the root of those that are made for the container: some of these.
[[nodiscard]] std::vector<std::string_view> name_files(const Spec& spec);

/// Whether the host's own /etc/resolv.conf counts for anything.
[[nodiscard]] bool takes_host_servers(const Names& names) noexcept;

/// \param host  what the host's own has
/// \param behind_stub  the servers that the host's stub resolver asks, as a file of the same kind; or empty
/// \param own_network  the host's loopback device is out of reach
[[nodiscard]] std::string resolv_conf_text(const Names& names, std::string_view host, std::string_view behind_stub,
                                           bool own_network);
/// Whether one of the servers that \p resolv_conf names is on a loopback device.
[[nodiscard]] bool has_loopback_server(std::string_view resolv_conf);

/// \param host  what the host's own has
[[nodiscard]] std::string hosts_text(const Spec& spec, std::string_view host);

} // namespace ct::internal
