// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Engines that die, runtimes that misbehave, disks that are full: the container never notices.
#include "attached_fixture.hpp"

#include <algorithm>
#include <csignal>
#include <fstream>

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class Faults : public AttachedTest {
protected:
    /// The names in the bundle: a container that was not created leaves nothing there.
    [[nodiscard]] Words left() const {
        Words names;
        for (const auto& entry : fs::directory_iterator(bundle_)) names.push_back(entry.path().filename());
        return names;
    }
    /// Starts the container, which writes, and expects that all is as if nothing had been.
    void expect_whole_life() const {
        start();
        EXPECT_EQ(monitor_ends(), 3);
        EXPECT_EQ(content(exits_ / Cid), "3");
        EXPECT_EQ(content(persist_ / "exit"), "3");
        EXPECT_EQ(logged(), numbered_lines(5000, 40));
    }
    static constexpr const char* Life = "lines 1 5000 40\nexit 3\n";
};

TEST_F(Faults, AnEngineThatDiesBeforeItLetsTheMonitorGo) {
    container(Life);
    Channel sync = Channel::to_us();
    Channel gate = Channel::to_it();
    Monitor monitor = launch(call(create()).with("_OCI_SYNCPIPE", sync).with("_OCI_STARTPIPE", gate));
    sync.close();
    gate.close();
    EXPECT_EQ(monitor.foreground(), 0);
    (void)recorded("pid");
    expect_whole_life();
}

TEST_F(Faults, AnEngineThatDiesBeforeTheReport) {
    script("runtime", "wait go\nrecord call\ncontainer\npidfile\n");
    make_fifo("go");
    container(Life);
    Channel sync = Channel::to_us();
    Monitor monitor = launch(call(create()).with("_OCI_SYNCPIPE", sync));
    EXPECT_EQ(monitor.foreground(), 0);
    sync.close();
    open_fifo("go");
    expect_whole_life();
}

TEST_F(Faults, AnEngineThatDiesBeforeTheReportOnAPipe) {
    script("runtime", "wait go\nrecord call\ncontainer\npidfile\n");
    make_fifo("go");
    container(Life);
    Channel sync = Channel::to_us(PipeKind::Pipe); // SIGPIPE
    Monitor monitor = launch(call(create()).with("_OCI_SYNCPIPE", sync));
    EXPECT_EQ(monitor.foreground(), 0);
    sync.close();
    open_fifo("go");
    expect_whole_life();
}

TEST_F(Faults, AnEngineThatDiesAfterTheReport) {
    container(Life);
    begin(create()); // closes the sync pipe
    expect_whole_life();
}

TEST_F(Faults, AnEngineThatDiesBeforeAnExecIsAttached) {
    script("container", Life);
    Channel sync = Channel::to_us();
    Channel gate = Channel::to_it();
    Channel attached = Channel::to_us();
    Launch words = call(exec() + Words{"--exec-attach"});
    words.with("_OCI_SYNCPIPE", sync).with("_OCI_ATTACHPIPE", attached).with("_OCI_STARTPIPE", gate);
    Monitor monitor = launch(words);
    gate.release();
    EXPECT_EQ(attached.line(), "{\"data\": 0}\n");
    for (Channel* channel : {&sync, &gate, &attached}) channel->close();
    EXPECT_EQ(monitor.foreground(), 0);
    EXPECT_EQ(awaited(exits_ / Cid), "3");
    EXPECT_EQ(monitor_ends(), 3);
    EXPECT_EQ(logged(), numbered_lines(5000, 40));
}

TEST_F(Faults, AnEngineThatDiesWhileAnExecRuns) {
    container(Life);
    begin(exec());
    {
        const AttachClient client = attach();
        client.send("typed");
    }
    expect_whole_life();
}

TEST_F(Faults, AForegroundProcessThatIsKilledTakesNothingWithIt) {
    container(Life);
    Channel gate = Channel::to_it();
    Monitor monitor = launch(call(create()).with("_OCI_STARTPIPE", gate));
    ::kill(monitor.pid(), SIGKILL);
    EXPECT_EQ(monitor.foreground(), 137);
    EXPECT_FALSE(fs::exists(root_ / "call")) << "nothing runs before the engine has allowed it";
    EXPECT_EQ(left(), Words{});
}

TEST_F(Faults, ARuntimeThatIsKilled) {
    script("runtime", "signal 9\n");
    EXPECT_TRUE(contains(report_of(create()), "{\"data\": -1"));
    EXPECT_EQ(monitor_ends(), 1);
    EXPECT_EQ(left(), Words{});
    EXPECT_FALSE(fs::exists(exits_ / Cid));
}

TEST_F(Faults, ARuntimeThatHangsIsEndedThroughTheMonitor) {
    script("runtime", "record call\nhang\n");
    Channel sync = Channel::to_us();
    Monitor monitor = launch(call(create()).with("_OCI_SYNCPIPE", sync));
    const pid_t runtime = std::stoi(recorded_one("pid"));
    AttachClient client(bundle_);
    control("1 24 80\n"); // all is served meanwhile
    ::kill(monitor_pid(), SIGTERM);
    EXPECT_TRUE(contains(sync.line(), "{\"data\": -1"));
    EXPECT_EQ(client.packet(), "");
    EXPECT_EQ(monitor_ends(), 1);
    EXPECT_FALSE(alive(runtime));
    EXPECT_EQ(left(), Words{});
}

TEST_F(Faults, ARuntimeDiesWithItsMonitor) {
    script("runtime", "record call\nhang\n");
    Channel sync = Channel::to_us();
    Monitor monitor = launch(call(create()).with("_OCI_SYNCPIPE", sync));
    const pid_t runtime = std::stoi(recorded_one("pid"));
    ::kill(monitor_pid(), SIGKILL);
    EXPECT_EQ(monitor_ends(), 137);
    EXPECT_EQ(Monitor::ended(runtime), 137);
    EXPECT_EQ(sync.line(), "") << "the engine sees the end";
    fs::remove(bundle_ / "attach");
}

TEST_F(Faults, ARuntimeThatFillsStandardErrorAndFails) {
    script("runtime", "fill 2 1000000\nexit 1\n");
    const std::string report = report_of(create());
    EXPECT_TRUE(report.starts_with("{\"data\": -1, \"message\": \"xxxx"));
    EXPECT_LE(report.size(), 4096U);
    EXPECT_EQ(monitor_ends(), 1);
}

TEST_F(Faults, ARuntimeThatFillsStandardErrorAndSucceeds) {
    script("runtime", "fill 2 1000000\ncontainer\npidfile\n");
    container("exit 3\n");
    begin(create("none"));
    start();
    EXPECT_EQ(monitor_ends(), 3);
}

TEST_F(Faults, ARuntimeWithoutPidFile) {
    script("runtime", "exit 0\n");
    EXPECT_TRUE(contains(report_of(create()), "{\"data\": -1"));
    EXPECT_EQ(monitor_ends(), 1);
    EXPECT_EQ(left(), Words{});
}

TEST_F(Faults, ARuntimeWithNonsenseInThePidFile) {
    for (const char* text : {"", "text", "-1", "0", "99999999999999999999"}) {
        fs::remove(root_ / "monitor.pid");
        script("runtime", "pidfile " + std::string(text) + "\\n\n");
        EXPECT_TRUE(contains(report_of(create()), "{\"data\": -1")) << text;
        EXPECT_EQ(monitor_ends(), 1);
    }
}

TEST_F(Faults, ARuntimeThatIsNoneOrNoProgram) {
    std::ofstream(root_ / "text") << "no program";
    fs::permissions(root_ / "text", fs::perms::owner_all);
    Words words = create();
    *std::next(std::find(words.begin(), words.end(), "-r")) = root_ / "text";
    EXPECT_TRUE(contains(report_of(words), "{\"data\": -1"));
    EXPECT_EQ(monitor_ends(), 1);
    EXPECT_EQ(left(), Words{});
}

TEST_F(Faults, ARuntimeThatLeavesAProcessWithItsStandardErrorIsToldAtOnce) {
    script("runtime", "spawn child\nwrite 2 bad luck\nexit 1\n");
    script("child", "record spawned\nhang\n");
    EXPECT_EQ(report_of(create()), "{\"data\": -1, \"message\": \"bad luck\"}\n");
    ::kill(std::stoi(recorded_one("pid", "spawned")), SIGKILL);
    EXPECT_EQ(monitor_ends(), 1);
}

TEST_F(Faults, AContainerThatEndsBeforeTheRuntime) {
    script("runtime", "container\npidfile\nfile made yes\nwait go\n");
    make_fifo("go");
    script("container", "write 1 short\nexit 3\n");
    Channel sync = Channel::to_us();
    Monitor monitor = launch(call(create()).with("_OCI_SYNCPIPE", sync));
    (void)awaited(root_ / "made");
    EXPECT_TRUE(await([&] { return !alive(container_pid()); }));
    open_fifo("go");
    const std::string report = sync.line();
    EXPECT_EQ(report, "{\"data\": " + std::to_string(container_pid()) + "}\n");
    EXPECT_EQ(monitor_ends(), 3);
    EXPECT_EQ(content(exits_ / Cid), "3");
    EXPECT_EQ(logged(), "short");
}

TEST_F(Faults, AJournalThatIsNotThere) {
    container(Life);
    begin(create("journald") + Words{"-l", "k8s-file:" + log_.string()});
    expect_whole_life();
}

TEST_F(Faults, AFullDiskUnderLogAndExitFiles) {
    const fs::path disk = root_ / "disk";
    fs::create_directory(disk);
    EXPECT_TRUE(passes_in_child([&] {
        ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
        ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=16k"), 0);
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        container("lines 1 20000 99\nfile written yes\nwait more\nwrite 1 end\nexit 3\n");
        make_fifo("more");
        Words words = create("k8s-file:" + (disk / "log").string()) + Words{"--exit-dir", disk};
        begin(words);
        AttachClient client = attach();
        start();
        EXPECT_EQ(awaited(root_ / "written"), "yes");
        open_fifo("more");
        EXPECT_TRUE(client.rest_of('\2') == numbered_lines(20000, 99) + "end") << "clients get it all the same";
        EXPECT_EQ(awaited(persist_ / "exit"), "3") << "the directory that is not on the full disk";
        (void)monitor_ends();
        EXPECT_FALSE(fs::exists(bundle_ / "attach"));
        for (const auto& entry : fs::directory_iterator(disk)) {
            EXPECT_THAT(entry.path().filename(), ::testing::AnyOf("log", Cid)) << "a draft is left";
        }
    }));
}

TEST_F(Faults, AFullDiskUnderTheBundle) {
    EXPECT_TRUE(passes_in_child([&] {
        ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
        ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
        ASSERT_EQ(::mount("tmpfs", bundle_.c_str(), "tmpfs", 0, "size=16k"), 0);
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        container("lines 1 100000 99\nfile written yes\nexit 3\n");
        begin(create("none"));
        AttachClient slow = attach(); // what waits for it has no room: it loses its place
        start();
        EXPECT_EQ(awaited(root_ / "written"), "yes");
        EXPECT_EQ(monitor_ends(), 3);
        EXPECT_EQ(content(exits_ / Cid), "3");
        const std::string all = slow.rest_of('\2');
        EXPECT_TRUE(numbered_lines(100000, 99).starts_with(all)) << "with nothing left out before";
    }));
}

} // namespace
} // namespace ct::test
