// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>

#include <cerrno>

namespace ct::test {

/// What a killed host leaves becomes this process's child, for the time of the object.
class Subreaper {
public:
    Subreaper() { ::prctl(PR_SET_CHILD_SUBREAPER, 1); }
    Subreaper(const Subreaper&) = delete;
    Subreaper& operator=(const Subreaper&) = delete;
    ~Subreaper() { ::prctl(PR_SET_CHILD_SUBREAPER, 0); }

    /// Waits for the end of all children.
    static void reap_all() {
        while (::waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) continue;
    }
};

} // namespace ct::test
