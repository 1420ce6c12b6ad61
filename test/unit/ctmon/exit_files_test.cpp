// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "exit_files.hpp"

#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <system_error>
#include <vector>

#include <gtest/gtest.h>

#include <ct/error.hpp>

#include "base/unique_fd.hpp"
#include "scratch.hpp"

namespace ctmon {
namespace {

namespace fs = std::filesystem;

TEST(ReplaceFile, PutsANewFileInTheOldOnesPlace) {
    const Scratch scratch;
    scratch.write("code", "old and long");
    fs::create_hard_link(scratch.file("code"), scratch.file("link"));
    const mode_t before = ::umask(0022);
    replace_file(scratch.file("code"), "137");
    ::umask(before);
    EXPECT_EQ(scratch.text("code"), "137");
    EXPECT_EQ(scratch.text("link"), "old and long");
    struct stat status {};
    ASSERT_EQ(::stat(scratch.file("code").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, S_IFREG | 0644U);
    EXPECT_EQ(scratch.count(), 2U);
}

TEST(ReplaceFile, TakesNamesOfAnyLengthAndRelativePaths) {
    const Scratch scratch;
    const std::string longest(255, 'n');
    replace_file(scratch.file(longest), "1");
    EXPECT_EQ(scratch.text(longest), "1");
    const fs::path before = fs::current_path();
    fs::current_path(scratch.path());
    replace_file("here", "2");
    fs::current_path(before);
    EXPECT_EQ(scratch.text("here"), "2");
}

TEST(ReplaceFile, LeavesNoDraftIfItCannotBeNamed) {
    const Scratch scratch;
    fs::create_directories(scratch.path() / "code" / "full");
    EXPECT_THROW(replace_file(scratch.file("code"), "0"), ct::Error);
    EXPECT_EQ(scratch.count(), 1U);
}

TEST(ReplaceFile, KeepsTheOldFileIfThereIsNoRoom) {
    const Scratch scratch;
    scratch.write("code", "old");
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit small{2, before.rlim_max};
    const auto handler = ::signal(SIGXFSZ, SIG_IGN);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    std::error_code code;
    try {
        replace_file(scratch.file("code"), "137");
    } catch (const ct::Error& error) {
        code = error.code();
    }
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    ::signal(SIGXFSZ, handler);
    EXPECT_EQ(code, std::errc::file_too_large);
    EXPECT_EQ(scratch.text("code"), "old");
    EXPECT_EQ(scratch.count(), 1U);
}

class WriteExitFiles : public ::testing::Test {
protected:
    WriteExitFiles() {
        fs::create_directories(scratch_.path() / "persist");
        fs::create_directories(scratch_.path() / "exits");
        options_.cid = "abc";
        options_.persist_dir = scratch_.file("persist");
        options_.exit_dir = scratch_.file("exits");
    }

    Scratch scratch_;
    Options options_;
    Messages messages_;
};

TEST_F(WriteExitFiles, WritesTheCodeWithoutANewline) {
    EXPECT_TRUE(write_exit_files(options_, 137, messages_));
    EXPECT_EQ(scratch_.text("persist/exit"), "137");
    EXPECT_EQ(scratch_.text("exits/abc"), "137");
    EXPECT_TRUE(write_exit_files(options_, -1, messages_));
    EXPECT_EQ(scratch_.text("persist/exit"), "-1");
    EXPECT_EQ(scratch_.text("exits/abc"), "-1");
}

TEST_F(WriteExitFiles, WritesThePersistentOneFirst) {
    const ct::internal::UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    const int persist = ::inotify_add_watch(inotify.get(), options_.persist_dir.c_str(), IN_MOVED_TO);
    const int exits = ::inotify_add_watch(inotify.get(), options_.exit_dir.c_str(), IN_MOVED_TO);
    EXPECT_TRUE(write_exit_files(options_, 0, messages_));
    std::vector<int> seen;
    alignas(inotify_event) std::array<char, 4096> events{};
    const ssize_t size = ::read(inotify.get(), events.data(), events.size());
    for (ssize_t at = 0; at < size;) {
        inotify_event event{};
        std::memcpy(&event, events.data() + at, sizeof event);
        seen.push_back(event.wd);
        at += static_cast<ssize_t>(sizeof event + event.len);
    }
    EXPECT_EQ(seen, (std::vector<int>{persist, exits}));
}

TEST_F(WriteExitFiles, WritesTheOneIfTheOtherFails) {
    options_.persist_dir = scratch_.file("none");
    ::testing::internal::CaptureStderr();
    EXPECT_FALSE(write_exit_files(options_, 3, messages_));
    EXPECT_NE(::testing::internal::GetCapturedStderr().find(scratch_.file("none")), std::string::npos);
    EXPECT_EQ(scratch_.text("exits/abc"), "3");
    options_.persist_dir = scratch_.file("persist");
    options_.exit_dir = scratch_.file("none");
    EXPECT_FALSE(write_exit_files(options_, 4, messages_));
    EXPECT_EQ(scratch_.text("persist/exit"), "4");
}

TEST_F(WriteExitFiles, NeedsNone) {
    options_.persist_dir.clear();
    options_.exit_dir.clear();
    EXPECT_TRUE(write_exit_files(options_, 0, messages_));
    EXPECT_FALSE(scratch_.has("exits/abc"));
}

} // namespace
} // namespace ctmon
