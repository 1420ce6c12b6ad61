// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <ct/export.hpp>
#include <ct/limits.hpp>

/// \file
/// What becomes of the output of a container. See Container::set_log(), on_log(), on_output() and add_sink().
///
/// As soon as one of these was called, start() makes the standard output and error of the first process pipes that the
/// session reads, in place of Stdio::Inherit; with ProcessSpec::terminal it reads the terminal, and all is
/// Stream::Output. A stream that is Stdio::Null is not logged, `err` that is Stdio::Output is logged as output; one
/// that is Stdio::Pipe or in ProcessSpec::fds is the caller's, and a violation. It makes no difference whether the
/// first process is a program or a callable. Who enters the container is not logged: its streams are what its
/// ProcessSpec says.
///
/// Output moves within Session::dispatch(), and while Container::wait(), wait_for() or stop() of that container wait:
/// on the thread that calls these. When nobody does, the pipe fills and the container waits. A container counts as
/// running until all that was written before the end of its first process was delivered.
namespace ct {

/// Which of its streams a process has written to.
enum class Stream : std::uint8_t {
    Output = 1, ///< Standard output, or a terminal.
    Error = 2,
};

/// Nanoseconds of the wall clock.
using LogTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/// What one read has got, as it came.
struct OutputChunk {
    std::string_view container = {};
    Stream stream = Stream::Output;
    LogTime time = {};
    std::string_view bytes = {}; ///< Valid during the call.
};

/// One line of output, or a piece of one.
struct LogRecord {
    std::string_view container = {};
    Stream stream = Stream::Output;
    LogTime time = {};           ///< When it was read. Pieces of one read have the same.
    std::string_view bytes = {}; ///< Without the newline; any bytes else. Valid during the call.
    /// No newline followed: the line goes on in the next record of the same stream, or was the last one.
    bool partial = false;
};

using OutputHandler = std::function<void(const OutputChunk& chunk)>;
using RecordHandler = std::function<void(const LogRecord& record)>;

/// Where log records go. libct's own implement this, too; others are added by Container::add_sink().
class CT_EXPORT LogSink {
public:
    LogSink() = default;
    LogSink(const LogSink&) = delete;
    LogSink& operator=(const LogSink&) = delete;
    virtual ~LogSink();

    /// Takes \p records, which are in the order in which they were written, per stream. For one container there is one
    /// call at a time, on whichever thread moves its output (also one that asks for its state or closes the session).
    /// An exception leaves dispatch(), or the call that waits; the other sinks have got the records.
    virtual void write(std::span<const LogRecord> records) = 0;
    /// Container::reopen_log() was called.
    virtual void reopen() {}
    /// The container has ended, and all its records were written.
    virtual void finish() {}
};

/// Keeps the last bytes of what was written, each line with a newline. May be shared by containers.
class CT_EXPORT LogRing final : public LogSink {
public:
    explicit LogRing(Bytes size);
    ~LogRing() override;
    void write(std::span<const LogRecord> records) override;
    /// A copy of it; the first line may be cut. From any thread.
    [[nodiscard]] std::string text() const;
    void clear();

private:
    void append(std::string_view bytes);

    const std::size_t size_;
    mutable std::mutex mutex_; ///< Guards what follows.
    std::string bytes_;
    std::size_t next_ = 0; ///< Where the oldest byte is, once all is in use.
};

/// What happens when a built-in sink cannot take what the container writes: a full disk, a journal that is gone.
/// What comes then is kept in memory up to `LogDelivery::backlog`, and delivered in order as soon as that is possible.
enum class LogPolicy : std::uint8_t {
    /// Records that have no room there are dropped and counted, and a record tells how many: the container never waits.
    Drop,
    /// No more output is read until the sink can take it: the container waits when its pipe is full. Records are
    /// dropped only at its end, after Log::grace.
    Block,
};

struct LogDelivery {
    LogPolicy policy = LogPolicy::Drop;
    Bytes backlog = 256 * KiB; ///< Of the dropping sink. A blocking one keeps what was read before.
    bool operator==(const LogDelivery&) const = default;
};

enum class LogFormat : std::uint8_t {
    /// `TIME STREAM F|P BYTES`, as the Container Runtime Interface of Kubernetes has it. P: the line goes on.
    K8s,
    Json,  ///< Docker's json-file: `{"log":"BYTES\n","stream":"stdout","time":"TIME"}`.
    Plain, ///< The bytes as they are, of both streams.
};

/// Appends to a regular file.
struct LogFile {
    /// Absolute. The last component must not be a symbolic link; a missing file is made, its directory is not.
    std::string path = {};
    LogFormat format = LogFormat::K8s;
    mode_t mode = 0640; ///< Of a file that is made, whatever the umask is.
    /// Before a record would make the file larger, it is renamed to PATH.1 (what has that name to PATH.2, and so on),
    /// and a new one made. Records are never split for it. 0: no limit.
    Bytes rotate_size = {};
    unsigned rotate_count = 1; ///< How many old files are kept; 0: the new one takes the place of the old one.
    /// A reopen() does the same, whatever the size is: there is always a new file at the path afterwards, and with
    /// `rotate_count` 0 there is one at all times. If somebody else has renamed the file, that only makes a new one.
    bool replace_on_reopen = false;
    Bytes total_size = {}; ///< Of all that one run may write; then records are dropped. 0: no limit.
    /// What the file held at the start counts for `total_size`, too; and the record that reaches it is still written,
    /// so that the output is cut at the end of a line.
    bool total_with_old = false;
    bool sync = false;       ///< At the end the file is written to its device; the end is reported that much later.
    bool local_time = false; ///< Time stamps of LogFormat::K8s in the host process's time zone rather than in UTC.
    std::map<std::string, std::string> labels = {}; ///< "attrs" of LogFormat::Json.
    LogDelivery delivery = {};
    bool operator==(const LogFile&) const = default;
};

/// Sends each record to systemd's journal, with the fields MESSAGE, PRIORITY (6, or 3 for Stream::Error),
/// CONTAINER_NAME, CONTAINER_ID, CONTAINER_ID_FULL, CONTAINER_TAG, SYSLOG_IDENTIFIER, and CONTAINER_PARTIAL_MESSAGE
/// ("true") for a line that goes on.
struct Journald {
    std::string tag = {}; ///< CONTAINER_TAG and SYSLOG_IDENTIFIER; else the name is the latter.
    std::string id = {};  ///< CONTAINER_ID_FULL; by default the container's name.
    std::map<std::string, std::string> labels = {}; ///< More fields; names of A-Z, 0-9 and _, from a letter on.
    bool keep_newline = false;                      ///< MESSAGE ends with the newline of the line, if it has one.
    bool mark_partial = true;                       ///< CONTAINER_PARTIAL_MESSAGE is sent.
    /// A line that begins with `<0>` to `<7>` has that PRIORITY, and loses these characters. So the container says what
    /// its priorities are: there are readers that stop at any but 3 and 6.
    bool priority_prefix = false;
    /// That nobody serves the socket is no error of the start or of a reopen(): it is tried again, as after the start.
    bool optional = false;
    std::string socket = "/run/systemd/journal/socket";
    LogDelivery delivery = {};
    bool operator==(const Journald&) const = default;
};

/// Sends each record to the system log by RFC 3164's local form, with severity info, or err for Stream::Error.
struct Syslog {
    std::string tag = {};  ///< By default the container's name.
    unsigned facility = 1; ///< 0 to 23: user is 1, daemon 3, local0 16; see syslog(3).
    std::string socket = "/dev/log";
    LogDelivery delivery = {};
    bool operator==(const Syslog&) const = default;
};

using LogTarget = std::variant<LogFile, Journald, Syslog>;

/// How a container's output is logged. Plain data.
struct Log {
    std::vector<LogTarget> targets = {}; ///< All get everything. None: for handlers only, or output is thrown away.
    /// Longer lines come in pieces of that size, less up to 3 bytes so that no UTF-8 character is cut. 1 B to 1 MiB.
    Bytes line_size = 16 * KiB;
    /// An unfinished line, such as a prompt, is delivered that long after its last byte came.
    std::chrono::milliseconds flush_after{50};
    /// How long after the end of the first process the output of others is awaited, such as grandchildren that are
    /// still there, and a blocking sink that cannot take anything. The end of the container is reported that much later
    /// then. What is in the pipe at the end is always delivered; for a journal that is busy up to 2 s more are waited.
    std::chrono::milliseconds grace{0};
    bool operator==(const Log&) const = default;
};

/// What was logged of the present or last run.
struct LogStats {
    std::uint64_t bytes = 0;         ///< Read from the container.
    std::uint64_t records = 0;       ///< Lines and pieces of lines in it.
    std::uint64_t dropped_bytes = 0; ///< That built-in sinks have dropped; the sum of them.
    std::uint64_t dropped_records = 0;
    bool operator==(const LogStats&) const = default;
};

} // namespace ct
