// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>

#include "options.hpp"

namespace ctmon {

/// What the monitor has to say: to standard error (which is /dev/null in the background) and, if asked for, to the
/// system log. Never fails, never blocks.
class Messages {
public:
    /// What is said before the command line is known.
    Messages() = default;
    explicit Messages(const Options& options, std::string syslog_socket = "/dev/log");

    void error(std::string_view text) const { say(Level::Error, text); }
    void warn(std::string_view text) const { say(Level::Warning, text); }
    void info(std::string_view text) const { say(Level::Info, text); }
    void debug(std::string_view text) const { say(Level::Debug, text); }
    void trace(std::string_view text) const { say(Level::Trace, text); }

private:
    void say(Level level, std::string_view text) const;

    Level level_ = Level::Warning;
    std::string syslog_socket_; ///< Empty: not to the system log.
    std::string ident_;         ///< What the system log shows of the container.
};

} // namespace ctmon
