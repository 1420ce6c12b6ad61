// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cgroup/stats_text.hpp"

namespace ct::internal {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t Most = ~std::uint64_t{0};

TEST(StatsText, Counts) {
    EXPECT_EQ(parse_count("0\n"), 0U);
    EXPECT_EQ(parse_count("42"), 42U);
    EXPECT_EQ(parse_count(" 7 \n"), 7U);
    EXPECT_EQ(parse_count("18446744073709551615\n"), Most);
}

TEST(StatsText, WhatIsNoCountIsNotKnown) {
    for (const char* const text : {"", "\n", "max", "-1", "+1", "1 2", "1.5", "0x10", "12a", "a12",
                                   "18446744073709551616", "99999999999999999999999999"}) {
        EXPECT_EQ(parse_count(text), std::nullopt) << text;
    }
    EXPECT_EQ(parse_count(std::string("1\0", 2)), std::nullopt);
}

TEST(StatsText, Limits) {
    EXPECT_EQ(parse_limit("max\n"), Unlimited);
    EXPECT_EQ(parse_limit("4096\n"), 4096U);
    EXPECT_EQ(parse_limit("0\n"), 0U);
    EXPECT_EQ(parse_limit("9223372036854771712\n"), Unlimited) << "version 1, pages of 4 KiB";
    EXPECT_EQ(parse_limit("9223372036854710272\n"), Unlimited) << "version 1, pages of 64 KiB";
    EXPECT_EQ(parse_limit("4611686018427387904\n"), std::uint64_t{1} << 62U);
    EXPECT_EQ(parse_limit("maximum\n"), std::nullopt);
    EXPECT_EQ(parse_limit("max 1\n"), std::nullopt);
    EXPECT_EQ(parse_limit(""), std::nullopt);
}

TEST(StatsText, DurationsThatAreTooLongAreNotKnown) {
    EXPECT_EQ(duration_of(1500, 1us), 1500us);
    EXPECT_EQ(duration_of(0, 1us), 0ns);
    EXPECT_EQ(duration_of(std::nullopt, 1us), std::nullopt);
    EXPECT_EQ(duration_of(Most, 1ns), std::nullopt);
    EXPECT_EQ(duration_of(9'223'372'036'854'775'807, 1ns), std::chrono::nanoseconds::max());
    EXPECT_EQ(duration_of(9'223'372'036'854'775, 1us), 9'223'372'036'854'775us);
    EXPECT_EQ(duration_of(9'223'372'036'854'776, 1us), std::nullopt);
}

TEST(StatsText, KeysMayComeInAnyOrderAmongUnknownOnes) {
    std::optional<std::uint64_t> a, b, missing;
    parse_keyed("new_in_linux_9 whatever it says\nb 2\n\nanonymous 5\na 1\n", {{"a", a}, {"b", b}, {"c", missing}});
    EXPECT_EQ(a, 1U);
    EXPECT_EQ(b, 2U);
    EXPECT_EQ(missing, std::nullopt);
}

TEST(StatsText, MalformedAndTruncatedLinesAreNotKnown) {
    std::optional<std::uint64_t> a, b, c, d;
    parse_keyed("a\nb -5\nc 99999999999999999999\nd 12", {{"a", a}, {"b", b}, {"c", c}, {"d", d}});
    EXPECT_EQ(a, std::nullopt);
    EXPECT_EQ(b, std::nullopt);
    EXPECT_EQ(c, std::nullopt);
    EXPECT_EQ(d, 12U) << "without a newline at the end";
    parse_keyed("", {{"a", a}});
    EXPECT_EQ(a, std::nullopt);
}

TEST(StatsText, TheFirstOfEqualKeysCounts) {
    std::optional<std::uint64_t> a;
    parse_keyed("a 1\na 2\n", {{"a", a}});
    EXPECT_EQ(a, 1U);
}

TEST(StatsText, HugeTexts) {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += "key" + std::to_string(i) + " " + std::to_string(i) + "\n";
    std::optional<std::uint64_t> last;
    parse_keyed(text, {{"key99999", last}});
    EXPECT_EQ(last, 99'999U);
    EXPECT_EQ(parse_count(std::string(1 << 20, '9')), std::nullopt);
    EXPECT_THAT(parse_io(std::string(1 << 20, ':')), IsEmpty());
}

TEST(StatsText, IoOfVersion2) {
    const auto devices = parse_io("8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=7\n"
                                  "8:0 rbytes=10 wios=40\n");
    ASSERT_EQ(devices.size(), 2U);
    const IoStats partial{.major = 8, .minor = 0, .read = Bytes{10}, .writes = 40};
    EXPECT_EQ(devices[0], partial) << "what the line leaves out is absent";
    const IoStats whole{.major = 8,
                        .minor = 16,
                        .read = Bytes{1},
                        .written = Bytes{2},
                        .discarded = Bytes{5},
                        .reads = 3,
                        .writes = 4,
                        .discards = 6};
    EXPECT_EQ(devices[1], whole);
}

TEST(StatsText, OddLinesOfIo) {
    EXPECT_THAT(parse_io(""), IsEmpty());
    EXPECT_THAT(parse_io("8:0\n"), IsEmpty());
    EXPECT_THAT(parse_io("rbytes=1\n"), IsEmpty());
    EXPECT_THAT(parse_io("8 rbytes=1\n8: rbytes=1\n:0 rbytes=1\n-8:0 rbytes=1\n8:4294967296 rbytes=1\n"), IsEmpty());
    EXPECT_THAT(parse_io("8:0 rbytes=\n8:0 rbytes=x rios=99999999999999999999\n"), IsEmpty());
    // Some kernels forget the newline after a device that has nothing to say.
    const IoStats second{.major = 7, .minor = 1, .read = Bytes{5}};
    EXPECT_THAT(parse_io("7:0 7:1 rbytes=5\n"), ElementsAre(second));
}

TEST(StatsText, IoOfVersion1) {
    const auto devices = parse_blkio("8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 1\n8:0 Async 2\n8:0 Discard 3\n"
                                     "8:0 Total 12288\n254:0 Read 1\nTotal 12289\n",
                                     "8:0 Read 1\n8:0 Write 2\n8:0 Discard 0\n8:0 Total 3\nTotal 3\n");
    const IoStats first{.major = 8,
                        .minor = 0,
                        .read = Bytes{4096},
                        .written = Bytes{8192},
                        .discarded = Bytes{3},
                        .reads = 1,
                        .writes = 2,
                        .discards = 0};
    const IoStats second{.major = 254, .minor = 0, .read = Bytes{1}};
    EXPECT_THAT(devices, ElementsAre(first, second));
    EXPECT_THAT(parse_blkio("Total 0\n", "Total 0\n"), IsEmpty());
    EXPECT_THAT(parse_blkio("8:0\n8:0 Read\n8:0 Read x\n", ""), IsEmpty());
}

TEST(StatsText, PressureOfSomeAndFull) {
    const Pressure pressure = parse_pressure("some avg10=1.50 avg60=0.25 avg300=100.00 total=123456\n"
                                             "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
    const Stall some{1.5, 0.25, 100, 123456us};
    EXPECT_EQ(pressure.some, some);
    EXPECT_EQ(pressure.full, Stall{});
}

TEST(StatsText, PressureThatIsMalformedIsNotKnown) {
    EXPECT_EQ(parse_pressure(""), Pressure{});
    EXPECT_EQ(parse_pressure("some\nfull"), Pressure{});
    for (const char* const rest :
         {"avg10=0.00 avg60=0.00 avg300=0.00", "avg10=0.00 avg60=0.00 total=0", "avg10=nan avg60=0 avg300=0 total=0",
          "avg10=inf avg60=0 avg300=0 total=0", "avg10=-1 avg60=0 avg300=0 total=0",
          "avg10=101 avg60=0 avg300=0 total=0", "avg10= avg60=0 avg300=0 total=0",
          "avg10=0 avg60=0 avg300=0 total=18446744073709551615"}) {
        EXPECT_EQ(parse_pressure(std::string("some ") + rest), Pressure{}) << rest;
    }
    const Pressure only_some = parse_pressure("some new=1 avg10=0 avg60=0 avg300=0 total=7 more=2\n");
    EXPECT_EQ(only_some.some, (Stall{0, 0, 0, 7us})) << "unknown words do not matter";
    EXPECT_EQ(only_some.full, std::nullopt);
}

TEST(StatsText, SizesOfHugePages) {
    EXPECT_EQ(parse_page_size("hugepages-2048kB"), 2 * MiB);
    EXPECT_EQ(parse_page_size("hugepages-1048576kB"), 1 * GiB);
    EXPECT_EQ(parse_page_size("hugepages-64kB"), 64 * KiB);
    for (const char* const name : {"", "hugepages-", "hugepages-kB", "hugepages-2048", "2048kB", "hugepages--1kB",
                                   "hugepages-18446744073709551615kB"}) {
        EXPECT_EQ(parse_page_size(name), std::nullopt) << name;
    }
    EXPECT_EQ(page_size_name(2 * MiB), "2MB");
    EXPECT_EQ(page_size_name(1 * GiB), "1GB");
    EXPECT_EQ(page_size_name(64 * KiB), "64KB");
    EXPECT_EQ(page_size_name(32 * MiB), "32MB");
}

} // namespace
} // namespace ct::internal
