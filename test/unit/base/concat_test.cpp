// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "base/concat.hpp"

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

TEST(Concat, JoinsTextAndNumbers) {
    const std::string text = "b";
    EXPECT_EQ(concat("a", text, std::string_view("c"), '/', -1, '-', 4294967295U, ' ', ~std::uint64_t{0}),
              "abc/-1-4294967295 18446744073709551615");
    EXPECT_EQ(concat(""), "");
}

TEST(Join, PutsTheSeparatorOnlyBetween) {
    EXPECT_EQ(join(std::vector<std::string>{"a", "b", "c"}, "; "), "a; b; c");
    EXPECT_EQ(join(std::vector<std::string>{"a"}, "; "), "a");
    EXPECT_EQ(join(std::vector<std::string>{}, "; "), "");
}

} // namespace
} // namespace ct::internal
