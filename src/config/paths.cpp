// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/paths.hpp"

#include <boost/filesystem/path.hpp>

namespace ct::internal {

std::string normal_path(const std::string& path) {
    const std::size_t name = path.find_first_not_of('/');
    if (name == std::string::npos) return "/";
    // Two slashes in front would be a root of their own to Boost; one at the end an empty last element.
    boost::filesystem::path normal = boost::filesystem::path("/" + path.substr(name)).lexically_normal();
    if (normal.filename_is_dot()) normal = normal.parent_path();
    return normal.string();
}

} // namespace ct::internal
