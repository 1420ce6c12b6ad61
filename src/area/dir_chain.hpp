// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include <ct/error.hpp>

#include "base/unique_fd.hpp"

namespace ct::internal {

/// Which file it is, whatever its name.
struct FileIdentity {
    dev_t device = 0;
    ino_t inode = 0;
    auto operator<=>(const FileIdentity&) const = default;
};

[[nodiscard]] inline FileIdentity identity_of(const struct stat& status) {
    return {status.st_dev, status.st_ino};
}

/// A way down into a directory tree that somebody may be changing, one name at a time. It never follows a symbolic
/// link or crosses into another mount, holds a single descriptor however deep it is, and goes up only to where it came
/// from. Names of files are single components throughout.
class DirChain {
public:
    /// \param top  a directory, perhaps opened by O_PATH
    /// \param shown  its name in errors
    /// \throws Error with Stage::Root, as all functions here
    DirChain(int top, std::string shown);

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] std::size_t depth() const noexcept { return above_.size(); }
    [[nodiscard]] FileIdentity identity() const;
    /// \returns false, and stays, if \p name is no directory, or not there
    [[nodiscard]] bool try_enter(const std::string& name);
    /// \throws Error with EAGAIN if it is not where it was any more
    void leave();

    /// The names in the present directory, in order.
    [[nodiscard]] std::vector<std::string> names() const;
    /// \returns false if \p name is not there
    [[nodiscard]] bool look(const std::string& name, struct stat& ret_status) const;
    /// By O_PATH: nothing of it is touched. Empty if it is not there.
    [[nodiscard]] UniqueFd find(const std::string& name) const;

    /// Where \p name is, for errors; or the present directory.
    [[nodiscard]] std::string path_of(std::string_view name = {}) const;
    /// An error about it, with errno.
    [[nodiscard]] Error error(std::string_view action, std::string_view name = {}) const;

private:
    struct Level {
        FileIdentity directory;
        std::size_t shown; ///< Length of `shown_` there.
    };

    UniqueFd fd_;
    std::string shown_;
    std::vector<Level> above_;
};

/// The path by which /proc knows a descriptor.
[[nodiscard]] std::string proc_path(int fd);

/// Removes everything in the directory \p top, but not itself. \throws Error at what cannot be removed
void remove_contents(int top, const std::string& shown);

} // namespace ct::internal
