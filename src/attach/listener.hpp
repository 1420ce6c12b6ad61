// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include <ct/attach.hpp>

#include "base/unique_fd.hpp"

namespace ct::internal {

/// A listening unix socket, and its file if that was made for it. Destroying it removes the file if it is still the
/// same one, except in a fork of the host process.
class AttachListener {
public:
    /// \throws Error with Stage::Stdio; nothing is left then
    explicit AttachListener(const AttachServerOptions& options);
    AttachListener(const AttachListener&) = delete;
    AttachListener& operator=(const AttachListener&) = delete;
    ~AttachListener();

    [[nodiscard]] int fd() const noexcept { return socket_.get(); }
    /// Removes the file now. May be called by any thread.
    void close() noexcept;

private:
    void make(const AttachServerOptions& options);
    void take(int fd);
    /// Makes way for a new socket if nobody serves the one that is there.
    void remove_old(const std::string& path, bool even_if_living) const;
    /// Remembers which file it is, and gives it its mode.
    void note_file(const std::string& path, mode_t mode);
    void remove_file() noexcept;

    const pid_t process_ = ::getpid();
    UniqueFd socket_;
    UniqueFd directory_;
    std::string name_;    ///< In there; empty if there is no file.
    struct stat file_ {}; ///< The one that was made.
    std::atomic<bool> removed_{false};
};

} // namespace ct::internal
