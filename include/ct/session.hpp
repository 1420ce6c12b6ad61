// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <ct/cgroup.hpp>
#include <ct/container.hpp>
#include <ct/event_reader.hpp>
#include <ct/export.hpp>
#include <ct/host_feature.hpp>
#include <ct/log_reader.hpp>

namespace ct {

namespace internal {
class SessionCore;
} // namespace internal

/// Which thread makes the processes of containers. It is the one whose end their parent-death signals tell, and the one
/// from which they inherit what belongs to a thread: CPU affinity, nice value, credentials, namespaces and the like.
enum class StartThread : std::uint8_t {
    Caller, ///< The one that calls start() or enter().
    /// A thread of the session's own, made by the first start and joined when the session closes, which blocks all
    /// signals and inherits what a new thread inherits. Starts wait for one another as long as it takes to make
    /// a process (30 us; for a callable a fork(2)), not for their set-up; a callable runs in a copy of that thread.
    /// After closing with OnClose::Detach it stays until the last container with a parent-death signal has ended.
    Own,
};

/// How urgent a log message is. Errors are thrown, not logged.
enum class LogLevel : std::uint8_t { Debug, Info, Warning };

/// Receives log messages, on the thread where they arise. Must not call libct.
using LogHandler = std::function<void(LogLevel level, std::string_view text)>;

/// A property of a transient scope; see systemd.resource-control(5) and org.freedesktop.systemd1(5) for their names and
/// types: booleans, 64-bit numbers and texts can be set.
struct SystemdProperty {
    std::string name = {};
    std::variant<bool, std::uint64_t, std::string> value = {};
    bool operator==(const SystemdProperty&) const = default;
};

struct SessionOptions {
    OnClose on_close = OnClose::Kill;
    /// Default: none, messages are dropped. There are few: what could not be undone after an error.
    LogHandler log_handler = {};
    /// An absolute path: keep a record of each container there, by which other programs find it, for example
    /// default_state_directory(). It is made if it is missing, has to belong to this user, and nobody else may write
    /// to it. Container names are unique within it. Opening a session cleans up what died with its host process there:
    /// half-started containers are killed and undone, ended ones are removed unless they are saved; running ones go
    /// on. Default: no records.
    std::optional<std::string> state_directory = {};
    /// Write what becomes of the containers to a file in the state directory, where Session::read_events() of any
    /// program finds it: at most 1 MiB is kept. What cannot be written, as on a full disk, is lost. Programs that do
    /// not dispatch() tell of limits that were met only at the end of a container.
    bool record_events = false;
    /// An absolute path: what is known of each ct::Bridge is recorded there, the addresses above all. Sessions that
    /// share a network namespace have to share this directory, too; what a killed program has left on the host's side
    /// of a bridge is undone by the next session, or by the next start that uses one. It is made if it is missing, at
    /// the first such start, and has to be this user's alone. Default: ".network" in "/run/libct", for others than root
    /// in default_state_directory().
    std::optional<std::string> network_directory = {};
    StartThread start_thread = StartThread::Caller;
    /// The group in which containers have theirs, in every hierarchy that they need: a path below the root of the
    /// hierarchy, such as "/machine". What is missing of it is made, and removed with the session if it is empty then.
    /// Default: the root of the hierarchy; for an ordinary user what is delegated to that user, on version 2 the
    /// topmost group above the host process that the user may write to. With CgroupManager::Systemd this is the name of
    /// a slice, such as "machine.slice"; default: the one that systemd chooses.
    std::optional<std::string> cgroup_parent = {};
    /// With CgroupManager::Systemd a container that has groups is in a transient scope "libct-NAME.scope", which is
    /// delegated to it, and there in a group that has the container's name: libct writes its limits there. That needs
    /// version 2 alone, and D-Bus: the system's for root, the user's for others.
    CgroupManager cgroup_manager = CgroupManager::Cgroupfs;
    std::vector<SystemdProperty> systemd_properties = {}; ///< Further ones of each scope.
};

/// The entry to libct: makes containers and owns the running ones.
///
/// A session has no thread (but see StartThread::Own), changes no signal handler and keeps only a few close-on-exec
/// descriptors, at numbers as low as it finds: open it early in a host process with thousands of descriptors. It may be
/// used from any thread. Destroying it closes it: running containers are treated as SessionOptions::on_close says.
/// In a fork(2) of the host process a session can only be destroyed, which leaves its containers alone.
class CT_EXPORT Session {
public:
    /// \throws Error with Stage::Session if a descriptor or memory is not to be had.
    Session() : Session(SessionOptions{}) {}
    /// \throws Error with Stage::State also for a state directory that cannot be made or is not to be trusted.
    explicit Session(SessionOptions options);
    Session(Session&&) noexcept;
    Session& operator=(Session&&) noexcept;
    ~Session();

    /// A new, stopped container.
    /// \param name 1 to 64 of `A-Za-z0-9_.-`, not starting with `.` or `-`.
    /// \throws Error with Errc::InvalidConfig for a bad name, Errc::NameInUse if a container of this session, or of its
    ///         state directory, has it.
    [[nodiscard]] Container create(std::string name);
    /// A new, stopped container with a specification.
    [[nodiscard]] Container create(std::string name, Spec spec);
    /// The container of that name, if this session has one: one with a handle left, or a running one.
    [[nodiscard]] std::optional<Container> find(std::string_view name) const;
    /// A container that this session or any other program has recorded in the state directory: a running one can be
    /// entered, signalled and waited for, a stopped one can be started, which makes it this session's. One that this
    /// session has not started is left alone when it closes. Waits while another process is just starting it.
    /// The status of a process that is not our child is what the kernel still knows of it, and may be unknown.
    /// \throws Error with Errc::NotFound; Errc::InvalidState if it is neither running nor saved; Errc::BadRecord.
    [[nodiscard]] Container open(std::string name);
    /// Those of this session and all others that are recorded in the state directory, by name.
    [[nodiscard]] std::vector<ContainerInfo> containers() const;
    /// What was logged of the output of a container of the state directory: that of the present or last run, by
    /// whoever has started it, as far as the container is known. Of several targets the first that can be read counts.
    /// \throws Error with Errc::NotFound; with Errc::InvalidState if its output is not logged; see LogReader
    [[nodiscard]] LogReader read_log(const std::string& name, LogReaderOptions options = {}) const;
    /// What becomes of the containers of the state directory. Following also notices the end of those that have
    /// outlived their owners. Must not outlive the session.
    /// \throws Error with Errc::InvalidState without a state directory
    [[nodiscard]] EventReader read_events(EventReaderOptions options = {}) const;
    /// A running container whose first process is \p pid, which somebody else started. It can be entered, signalled
    /// and waited for; closing the session leaves it alone. Its exit status may be unknown.
    /// \throws Error with ESRCH if there is no such process, Errc::NameInUse.
    [[nodiscard]] Container adopt(std::string name, pid_t pid);

    /// What this host offers to containers, and where something is missing, why, and how to get it. Found out by
    /// trying, with short-lived processes; takes some milliseconds.
    [[nodiscard]] std::vector<HostFeature> capabilities() const;

    /// \name Events
    /// Callbacks run only within dispatch(), dispatch_for() and run(), on the thread that calls these. They may call
    /// anything but these and the destructor of the session. An exception from a callback leaves dispatch(); its event
    /// is consumed, and the others come with the next call.
    /// @{
    /// A descriptor that is readable (POLLIN) whenever dispatch() has something to do, for an event loop of the host's
    /// own. Borrowed; the same one until the session closes. It is made at the first call, or with the first event to
    /// watch.
    [[nodiscard]] int fd();
    /// Runs the callbacks that are due, and never waits for any. \returns how many ran; 0 if another thread dispatches
    std::size_t dispatch();
    /// Waits until something is due, at most for \p limit, and dispatches.
    std::size_t dispatch_for(std::chrono::nanoseconds limit);
    /// Dispatches until \p stop is requested, by any thread or from a callback: the callbacks that are due at that
    /// moment come with the next call. Sleeps in between; nothing wakes it up but events and the request. It takes one
    /// descriptor, an eventfd, as long as it runs. While another thread dispatches it waits, and then goes on. An
    /// exception from a callback leaves it, as it leaves dispatch(): call it again to go on.
    /// \throws Error Errc::InvalidState within a callback; with Stage::Session if the descriptor is not to be had
    void run(std::stop_token stop);
    /// @}

private:
    friend class AttachServer;
    std::shared_ptr<internal::SessionCore> core_;
};

} // namespace ct
