// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <unistd.h>

#include <array>
#include <climits>
#include <string>

#include "base/concat.hpp"

namespace ctmon {

/// \p path from the current directory on, if it is relative; an empty one stays empty.
inline std::string absolute_path(const std::string& path) {
    if (path.empty() || path.starts_with('/')) return path;
    std::array<char, PATH_MAX> directory{};
    const char* const current = ::getcwd(directory.data(), directory.size());
    return ct::internal::concat(current == nullptr ? "" : current, '/', path);
}

} // namespace ctmon
