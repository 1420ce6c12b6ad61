// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <sys/types.h>

#include "base/unique_fd.hpp"
#include "support/fixture.hpp"
#include "support/subreaper.hpp"

namespace ct::test {

using Words = std::vector<std::string>;
using internal::UniqueFd;

/// The monitor that is tested.
[[nodiscard]] std::string program_under_test();

/// How engines make the descriptors that they hand to the monitor.
enum class PipeKind { SeqPacket, Stream, Pipe, Fifo };

/// One of _OCI_SYNCPIPE, _OCI_STARTPIPE and _OCI_ATTACHPIPE.
struct Channel {
    UniqueFd ours;
    UniqueFd theirs;

    /// For what the monitor writes.
    static Channel to_us(PipeKind kind = PipeKind::SeqPacket);
    /// For what the monitor reads.
    static Channel to_it(PipeKind kind = PipeKind::SeqPacket);
    /// The next line, as podman reads it: in packets of at most 4096 bytes. Empty: the end.
    std::string line();
    /// Lets the monitor go on.
    void release() const;
    void close() { ours.reset(); }

    std::string rest; ///< What came after the last line.
};

/// A call of the monitor.
struct Launch {
    Words arguments = {};
    Words environment = {};                    ///< As "NAME=value", besides PATH and CT_FAKE.
    std::string directory = {};                ///< Where it runs; empty: in the test's.
    std::vector<std::pair<int, int>> fds = {}; ///< Its number, ours.
    int in = -1;                               ///< Standard streams; -1: /dev/null, and what is written is kept.
    int out = -1;
    int err = -1;

    Launch& add(const Words& more);
    /// Hands over the other end of \p channel, and closes it here once the monitor runs.
    Launch& with(const char* variable, Channel& channel);

    std::vector<std::pair<std::string, Channel*>> channels = {}; ///< Added by with().
};

/// A called monitor: its process in the foreground, and the one that it leaves.
class Monitor {
public:
    explicit Monitor(Launch launch, const std::filesystem::path& root);
    /// How the foreground process ended, as a shell tells it: 128 + N for a signal.
    int foreground();
    /// What was written to standard output and error, up to their end: which comes only when all have closed them.
    std::string out();
    std::string err();
    /// How the process \p pid ended that the foreground one left, which is a child of the test by now.
    static int ended(pid_t pid);
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    pid_t pid_ = -1;
    std::optional<int> status_;
    UniqueFd out_;
    UniqueFd err_;
};

/// These arguments without an option and its value.
[[nodiscard]] Words without(Words arguments, const std::string& option);

/// One client of an attach socket.
class AttachClient {
public:
    /// \param directory  the bundle, or the link to it; any length
    explicit AttachClient(const std::filesystem::path& directory);
    void send(std::string_view text) const;
    /// Half-closes, as podman does when its standard input ends.
    void end_input() const;
    /// The next packet, with its first byte; empty: the end.
    std::string packet();
    /// All that comes for a stream ('\2', '\3'), up to the end.
    std::string rest_of(char stream);
    [[nodiscard]] int fd() const { return fd_.get(); }

private:
    UniqueFd fd_;
};

/// A line of a k8s-file log.
struct LogLine {
    std::string time;
    std::string stream;
    std::string tag;
    std::string content;
};

/// Each test has a directory with a bundle, calls monitors on the fake runtime (fake_runtime.c), and must have ended
/// all processes that it made.
class MonitorTest : public ::testing::Test {
protected:
    static constexpr const char* Cid = "0123456789abcdef0123456789abcdef";

    MonitorTest();
    ~MonitorTest() override;
    void TearDown() override;

    /// What `--runtime` names.
    static std::string runtime();

    /// Writes a script for the fake runtime.
    void script(const std::string& name, std::string_view commands) const;
    /// What the container does once it was started.
    void container(std::string_view commands) const { script("container", "wait start\n" + std::string(commands)); }
    /// Does what the engine's "start" does.
    void start() const { open_fifo("start"); }
    /// Releases `wait NAME`. \throws std::runtime_error if nobody waits there
    void open_fifo(const std::string& name) const;
    /// Makes a fifo for `wait NAME`.
    void make_fifo(const std::string& name) const;

    /// The arguments of `create` as podman gives them, with the log, exit directories and pid files of the test.
    /// \param log  for `-l`; empty: a k8s-file that is log_
    [[nodiscard]] Words create(const std::string& log = {}) const;
    /// The same for `exec`, without an attach handshake.
    [[nodiscard]] Words exec() const;
    [[nodiscard]] Monitor launch(Launch call) const { return Monitor(std::move(call), root_); }
    /// Launches with a sync pipe only. \return the first report
    std::string report_of(const Words& arguments, PipeKind kind = PipeKind::SeqPacket);

    /// Launches, starts the container and waits for the monitor. \return the monitor's exit status
    int completes(const Words& arguments);

    /// The pid of the monitor that went to the background.
    [[nodiscard]] pid_t monitor_pid() const;
    [[nodiscard]] pid_t container_pid() const;
    /// Waits for the monitor in the background, gives its exit status.
    [[nodiscard]] int monitor_ends() const { return Monitor::ended(monitor_pid()); }
    /// Waits until the file exists, gives what is in it.
    [[nodiscard]] std::string awaited(const std::filesystem::path& path) const;
    /// The values of what the fake runtime has recorded: "argv", "env", "fd", "ppid", ...
    [[nodiscard]] Words recorded(const std::string& key, const std::string& file = "call") const;
    [[nodiscard]] std::string recorded_one(const std::string& key, const std::string& file = "call") const;

    [[nodiscard]] std::vector<LogLine> log_lines() const { return log_lines(log_); }
    [[nodiscard]] static std::vector<LogLine> log_lines(const std::filesystem::path& path);
    /// What a stream wrote, put together from the lines of the log.
    [[nodiscard]] std::string logged(const std::string& stream = "stdout") const;
    /// Sends a line to a fifo of the bundle, as `ctl`.
    void control(std::string_view line, const std::string& fifo = "ctl") const;

    /// Opens a fifo as soon as somebody reads from it.
    [[nodiscard]] static UniqueFd open_writer(const std::filesystem::path& fifo);

    /// Kills what is left; for tests that leave something on purpose.
    static void kill_children();

    std::filesystem::path root_;
    std::filesystem::path bundle_ = "bundle"; ///< All are absolute.
    std::filesystem::path exits_ = "exits";
    std::filesystem::path persist_ = "persist";
    std::filesystem::path sockets_ = "sockets";
    std::filesystem::path log_ = "log";

private:
    Subreaper subreaper_;
};

} // namespace ct::test
