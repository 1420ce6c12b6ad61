// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include <ct/cgroup.hpp>

/// Which controllers a specification is about. Pure functions.
namespace ct::internal {

inline constexpr std::array AllControllers{
    Controller::Cpu,     Controller::Cpuacct,   Controller::Cpuset,  Controller::Memory,  Controller::Pids,
    Controller::Io,      Controller::Devices,   Controller::Freezer, Controller::Hugetlb, Controller::NetCls,
    Controller::NetPrio, Controller::PerfEvent, Controller::Rdma,    Controller::Misc};

/// By the kernel's name of either version; empty for one that is not known.
[[nodiscard]] std::optional<Controller> controller_of(std::string_view name) noexcept;

/// As /proc/cgroups and the mount options of version 1 have it.
[[nodiscard]] std::string_view kernel_name(Controller controller) noexcept;

/// Those that limits which are set need.
[[nodiscard]] std::vector<Controller> controllers_of(const Limits& limits);

/// All that the specification asks for, each once.
[[nodiscard]] std::vector<Controller> needed_controllers(const Cgroup& cgroup);

/// Whether a container of that specification has groups at all.
[[nodiscard]] bool uses_groups(const Cgroup& cgroup);

} // namespace ct::internal
