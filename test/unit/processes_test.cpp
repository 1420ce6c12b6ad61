// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "processes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unique_fd.hpp"

namespace ct::internal {
namespace {

TEST(ProcessLine, TellsStateAndParent) {
    EXPECT_EQ(parse_process_line("12 (cat) R 7 12 12 0 -1"), (ProcessLine{'R', 7}));
    EXPECT_EQ(parse_process_line("1 () S 0 1"), (ProcessLine{'S', 0}));
}

TEST(ProcessLine, IsNotFooledByTheName) {
    EXPECT_EQ(parse_process_line("12 (a) Z 1 (b) R 7 12"), (ProcessLine{'R', 7}));
    EXPECT_EQ(parse_process_line("12 ()) Z 1 1\n) D 8 12"), (ProcessLine{'D', 8}));
}

TEST(ProcessLine, IsEmptyForWhatIsNone) {
    for (const char* const text :
         {"", "12", "12 (cat)", "12 (cat) ", "12 (cat) R", "12 (cat) R x 1", "12 (cat) RR 7 1"})
        EXPECT_EQ(parse_process_line(text), std::nullopt) << text;
}

TEST(ProcessList, HasThisProcess) {
    const UniqueFd own(::open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
    EXPECT_THAT(processes_in(own.get()), ::testing::Contains(::getpid()));
    EXPECT_THAT(processes_below({::getpid()}), ::testing::Contains(::getpid()));
    EXPECT_TRUE(processes_below({}).empty());
    EXPECT_TRUE(processes_below({0x3fffffff}).empty());
}

} // namespace
} // namespace ct::internal
