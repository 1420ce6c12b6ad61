// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <concepts>
#include <csignal>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <ct/attach.hpp>
#include <ct/events.hpp>
#include <ct/export.hpp>
#include <ct/hooks.hpp>
#include <ct/log.hpp>
#include <ct/network_state.hpp>
#include <ct/process.hpp>
#include <ct/seccomp.hpp>
#include <ct/spec.hpp>
#include <ct/stats.hpp>

namespace ct {

namespace internal {
class ContainerCore;
} // namespace internal

/// Where a container is in its life.
enum class State : std::uint8_t {
    Stopped,  ///< No process. The only state in which the specification can be changed.
    Starting, ///< start() is at work.
    Running,
    Paused,   ///< Its processes are frozen, by freeze() or somebody else; or are just about to be.
    Stopping, ///< Its first process has ended or is being ended; the host's side is being taken down.
};

/// The state as one lower-case word.
[[nodiscard]] CT_EXPORT std::string_view to_string(State state) noexcept;

/// What happens to running containers when their session closes.
enum class OnClose : std::uint8_t {
    Kill,   ///< They are killed and waited for.
    Detach, ///< They go on without supervision, see Container::detach().
};

/// Which containers Container::remove() removes.
enum class Remove : std::uint8_t {
    Stopped, ///< A stopped one only.
    Force,   ///< A running one, too: it is killed.
};

/// What there is to know of a container without a handle.
struct ContainerInfo {
    std::string name;
    State state = State::Stopped;
    pid_t pid = -1;     ///< The first process, if it is alive.
    pid_t owner = -1;   ///< The host process whose session has started or made it; -1 if that is gone.
    bool own = false;   ///< Its session is the one asked.
    bool saved = false; ///< See Container::save().
    OnClose on_close = OnClose::Kill;
    std::vector<std::string> command = {}; ///< argv of the present or last run. Needs a state directory, as the next.
    std::optional<std::chrono::system_clock::time_point> created = {};
    std::optional<std::chrono::system_clock::time_point> started = {}; ///< The present or last run.
    std::optional<ExitStatus> last_exit = {};                          ///< Of the last run that has ended.
    /// Where the output of the present or last run is, or was, logged: by `owner`, and no more if that is gone.
    std::vector<LogTarget> log = {};
    std::string attach_socket = {}; ///< Where an AttachServer of `owner` serves, or has served, that run.
};

/// A container: a specification that can be started again and again.
///
/// A cheap handle; copies name the same container. It is made by Session::create() and stays valid when its session
/// is gone, but cannot be started then. Setters touch no kernel state; they throw Error with Errc::InvalidConfig when
/// their own argument is malformed and with Errc::InvalidState unless the container is stopped; they may be called
/// in any order. What depends on several fields is checked by start().
///
/// Threads: every call may be made from any thread. Calls on one container exclude each other, except that waiting,
/// signalling and asking for the state never wait for another call. Different containers never wait for one another.
class CT_EXPORT Container {
public:
    [[nodiscard]] const std::string& name() const noexcept;
    /// Notices that the first process has ended, without blocking.
    [[nodiscard]] State state() const;
    /// state() is neither State::Stopped nor State::Starting.
    [[nodiscard]] bool running() const;
    /// A copy of the specification.
    [[nodiscard]] Spec spec() const;

    /// \name Configuration
    /// @{
    Container& set_spec(Spec spec);

    /// Adds namespaces made anew at every start.
    Container& add_namespaces(std::initializer_list<Namespace> kinds);
    Container& add_namespace(Namespace kind);
    /// Joins the namespace whose file is \p path at the time of the start.
    Container& join_namespace(Namespace kind, std::string path);
    /// Joins the namespace that \p fd refers to. \p fd is borrowed and has to stay open as long as the container may
    /// start.
    Container& join_namespace(Namespace kind, int fd);
    /// Joins the namespace that \p other, a container of the same session, has at the time of the start.
    Container& join_namespace(Namespace kind, const Container& other);
    /// Shares the namespace with the host process, as is the default; weakens isolation.
    Container& share_host(Namespace kind);

    /// Appends to the id maps of the new user namespace.
    Container& add_uid_map(IdRange range);
    Container& add_gid_map(IdRange range);
    /// The map that an unprivileged caller may use: user and group 0 inside are the caller's effective ones outside.
    Container& map_root_to_caller();
    /// Appends the map of an ordinary user's containers: 0 inside is the caller, and what is above are the ids that
    /// /etc/subuid and /etc/subgid give to the caller's effective user. Reads these files now.
    /// \throws Error with Errc::Unsupported if they give none; the hint tells which line to add.
    Container& map_subordinate_ids();
    Container& set_setgroups(SetGroups policy);

    Container& set_hostname(std::string name);
    Container& set_domainname(std::string name);

    Container& set_time_offsets(TimeOffsets offsets);
    /// Sets a kernel parameter of one of the container's namespaces; see Spec::sysctls.
    Container& set_sysctl(std::string name, std::string value);

    Container& set_root(Root root);
    template <std::convertible_to<std::string> Path>
    Container& set_root(Path&& path) {
        return set_root(Root{.path = std::forward<Path>(path)});
    }
    /// One of BindDir, OverlayArea, TmpfsArea and ImageArea. Needs a root.
    Container& set_private(PrivateArea area);
    Container& clear_private();

    Container& add_mount(Mount mount);
    /// A mount with commands and callables that run before and after it, see MountHooks. They are no part of the
    /// specification: spec() leaves them out, and set_spec() forgets them.
    Container& add_mount(Mount mount, MountHooks hooks);
    /// Mounts what programs expect, before any other mount; a mount added for the same target takes its place:
    /// /proc, /sys (read-only), /dev (a small tmpfs) with /dev/pts, /dev/shm, /dev/mqueue, and the default devices.
    /// Where the kernel refuses a fresh /sys or /dev/mqueue (a user namespace that shares the network or IPC
    /// namespace), the host's is bound in its place.
    Container& add_default_mounts();
    /// Makes the devices null, zero, full, random, urandom and tty in /dev and the links fd, stdin, stdout, stderr
    /// and ptmx; within a user namespace, where the kernel refuses mknod(2), the host's devices are bound. Without a
    /// file system mounted on /dev they are made in the root directory, and stay there.
    Container& add_default_devices();
    /// \name Network of a new network namespace, see Network
    /// @{
    Container& add_network(NetworkDevice device);
    /// Makes /etc/resolv.conf, /etc/hosts and /etc/hostname for it, in any network; see Names.
    Container& set_names(Names names);
    Container& add_neighbour(Neighbour neighbour);
    Container& add_route(Route route);
    Container& add_rule(Rule rule);
    Container& add_bridge(Bridge bridge);
    Container& publish(PublishedPort port);
    /// By default it is brought up.
    Container& leave_loopback_down();
    /// @}

    /// Where the default mounts have /proc from.
    Container& set_proc_mode(ProcMode mode);
    Container& add_device(Device device);
    /// Adds to the masked or read-only paths, see Spec.
    Container& add_masked_path(std::string path);
    Container& add_read_only_path(std::string path);
    /// Hides or write-protects what /proc and /sys tell and take about the whole machine, as OCI runtimes do. Only of
    /// use to containers whose root is without CAP_SYS_ADMIN, who could undo it.
    Container& add_default_masks();

    /// The container's cgroups as a whole; see ct/cgroup.hpp.
    Container& set_cgroup(Cgroup cgroup);
    /// Puts the container in a group of its own that has the controller.
    Container& add_controller(Controller controller);
    /// Writes \p value to a control file of the container's group of that controller: while it is stopped this is
    /// remembered for every start, in the order of the calls, and the last value for a file counts; while it runs it
    /// is done at once, and only for this run. Files that move processes are refused.
    /// \throws Error Errc::InvalidState if it runs without that controller; else the errno, with file and value.
    Container& set_controller_value(Controller controller, std::string file, std::string value);
    /// Sets what the container may use, in place of all limits set before; see ct/limits.hpp.
    Container& set_limits(Limits limits);
    /// @}

    /// What a control file holds, without the newline at its end; of a stopped container what was set.
    [[nodiscard]] std::string controller_value(Controller controller, const std::string& file) const;
    /// The directory of the container's group that has the controller; of a stopped one where it will be, if its
    /// specification needs that controller.
    [[nodiscard]] std::string cgroup_path(Controller controller) const;

    /// What start() without argument starts. Needs State::Stopped.
    Container& set_process(ProcessSpec process);
    /// What set_process() has set, or was saved.
    [[nodiscard]] std::optional<ProcessSpec> process() const;
    /// Sets what answers the system calls that seccomp filters of this container report (SeccompAction::notify());
    /// none without a function. May be called in any state. The handler runs within Session::dispatch(), while the
    /// calling process waits: a host that does not dispatch blocks it, and so does a host that waits for the container
    /// meanwhile. Without a handler, or when the session is closed, these calls fail with ENOSYS. If the handler
    /// throws, the call fails with EIO, and the exception leaves dispatch(); but what SeccompNotice throws for a bad
    /// address or a caller that is gone (EFAULT, ESRCH) is only the answer to the call.
    Container& on_seccomp(SeccompHandler handler);

    /// \name Output
    /// What the first process writes, see ct/log.hpp. These are the container's and not part of the specification,
    /// which many containers may have: paths and handlers are of one.
    /// @{
    /// Logs the output of the first process of each later start. Needs State::Stopped.
    Container& set_log(Log log);
    /// Inherits, as by default. Forgets the sinks, too.
    Container& clear_log();
    [[nodiscard]] std::optional<Log> log() const;
    /// Called with what is read, as it comes, before on_log() gets the lines in it. May be called in any state; takes
    /// the place of the handler before, and an empty one of none. Output that was not logged at the start never is.
    ///
    /// Handlers run within Session::dispatch(), and while wait(), wait_for() or stop() wait, on the calling thread, one
    /// at a time. They may call anything but Session::dispatch() and what waits for the same container; they may also
    /// release its last handle. They are called no more once the session is closed: wait() before, if that matters.
    /// An exception leaves the call within which they run; what they were given is consumed.
    Container& on_output(OutputHandler handler);
    /// The same for lines.
    Container& on_log(RecordHandler handler);
    /// Adds where records go. Needs State::Stopped.
    Container& add_sink(std::shared_ptr<LogSink> sink);
    /// Has files opened anew by their path, which somebody has renamed, and connections made anew. Any state.
    /// \throws Error of a file that cannot be opened; it is written to as before then
    void reopen_log();
    /// Of the present or last run.
    [[nodiscard]] LogStats log_stats() const;
    /// @}

    /// \name Input, and those who attach
    /// See ct/attach.hpp. These are the container's and not part of the specification, as its output.
    /// @{
    /// Prepares each later start for what follows. Needs State::Stopped.
    Container& set_attachable(Attachable attachable);
    /// Not prepared, as by default.
    Container& clear_attachable();
    [[nodiscard]] std::optional<Attachable> attachable() const;
    /// Writes to the standard input of the first process, or to its terminal. Never blocks: what the process does not
    /// read is kept by the kernel (64 KiB in a pipe), and nowhere else. From any thread.
    /// \returns how much was taken, from the beginning of \p bytes on; AttachOptions::on_room tells when to go on
    /// \throws Error EPIPE if the input was closed, by either side; Errc::InvalidState if it is not running, or has no
    ///         input
    std::size_t write_input(std::string_view bytes);
    /// Closes the standard input: the process reads the end of file after all that was written. A terminal gets its
    /// end-of-file character if it reads lines, and stays open; whether that has room is nobody's to know, so write
    /// before only what was taken. Nothing happens if it is closed already.
    /// \throws Error with Errc::InvalidState as above
    void close_input();
    /// As Process::resize_terminal() of the first process. If another process has started the container, this is the
    /// terminal that the first process has as its standard streams; needs the right to look into that, see ptrace(2).
    /// \throws Error with Errc::InvalidState if it has none
    void resize_terminal(TerminalSize size);
    /// Has a handler get the output of the present run from now on, or that of the next one. Needs no input.
    /// \throws Error with Errc::InvalidState if it is not attachable, or was not when it was started
    [[nodiscard]] AttachStream attach(AttachOptions options);
    /// @}

    /// \name Events
    /// What becomes of the container, see ct/events.hpp: told within Session::dispatch(), on the thread that calls it.
    /// Each may be called in any state, and takes the place of the handler before; an empty one tells nothing any more.
    /// Handlers may call anything but Session::dispatch(), also release the last handle of their container. An
    /// exception leaves dispatch(); the event counts as told. The first handler of a session makes its epoll
    /// descriptor.
    /// @{
    Container& on_state(StateHandler handler);
    Container& on_start(StartHandler handler);
    /// With what the run has used. Containers with groups take a few more system calls to end: their files are read.
    /// The same goes for set_exit_file().
    Container& on_exit(ExitHandler handler);
    /// Needs the memory controller, as on_memory_high(), see Cgroup::controllers and Limits.
    Container& on_oom(OomHandler handler);
    Container& on_memory_high(LimitHandler handler); ///< Limits::memory_high was met; version 2.
    Container& on_pids_limit(LimitHandler handler);  ///< fork(2) failed because of Limits::pids_max.
    /// Needs a group that can be frozen. Version 1: told of freeze() and thaw() of this session only.
    Container& on_frozen(FrozenHandler handler);
    /// Health checks are not told.
    Container& on_process_exit(ProcessExitHandler handler);
    /// One more trigger, or another handler for the same one; an empty handler removes it. Needs a group of version 2
    /// (Cgroup::own_group makes one) and a kernel that measures pressure. While it runs the trigger is set at once;
    /// else by each start, which fails if that is not possible. \throws Error Errc::InvalidConfig for a malformed
    /// trigger; Errc::Unsupported that says where it was looked for
    Container& on_pressure(const PressureTrigger& trigger, PressureHandler handler);
    /// Statistics of the running container, as stats() has them, in that interval: the first one that long after the
    /// start. Times do not drift; those that nobody dispatches in time for are left out. Needs a group, or the start
    /// fails. What cannot be read is logged, see SessionOptions::log_handler, and left out.
    /// \param interval  1 ms to a day \throws Error Errc::InvalidConfig; Errc::InvalidState if it runs without a group
    Container& on_stats(std::chrono::nanoseconds interval, StatsHandler handler);
    /// Checks the health of the running container, and tells its changes: first Health::Starting, and each later one
    /// once. A paused container is not checked. Checks end with the container; their programs are killed then.
    /// A program is started within dispatch(), which takes as long as enter(), and nobody waits for it. Setting a check
    /// begins anew. What a callable throws leaves dispatch(), and the check has failed.
    /// \throws Error Errc::InvalidConfig
    Container& on_health(HealthCheck check, HealthHandler handler);
    /// Of the last run that has ended, also without handlers: what the groups have counted is in it only with
    /// on_exit().
    [[nodiscard]] std::optional<ExitRecord> exit_record() const;
    /// Has the record of each run that ends written to that file, as to_json() and a newline, before on_exit() is told,
    /// also if nobody dispatches but waits. Nobody ever sees a part of it: it is written beside its place, in the same
    /// directory, and renamed, in place of what was there. It is not synced to disk. A file that cannot be written is
    /// logged, see SessionOptions::log_handler. Any state; an empty path writes none.
    /// \param path  absolute; the file has mode 0640 and belongs to the host process
    /// \throws Error with Errc::InvalidConfig
    Container& set_exit_file(std::string path);
    /// @}

    /// \name Hooks: commands and callables at points of the container's life, see HookPoint
    /// @{
    /// Appends to Spec::hooks: what is saved has it.
    Container& add_hook(Hook hook);
    /// A callable, which runs in the host process: at HookPoint::CreateRuntime and Poststart on the thread that calls
    /// start() or hold(), at Poststop on the one that finds that the container has ended, in Session::dispatch(),
    /// wait(), stop(), state() or the like. It runs between the commands as they were added. It has no time limit, and
    /// whoever waits for the container waits for it. What it throws fails as a command does, with its what().
    ///
    /// It may ask anything of the container, but neither wait for it, start nor stop it. It belongs to this container
    /// as handlers do: save() does not keep it, set_spec() leaves it, and a run that another process has started, or
    /// whose end another process has seen first, ends with it as well.
    /// \throws Error with Errc::InvalidConfig for HookPoint::CreateContainer: this process is not in the container
    Container& add_hook(HookPoint point, HookHandler handler);
    /// Forgets all hooks of both kinds, but not those of mounts.
    Container& clear_hooks();
    /// Sets one of Spec::annotations.
    Container& set_annotation(std::string key, std::string value);
    /// @}

    /// Starts the container with a program as its first process.
    ///
    /// Returns once the program was executed, or throws and leaves nothing behind. Blocks for as long as that takes,
    /// normally less than a millisecond. The cost does not depend on the size of the host process.
    /// Needs State::Stopped. Privileges: those of the system calls that the specification asks for; with a user
    /// namespace of its own none.
    /// \throws Error Errc::InvalidConfig with all violations; Errc::InvalidState; Errc::ChildDied; else the errno of
    ///         the step that failed, with its path. For the program itself: ENOENT not found (the hint tells a missing
    ///         interpreter from a missing file), EACCES not executable, ENOEXEC not a program.
    Process start(ProcessSpec process);
    /// Starts the container with a callable, whose return value (its low 8 bits) becomes the exit status.
    ///
    /// \p main runs in a copy of the host process that has only the calling thread (as after fork(2)), inside the
    /// container, with exactly the descriptors of \p process. The host's exit handlers and destructors do not run in
    /// it; what is left in its stdio buffers for stdout and stderr by \p main is written. An exception that leaves
    /// \p main ends it by std::terminate(). Cost grows with the memory of the host process, as with fork(2).
    Process start(ProcessSpec process, std::function<int()> main);
    /// The same with the process of set_process(). \throws Error with Errc::InvalidState also if there is none
    Process start();

    /// Sets the container up without a process: it is State::Running, and descriptors in the host process keep its
    /// namespaces (and with chroot(2) its root) until stop(), kill() or the end of the session. It can be entered.
    ///
    /// There is no first process: init(), wait(), try_wait() and signal() throw Error with Errc::InvalidState. kill()
    /// kills the processes that have entered, without waiting for them; stop() signals, waits for and at last kills
    /// them. What these have started themselves goes on, and keeps the namespaces in which it is.
    /// Needs State::Stopped, and no new pid namespace: that one ends with its first process. In a state directory it is
    /// not running: other processes find it only by its pins.
    /// \throws Error as start() does.
    void hold();

    /// Takes a running process that somebody else started for the first process of this container: as
    /// Session::adopt(), but with its controllers: of the groups that its specification asks for, those that are there
    /// and have the process in them are the container's from then on. Needs State::Stopped.
    /// \throws Error with ESRCH if there is no such process
    Process adopt(pid_t pid);

    /// Gives each namespace that the running container does not share with the host a name on the host, as `ip netns`
    /// does: \p directory/KIND, KIND as in /proc/PID/ns. It is joined there by NamespacePath, nsenter(1) and the like,
    /// and exists until unpin(), also when the container, the session and the host process have ended.
    ///
    /// \param directory  made by the call, on a mount of its own; by default /run/libct-ns/NAME, for an ordinary user
    ///                   $XDG_RUNTIME_DIR/libct-ns/NAME
    /// Needs CAP_SYS_ADMIN in the user namespace that owns the host's mounts. After a failure nothing is left.
    /// \returns the directory
    /// \throws Error with EEXIST if it is there already
    std::string pin(std::string directory = {});
    /// Removes what pin() has made, also for another session; in any state. Nothing happens if there is nothing.
    void unpin(std::string directory = {});
    /// Gives the running container's network namespace a name as `ip netns` does: its other commands find it, and
    /// join_namespace() with named_network() joins it. It exists until unpin_network() or `ip netns delete`, also when
    /// the container, the session and the host process have ended; devices whose other end is on the host go with the
    /// container. Needs CAP_SYS_ADMIN in the user namespace that owns the host's mounts. After a failure nothing is
    /// left.
    /// \throws Error with EEXIST if the name is taken, Errc::InvalidConfig if the container shares the host's network
    void pin_network(const std::string& name);

    /// Moves the calling thread into the container: its namespaces, and its root directory if that was changed. The
    /// thread gets a working directory and root of its own; all other threads stay where they are.
    ///
    /// Credentials stay as they are, but a user namespace gives all capabilities inside it. A pid namespace counts only
    /// for children that the thread makes later. Needs State::Running, and the privilege to join each namespace
    /// (CAP_SYS_ADMIN). A process with more than one thread can enter neither a user nor a time namespace. What the
    /// host process has in memory is then exposed to whoever can look into that thread, see ptrace(2): never do this
    /// where hostile processes share its pid namespace. Let other threads call libct from then on.
    ///
    /// If it fails, the thread is where it was, except that its working directory and root are no longer shared with
    /// other threads. One case remains: nobody can leave a user namespace again; the hint says so then.
    void switch_to();

    /// A new descriptor of the namespace that the running container's processes are in, for setns(2) and the like. The
    /// caller owns (closes) it. Also for kinds that the container shares with the host.
    [[nodiscard]] int namespace_fd(Namespace kind);

    /// The processes of the running container, by pid as the host process sees them, in ascending order; zombies do
    /// not count. With a new pid namespace all processes in it and in those below. Otherwise the first process, those
    /// that entered, and the descendants of both: one whose parents have ended is not found then. With cgroups of its
    /// own all that are in these, and in those below. A snapshot: any of them may end, and its number be used again, at
    /// any time.
    [[nodiscard]] std::vector<pid_t> processes();

    /// What the running container has used up to now, as its groups tell: up to twenty small files are read. Another
    /// thread may stop the container meanwhile.
    /// \throws Error with Errc::InvalidState if it does not run (any more), or has no groups
    [[nodiscard]] Stats stats() const;

    /// \name The changes of an overlay
    /// For a private area of type OverlayArea. They look at its upper directory; a throw-away one can be looked at from
    /// its start until the next one, until discard(), or until the container is destroyed. While the container runs
    /// they see what is there at that moment. Nothing in the upper directory is trusted: no link is followed, no device
    /// or fifo opened, and nothing outside is touched, whatever the container has put there and is doing to it.
    /// They block for as long as reading the upper directory takes.
    /// \throws Error Errc::InvalidState if the private area is no overlay; else the errno, with the path
    /// @{
    /// What differs from the lower directories, each directory before what is in it; empty if nothing ever ran.
    /// What lies deeper than a path can name (4095 bytes) is not listed.
    [[nodiscard]] std::vector<Change> changes() const;
    /// Makes \p directory a copy of the upper directory, to be used as the topmost of the lower ones by others: with
    /// owners, modes, times, attributes, hard links, holes, devices, and with the marks of what was deleted.
    /// \p directory has to be missing or empty; if the copy fails it is as it was.
    void commit(const std::string& directory) const;
    /// Empties the upper directory; a throw-away one is given up. Needs State::Stopped.
    void discard();
    /// @}

    /// Runs one more process inside the running container: same namespaces and root, attributes of its own.
    /// Several may run at once. It does not keep the container running and is not waited for by wait().
    /// Needs State::Running: in a paused container it would be frozen at its birth.
    Process enter(ProcessSpec process);
    Process enter(ProcessSpec process, std::function<int()> main);

    /// Changes limits of the running container: those that are set in \p limits; in lists those of a device, page size
    /// or interface; device rules as a whole. The specification, and the record in a state directory, has them from
    /// then on.
    ///
    /// If one cannot be set, those before it are restored, and the error names its file and value; the hint tells if
    /// restoring failed, too. What the kernel has done meanwhile stays: a lower memory_max may have ended processes.
    /// Blocks for as long as the kernel needs to reclaim memory. Needs State::Running or State::Paused, and that the
    /// container was started with each controller concerned.
    /// \throws Error with Errc::InvalidConfig; Errc::InvalidState for a controller that it was started without;
    ///         Errc::Unsupported; EBUSY on version 1 for less memory than is in use. Version 1 cannot replace device
    ///         rules that grant by ones that deny (\c allow for all, and then some denied), nor the other way round
    void update(const Limits& limits);

    /// Mounts in the running container, as Spec::mounts does at a start, and until its end. What it does not create of
    /// the target stays. For a bind the source is opened on the host, which needs CAP_SYS_ADMIN there.
    /// Needs State::Running and a mount namespace other than the host's.
    void mount(const Mount& mount);
    /// Unmounts what is mounted on \p target, with all that is mounted below, as soon as nobody uses it any more: files
    /// that are open stay open. No component of \p target may be a symbolic link.
    /// \throws Error with EINVAL if nothing is mounted there, or it is a mount of the root, or one that the user
    /// namespace
    ///         protects
    void unmount(const std::string& target);

    /// \name The network of the running container
    /// Changes happen at once, each as a whole or not at all, and last until the end of the run: the specification
    /// stays as it is. They need State::Running or State::Paused, a network namespace other than the host's, and the
    /// privileges of a start
    /// that does the same.
    /// @{
    /// One more device, up and with its addresses. What belongs to it on the host goes with the container.
    /// \throws Error with Errc::InvalidState also for a HostNic, if another process that lives has started the
    /// container
    void attach_network(const NetworkDevice& device);
    /// Removes the device of that name in the container, or returns it to the host if it is a HostNic.
    /// \throws Error also if the link has to stay, which can be tried again, or if it is a HostNic of another container
    /// with the same network namespace
    void detach_network(const std::string& device);
    void attach_address(const std::string& device, const Address& address);
    void detach_address(const std::string& device, const Address& address);
    void attach_neighbour(const Neighbour& neighbour);
    void detach_neighbour(const Neighbour& neighbour);
    void attach_route(const Route& route);
    /// Removes the one that has all that is set in \p route.
    void detach_route(const Route& route);
    void attach_rule(const Rule& rule);
    void detach_rule(const Rule& rule);
    /// Everything that there is in its network namespace, also if that is the host's, and in State::Paused.
    [[nodiscard]] NetworkState network();
    /// @}

    /// The first process of the present or last run.
    /// \throws Error with Errc::InvalidState if the container was never started.
    [[nodiscard]] Process init() const;

    /// Blocks until the first process has ended and the host's side is taken down; the container is stopped then.
    /// At once if it is stopped already; during a start it waits for that run. \throws Error with Errc::InvalidState if
    /// it was never started.
    ExitStatus wait();
    /// The same with a time limit; empty when it has passed first.
    [[nodiscard]] std::optional<ExitStatus> wait_for(std::chrono::nanoseconds limit);
    /// The same without blocking: empty as long as the container runs.
    [[nodiscard]] std::optional<ExitStatus> try_wait() { return wait_for(std::chrono::nanoseconds(0)); }
    /// Signals the first process. Needs State::Running, or State::Paused: then it arrives when the container is thawed.
    void signal(int number);
    /// Kills the first process, and every other one if the container has a pid namespace or cgroups of its own, also
    /// such as have left their parents, keep forking, or are frozen. Needs State::Running or State::Paused. Without
    /// cgroup.kill (Linux 5.14) and a pid namespace it freezes them before, for a moment. Does not wait; but if they
    /// can be frozen by cgroup version 1, which also keeps killed ones from ending, it is repeated until the first
    /// process has ended.
    void kill();

    /// Stops all processes of the container where they are, until thaw(): it is State::Paused then. They can still be
    /// signalled, killed and stopped, and are waited for; but nobody can enter. Blocks until all are frozen: what is in
    /// a system call that nothing interrupts takes its time. Needs State::Running, and cgroups that can freeze: see
    /// Cgroup::own_group.
    /// \throws Error with ETIMEDOUT if not all are frozen after \p limit; then they go on. Errc::InvalidState without
    ///         such cgroups.
    void freeze(std::chrono::nanoseconds limit = std::chrono::seconds(10));
    /// Lets them go on, whoever has frozen them, and waits until that is so. Nothing happens if they are not frozen.
    /// \throws Error with ETIMEDOUT, such as if a cgroup above the container's is frozen
    void thaw(std::chrono::nanoseconds limit = std::chrono::seconds(10));
    /// Sends \p number, thaws, waits up to \p grace, then kills and waits. Does nothing if the container is stopped;
    /// waits for the end of a start under way.
    /// The first process of a pid namespace gets only signals for which it has a handler; for others the grace is lost.
    ExitStatus stop(std::chrono::nanoseconds grace, int number = SIGTERM);

    [[nodiscard]] ContainerInfo info() const;

    /// \name Beyond the session
    /// What a session with a SessionOptions::state_directory makes of its containers.
    /// @{
    /// Keeps the specification, and the process of set_process(), in the state directory until remove(): this and any
    /// other program can open() the container and start it. What is changed later is kept by calling it again.
    /// \throws Error with Errc::InvalidState without a state directory, Errc::InvalidConfig for what only this process
    ///         has, such as descriptors
    Container& save();
    /// The container ceases to exist, and its name is free; this handle cannot start it any more.
    /// \throws Error with Errc::InvalidState if it is not stopped, unless it may be killed
    void remove(Remove how = Remove::Stopped);
    /// Lets the running container outlive the session and the host process. It is still a child of the host process
    /// as long as that lives, and this handle still works; what it has mounted on the host is undone by whoever finds
    /// its record after its end. Without a state directory nobody does. Needs State::Running.
    void detach();
    /// @}

    /// Made by Session.
    explicit Container(std::shared_ptr<internal::ContainerCore> core) noexcept;
    Container(const Container&) noexcept;
    Container(Container&&) noexcept;
    Container& operator=(const Container&) noexcept;
    Container& operator=(Container&&) noexcept;
    ~Container();

private:
    friend class AttachServer;
    std::shared_ptr<internal::ContainerCore> core_;
};

} // namespace ct
