// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "messages.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <exception>
#include <utility>

#include "base/concat.hpp"
#include "log/datagram_sink.hpp"

namespace ctmon {

namespace {

using ct::internal::concat;

struct Words {
    char letter;
    std::string_view syslog;
};
constexpr std::array<Words, 5> WordsOf{
    {{'e', "error"}, {'w', "nwarn"}, {'i', "ninfo"}, {'d', "ndebug"}, {'d', "ntrace"}}};

/// Not more than a pipe takes at once: whoever reads it may be slow, and the monitor has a container to serve.
void to_stderr(std::string line) {
    if (line.size() > PIPE_BUF) line.replace(PIPE_BUF - 1, std::string::npos, "\n");
    pollfd stream{STDERR_FILENO, POLLOUT, 0};
    // POLLERR, too, means that nobody will read: no SIGPIPE then.
    if (::poll(&stream, 1, 0) != 1 || stream.revents != POLLOUT) return;
    (void)!::write(STDERR_FILENO, line.data(), line.size()); // there is nowhere to tell of a failure
}

} // namespace

Messages::Messages(const Options& options, std::string syslog_socket) : level_(options.log_level) {
    constexpr std::size_t longest = 20;
    if (!options.syslog) return;
    syslog_socket_ = std::move(syslog_socket);
    ident_ = options.log_tag.empty() ? options.cid : concat(options.cid, ": ", options.log_tag);
    ident_.resize(std::min(ident_.size(), longest));
}

void Messages::say(Level level, std::string_view text) const try {
    if (level > level_) return;
    const Words& words = WordsOf.at(static_cast<std::size_t>(level));
    to_stderr(concat("[conmon:", words.letter, "]: ", text, '\n'));
    if (syslog_socket_.empty()) return;
    // Connected anew each time: a system log that was restarted is found again, and no descriptor is kept.
    ct::internal::SyslogSink sink({}, {.tag = "conmon", .socket = syslog_socket_});
    const std::string line = concat("conmon ", ident_, " <", words.syslog, ">: ", text);
    const std::array records{ct::LogRecord{
        .stream = level == Level::Error ? ct::Stream::Error : ct::Stream::Output, // LOG_ERR or LOG_INFO
        .time = std::chrono::system_clock::now(),
        .bytes = line,
    }};
    sink.write(records);
} catch (const std::exception&) { // no memory, or no system log
}

} // namespace ctmon
