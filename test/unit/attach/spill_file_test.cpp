// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach/spill_file.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t Most = 1 << 20;

class SpillFileTest : public ::testing::Test {
protected:
    SpillFileTest() {
        std::string name = fs::temp_directory_path() / "libct-spill-XXXXXX";
        dir_ = ::mkdtemp(name.data());
    }
    ~SpillFileTest() override {
        EXPECT_TRUE(fs::is_empty(dir_));
        fs::remove_all(dir_);
    }

    [[nodiscard]] std::string dir() const { return dir_; }
    /// All that is left, as "ID:BYTES " for each piece.
    static std::string rest(SpillFile& file, std::size_t size) {
        std::string text;
        while (!file.empty()) {
            const auto block = file.take(size);
            if (!block) return "failed";
            for (const SpillFile::Piece& piece : block->pieces) {
                text += piece.id;
                text += ':';
                text += piece.bytes;
                text += ' ';
            }
        }
        return text;
    }
    /// The file of \p dir that has no name and is open here, or -1.
    [[nodiscard]] int descriptor() const {
        for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
            std::error_code gone;
            const std::string target = fs::read_symlink(entry.path(), gone);
            if (target.starts_with(dir() + "/")) return std::stoi(entry.path().filename());
        }
        return -1;
    }

private:
    fs::path dir_;
};

TEST_F(SpillFileTest, GivesBackInOrderWhatItGot) {
    SpillFile file(dir(), Most);
    EXPECT_TRUE(file.empty());
    for (const std::string_view text : {"one", "two", ""}) ASSERT_TRUE(file.append('2', text));
    ASSERT_TRUE(file.append('3', "bad"));
    ASSERT_TRUE(file.append('2', "end"));
    EXPECT_EQ(rest(file, 1000), "2:onetwo 3:bad 2:end ");
    EXPECT_EQ(descriptor(), -1);
    ASSERT_TRUE(file.append('2', "again"));
    EXPECT_EQ(rest(file, 1000), "2:again ");
}

TEST_F(SpillFileTest, BlocksMayEndAnywhere) {
    for (std::size_t size = 1; size < 40; ++size) {
        SpillFile file(dir(), Most);
        std::string want;
        std::string got;
        for (int i = 0; i < 50; ++i) {
            const std::string text = std::to_string(i * i * i) + std::string(static_cast<std::size_t>(i % 7), 'x');
            ASSERT_TRUE(file.append(i % 3 == 0 ? '3' : '2', text));
            want += text;
            if (i % 4 != 0) continue;
            const auto block = file.take(size);
            ASSERT_TRUE(block);
            for (const SpillFile::Piece& piece : block->pieces) got += piece.bytes;
        }
        while (!file.empty()) {
            const auto block = file.take(size);
            ASSERT_TRUE(block);
            for (const SpillFile::Piece& piece : block->pieces) got += piece.bytes;
        }
        ASSERT_EQ(got, want) << size;
    }
}

TEST_F(SpillFileTest, IsFullAtItsSize) {
    SpillFile file(dir(), 1000);
    const std::string text(95, 'x');
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(file.append('2', text)) << i;
    EXPECT_FALSE(file.append('2', ""));
    EXPECT_EQ(rest(file, 100).size(), 10 * (95 + 3));
    EXPECT_TRUE(file.append('2', text));
}

TEST_F(SpillFileTest, SpaceIsGivenBack) {
    SpillFile file(dir(), Most);
    const std::string text(100'000, 'x');
    std::size_t taken = 0;
    for (int i = 0; i < 100; ++i) { // ten times as much as it may hold
        ASSERT_TRUE(file.append('2', text)) << i;
        if (i < 5) continue;
        const auto block = file.take(100'005);
        ASSERT_TRUE(block);
        for (const SpillFile::Piece& piece : block->pieces) taken += piece.bytes.size();
        struct stat status {};
        ASSERT_EQ(::fstat(descriptor(), &status), 0);
        EXPECT_LT(static_cast<std::uint64_t>(status.st_blocks) * 512, Most);
    }
    taken += rest(file, 1 << 30).size() - std::string_view("2: ").size();
    EXPECT_EQ(taken, 100U * text.size());
}

TEST_F(SpillFileTest, WhatHasNoRoomIsNotKeptAndTheRestStays) {
    EXPECT_FALSE(SpillFile(dir() + "/missing", Most).append('2', "x"));
    SpillFile file(dir(), Most);
    ASSERT_TRUE(file.append('2', "kept"));
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    auto* const handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{20, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    const bool fits = file.append('2', std::string(100, 'x')); // written in part
    const bool still = file.append('2', "ab");
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, handler);
    EXPECT_FALSE(fits);
    EXPECT_TRUE(still);
    ASSERT_TRUE(file.append('3', "more"));
    EXPECT_EQ(rest(file, 1000), "2:keptab 3:more ");
}

} // namespace
} // namespace ct::internal
