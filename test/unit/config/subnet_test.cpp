// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/subnet.hpp"

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

IpAddress ip(std::string_view text) {
    return parse_address(text).value();
}

TEST(Subnet, HasNumbersForAddresses) {
    const IpAddress small = ip("10.0.0.9/29");
    EXPECT_EQ(subnet_text(small), "10.0.0.8/29");
    EXPECT_EQ(last_number(small), 6U) << "without the one for broadcasts";
    EXPECT_EQ(number_of(small, ip("10.0.0.9")), 1U);
    EXPECT_EQ(number_of(small, ip("10.0.0.14")), 6U);
    for (const char* const outside : {"10.0.0.8", "10.0.0.15", "10.0.0.16", "10.0.0.7", "fd00::1"}) {
        EXPECT_FALSE(number_of(small, ip(outside))) << outside;
    }
    EXPECT_EQ(text_of(address_at(small, 6)), "10.0.0.14");
    EXPECT_EQ(text_of(address_at(ip("10.1.0.1/16"), 0x1ff)), "10.1.1.255");
}

TEST(Subnet, OfIpv6CountsItsFirstPart) {
    const IpAddress large = ip("fd00::1/64");
    EXPECT_EQ(last_number(large), 0xffff'ffffU);
    EXPECT_EQ(number_of(large, ip("fd00::1:2")), 0x1'0002U);
    EXPECT_FALSE(number_of(large, ip("fd00::1:0:0:2"))) << "far behind";
    EXPECT_FALSE(number_of(large, ip("fd00::ffff:ffff:ffff:ffff")));
    EXPECT_EQ(text_of(address_at(large, 0xabcd'0001)), "fd00::abcd:1");
    EXPECT_EQ(last_number(ip("fd00::1/126")), 3U) << "nothing is for broadcasts";
}

TEST(Subnet, Overlaps) {
    EXPECT_TRUE(overlap(ip("10.0.0.1/8"), ip("10.9.0.1/24")));
    EXPECT_TRUE(overlap(ip("10.9.0.1/24"), ip("10.0.0.1/8")));
    EXPECT_FALSE(overlap(ip("10.9.0.1/24"), ip("10.9.1.1/24")));
    EXPECT_FALSE(overlap(ip("10.9.0.1/24"), ip("fd00::1/64")));
}

TEST(Subnet, TheNextFreeComesAfterTheLast) {
    const IpAddress subnet = ip("10.0.0.1/29");
    EXPECT_EQ(next_free(subnet, {1}, 0), 2U);
    EXPECT_EQ(next_free(subnet, {1, 2, 3, 5}, 2), 4U);
    EXPECT_EQ(next_free(subnet, {1, 5, 6}, 4), 2U) << "from the beginning";
    EXPECT_EQ(next_free(subnet, {1, 2, 3, 5, 6}, 4), 4U) << "the last itself if there is no other";
    EXPECT_EQ(next_free(subnet, {1, 2, 3, 4, 5, 6}, 4), std::nullopt);
    EXPECT_EQ(next_free(subnet, {1}, 6), 2U);
    EXPECT_EQ(next_free(subnet, {1}, 600), 2U);
}

} // namespace
} // namespace ct::internal
