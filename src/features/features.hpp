// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <ct/host_feature.hpp>

#include "launch/area.hpp"

/// What the host offers. Found out by trying: sysctls, security modules and filters decide as much as the kernel's
/// version does.
namespace ct::internal {

class GroupParents;

using Features = std::vector<HostFeature>;

/// One group each, in a file of its own.
void add_namespace_features(Features& features, AreaPool& areas);
void add_mount_features(Features& features);
void add_cgroup_features(Features& features, const GroupParents& parents);
void add_security_features(Features& features);
void add_process_features(Features& features);

/// Adds one that is there if \p error_number is 0, else missing for that reason.
void add_feature(Features& features, std::string name, int error_number, std::string remedy, std::string detail = {});

/// The first line of a file, or empty.
[[nodiscard]] std::string first_line(const std::string& path);

} // namespace ct::internal
