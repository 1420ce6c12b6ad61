// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/joins.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/concat.hpp"

namespace ct::internal {
namespace {

using ::testing::HasSubstr;

std::string own(Namespace kind) {
    return concat("/proc/self/ns/", to_string(kind));
}

UniqueFd none(Namespace, const std::string&) {
    ADD_FAILURE() << "no container is asked for";
    return {};
}

TEST(Joins, UserComesBeforeWhatItOwnsAndMountLast) {
    Spec spec;
    for (const Namespace kind : {Namespace::Mount, Namespace::Uts, Namespace::User, Namespace::Net})
        spec.namespaces[kind] = NamespacePath{own(kind)};
    const Joins joins(spec, none);
    std::vector<Namespace> order;
    for (const NamespaceJoin& join : joins.list()) order.push_back(join.kind);
    // Whether the process is in a user namespace of its own or not: its namespaces belong to it or to one above.
    EXPECT_EQ(order.size(), 4U);
    const auto at = [&](Namespace kind) { return std::find(order.begin(), order.end(), kind) - order.begin(); };
    EXPECT_LT(at(Namespace::Net), at(Namespace::Mount));
    EXPECT_LT(at(Namespace::Uts), at(Namespace::Mount));
}

TEST(Joins, NewOnesAreNone) {
    Spec spec;
    spec.namespaces[Namespace::Net] = NewNamespace{};
    EXPECT_TRUE(Joins(spec, none).list().empty());
}

TEST(Joins, OtherContainersAreAskedFor) {
    Spec spec;
    spec.namespaces[Namespace::Uts] = NamespaceOf{"web"};
    const Joins joins(spec, [](Namespace kind, const std::string& name) {
        EXPECT_EQ(kind, Namespace::Uts);
        EXPECT_EQ(name, "web");
        return UniqueFd(::open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC));
    });
    ASSERT_EQ(joins.list().size(), 1U);
    EXPECT_EQ(joins.list()[0].name, "container web");
    EXPECT_EQ(joins.find(Namespace::Uts), joins.list()[0].fd);
    EXPECT_EQ(joins.find(Namespace::Net), -1);
}

TEST(NamespaceFile, OfAnotherKindOrNoneIsRefused) {
    Spec spec;
    spec.namespaces[Namespace::Uts] = NamespacePath{own(Namespace::Net)};
    try {
        Joins joins(spec, none);
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), std::errc::invalid_argument);
        EXPECT_THAT(error.what(), HasSubstr("join uts namespace '/proc/self/ns/net'"));
        EXPECT_THAT(error.hint(), HasSubstr("another kind"));
    }
    EXPECT_THROW((void)open_namespace_file(Namespace::Net, "/dev/null"), Error);
    EXPECT_THROW((void)open_namespace_file(Namespace::Net, "/nonexistent"), Error);
}

TEST(JoinedNamespace, OfTheHostItselfTakesNoSysctls) {
    Spec spec;
    spec.namespaces[Namespace::Net] = NamespacePath{own(Namespace::Net)};
    spec.sysctls = {{"net.ipv4.ip_forward", "1"}};
    EXPECT_THROW(Joins(spec, none), Error);
    spec.sysctls = {{"kernel.sem", "1"}};
    EXPECT_NO_THROW(Joins(spec, none));
}

} // namespace
} // namespace ct::internal
