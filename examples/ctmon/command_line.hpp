// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "options.hpp"

namespace ctmon {

/// What stands on a command line, before any check of what it means together.
struct CommandLine : Options {
    bool help = false;
    bool version = false;
    bool exec = false;
    std::optional<std::string> checkpoint; ///< --restore, which may be empty.
    std::string level = "warning";
    std::vector<std::string> log_paths;
    std::vector<std::string> labels;
    std::string ignored; ///< The value of an option that once was.
};

/// The grammar of GLib's option parser: clients rely on it. Ends early at a request for help, which is then all that
/// counts.
/// \throws Refused for an option that is unknown, or has no value or a wrong one
[[nodiscard]] CommandLine read_command_line(const std::vector<std::string>& arguments);

/// The text of --help.
[[nodiscard]] std::string usage();

} // namespace ctmon
