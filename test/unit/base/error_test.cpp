// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <ct/error.hpp>

#include <cerrno>
#include <set>
#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ct {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::error_code from_kernel(int number) {
    return {number, std::system_category()};
}

static_assert(std::is_nothrow_copy_constructible_v<Error> && std::is_nothrow_copy_assignable_v<Error>);
static_assert(std::is_base_of_v<std::system_error, Error>);

TEST(Error, SentenceIsActionPathReasonHint) {
    const Error error(from_kernel(EPERM), Stage::Mounts, "mount proc on", "/proc", "a new pid namespace is missing");
    EXPECT_STREQ(error.what(), "mount proc on '/proc': Operation not permitted; a new pid namespace is missing");
    EXPECT_EQ(error.code(), from_kernel(EPERM));
    EXPECT_EQ(error.stage(), Stage::Mounts);
    EXPECT_EQ(error.path(), "/proc");
    EXPECT_EQ(error.hint(), "a new pid namespace is missing");
    EXPECT_THAT(error.violations(), IsEmpty());
}

TEST(Error, SentenceLeavesOutWhatThereIsNot) {
    EXPECT_STREQ(Error(from_kernel(EAGAIN), Stage::Launch, "fork").what(), "fork: Resource temporarily unavailable");
    EXPECT_STREQ(Error(from_kernel(ENOENT), Stage::Root, "open the root", "/srv").what(),
                 "open the root '/srv': No such file or directory");
    EXPECT_STREQ(Error(Errc::InvalidState, Stage::Configure, "start", {}, "it is running").what(),
                 "start: not possible in this state; it is running");
}

TEST(Error, SubjectComesFirstAndTheRestStays) {
    const Error error =
        Error(from_kernel(EPERM), Stage::Mounts, "mount proc on", "/proc", "why").with_subject("box 'a'");
    EXPECT_STREQ(error.what(), "box 'a': mount proc on '/proc': Operation not permitted; why");
    EXPECT_EQ(error.code(), from_kernel(EPERM));
    EXPECT_EQ(error.stage(), Stage::Mounts);
    EXPECT_EQ(error.path(), "/proc");
    EXPECT_EQ(error.hint(), "why");
}

TEST(Error, SubjectDoesNotChangeTheOriginal) {
    const Error error(from_kernel(EPERM), Stage::Launch, "fork");
    (void)error.with_subject("box");
    EXPECT_STREQ(error.what(), "fork: Operation not permitted");
}

TEST(Error, ReportsAllViolationsTogether) {
    const Error error = Error::invalid_config("start", {"argv is empty", "the umask has bits besides 0777"});
    EXPECT_STREQ(error.what(), "start: argv is empty; the umask has bits besides 0777");
    EXPECT_THAT(error.violations(), ElementsAre("argv is empty", "the umask has bits besides 0777"));
    EXPECT_EQ(error.code(), Errc::InvalidConfig);
    EXPECT_EQ(error.stage(), Stage::Configure);
    const Error named = error.with_subject("container 'web'");
    EXPECT_STREQ(named.what(), "container 'web': start: argv is empty; the umask has bits besides 0777");
    EXPECT_EQ(named.violations(), error.violations());
}

TEST(Error, CopyOutlivesTheOriginal) {
    auto original = std::make_unique<Error>(from_kernel(EIO), Stage::Exec, "exec", "/bin/sh", "hint");
    const Error copy = *original;
    Error assigned(from_kernel(EPERM), Stage::Launch, "fork");
    assigned = *original;
    original.reset();
    for (const Error& error : {copy, assigned}) {
        EXPECT_STREQ(error.what(), "exec '/bin/sh': Input/output error; hint");
        EXPECT_EQ(error.code(), from_kernel(EIO));
        EXPECT_EQ(error.stage(), Stage::Exec);
    }
}

TEST(Error, IsCaughtAsStandardException) {
    try {
        throw Error(from_kernel(ENOENT), Stage::Exec, "exec", "/bin/sh");
    } catch (const std::exception& error) {
        EXPECT_STREQ(error.what(), "exec '/bin/sh': No such file or directory");
    }
}

TEST(Error, KernelCodesCompareEqualToErrc) {
    EXPECT_EQ(Error(from_kernel(ENOENT), Stage::Exec, "exec").code(), std::errc::no_such_file_or_directory);
    EXPECT_EQ(Error(from_kernel(EPERM), Stage::Exec, "exec").code(), std::errc::operation_not_permitted);
}

TEST(Errc, ComparesEqualToTheNearestErrc) {
    EXPECT_EQ(make_error_code(Errc::InvalidConfig), std::errc::invalid_argument);
    EXPECT_EQ(make_error_code(Errc::InvalidState), std::errc::operation_not_permitted);
    EXPECT_EQ(make_error_code(Errc::NameInUse), std::errc::file_exists);
    EXPECT_EQ(make_error_code(Errc::ChildDied), std::errc::no_child_process);
    EXPECT_EQ(make_error_code(Errc::Unsupported), std::errc::not_supported);
    EXPECT_EQ(make_error_code(Errc::NotFound), std::errc::no_such_file_or_directory);
    EXPECT_EQ(make_error_code(Errc::BadRecord), std::errc::bad_message);
}

TEST(Errc, IsNeverSuccessAndNotAnErrno) {
    for (const Errc code : {Errc::InvalidConfig, Errc::InvalidState, Errc::NameInUse, Errc::ChildDied,
                            Errc::Unsupported, Errc::NotFound, Errc::BadRecord}) {
        const std::error_code made = code;
        EXPECT_TRUE(made);
        EXPECT_STREQ(made.category().name(), "libct");
        EXPECT_NE(made, from_kernel(made.value()));
        EXPECT_NE(made.message(), "unknown error");
    }
}

TEST(Stage, HasAWordOfItsOwn) {
    std::set<std::string_view> words;
    for (int value = 0; value <= static_cast<int>(Stage::State); ++value) {
        const std::string_view word = to_string(static_cast<Stage>(value));
        EXPECT_NE(word, "unknown") << value;
        EXPECT_TRUE(words.insert(word).second) << word;
        EXPECT_EQ(word.find_first_not_of("abcdefghijklmnopqrstuvwxyz"), std::string_view::npos) << word;
    }
    EXPECT_EQ(to_string(Stage::Configure), "configure");
    EXPECT_EQ(to_string(Stage::IdMap), "idmap");
    EXPECT_EQ(to_string(Stage::Credentials), "credentials");
    EXPECT_EQ(to_string(Stage::Wait), "wait");
}

} // namespace
} // namespace ct
