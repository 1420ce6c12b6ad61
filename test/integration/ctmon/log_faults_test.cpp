// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fstream>

#include "monitor_fixture.hpp"
#include "private_mounts.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

/// A file system of 256 KiB for the log.
class FullDisk : public MonitorTest {
protected:
    void SetUp() override {
        PrivateMounts::add_tmpfs(root_ / "small", "size=256k");
        log_ = root_ / "small" / "log";
        make_fifo("go");
    }
    /// All but this many pages are taken.
    void fill_up_to(std::size_t pages) const {
        std::ofstream(filler()) << std::string((64 - pages) * 4096, 'x') << std::flush;
    }
    [[nodiscard]] fs::path filler() const { return root_ / "small" / "filler"; }

private:
    PrivateMounts mounts_;
};

TEST_F(FullDisk, DoesNotStopTheContainer) {
    container("lines 1 20000 100\nlines 2 20000 100\nexit 3");
    EXPECT_EQ(completes(create()), 3);
    EXPECT_EQ(content(exits_ / Cid), "3");
    EXPECT_EQ(content(persist_ / "exit"), "3");
}

TEST_F(FullDisk, TearsNoLine) {
    container("lines 1 20000 100");
    EXPECT_EQ(completes(create()), 0);
    int next = 0;
    for (const LogLine& line : log_lines()) {
        ASSERT_EQ(line.content.size(), 100U);
        ASSERT_EQ(std::stoi(line.content), next++);
    }
    EXPECT_GT(next, 1000);
    EXPECT_TRUE(content(log_).ends_with("\n"));
}

TEST_F(FullDisk, IsWrittenToAgainOnceThereIsRoom) {
    // All of it has room later.
    container("lines 1 1000 100\nfile written x\nwait go\nwrite 1 after\\n");
    fill_up_to(8);
    const std::string report = report_of(create());
    start();
    (void)awaited(root_ / "written");
    fs::remove(filler());
    open_fifo("go");
    EXPECT_EQ(monitor_ends(), 0);
    const std::vector<LogLine> all = log_lines();
    ASSERT_FALSE(all.empty());
    EXPECT_EQ(all.back().content, "after");
}

TEST_F(FullDisk, DoesNotKeepOutputFromClients) {
    container("lines 1 20000 100");
    const std::string report = report_of(create());
    AttachClient client(bundle_);
    start();
    EXPECT_EQ(client.rest_of('\2').size(), 20000U * 101);
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(FullDisk, OfTheBundleIsAFailureOfTheStartOrNothing) {
    // Fifos and sockets need no room, so the monitor starts; the runtime's pid file does.
    fs::create_directory(root_ / "small" / "bundle");
    fill_up_to(0);
    Words arguments = without(without(create("none"), "-b"), "-p");
    arguments.insert(arguments.end(), {"-b", root_ / "small/bundle", "-p", root_ / "small/pidfile"});
    EXPECT_THAT(report_of(arguments), ::testing::StartsWith("{\"data\": -1"));
    EXPECT_EQ(monitor_ends(), 1);
    kill_children();
}

} // namespace
} // namespace ct::test
