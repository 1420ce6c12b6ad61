// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <cstdlib>
#include <fstream>

#include <fcntl.h>
#include <unistd.h>

#include "monitor_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// The monitor called as engines call it, in their order of arguments, descriptors and steps.
class Engines : public MonitorTest {
protected:
    [[nodiscard]] Words podman_create(const std::string& runtime_path, const Words& runtime_args) const {
        Words words{"--api-version", "1", "-c", Cid, "-u", Cid, "-r", runtime_path, "-b", bundle_};
        words.insert(words.end(), {"-p", root_ / "pidfile", "-n", "name", "--exit-dir", exits_, "--persist-dir",
                                   persist_, "--full-attach"});
        for (const std::string& argument : runtime_args) words.insert(words.end(), {"--runtime-arg", argument});
        words.insert(words.end(), {"-l", "k8s-file:" + log_.string(), "--log-level", "debug", "--syslog"});
        words.insert(words.end(), {"--conmon-pidfile", root_ / "monitor.pid", "--exit-command", "/bin/touch",
                                   "--exit-command-arg", root_ / "cleaned"});
        return words;
    }
    [[nodiscard]] Words crio(const std::string& runtime_path, const std::string& state) const {
        return {"-c",
                Cid,
                "-n",
                "name",
                "-r",
                runtime_path,
                "--runtime-arg",
                "--root=" + state,
                "--socket-dir-path",
                sockets_,
                "--log-level",
                "info"};
    }
    [[nodiscard]] Words crio_create(const std::string& runtime_path, const std::string& state) const {
        Words words = crio(runtime_path, state);
        words.insert(words.end(), {"-b", bundle_, "--exit-dir", exits_, "-l", log_, "-P", root_ / "monitor.pid", "-p",
                                   root_ / "pidfile", "--persist-dir", persist_, "--syslog", "-u", Cid,
                                   "--leave-stdin-open", "-i", "--log-size-max", "100000000"});
        return words;
    }
    [[nodiscard]] Words crio_exec(const std::string& runtime_path, const std::string& state, const Words& more) const {
        Words words = crio(runtime_path, state);
        words.insert(words.end(), {"-p", root_ / "exec-pid", "-e", "-l", root_ / "exec-log", "--sync",
                                   "--log-global-size-max", "16777216", "--exec-process-spec", root_ / "process.json"});
        words.insert(words.end(), more.begin(), more.end());
        return words;
    }
};

TEST_F(Engines, PodmanCreatesWithDescriptorsOfItsOwn) {
    container("write 1 hello\\n\nexit 3");
    const UniqueFd port(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    Channel sync = Channel::to_us(PipeKind::SeqPacket);
    Channel start_pipe = Channel::to_it(PipeKind::SeqPacket);
    Launch call{.arguments = podman_create(runtime(), {"--log-format=json", "--log", "--log=" + root_.string()}),
                .fds = {{3, port.get()}}};
    call.add({"--runtime-opt", "--preserve-fds", "--runtime-opt", "1"});
    Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync).with("_OCI_STARTPIPE", start_pipe));
    start_pipe.release();
    EXPECT_EQ(monitor.foreground(), 0);
    EXPECT_EQ(monitor.out(), "");
    const std::string report = sync.line();
    EXPECT_EQ(report, "{\"data\": " + content(root_ / "pidfile") + "}\n");
    EXPECT_EQ(recorded("fd").size(), 4U);
    AttachClient client(bundle_);
    start();
    EXPECT_EQ(client.packet(), "\2hello\n");
    EXPECT_EQ(client.packet(), "");
    EXPECT_EQ(awaited(exits_ / Cid), "3");
    EXPECT_EQ(monitor_ends(), 3);
    EXPECT_TRUE(fs::exists(root_ / "cleaned"));
    EXPECT_EQ(logged(), "hello\n");
}

TEST_F(Engines, CrioCreates) {
    container("save input\nwrite 1 done\\n");
    Channel sync = Channel::to_us(PipeKind::Stream);
    Channel start_pipe = Channel::to_it(PipeKind::Stream);
    Launch call{.arguments = crio_create(runtime(), "/r"), .directory = bundle_};
    Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync).with("_OCI_STARTPIPE", start_pipe));
    start_pipe.release();
    EXPECT_EQ(monitor.foreground(), 0);
    const std::string report = sync.line();
    EXPECT_EQ(report, "{\"pid\": " + content(root_ / "pidfile") + "}\n");
    start();
    {
        // The clients come by the link, and standard input outlives them.
        const AttachClient first(sockets_ / Cid);
        first.send("first ");
    }
    ASSERT_EQ(::kill(container_pid(), 0), 0);
    const AttachClient second(sockets_ / Cid);
    second.send("second");
    EXPECT_EQ(::kill(container_pid(), SIGKILL), 0);
    EXPECT_EQ(monitor_ends(), 137);
    EXPECT_EQ(content(persist_ / "exit"), "137");
    EXPECT_EQ(content(exits_ / Cid), "137");
}

TEST_F(Engines, CrioCreateThatFails) {
    script("runtime", "write 2 words\\n\nexit 1");
    Channel sync = Channel::to_us(PipeKind::Stream);
    Launch call{.arguments = crio_create(runtime(), "/r"), .directory = bundle_};
    (void)launch(call.with("_OCI_SYNCPIPE", sync));
    EXPECT_EQ(sync.line(), "{\"pid\": -1, \"message\": \"words\\n\"}\n");
    EXPECT_EQ(monitor_ends(), 1);
}

TEST_F(Engines, CrioExecutesAndReadsTheLog) {
    script("container", "write 1 out\\nend\nwrite 2 err\\n\nexit 3");
    Channel sync = Channel::to_us(PipeKind::Pipe);
    Launch call{.arguments = crio_exec(runtime(), "/r", {}), .directory = bundle_};
    Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync));
    EXPECT_EQ(monitor.foreground(), 3);
    EXPECT_EQ(sync.line(), "{\"exit_code\": 3}\n");
    EXPECT_EQ(sync.line(), "");
    std::string out;
    for (const LogLine& line : log_lines(root_ / "exec-log")) {
        if (line.stream == "stdout") out += line.content + (line.tag == "F" ? "\n" : "");
    }
    EXPECT_EQ(out, "out\nend");
    EXPECT_TRUE(fs::is_empty(bundle_)) << "nothing to attach to";
}

TEST_F(Engines, CrioExecTimesOut) {
    script("container", "hang");
    Channel sync = Channel::to_us(PipeKind::Pipe);
    Launch call{.arguments = crio_exec(runtime(), "/r", {"-T", "1"})};
    Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync));
    EXPECT_EQ(monitor.foreground(), 255);
    EXPECT_EQ(sync.line(), "{\"exit_code\": -1, \"message\": \"command timed out\"}\n");
}

TEST_F(Engines, CrioExecFails) {
    script("runtime", "write 2 exec failed\nexit 1");
    Channel sync = Channel::to_us(PipeKind::Pipe);
    Launch call{.arguments = crio_exec(runtime(), "/r", {})};
    Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync));
    EXPECT_EQ(monitor.foreground(), 1);
    EXPECT_EQ(sync.line(), "{\"exit_code\": -1, \"message\": \"exec failed\"}\n");
}

/// The same with runc and a container of busybox.
class Runc : public Engines {
protected:
    void SetUp() override {
        if (::access(Path, X_OK) != 0 || ::access(Busybox, X_OK) != 0) GTEST_SKIP() << "needs runc and busybox-static";
        fs::create_directories(bundle_ / "rootfs/proc");
        fs::copy_file(Busybox, bundle_ / "rootfs/busybox");
    }
    void TearDown() override {
        (void)runc("delete --force " + std::string(Cid));
        if (!IsSkipped()) Engines::TearDown();
    }
    static std::string process(const std::string& commands) {
        return R"({"terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/", "env": ["PATH=/"],)"
               R"("args": ["/busybox", "sh", "-c", ")" +
               commands + "\"]}";
    }
    void configure(const std::string& process_json) const {
        std::ofstream(bundle_ / "config.json")
            << R"({"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "process": )" << process_json
            << R"(, "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}], "linux": {)"
            << R"("cgroupsPath": "/libct-test-ctmon-)" << ::getpid()
            << R"(", "namespaces": [{"type": "pid"}, {"type": "mount"}]}})";
    }
    [[nodiscard]] std::string state() const { return root_ / "runc"; }
    [[nodiscard]] int runc(const std::string& words) const {
        return std::system((std::string(Path) + " --root " + state() + " " + words + " >/dev/null 2>&1").c_str());
    }
    static constexpr const char* Path = "/usr/sbin/runc";
    static constexpr const char* Busybox = "/bin/busybox";
};

TEST_F(Runc, RunsAContainerForPodman) {
    configure(process("echo out; echo err >&2; exit 5"));
    const std::string report = report_of(podman_create(Path, {"--root=" + state()}));
    EXPECT_EQ(report, "{\"data\": " + content(root_ / "pidfile") + "}\n");
    ASSERT_EQ(runc("start " + std::string(Cid)), 0);
    EXPECT_EQ(monitor_ends(), 5);
    EXPECT_EQ(logged("stdout"), "out\n");
    EXPECT_EQ(logged("stderr"), "err\n");
    EXPECT_EQ(content(exits_ / Cid), "5");
}

TEST_F(Runc, TellsWhyItFails) {
    configure(R"({"terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["/nonsense"]})");
    Channel sync = Channel::to_us(PipeKind::Stream);
    Launch call{.arguments = crio_create(Path, state()), .directory = bundle_};
    (void)launch(call.with("_OCI_SYNCPIPE", sync));
    EXPECT_THAT(sync.line(), AllOf(StartsWith("{\"pid\": -1, \"message\": \""), HasSubstr("runc create failed")));
    EXPECT_EQ(monitor_ends(), 1);
}

TEST_F(Runc, ExecutesForCrio) {
    configure(process("while :; do /busybox sleep 1; done"));
    Channel sync = Channel::to_us(PipeKind::Stream);
    Launch call{.arguments = crio_create(Path, state()), .directory = bundle_};
    (void)launch(call.with("_OCI_SYNCPIPE", sync));
    ASSERT_THAT(sync.line(), StartsWith("{\"pid\": "));
    ASSERT_EQ(runc("start " + std::string(Cid)), 0);
    std::ofstream(root_ / "process.json") << process("echo inside; exit 3");
    Channel exec_sync = Channel::to_us(PipeKind::Pipe);
    Launch exec_call{.arguments = crio_exec(Path, state(), {})};
    Monitor executor = launch(exec_call.with("_OCI_SYNCPIPE", exec_sync));
    EXPECT_EQ(executor.foreground(), 3);
    EXPECT_EQ(exec_sync.line(), "{\"exit_code\": 3}\n");
    EXPECT_EQ(log_lines(root_ / "exec-log").at(0).content, "inside");
    // A failed one.
    std::ofstream(root_ / "process.json")
        << R"({"terminal": false, "user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["/nonsense"]})";
    fs::remove(root_ / "exec-pid");
    Channel failed_sync = Channel::to_us(PipeKind::Pipe);
    Launch failed_call{.arguments = crio_exec(Path, state(), {})};
    Monitor failed = launch(failed_call.with("_OCI_SYNCPIPE", failed_sync));
    EXPECT_EQ(failed.foreground(), 1);
    EXPECT_THAT(failed_sync.line(), AllOf(StartsWith("{\"exit_code\": -1, "), HasSubstr("exec failed")));
    ASSERT_EQ(runc("kill " + std::string(Cid) + " KILL"), 0);
    EXPECT_EQ(monitor_ends(), 137);
}

} // namespace
} // namespace ct::test
