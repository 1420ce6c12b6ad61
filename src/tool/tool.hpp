// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <ct/process.hpp>

/// Small programs of the host that do what the host process may not.
namespace ct::internal {

struct ToolResult {
    ExitStatus status;
    std::string output; ///< The last line that it wrote to its standard output or error.
};

/// The path of that program in the directories for the system's own programs, or nothing.
[[nodiscard]] std::string find_tool(std::string_view name);

/// Runs \p program and waits for it. It is no child of the host process: neither SIGCHLD nor waitpid(-1) tell of it.
/// \throws Error with Stage::Launch if it cannot be run
[[nodiscard]] ToolResult run_tool(const std::string& program, const std::vector<std::string>& argv);

} // namespace ct::internal
