// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

namespace ct::internal {

/// An absolute path without needless slashes, dots and a slash at the end, so that equal places compare equal.
[[nodiscard]] std::string normal_path(const std::string& path);

} // namespace ct::internal
