// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "area/dir_chain.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ct::internal {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct DirChainTest : ::testing::Test {
    fs::path top;
    UniqueFd fd;

    void SetUp() override {
        std::string name = fs::temp_directory_path() / "libct-unit-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        top = name;
        fs::create_directories(top / "tree/a/b");
        fs::create_directory(top / "elsewhere");
        fs::create_symlink("a", top / "tree/link");
        std::ofstream(top / "tree/file") << "text";
        fd = UniqueFd(::open((top / "tree").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    void TearDown() override { fs::remove_all(top); }
};

TEST_F(DirChainTest, GoesDownAndUpAgain) {
    DirChain chain(fd.get(), "tree");
    EXPECT_THAT(chain.names(), ElementsAre("a", "file", "link"));
    const FileIdentity start = chain.identity();
    ASSERT_TRUE(chain.try_enter("a"));
    ASSERT_TRUE(chain.try_enter("b"));
    EXPECT_EQ(chain.depth(), 2U);
    EXPECT_EQ(chain.path_of("c"), "tree/a/b/c");
    chain.leave();
    EXPECT_THAT(chain.names(), ElementsAre("b"));
    chain.leave();
    EXPECT_EQ(chain.identity(), start);
    EXPECT_EQ(chain.path_of(), "tree");
}

TEST_F(DirChainTest, EntersNothingButDirectories) {
    DirChain chain(fd.get(), "tree");
    for (const char* name : {"file", "link", "missing", ".."}) EXPECT_FALSE(chain.try_enter(name)) << name;
    EXPECT_EQ(chain.depth(), 0U);
    EXPECT_THAT(chain.names(), ElementsAre("a", "file", "link"));
}

TEST_F(DirChainTest, DoesNotComeOutWhereItsDirectoryWasMovedTo) {
    DirChain chain(fd.get(), "tree");
    ASSERT_TRUE(chain.try_enter("a"));
    ASSERT_TRUE(chain.try_enter("b"));
    fs::rename(top / "tree/a/b", top / "elsewhere/b");
    try {
        chain.leave();
        FAIL() << "it left";
    } catch (const Error& error) {
        EXPECT_EQ(error.code().value(), EAGAIN);
        EXPECT_THAT(error.what(), HasSubstr("tree/a/b"));
    }
    EXPECT_EQ(chain.depth(), 2U);
}

TEST_F(DirChainTest, RemovesContentsButNotWhatLinksLeadTo) {
    std::ofstream(top / "elsewhere/file") << "precious";
    fs::create_symlink(top / "elsewhere", top / "tree/a/b/out");
    fs::permissions(top / "tree/a/b", fs::perms::none);
    remove_contents(fd.get(), "tree");
    EXPECT_TRUE(fs::is_empty(top / "tree"));
    EXPECT_TRUE(fs::exists(top / "elsewhere/file"));
}

} // namespace
} // namespace ct::internal
