// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/subordinate_ids.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ct/error.hpp>

namespace ct::internal {
namespace {

using ::testing::ElementsAre;

std::vector<IdRange> map_of(const std::string& text, std::string_view name = "alice") {
    std::istringstream file(text);
    return subordinate_map(file, name, 1000, 77);
}

TEST(SubordinateMap, HasTheCallerAtZeroAndAllItsRangesAbove) {
    EXPECT_THAT(map_of("bob:100:10\nalice:200:20\n1000:300:30\n10:400:40"),
                ElementsAre(IdRange{0, 77, 1}, IdRange{1, 200, 20}, IdRange{21, 300, 30}));
}

TEST(SubordinateMap, IsTheCallerAloneWithoutARange) {
    EXPECT_THAT(map_of(""), ElementsAre(IdRange{0, 77, 1}));
    EXPECT_THAT(map_of(":1:2\n", ""), ElementsAre(IdRange{0, 77, 1})) << "a user without a name is not the empty name";
}

TEST(SubordinateMap, TakesNoMalformedLines) {
    EXPECT_THAT(map_of("alice\nalice:1\nalice:1:\nalice::1\nalice:a:1\nalice:1:b\nalice:1:2:3\nalice: 1:2\nalice:-1:2\n"
                       "alice:1:0\nalice:4294967290:100\nalice:99999999999999999999:1\n#alice:1:2\n"),
                ElementsAre(IdRange{0, 77, 1}));
}

TEST(SubordinateMap, StopsBeforeTheLastId) {
    EXPECT_THAT(map_of("alice:1:4294967290\nalice:5:100\nalice:9:3\n"),
                ElementsAre(IdRange{0, 77, 1}, IdRange{1, 1, 4294967290U}, IdRange{4294967291U, 9, 3}));
}

TEST(SubordinateMap, OfAMissingFileTellsWhatToAdd) {
    try {
        (void)subordinate_map_of_caller("/nonexistent/subuid", 0);
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::Unsupported);
        EXPECT_EQ(error.path(), "/nonexistent/subuid");
        EXPECT_THAT(error.hint(), ::testing::EndsWith(":100000:65536\""));
    }
}

} // namespace
} // namespace ct::internal
