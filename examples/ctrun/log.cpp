// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log.hpp"

#include <poll.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

namespace ctrun {

std::optional<ct::LogTarget> parse_log(const std::string& text) {
    if (text == "journald") return ct::Journald{};
    if (text == "syslog") return ct::Syslog{};
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) return std::nullopt;
    const std::string driver = text.substr(0, colon);
    ct::LogFile file;
    if (driver == "json-file") {
        file.format = ct::LogFormat::Json;
    } else if (driver == "plain") {
        file.format = ct::LogFormat::Plain;
    } else if (driver != "k8s-file") {
        return std::nullopt;
    }
    file.path = std::filesystem::absolute(text.substr(colon + 1)).lexically_normal();
    return file;
}

int run_logged(ct::Session& session, ct::Container& container, const ct::ProcessSpec& spec, const Signals& signals) {
    const ct::Process init = container.start(spec);
    while (!container.try_wait()) {
        std::array<pollfd, 3> fds{{{.fd = session.fd(), .events = POLLIN, .revents = 0},
                                   {.fd = signals.fd(), .events = POLLIN, .revents = 0},
                                   {.fd = init.pidfd(), .events = POLLIN, .revents = 0}}};
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR)
            throw std::system_error(errno, std::system_category(), "poll");
        while (const auto info = signals.next()) init.signal(static_cast<int>(info->ssi_signo));
        session.dispatch();
        if (init.try_wait()) container.wait(); // what is left to be written, and hooks
    }
    return init.wait().shell_code();
}

} // namespace ctrun
