// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <ct/export.hpp>
#include <ct/limits.hpp>
#include <ct/log.hpp>

/// \file
/// Talking to a running container: input for its first process, and output for those who come and go meanwhile.
///
/// Container::set_attachable() prepares for that: from the next start on the session holds the standard input of the
/// first process, and reads its output as for a log (see ct/log.hpp, also for what makes output move). Then
/// Container::write_input() writes to it, Container::attach() gives its output to a handler, and an AttachServer serves
/// other programs. All happens within Session::dispatch(), without a thread, and never blocks: what a process does not
/// read is not taken, and who does not read its output is dealt with by SlowClient.
namespace ct {

class Container;
class Session;

namespace internal {
class AttachServerCore;
class StreamTap;
} // namespace internal

/// What a container is prepared for, see Container::set_attachable(). Plain data.
struct Attachable {
    /// In place of Stdio::Inherit the standard input is a pipe whose other end the session holds; with
    /// ProcessSpec::terminal it is the terminal, whose Process::terminal() is non-blocking then. Stdio::Null stays
    /// that: there is no input. Stdio::Pipe, or a descriptor 0 in ProcessSpec::fds, is a violation.
    bool input = true;
    /// So much of the last output is kept for those who attach later; up to 64 MiB. It lasts as long as the run.
    Bytes history = {};
    bool operator==(const Attachable&) const = default;
};

struct AttachOptions {
    /// So much of what was written before comes first, as far as Attachable::history has kept it; the first line of it
    /// may be cut.
    Bytes history = {};
    /// As Container::on_output(), for what is written from now on, and the history (with the present time).
    OutputHandler on_output = {};
    /// After a write() that has not taken everything: more can be taken.
    std::function<void()> on_room = {};
    /// The container has ended, and all its output was delivered. Not called after detach().
    std::function<void()> on_end = {};
};

/// An embedding program's connection to a running container, made by Container::attach(). Handlers run as those of
/// Container::on_output() do, and may detach or destroy this object. Destroying it detaches: the container and its
/// input stay as they are, and no handler is called from then on (but one under way in another thread may still be).
/// From any thread.
class CT_EXPORT AttachStream {
public:
    /// Attached to nothing.
    AttachStream() noexcept;
    AttachStream(AttachStream&& other) noexcept;
    AttachStream& operator=(AttachStream&& other) noexcept;
    ~AttachStream();

    /// As Container::write_input().
    std::size_t write(std::string_view bytes);
    /// As Container::close_input().
    void close_input();
    void detach() noexcept;
    /// False after detach(), and once on_end was due.
    [[nodiscard]] bool attached() const noexcept;

    /// Made by libct.
    explicit AttachStream(std::shared_ptr<internal::StreamTap> tap) noexcept;

private:
    std::shared_ptr<internal::StreamTap> tap_;
};

/// What happens to a client that does not read, once AttachServerOptions::queue is full for it.
enum class SlowClient : std::uint8_t {
    Disconnect, ///< It is disconnected, after which it can still read what it was sent.
    Skip,       ///< It misses what comes until it has read; whole packets are left out, and counted.
    /// No more output is read until it has: the container waits when its pipe is full, for ever if need be. For a
    /// client that has to get everything, such as the one in the foreground.
    Wait,
    /// What comes goes to a file without a name until it has read; once that holds AttachServerOptions::spill bytes, or
    /// cannot be written, it is disconnected.
    Spill,
};

/// What the end of a client's input means: that it has shut down its side for writing, has sent an empty packet, or is
/// gone.
enum class ClientEof : std::uint8_t {
    Ignore,     ///< The container's input stays open: clients can come back.
    CloseInput, ///< It is closed, as by Container::close_input(), when this was the last client that could still write.
};

struct AttachServerOptions {
    /// Where the socket is made: absolute, of any length, in a directory that is there; by default with the container's
    /// record in the state directory, if there is one. ContainerInfo::attach_socket tells other programs. The last
    /// component may be 64 bytes long if the whole is longer than 107. The socket of a dead process is replaced; it is
    /// removed at the end.
    std::string path = {};
    /// Replaces also a living socket at `path`, whose server is not told.
    bool replace = false;
    /// In place of `path`: a bound unix socket of type SOCK_SEQPACKET, listening or not. It is duplicated, and made
    /// non-blocking, which both have in common.
    int fd = -1;
    mode_t mode = 0600;    ///< Of the socket at `path`, whatever the umask is; writing is connecting.
    Bytes history = {};    ///< What each client gets first of what was written before, see Attachable.
    Bytes queue = 1 * MiB; ///< What may wait for a client, beyond what its socket holds. From 64 KiB on.
    SlowClient slow = SlowClient::Disconnect;
    Bytes spill =
        1 * GiB; ///< Of a client, for SlowClient::Spill, beyond `queue`; with 5 bytes for each read of output.
    /// Where that is: absolute, on a file system with room for it. By default the directory of the socket; has to be
    /// given with `fd`.
    std::string spill_directory = {};
    ClientEof eof = ClientEof::Ignore;
    std::size_t max_clients = 64; ///< Further ones are disconnected at once.
    /// Clients that are gone do not count; what the container has not taken of their input yet is kept, up to that
    /// much of all of them together, with 128 bytes for each packet. What is beyond that is thrown away, and counted.
    Bytes orphaned_input = 4 * MiB;
    /// After the end of the container: how long a client may take to read anything of what waits for it. One that goes
    /// on reading gets everything.
    std::chrono::milliseconds linger{10'000};
};

struct AttachServerStats {
    std::size_t clients = 0;         ///< Now.
    std::uint64_t accepted = 0;      ///< Ever.
    std::uint64_t refused = 0;       ///< Because of max_clients.
    std::uint64_t disconnected = 0;  ///< By SlowClient::Disconnect or Spill, or because of what they sent.
    std::uint64_t skipped_bytes = 0; ///< By SlowClient::Skip.
    std::uint64_t spilled_bytes = 0; ///< That have gone to files, by SlowClient::Spill.
    std::size_t orphaned_input = 0;  ///< What is kept now, see AttachServerOptions::orphaned_input.
    std::uint64_t lost_input = 0;    ///< Bytes that had no room there.
    bool operator==(const AttachServerStats&) const = default;
};

/// Serves the streams of a container to any number of other programs, by a unix socket of type SOCK_SEQPACKET.
///
/// To clients: packets of one byte, 2 for standard output (or a terminal) and 3 for standard error, and 1 to 8192 bytes
/// of it. At its end the container's last output, then the end of file. From clients: packets of bytes for the
/// standard input, at most 256 KiB each. While the container does not take them, clients are not read from: they wait.
/// Input for a container that has none, or has closed it, is thrown away.
///
/// Clients are independent: each gets all output since it was accepted, and a slow one slows neither the others nor,
/// except by SlowClient::Wait, the container. They are served within Session::dispatch(); while only
/// Container::wait() and the like wait, output goes to clients, also to those who connect before it is read, but no
/// input is taken. Clients can do what the container's own streams can do, and no more; who may connect is decided by
/// the mode of the socket and by its directory.
///
/// A server serves one run: the present one, or the next. Closing the session, or destroying this object, removes the
/// socket and disconnects clients, which can still read what they were sent. From any thread.
class CT_EXPORT AttachServer {
public:
    /// Serves \p container, which has to be attachable. Best before it is started: nothing is missed then.
    /// \throws Error with Stage::Stdio: EADDRINUSE if a living process serves the path, ENAMETOOLONG, or the errno of
    ///         the step that failed; Errc::InvalidConfig; Errc::InvalidState
    AttachServer(const Container& container, AttachServerOptions options);
    /// Serves streams of the caller's, which may be those of a process that libct has not started.
    AttachServer(Session& session, AttachServerOptions options);
    AttachServer(AttachServer&& other) noexcept;
    AttachServer& operator=(AttachServer&& other) noexcept;
    ~AttachServer();

    /// Whether the container has ended, and all clients are gone.
    [[nodiscard]] bool finished() const noexcept;
    [[nodiscard]] AttachServerStats stats() const;
    /// Disconnects all clients, and forgets the input of those that are gone; others may come.
    void disconnect_clients() noexcept;

    /// \name Only for streams of the caller's
    /// \throws Error with Errc::InvalidState for those of a container
    /// @{
    /// Output for all clients.
    void write(Stream stream, std::string_view bytes);
    /// False while a client is waited for (SlowClient::Wait): then better nothing is written, though it would be taken.
    [[nodiscard]] bool takes_output() const noexcept;
    /// Where the bytes of clients go: a pipe, a socket or the master of a terminal. It is duplicated, and made
    /// non-blocking. Until this is called, clients that send something wait.
    void set_input(int fd);
    /// The end: as if a container had ended. Without it clients are never disconnected for that reason.
    void finish();
    /// @}

private:
    std::shared_ptr<internal::AttachServerCore> core_;
};

} // namespace ct
