// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/unique_fd.hpp"

namespace ct::internal {

/// A regular file that is only written at its end, by its path.
///
/// Whoever may write to the directory of the file may have put something else there. So the last component is never
/// followed if it is a link, opening never blocks, and nothing but a regular file is written to.
class AppendFile {
public:
    /// \throws Error with Stage::Stdio
    AppendFile(std::string path, mode_t mode);

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    /// What the file has grown to, as far as this object knows.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    void grew(std::size_t bytes) noexcept { size_ += bytes; }
    /// Cuts the last \p bytes off, if nobody else has changed the file.
    void cut(std::size_t bytes) noexcept;

    /// Opens what is at the path now, or makes it. If that fails all stays as it is. \throws Error
    void reopen();
    /// Renames the file to PATH.1, PATH.1 to PATH.2 and so on, \p count of them, and makes a new one; with \p count 0
    /// that takes the place of the present one in one step. If somebody else has renamed it already, only makes a new
    /// one, or opens what is there. \returns 0, or the errno; then writing goes on in the present file
    [[nodiscard]] int rotate(unsigned count) noexcept;
    /// Removes the file if it was made by this object and is empty.
    void abandon() noexcept;

private:
    struct Place {
        UniqueFd directory;
        std::string name;
    };
    [[nodiscard]] Place place() const noexcept;
    /// Whether the entry of the directory is the open file.
    [[nodiscard]] bool is_at(const Place& place) const noexcept;
    void open_at(const Place& place);
    void adopt(UniqueFd fd, std::uint64_t size) noexcept;

    const std::string path_;
    const mode_t mode_;
    UniqueFd fd_;
    std::uint64_t size_ = 0;
    bool made_ = false;
};

} // namespace ct::internal
