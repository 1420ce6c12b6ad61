// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ct/process.hpp>

#include "base/unique_fd.hpp"
#include "child/command.hpp"

/// Programs of the host that run beside the host process.
namespace ct::internal {

struct ToolRequest {
    std::vector<std::string> candidates; ///< Paths to try.
    std::vector<std::string> argv;
    std::vector<std::string> environment;
    std::string directory = {}; ///< Default: the host's.
    UniqueFd input = {};        ///< Its standard input; default: /dev/null.
    bool tells_output = true;   ///< Its output belongs to the text, too; else that goes to /dev/null.
    bool new_session = false;
    std::chrono::nanoseconds time_limit{0}; ///< 0 is none.
};

struct ToolResult {
    ExitStatus status;
    bool late = false; ///< It was killed when its time was over, with all that it had started.
    std::string text;  ///< The last that it wrote, at least a KiB if it was as much.

    [[nodiscard]] std::string last_line() const;
};

/// A program under way. It is no child of the host process: neither SIGCHLD nor waitpid(-1) tell of it. Its end is
/// waited for by the destructor.
class Tool {
public:
    /// \throws Error with Stage::Launch if there can be no process for it
    explicit Tool(ToolRequest asked);
    Tool(const Tool&) = delete;
    Tool& operator=(const Tool&) = delete;
    ~Tool();

    /// Readable once it is over.
    [[nodiscard]] int pidfd() const noexcept { return keeper_.get(); }
    /// Blocks until it is over. To be called once. \throws Error with Stage::Launch if it could not be executed
    [[nodiscard]] ToolResult result();

private:
    struct Area;
    void reap() noexcept;

    UniqueFd output_;
    UniqueFd errors_;
    UniqueFd writer_;
    UniqueFd host_;
    std::unique_ptr<Area> area_; ///< The memory that keeper and program use.
    UniqueFd keeper_;            ///< Stays open: another thread may be waiting for it.
    bool reaped_ = false;
};

/// The path of that program in the directories for the system's own programs, or nothing.
[[nodiscard]] std::string find_tool(std::string_view name);

/// Runs \p program and waits for it. \throws Error with Stage::Launch if it cannot be run
[[nodiscard]] ToolResult run_tool(const std::string& program, const std::vector<std::string>& argv);

} // namespace ct::internal
