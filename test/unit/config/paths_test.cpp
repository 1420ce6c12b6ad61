// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/paths.hpp"

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

TEST(NormalPath, EqualPlacesCompareEqual) {
    for (const char* path : {"/a/b", "//a/b", "/a//b", "/a/./b", "/./a/b", "/a/b/", "/a/b/.", "///a/b//./"}) {
        EXPECT_EQ(normal_path(path), "/a/b") << path;
    }
    for (const char* path : {"/", "//", "///", "/.", "/./", "//./."}) EXPECT_EQ(normal_path(path), "/") << path;
}

TEST(NormalPath, KeepsNamesThatOnlyLookLikeDots) {
    for (const char* path : {"/...", "/a..", "/.a", "/a/.b/c."}) EXPECT_EQ(normal_path(path), path);
}

} // namespace
} // namespace ct::internal
