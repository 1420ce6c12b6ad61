// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plan/compile.hpp"

/// Namespaces that are kept by name: bound to files in a directory of their own.
namespace ct::internal {

/// Where the pins of the container \p name are by default.
[[nodiscard]] std::string default_pin_directory(std::string_view name);

/// Makes \p directory and binds each namespace there, to a file that is called as its kind is.
/// \throws Error; nothing is left then
void pin_namespaces(const std::string& directory, const std::vector<NamespaceJoin>& namespaces);

/// Takes all of it away; does nothing if there is no such directory.
/// \throws Error if it is not what pin_namespaces() makes
void unpin_namespaces(const std::string& directory);

} // namespace ct::internal
