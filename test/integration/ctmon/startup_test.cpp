// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor_fixture.hpp"

namespace ct::test {
namespace {

class Startup : public MonitorTest {};

TEST_F(Startup, RunsAContainerFromCreateToExit) {
    container("write 1 hello\\n\nexit 3");
    const std::string report = report_of(create());
    EXPECT_EQ(report, "{\"data\": " + std::to_string(container_pid()) + "}\n");
    start();
    EXPECT_EQ(monitor_ends(), 3);
    EXPECT_EQ(content(exits_ / Cid), "3");
    EXPECT_EQ(content(persist_ / "exit"), "3");
    EXPECT_EQ(logged(), "hello\n");
}

} // namespace
} // namespace ct::test
