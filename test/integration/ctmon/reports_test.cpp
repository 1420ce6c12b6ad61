// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

/// What is told by the sync pipe when all goes well, by any kind of descriptor.
class Reports : public MonitorTest, public ::testing::WithParamInterface<PipeKind> {
protected:
    /// A monitor with a sync pipe; \p api_0 leaves the api version out.
    Channel run(Words arguments, const Words& more = {}) const {
        Channel sync = Channel::to_us(GetParam());
        arguments.insert(arguments.end(), more.begin(), more.end());
        Launch call{.arguments = std::move(arguments)};
        (void)launch(call.with("_OCI_SYNCPIPE", sync));
        return sync;
    }
    [[nodiscard]] std::string pid() const { return std::to_string(container_pid()); }
};

TEST_P(Reports, ThePidOfACreatedContainer) {
    Channel sync = run(create());
    std::string report = sync.line();
    EXPECT_EQ(report, "{\"data\": " + pid() + "}\n");
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(sync.line(), "") << "nothing more";
}

TEST_P(Reports, ThePidOfACreatedContainerToOlderEngines) {
    Channel sync = run(without(create(), "--api-version"));
    std::string report = sync.line();
    EXPECT_EQ(report, "{\"pid\": " + pid() + "}\n");
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(sync.line(), "");
}

TEST_P(Reports, ThePidOfARestoredContainer) {
    Channel sync = run(create(), {"--restore", "/checkpoint"});
    std::string report = sync.line();
    EXPECT_EQ(report, "{\"data\": " + pid() + "}\n");
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_P(Reports, ThePidAndTheCodeOfAnExec) {
    container("exit 3");
    Channel sync = run(exec());
    std::string report = sync.line();
    EXPECT_EQ(report, "{\"data\": " + pid() + "}\n");
    EXPECT_FALSE(fs::exists(exits_ / Cid));
    start();
    EXPECT_EQ(sync.line(), "{\"data\": 3}\n");
    // The last word comes after the files.
    EXPECT_EQ(content(exits_ / Cid), "3");
    EXPECT_EQ(content(persist_ / "exit"), "3");
    EXPECT_EQ(monitor_ends(), 3);
    EXPECT_EQ(sync.line(), "");
}

TEST_P(Reports, OnlyTheCodeOfAnExecToOlderEngines) {
    container("signal 9");
    Channel sync = run(without(exec(), "--api-version"));
    start();
    EXPECT_EQ(sync.line(), "{\"exit_code\": 137}\n");
    EXPECT_EQ(monitor_ends(), 137);
    EXPECT_EQ(sync.line(), "");
}

TEST_P(Reports, AnExecThatTakesTooLong) {
    container("hang");
    Channel sync = run(exec(), {"--timeout", "1"});
    std::string report = sync.line();
    EXPECT_EQ(report, "{\"data\": " + pid() + "}\n");
    start();
    EXPECT_EQ(sync.line(), "{\"data\": -1, \"message\": \"command timed out\"}\n");
    EXPECT_EQ(monitor_ends(), 255);
}

TEST_P(Reports, AnExecThatTakesTooLongToOlderEngines) {
    container("hang");
    Channel sync = run(without(exec(), "--api-version"), {"-T", "1"});
    start();
    EXPECT_EQ(sync.line(), "{\"exit_code\": -1, \"message\": \"command timed out\"}\n");
    EXPECT_EQ(monitor_ends(), 255);
}

TEST_P(Reports, AFailureOfTheRuntime) {
    script("runtime", "write 2 no such file\\n\nexit 1");
    for (const auto& [arguments, key] :
         std::vector<std::pair<Words, std::string>>{{create(), "data"},
                                                    {exec(), "data"},
                                                    {without(create(), "--api-version"), "pid"},
                                                    {without(exec(), "--api-version"), "exit_code"}}) {
        fs::remove(root_ / "monitor.pid");
        Channel sync = run(arguments);
        EXPECT_EQ(sync.line(), "{\"" + key + "\": -1, \"message\": \"no such file\\n\"}\n");
        EXPECT_EQ(monitor_ends(), 1);
        EXPECT_EQ(sync.line(), "");
    }
    EXPECT_FALSE(fs::exists(exits_ / Cid));
    EXPECT_FALSE(fs::exists(persist_ / "exit"));
}

TEST_P(Reports, AReaderThatIsGoneDoesNotMatter) {
    container("write 1 still logged\\n\nexit 4");
    Channel sync = Channel::to_us(GetParam());
    Channel start_pipe = Channel::to_it();
    Launch call{.arguments = create()};
    (void)launch(call.with("_OCI_SYNCPIPE", sync).with("_OCI_STARTPIPE", start_pipe));
    sync.close();
    start_pipe.release();
    start();
    EXPECT_EQ(monitor_ends(), 4);
    EXPECT_EQ(content(exits_ / Cid), "4");
    EXPECT_EQ(logged(), "still logged\n");
}

TEST_P(Reports, AttachmentToAnExecComesFirst) {
    container("write 1 seen\\n\nexit 5");
    script("container", "write 1 seen\\n\nexit 5");
    Channel sync = Channel::to_us(GetParam());
    Channel start_pipe = Channel::to_it(GetParam());
    Channel attach = Channel::to_us(GetParam());
    Launch call{.arguments = exec()};
    call.add({"--exec-attach"}).with("_OCI_SYNCPIPE", sync).with("_OCI_STARTPIPE", start_pipe);
    Monitor monitor = launch(call.with("_OCI_ATTACHPIPE", attach));
    start_pipe.release();
    EXPECT_EQ(attach.line(), "{\"data\": 0}\n");
    EXPECT_EQ(monitor.foreground(), 0);
    EXPECT_FALSE(fs::exists(root_ / "call")) << "the runtime waits for the second byte";
    control("1 10 20\n");
    AttachClient client(bundle_);
    start_pipe.release();
    const std::string report = sync.line();
    EXPECT_EQ(report, "{\"data\": " + pid() + "}\n");
    EXPECT_EQ(client.rest_of('\2'), "seen\n");
    EXPECT_EQ(sync.line(), "{\"data\": 5}\n");
    EXPECT_EQ(monitor_ends(), 5);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Reports,
                         ::testing::Values(PipeKind::SeqPacket, PipeKind::Stream, PipeKind::Pipe, PipeKind::Fifo));

} // namespace
} // namespace ct::test
