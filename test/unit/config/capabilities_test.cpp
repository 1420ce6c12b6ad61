// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/capabilities.hpp"

#include <sys/capability.h>

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

constexpr std::uint64_t bit(int number) {
    return std::uint64_t{1} << number;
}

TEST(Capabilities, AreKnownInAnyCaseWithOrWithoutPrefix) {
    for (const char* name :
         {"CAP_NET_ADMIN", "cap_net_admin", "NET_ADMIN", "net_admin", "Cap_Net_Admin", "nEt_aDmIn"}) {
        EXPECT_TRUE(is_capability(name)) << name;
        EXPECT_EQ(capability_set({name}, 0), bit(CAP_NET_ADMIN)) << name;
    }
}

TEST(Capabilities, UnknownNamesAreNone) {
    for (const char* name : {"", "CAP_", "CAP_NOTHING", "NET ADMIN", "CAP_CAP_NET_ADMIN", "net_adminx", "ALLES"}) {
        EXPECT_FALSE(is_capability(name)) << name;
    }
    EXPECT_FALSE(is_capability(std::string("net_admin\0", 10)));
    EXPECT_FALSE(is_capability(std::string("all\0", 4)));
}

TEST(Capabilities, SetIsTheUnion) {
    EXPECT_EQ(capability_set({"CHOWN", "cap_setuid", "CHOWN", "CHECKPOINT_RESTORE"}, 0),
              bit(CAP_CHOWN) | bit(CAP_SETUID) | bit(CAP_CHECKPOINT_RESTORE));
    EXPECT_EQ(capability_set({}, ~0ULL), 0U);
}

TEST(Capabilities, AllStandsForTheGivenSet) {
    EXPECT_TRUE(is_capability("ALL"));
    EXPECT_TRUE(is_capability("all"));
    EXPECT_EQ(capability_set({"ALL"}, 0x1234), 0x1234U);
    EXPECT_EQ(capability_set({"all", "CHOWN"}, 0x1234), 0x1234U | bit(CAP_CHOWN));
}

TEST(Capabilities, LastIsOneThatTheKernelKnows) {
    const auto last = static_cast<cap_value_t>(last_capability());
    EXPECT_GE(last, CAP_AUDIT_READ);
    EXPECT_GE(::cap_get_bound(last), 0);
    EXPECT_LT(::cap_get_bound(last + 1), 0);
}

} // namespace
} // namespace ct::internal
