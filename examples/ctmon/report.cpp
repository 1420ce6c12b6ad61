// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "report.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>

#include "base/concat.hpp"
#include "log/format.hpp"

namespace ctmon {

namespace {

/// Clients read into a buffer of this size, from a socket that keeps the bounds of messages.
constexpr std::size_t Limit = 4096;

/// How many bytes the first character of the inside of a JSON string has, or its first escape.
std::size_t unit_size(std::string_view text) {
    const auto first = static_cast<unsigned char>(text.front());
    if (first == '\\') return text[1] == 'u' ? 6 : 2;
    return first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

std::string escaped(std::string_view text, std::size_t most) {
    text = text.substr(0, most + 3); // none of it becomes shorter; the last character that fits is whole
    std::string result(6 * text.size(), '\0');
    result.resize(static_cast<std::size_t>(ct::internal::write_json_text(text, result.data()) - result.data()));
    if (result.size() <= most) return result;
    std::size_t size = 0;
    for (;;) {
        const std::size_t more = unit_size(std::string_view(result).substr(size));
        if (size + more > most) break;
        size += more;
    }
    result.resize(size);
    return result;
}

/// \returns 0, or the error
int write_all(int fd, std::string_view text, std::chrono::milliseconds patience) {
    using Clock = std::chrono::steady_clock;
    const auto deadline = Clock::now() + patience;
    while (!text.empty()) {
        // Also for a blocking descriptor: pipes and sockets that are ready have room for a whole report.
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd room{fd, POLLOUT, 0};
        const int ready = ::poll(&room, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) return ETIMEDOUT;
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (written <= 0) return written < 0 ? errno : EIO;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
}

} // namespace

std::string format_report(std::string_view key, int value, std::string_view message) {
    std::string report = ct::internal::concat("{\"", key, "\": ", value);
    if (!message.empty()) {
        constexpr std::string_view end = "\"}\n";
        report += ", \"message\": \"";
        report += escaped(message, Limit - report.size() - end.size());
        report += '"';
    }
    report += "}\n";
    return report;
}

void ReportPipe::send(std::string_view key, int value, std::string_view message) noexcept {
    if (!fd_) return;
    try {
        if (write_all(fd_.get(), format_report(key, value, message), patience_) != 0) fd_.reset();
    } catch (const std::exception&) { // no memory: a client that reads the end of file knows at least that
        fd_.reset();
    }
}

} // namespace ctmon
