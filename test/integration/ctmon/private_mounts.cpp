// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "private_mounts.hpp"

#include <cerrno>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

namespace ct::test {
namespace {

void check(int result, const std::string& what) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), what);
}

} // namespace

PrivateMounts::PrivateMounts() : before_(::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC)) {
    check(before_.get(), "mount namespace");
    check(::unshare(CLONE_NEWNS), "unshare");
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "private mounts");
}

PrivateMounts::~PrivateMounts() {
    (void)::setns(before_.get(), CLONE_NEWNS); // as it was opened
}

void PrivateMounts::add_tmpfs(const std::filesystem::path& directory, const char* options) {
    std::filesystem::create_directories(directory);
    check(::mount("libct-test", directory.c_str(), "tmpfs", 0, options), directory);
}

} // namespace ct::test
