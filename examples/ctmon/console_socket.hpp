// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/unique_fd.hpp"
#include "monitor/loop.hpp"

namespace ctmon {

/// Where the runtime sends the master of the container's terminal: a unix socket in the directory for temporary files,
/// which is gone as soon as somebody has connected, or with this object.
class ConsoleSocket {
public:
    /// \param master  what came; none if it was no terminal
    using Handler = std::function<void(ct::internal::UniqueFd master)>;

    /// \throws ct::Error
    ConsoleSocket(std::shared_ptr<ct::internal::Loop> loop, Handler handler);
    ConsoleSocket(const ConsoleSocket&) = delete;
    ConsoleSocket& operator=(const ConsoleSocket&) = delete;
    ~ConsoleSocket();

    /// Takes what has come by now.
    void look();
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    void accept_one();
    void receive();
    void unwatch() noexcept;
    void remove_path() noexcept;

    const std::shared_ptr<ct::internal::Loop> loop_;
    const Handler handler_;
    std::string path_;
    bool bound_ = false;            ///< Nobody has connected yet.
    ct::internal::UniqueFd socket_; ///< Listening, then connected.
    ct::internal::Loop::Id watch_ = 0;
};

} // namespace ctmon
