// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "tool/tool.hpp"

#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include <ct/error.hpp>

namespace ct::internal {
namespace {

TEST(Tool, TellsHowItEndedAndItsLastLine) {
    const ToolResult result = run_tool("/bin/sh", {"sh", "-c", "echo first; echo last >&2; echo; exit 3"});
    EXPECT_EQ(result.status, (ExitStatus{ExitStatus::Kind::Exited, 3, false}));
    EXPECT_EQ(result.last_line(), "last");
    EXPECT_TRUE(run_tool("/bin/sh", {"sh", "-c", "true"}).text.empty());
    EXPECT_EQ(run_tool("/bin/sh", {"sh", "-c", "kill -9 $$"}).status,
              (ExitStatus{ExitStatus::Kind::Signaled, 9, false}));
}

TEST(Tool, HasOnlyItsStreamsAndDefaultSignals) {
    const ToolResult result =
        run_tool("/bin/sh", {"sh", "-c",
                             "for fd in 3 4 5 6 7 8 9; do [ ! -e /proc/$$/fd/$fd ] || exit $fd; done\n"
                             "exec grep -c '^Sig\\(Blk\\|Ign\\):.0000000000000000$' /proc/self/status"});
    EXPECT_TRUE(result.status.success()) << result.status.describe();
    EXPECT_EQ(result.last_line(), "2");
}

TEST(Tool, IsNoChildOfThisProcess) {
    EXPECT_EQ(run_tool("/bin/sh", {"sh", "-c", "[ $PPID -ne 0 ]; echo $PPID"}).status.value, 0);
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(errno, ECHILD);
}

TEST(Tool, IsKilledWithItsOrphansWhenItsTimeIsOver) {
    const auto begin = std::chrono::steady_clock::now();
    Tool tool({.candidates = {"/bin/sh"},
               .argv = {"sh", "-c", "(setsid sleep 1000 & echo $! >&2); trap '' TERM; sleep 1000; exit 0"},
               .environment = {"PATH=/usr/bin:/bin"},
               .new_session = true,
               .time_limit = std::chrono::milliseconds(200)});
    const ToolResult result = tool.result();
    EXPECT_TRUE(result.late);
    EXPECT_EQ(result.status.kind, ExitStatus::Kind::Signaled);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(200));
    const int orphan = std::stoi(result.last_line());
    EXPECT_EQ(::kill(orphan, 0), -1) << "it has gone with its keeper";
}

TEST(Tool, KeepsOnlyTheLastOfMuchOutput) {
    Tool tool({.candidates = {"/nowhere/sh", "/bin/sh"},
               .argv = {"sh", "-c", "head -c 1000000 /dev/zero; printf the-end"},
               .environment = {"PATH=/usr/bin:/bin"}});
    const ToolResult result = tool.result();
    EXPECT_TRUE(result.status.success());
    EXPECT_TRUE(result.text.ends_with(std::string(1000, '\0') + "the-end"));
    EXPECT_LE(result.text.size(), 2048U);
}

TEST(Tool, ThatCannotBeExecutedIsAnError) {
    EXPECT_TRUE(find_tool("no-such-tool").empty());
    EXPECT_EQ(find_tool("sh"), "/usr/bin/sh");
    try {
        (void)run_tool("/etc/passwd", {"passwd"});
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), std::errc::permission_denied);
        EXPECT_EQ(error.path(), "/etc/passwd");
    }
}

} // namespace
} // namespace ct::internal
