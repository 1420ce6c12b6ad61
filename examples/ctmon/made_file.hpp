// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "base/unique_fd.hpp"

namespace ctmon {

/// A file that was made in a directory: removed as long as it is the same, and not what somebody else put there.
class MadeFile {
public:
    MadeFile() = default;
    MadeFile(std::shared_ptr<const ct::internal::UniqueFd> directory, std::string name, const struct stat& made)
        : directory_(std::move(directory)), name_(std::move(name)), device_(made.st_dev), inode_(made.st_ino) {}

    void remove() noexcept {
        if (!directory_) return;
        struct stat now {};
        if (::fstatat(directory_->get(), name_.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_dev == device_ &&
            now.st_ino == inode_) {
            (void)::unlinkat(directory_->get(), name_.c_str(), 0); // nothing can be done about it
        }
        directory_.reset();
    }

private:
    std::shared_ptr<const ct::internal::UniqueFd> directory_;
    std::string name_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

} // namespace ctmon
