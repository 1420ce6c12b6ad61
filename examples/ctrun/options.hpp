// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>

#include <ct/ct.hpp>

/// The command line.
namespace ctrun {

/// What `run` and `exec` have in common.
struct ProcessOptions {
    ct::ProcessSpec spec;
    bool terminal = false;
    std::optional<std::chrono::milliseconds> timeout;
};

struct RunCommand {
    std::string name; ///< Empty: to be generated.
    ct::Spec spec;
    ProcessOptions process;
};

struct ExecCommand {
    std::string name;
    ProcessOptions process;
};

struct MountCommand {
    std::string name;
    ct::Mount mount;
};

struct UnmountCommand {
    std::string name;
    std::string target;
};

struct ListCommand {};

/// The user asked for help, and this is it.
struct HelpCommand {
    std::string text;
};

using Command = std::variant<RunCommand, ExecCommand, MountCommand, UnmountCommand, ListCommand, HelpCommand>;

/// \throws std::runtime_error with what is wrong with the command line.
Command parse_command_line(int argc, const char* const* argv);

} // namespace ctrun
