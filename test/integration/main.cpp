// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <gtest/gtest.h>

#include "support/hosts.hpp"

/// The integration tests in one program, which is also each of the hosts that they need.
int main(int argc, char** argv) {
    if (const int status = ct::test::host_main(argc, argv); status >= 0) return status;
    ::testing::InitGoogleTest(&argc, argv);
    return RUN_ALL_TESTS();
}
