// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <ct/namespaces.hpp>

namespace ct {

std::string_view to_string(Namespace kind) noexcept {
    switch (kind) {
    case Namespace::Mount: return "mnt";
    case Namespace::Pid: return "pid";
    case Namespace::Net: return "net";
    case Namespace::Uts: return "uts";
    case Namespace::Ipc: return "ipc";
    case Namespace::User: return "user";
    case Namespace::Cgroup: return "cgroup";
    case Namespace::Time: return "time";
    }
    return "unknown";
}

} // namespace ct
