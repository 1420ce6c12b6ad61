// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ct::internal {

struct SplitPath {
    std::string directory;
    std::string name;
};

/// The directory of an absolute path, and its last component.
inline SplitPath split_path(std::string_view path) {
    const std::size_t slash = path.rfind('/');
    return {std::string(path.substr(0, slash == 0 ? 1 : slash)), std::string(path.substr(slash + 1))};
}

} // namespace ct::internal
