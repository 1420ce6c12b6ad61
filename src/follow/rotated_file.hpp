// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "base/unique_fd.hpp"

namespace ct::internal {

/// A file that its writer renames to PATH.1 (what has that name to PATH.2, and so on) when it has become large: one of
/// these is open, and which are its neighbours is asked when it matters, as they may be renamed at any time.
///
/// Nobody is trusted who may write to the directory: only regular files are opened, links are not followed, and
/// opening never blocks.
class RotatedFile {
public:
    /// Nothing is open yet. \throws Error if the directory cannot be opened
    explicit RotatedFile(std::string path);

    /// Opens the one that is being written. \returns false if there is none
    bool open_newest();
    /// Opens the one that was written first.
    bool open_oldest();
    /// Whether nothing was written to a newer one yet. If not, the open one is complete.
    [[nodiscard]] bool is_newest() const;
    /// Opens the one that was written next. \returns false if there is none yet
    bool open_next();
    /// Opens the one that was written before.
    bool open_previous();

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] bool is_open() const noexcept { return static_cast<bool>(fd_); }
    [[nodiscard]] struct stat status() const;
    /// At \p offset. \returns the number of bytes; 0 at the end
    [[nodiscard]] std::size_t read(char* to, std::size_t size, std::uint64_t offset) const;
    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] int directory() const noexcept { return directory_.get(); }

private:
    [[nodiscard]] std::string name(unsigned number) const;
    [[nodiscard]] std::optional<struct stat> look(unsigned number) const;
    /// The number of the open file.
    [[nodiscard]] std::optional<unsigned> find() const;
    /// The highest number there is.
    [[nodiscard]] std::optional<unsigned> last() const;
    /// Empty if there is no such file.
    [[nodiscard]] UniqueFd open(unsigned number) const;

    const std::string path_;
    std::string name_;
    UniqueFd directory_;
    UniqueFd fd_;
};

} // namespace ct::internal
