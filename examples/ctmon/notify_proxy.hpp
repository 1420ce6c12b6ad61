// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "messages.hpp"
#include "monitor/loop.hpp"

namespace ctmon {

/// The lines of a notification that may go on to the host, joined; empty if none may.
[[nodiscard]] std::string allowed_notifications(std::string_view datagram);

/// Passes notifications of the container (sd_notify(3)) on to the socket of the host's service manager:
/// `<bundle>/notify/notify.sock`. File descriptors that are sent along go nowhere.
class NotifyProxy {
public:
    /// \param host_socket  a path of up to 107 bytes, or an abstract address that begins with '@'
    /// \throws ct::Error
    NotifyProxy(const std::string& bundle, const std::string& host_socket, std::shared_ptr<ct::internal::Loop> loop,
                const Messages& messages);
    NotifyProxy(const NotifyProxy&) = delete;
    NotifyProxy& operator=(const NotifyProxy&) = delete;
    ~NotifyProxy();

    /// The container was not created: removes the socket.
    void remove() noexcept;
    /// Passes on what is waiting; for the end.
    void drain() noexcept;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

} // namespace ctmon
