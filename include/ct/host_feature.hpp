// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

namespace ct {

/// Something that containers can use if the host offers it; see Session::capabilities().
struct HostFeature {
    std::string name;       ///< Group and name, such as "namespace.user" or "mount.idmapped".
    bool available = false; ///< To this process, with its present privileges.
    std::string detail;     ///< What there is of it (a version, a list), or why it is missing.
    std::string remedy;     ///< If it is missing: how to get it.
    bool operator==(const HostFeature&) const = default;
};

} // namespace ct
