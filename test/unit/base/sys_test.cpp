// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "base/sys.hpp"

#include <fcntl.h>
#include <sys/capability.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

/// The error that \p action throws.
Error thrown_by(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    throw std::logic_error("nothing was thrown");
}

bool is_close_on_exec(const UniqueFd& fd) {
    return (::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0;
}

TEST(Sys, ErrorHasTheKernelsCode) {
    const Error error = sys::error(ENOTDIR, Stage::Root, "open", "/a", "why");
    EXPECT_EQ(error.code(), std::error_code(ENOTDIR, std::system_category()));
    EXPECT_STREQ(error.what(), "open '/a': Not a directory; why");
}

TEST(Sys, OpenIsCloseOnExec) {
    EXPECT_TRUE(is_close_on_exec(sys::open("/dev/null", O_RDONLY, Stage::Session)));
}

TEST(Sys, OpenNamesActionAndPath) {
    const Error error = thrown_by([] { (void)sys::open("/dev/null/x", O_RDONLY, Stage::Root, "open the root"); });
    EXPECT_STREQ(error.what(), "open the root '/dev/null/x': Not a directory");
    EXPECT_EQ(error.stage(), Stage::Root);
    EXPECT_EQ(error.path(), "/dev/null/x");
}

TEST(Sys, StaysClearOfTheStandardStreams) {
    const UniqueFd saved = sys::duplicate(0, Stage::Stdio, "duplicate");
    ::close(0);
    const UniqueFd opened = sys::open("/dev/null", O_RDONLY, Stage::Session);
    const sys::Pipe pipe = sys::pipe(Stage::Stdio);
    const bool zero_is_free = ::fcntl(0, F_GETFD) < 0;
    ::dup2(saved.get(), 0);
    EXPECT_TRUE(zero_is_free);
    EXPECT_GT(opened.get(), 2);
    EXPECT_GT(pipe.read.get(), 2);
    EXPECT_GT(pipe.write.get(), 2);
}

TEST(Sys, AboveStdioLeavesOthersAlone) {
    UniqueFd fd = sys::open("/dev/null", O_RDONLY, Stage::Session);
    const int number = fd.get();
    EXPECT_EQ(sys::above_stdio(std::move(fd), Stage::Stdio, "duplicate").get(), number);
}

TEST(Sys, DuplicateIsCloseOnExecAndAboveStdio) {
    const UniqueFd copy = sys::duplicate(0, Stage::Stdio, "duplicate");
    EXPECT_TRUE(is_close_on_exec(copy));
    EXPECT_GT(copy.get(), 2);
    EXPECT_EQ(thrown_by([] { (void)sys::duplicate(-1, Stage::Stdio, "duplicate it"); }).code(),
              std::errc::bad_file_descriptor);
}

TEST(Sys, PipeIsCloseOnExecAndConnected) {
    const sys::Pipe pipe = sys::pipe(Stage::Stdio);
    EXPECT_TRUE(is_close_on_exec(pipe.read));
    EXPECT_TRUE(is_close_on_exec(pipe.write));
    ASSERT_EQ(::write(pipe.write.get(), "x", 1), 1);
    char byte = 0;
    ASSERT_EQ(::read(pipe.read.get(), &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
}

TEST(Sys, WriteFileWritesAllOfIt) {
    std::string path = std::filesystem::temp_directory_path() / "libct-unit-XXXXXX";
    const UniqueFd file(::mkostemp(path.data(), O_CLOEXEC));
    ASSERT_TRUE(file);
    sys::write_file(path, "0 1000 1\n", Stage::IdMap, "write the map to");
    std::ifstream stream(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(stream), {}), "0 1000 1\n");
    std::filesystem::remove(path);
}

TEST(Sys, WriteFileNamesActionPathAndHint) {
    const auto write = [](const std::string& path) {
        return thrown_by([&] { sys::write_file(path, "text", Stage::IdMap, "write the map to", "why"); });
    };
    EXPECT_STREQ(write("/dev/null/x").what(), "write the map to '/dev/null/x': Not a directory; why");
    const Error full = write("/dev/full");
    EXPECT_STREQ(full.what(), "write the map to '/dev/full': No space left on device; why");
    EXPECT_EQ(full.stage(), Stage::IdMap);
}

TEST(Sys, EffectiveCapabilitiesAreThoseOfLibcap) {
    const cap_t own = ::cap_get_proc();
    ASSERT_NE(own, nullptr);
    std::uint64_t expected = 0;
    for (cap_value_t number = 0; number < cap_max_bits(); ++number) {
        cap_flag_value_t value = CAP_CLEAR;
        ::cap_get_flag(own, number, CAP_EFFECTIVE, &value);
        if (value == CAP_SET) expected |= std::uint64_t{1} << number;
    }
    ::cap_free(own);
    EXPECT_EQ(sys::effective_capabilities(), expected);
}

} // namespace
} // namespace ct::internal
