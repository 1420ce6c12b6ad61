// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "tool/tool.hpp"

#include <sys/wait.h>

#include <cerrno>

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
