// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string_view>

#include <gtest/gtest.h>

namespace ct::test {

/// What a test needs that not every user or machine has.
enum class Privilege {
    Root,           ///< User 0 with CAP_SYS_ADMIN: most of what containers do.
    UserNamespaces, ///< An unprivileged user may make user namespaces.
    SetUser,        ///< The test may become another user.
};

[[nodiscard]] bool has(Privilege privilege);
[[nodiscard]] std::string_view describe(Privilege privilege);
/// For what nothing but the version tells, such as what a file system can do.
[[nodiscard]] bool kernel_is_at_least(int major, int minor);
/// CT_TEST_STRICT=1: a skipped test is a failed one, so that a continuous integration run cannot skip by accident.
[[nodiscard]] bool strict();

} // namespace ct::test

/// Skips the rest of the test, or fails it in strict mode, unless the privilege is there.
#define CT_REQUIRE(privilege)                                                                      \
    do {                                                                                           \
        if (!::ct::test::has(privilege)) {                                                         \
            if (::ct::test::strict()) GTEST_FAIL() << "needs " << ::ct::test::describe(privilege); \
            GTEST_SKIP() << "needs " << ::ct::test::describe(privilege);                           \
        }                                                                                          \
    } while (false)
