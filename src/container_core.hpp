// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ct/container.hpp>

#include "area/overlay_view.hpp"
#include "attach/point.hpp"
#include "base/subject.hpp"
#include "cgroup/membership.hpp"
#include "config/validate.hpp"
#include "hooks/hook_run.hpp"
#include "host_side.hpp"
#include "launch/joins.hpp"
#include "monitor/events.hpp"
#include "monitor/group_watch.hpp"
#include "monitor/output.hpp"
#include "plan/compile.hpp"
#include "process_core.hpp"
#include "session_core.hpp"
#include "state/registration.hpp"

namespace ct::internal {

class AttachServerCore;
class RunWatch;
class StreamTap;

/// A container's specification and, while it runs, its first process and what has to be undone on the host at its end.
class ContainerCore : public std::enable_shared_from_this<ContainerCore> {
public:
    ContainerCore(std::shared_ptr<SessionCore> session, std::string name, Spec spec);
    ContainerCore(const ContainerCore&) = delete;
    ContainerCore& operator=(const ContainerCore&) = delete;
    ~ContainerCore();

    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// Takes notice of an end that nobody waited for.
    [[nodiscard]] State state();
    /// The same, without a look at whether it is paused: State::Running then. Waits for an end that is under way in the
    /// loop.
    [[nodiscard]] State life();
    [[nodiscard]] Spec spec() const;

    /// Lets \p edit change the specification. \throws Error unless stopped
    void configure(const std::function<void(Spec&)>& edit);

    void set_spec(Spec spec);
    void add_mount(Mount mount, MountHooks hooks);
    void on_seccomp(SeccompHandler handler);

    // container_hooks.cpp
    void add_hook(HookPoint point, HookHandler handler);
    void clear_hooks();

    // container_log.cpp
    void set_log(std::optional<Log> log);
    [[nodiscard]] std::optional<Log> log() const;
    template <typename Handler>
    void on_output(Handler handler) {
        handlers()->set(std::move(handler));
    }
    void add_sink(std::shared_ptr<LogSink> sink);
    void reopen_log();
    [[nodiscard]] LogStats log_stats() const;

    // container_attach.cpp
    void set_attachable(std::optional<Attachable> attachable);
    [[nodiscard]] std::optional<Attachable> attachable() const;
    std::size_t write_input(std::string_view bytes);
    void close_input();
    void resize_terminal(TerminalSize size);
    [[nodiscard]] std::shared_ptr<StreamTap> attach(AttachOptions options);
    [[nodiscard]] std::shared_ptr<AttachServerCore> serve(AttachServerOptions options);

    // container_events.cpp
    /// Made by the first handler.
    [[nodiscard]] std::shared_ptr<Events> events();
    /// Begins to watch the present run, if there is one and a handler.
    void watch_run(GroupWatch::From from);
    void set_exit_file(std::string path);
    template <auto Slot, typename Handler>
    void on_event(Handler handler) {
        events()->set<Slot>(std::move(handler));
        watch_run(GroupWatch::From::Now);
    }
    void on_pressure(const PressureTrigger& trigger, PressureHandler handler);
    void on_stats(std::chrono::nanoseconds interval, StatsHandler handler);
    void on_health(HealthCheck check, HealthHandler handler);
    /// Without the groups of a run being over. \returns false if that failed, which is logged
    [[nodiscard]] bool try_read_stats(const Groups& groups, Stats& stats) const noexcept;
    /// The first process seems to have ended: takes notice of that, for the one who dispatches.
    void notice_end();
    [[nodiscard]] std::optional<ExitRecord> exit_record() const;

    std::shared_ptr<ProcessCore> start(const ProcessSpec& process, const std::function<int()>& callable);
    /// What start() without a process starts.
    void set_process(ProcessSpec process);
    /// Null if none was set.
    [[nodiscard]] std::shared_ptr<const ProcessSpec> process();
    /// Whether the end of a process that enters is an event.
    enum class Tell : std::uint8_t { Handler, Nobody };
    std::shared_ptr<ProcessCore> enter(const ProcessSpec& process, const std::function<int()>& callable,
                                       Tell whom = Tell::Handler);
    void adopt(pid_t pid);
    /// The same for a container that has a specification already, with the groups for which it asks.
    [[nodiscard]] std::shared_ptr<ProcessCore> adopt_as_specified(pid_t pid);
    void hold();

    [[nodiscard]] std::string pin(std::string directory);
    void unpin(std::string directory);
    void pin_network(const std::string& name);
    void switch_to();
    [[nodiscard]] UniqueFd namespace_fd(Namespace kind);
    [[nodiscard]] std::vector<pid_t> processes();
    [[nodiscard]] bool shares_session_with(const ContainerCore& other) const { return session_ == other.session_; }
    /// Makes the name this process's in the state directory, if there is one.
    void reserve();
    /// Becomes what a record says, which somebody else has written.
    void follow(StoredRecord stored);
    void save();
    void remove(Remove how);
    void detach();
    [[nodiscard]] ContainerInfo info();

    // container_cgroups.cpp
    void set_controller_value(ControllerValue value);
    [[nodiscard]] std::string controller_value(Controller controller, const std::string& file);
    [[nodiscard]] std::string cgroup_path(Controller controller);

    // container_stats.cpp
    [[nodiscard]] Stats stats();
    // container_limits.cpp
    void update(const Limits& given);
    // container_freeze.cpp
    void freeze(std::chrono::nanoseconds limit);
    void thaw(std::chrono::nanoseconds limit);
    [[nodiscard]] bool is_paused() const;

    // live_mount.cpp
    void mount(const Mount& mount);
    void unmount(const std::string& target);

    // live_network.cpp
    void attach_network(const NetworkDevice& device);
    void detach_network(const std::string& device);
    /// Sends a change of the network of the running container. \p message and \p path are as in an Error.
    void change_network(Message message, std::string_view action, std::string_view path);
    [[nodiscard]] NetworkState network();
    [[nodiscard]] std::vector<Change> changes() const;
    void commit(const std::string& directory) const;
    void discard();

    [[nodiscard]] std::shared_ptr<ProcessCore> init() const;
    std::optional<ExitStatus> wait(std::optional<std::chrono::nanoseconds> limit);
    void signal(int number);
    void kill();
    ExitStatus stop(std::chrono::nanoseconds grace, int number);
    /// False in a fork of the host process that has started it.
    [[nodiscard]] bool started_here() const noexcept { return starter_ == ::getpid(); }
    /// For the end of the session; leaves adopted containers alone.
    void close(OnClose policy) noexcept;

private:
    std::shared_ptr<ProcessCore> launch_first(const ProcessSpec& given, const std::function<int()>& callable);
    // container_events.cpp
    [[nodiscard]] std::shared_ptr<Events> present_events() const;
    [[nodiscard]] std::shared_ptr<RunWatch> run_watch() const;
    /// Called with the mutex, as the next: what happens is told in that order.
    void change_state(State to);
    void tell_start() const;
    /// Finds out before there is a process what cannot be watched of it.
    void prepare_watch(const Spec& spec);
    void forget_watch() noexcept;
    /// Heeds what the handlers of the present run want.
    void update_watch();
    /// What is known of a run before its host side is taken down.
    [[nodiscard]] std::shared_ptr<ExitRecord> begin_exit_record(const ProcessCore& init, pid_t pid);
    void write_exit_record(const std::shared_ptr<const ExitRecord>& record);
    /// Whether anybody wants to have what the groups have counted.
    [[nodiscard]] bool is_exit_told() const;
    /// From the next start on, if the session does so.
    void record_events();
    /// The container is not this session's any more.
    void stop_recording() const;
    /// Writes what was posted by now. Called without the mutex.
    void write_records() const noexcept;
    // container_attach.cpp
    [[nodiscard]] std::string attach_socket() const;
    /// Null if nobody can attach.
    [[nodiscard]] std::shared_ptr<AttachPoint> attach_point() const;
    /// \throws Error then
    [[nodiscard]] std::shared_ptr<AttachPoint> attach_point(std::string_view action) const;
    /// Has dispatch() take notice of the end of this run, or of the next one, as with a handler of events.
    void notice_end_for_attached();
    // container_end.cpp
    /// Whether it is awaited that those who are left in the groups have ended, and the groups gone.
    enum class Removal : std::uint8_t {
        Wait,
        Later, ///< If it takes time, the loop goes on with it.
    };
    struct Ending;
    [[nodiscard]] State look(Removal how);
    [[nodiscard]] bool begin_end(const std::function<bool()>& is_due, Ending& ending);
    /// Takes down the host's side after the end of \p init, unless another thread does so.
    void finish(const std::shared_ptr<ProcessCore>& init, Removal how);
    void finish_held(const std::shared_ptr<const Joins>& held);
    [[nodiscard]] bool is_left_by_all(Ending& ending, Removal how);
    void go_on_ending(const std::shared_ptr<Ending>& ending, Removal how);
    [[nodiscard]] bool postpone(const std::shared_ptr<Ending>& ending);
    /// Goes on with an end that is under way, unless another thread does so.
    void look_at_end(Removal how);
    /// Waits until the end of that run is over, or does what is missing.
    /// \param limit  for its hooks \returns false if that has passed first
    bool await_end(const std::shared_ptr<ProcessCore>& init, std::optional<std::chrono::nanoseconds> limit = {});
    void end_now(Ending& ending);
    void finish_after_hooks(std::shared_ptr<const ExitRecord> record);
    void fail_start() noexcept;
    void take_down_host_side();
    /// Ends what is left in the groups, and removes them.
    void take_down_groups();
    void remove(const Groups& groups, std::chrono::nanoseconds limit) const;
    /// \param record  of the run that is over; null for none
    void become_stopped(const std::shared_ptr<const ExitRecord>& record = {});
    // container_hooks.cpp
    [[nodiscard]] HookSet hooks() const;
    /// Those of the host at that point; null if there are none.
    [[nodiscard]] std::shared_ptr<HookRun> make_hook_run(HookPoint point, pid_t pid, HookRun::Failed failed);
    /// Until they are over.
    void run_hooks(const std::shared_ptr<HookRun>& run);
    /// To whom failures are told that fail nothing else.
    [[nodiscard]] HookRun::Failed log_failure() const;
    /// Those that run before the root is changed.
    void plan_created_hooks(Plan& plan);
    void set_own_hook_run(std::shared_ptr<HookRun> run);
    /// Null if there are none. Until they are finished the run does not end.
    [[nodiscard]] std::shared_ptr<HookRun> begin_poststart_hooks();
    void finish_poststart_hooks(const std::shared_ptr<HookRun>& run);
    /// Of another thread. Called with the mutex.
    [[nodiscard]] bool awaits_poststart_hooks() const;
    /// After a start that has failed.
    void run_poststop_hooks();
    /// After a run that has ended. \param then  called once they are over: at once, or by whoever goes on with them
    /// \param with_commands  this process has ended it in the record, too
    void begin_poststop_hooks(bool with_commands, std::function<void()> then);
    /// Of the present moment; null if there are none.
    [[nodiscard]] std::shared_ptr<HookRun> hook_run() const;
    /// Waits for poststop hooks, if they run. \returns false if \param limit has passed first
    bool await_hooks(std::optional<std::chrono::nanoseconds> limit);
    /// \throws Error in a callable of one of its hooks
    void check_not_in_hook(std::string_view action) const;

    // container_log.cpp
    [[nodiscard]] std::shared_ptr<OutputHandlers> handlers();
    [[nodiscard]] bool is_logged() const;
    [[nodiscard]] std::vector<LogTarget> log_targets() const;
    /// Of the present or last run; null if that is not logged.
    [[nodiscard]] std::shared_ptr<Output> output() const;
    /// For a start; null if nothing is logged.
    [[nodiscard]] std::shared_ptr<Output> open_output() const;
    /// \throws Error in a handler of the container's own output
    void check_not_in_handler(std::string_view action) const;
    /// Whether all was delivered that the first process, which has ended, has written. \param limit  to wait for that
    [[nodiscard]] bool deliver_output(const std::shared_ptr<Output>& output,
                                      std::optional<std::chrono::nanoseconds> limit);
    /// What every start does on the host's side before it makes a process. \p command is for the record.
    struct Prepared {
        int files_root; ///< The directory with the files.
        UniqueFd image; ///< The mount of the private area's image, if that is one.
        UniqueFd image_root;
        std::vector<FilesRoot> bound;     ///< Further directories with files.
        std::shared_ptr<HostLinks> links; ///< Null if the network needs none.
        std::shared_ptr<HostNics> nics;   ///< Likewise.
        /// The specification with what was chosen for this start, if anything was; for the plan alone.
        std::optional<Spec> completed = {};
        std::shared_ptr<BridgeUse> bridges = {}; ///< Null if there is nothing on bridges that libct keeps.

        /// What to plan with.
        [[nodiscard]] const Spec& planned(const Spec& given) const { return completed ? *completed : given; }
    };
    [[nodiscard]] Prepared prepare(const Spec& spec, const std::vector<std::string>& command);
    /// What the host does once there is a child: it tells who it is, in case that this process dies, and gives it its
    /// links.
    void plan_birth(Plan& plan, const Prepared& prepared);
    /// Where the network namespace is pinned as long as it has links of the host; empty without a record.
    [[nodiscard]] std::string nic_pin() const;
    /// Keeps what the set-up has left for later.
    void keep_upper(Plan& plan);
    /// Makes the groups of a container that is started.
    void prepare_groups(const Spec& spec);
    void add_group_tasks(Plan& plan, const Spec& spec);
    /// For one more process of it.
    [[nodiscard]] Membership membership(Role role) const;
    // container_scope.cpp
    [[nodiscard]] bool wants_scope(const Spec& spec) const;
    /// Lets systemd make the scope of a container that is started, once there is a process to put there.
    void add_scope_task(Plan& plan, const Spec& spec);
    /// For one more process: has it moved by systemd if this user may not make it there. Changes \p membership then.
    void add_attach_task(Plan& plan, Membership& membership);
    void stop_scope();
    /// \param membership  of the process that sets the container up
    [[nodiscard]] GroupLayout group_layout(const Membership& membership, const Spec& spec);
    /// Kills the first process, if there is one, and all that is in the groups.
    void kill_all(const std::shared_ptr<ProcessCore>& init);
    /// Does that again and again until \p process has ended: who is killed may have frozen it once more.
    void kill_until_ended(const std::shared_ptr<ProcessCore>& process);
    /// Kills a first process that has just been started, and waits for its end.
    void give_up(const std::shared_ptr<ProcessCore>& init) noexcept;
    /// Those of the present run; null if it has none.
    [[nodiscard]] std::shared_ptr<const Groups> groups() const;
    /// \throws Error if it is not running, or has none
    [[nodiscard]] std::shared_ptr<const Groups> running_groups(std::string_view action);
    /// \throws Error with Errc::InvalidState if the run that has these groups, or had them, is over
    void check_runs_with(const std::shared_ptr<const Groups>& groups, std::string_view action);
    /// Calls \p body for the run with these groups. If it fails when that is over, and they are gone, the error says
    /// so.
    template <typename Body>
    auto during_run(const std::shared_ptr<const Groups>& groups, std::string_view action, const Body& body) {
        try {
            return with_subject(subject(), body);
        } catch (const Error&) {
            check_runs_with(groups, action);
            throw;
        }
    }
    /// The same for a body that uses the groups.
    template <typename Body>
    auto with_groups(std::string_view action, const Body& body) {
        const std::shared_ptr<const Groups> groups = running_groups(action);
        return during_run(groups, action, [&] { return body(*groups); });
    }
    void begin_start(std::string_view action);
    /// From now on it runs, unless the session was closed meanwhile.
    void publish(std::shared_ptr<ProcessCore> init, std::shared_ptr<const Joins> held, std::string_view action);
    [[nodiscard]] std::shared_ptr<const Joins> launch_held();
    /// Opens what the specification joins; called while starting.
    [[nodiscard]] Joins open_joins(const Spec& spec);
    [[nodiscard]] UniqueFd namespace_of_container(Namespace kind, const std::string& other);
    /// All namespaces that the running container does not share with the host.
    [[nodiscard]] Joins own_namespaces();
    /// Ends a container without a first process: \p number to all that entered, and after \p grace SIGKILL; waits for
    /// them if there is a grace.
    void end_held(std::optional<std::chrono::nanoseconds> grace, int number);
    /// \returns whether it is such a container
    bool close_held(OnClose policy);
    struct Inside;
    /// The network namespace of the running container, for a change.
    [[nodiscard]] Inside enter_network();
    void attach_nic(const HostNic& nic, Inside& inside);
    void attach_link(const NetworkDevice& device, Inside& inside);
    /// \returns whether \p link is a link of the host that the container has
    [[nodiscard]] bool detach_nic(const LinkView& link, Inside& inside);
    /// \throws Error if it is one that another container with the same network namespace has
    void check_nic_of_others(const LinkView& link, const Inside& inside);
    [[nodiscard]] std::shared_ptr<HostNics> nics_of_run();
    /// \throws Error if another process has to bring back the links of the host
    void check_nic_owner(const Inside& inside);
    [[nodiscard]] Warn warning() const;
    struct Visit;
    /// What is needed to change the mounts of the running container.
    [[nodiscard]] Visit visit(std::string_view action, const std::string& target);
    void check_running_record(const std::shared_ptr<ProcessCore>& init);
    /// Takes notice of what others have done with a saved container.
    void read_news();
    void attach(pid_t pid, UniqueFd pidfd, std::optional<Spec> spec, std::string_view action,
                State from = State::Stopped);
    /// The violations of a process of this container; see config/validate.hpp.
    void check_process(std::string_view action, const Spec& spec, const ProcessSpec& process, Runs runs, Role role);
    /// Of the thread that makes the process.
    [[nodiscard]] HostFacts host_facts(StartThread* thread) const;
    /// Makes the process, and watches what its filter reports.
    [[nodiscard]] Launched launch_plan(Plan& plan, int files_root, const std::function<int()>& callable,
                                       StartThread* thread, Role role, std::span<const FilesRoot> bound = {});
    /// Waits until no start is under way. \returns false if \p limit has passed first
    [[nodiscard]] bool await_start(std::optional<std::chrono::nanoseconds> limit);
    /// Of that run.
    [[nodiscard]] std::optional<ExitStatus> await_run(const std::shared_ptr<ProcessCore>& process,
                                                      std::optional<std::chrono::nanoseconds> limit);
    /// Of a run that another process has seen end.
    [[nodiscard]] std::optional<ExitStatus> earlier_exit() const;
    /// The directories of the overlay, as far as they are of use: empty if a throw-away upper directory is not there.
    [[nodiscard]] std::optional<OverlayView> overlay(std::string_view action) const;
    [[nodiscard]] std::shared_ptr<ProcessCore> running_init(std::string_view action);
    [[nodiscard]] Error wrong_state(std::string_view action, std::string_view wanted, State state) const;
    /// \throws Error of wrong_state() unless it is stopped; \p lock holds the mutex
    void check_stopped(std::unique_lock<std::mutex>& lock, std::string_view action) const;
    [[nodiscard]] std::string subject() const;

    const std::shared_ptr<SessionCore> session_;
    const std::string name_;
    const std::unique_ptr<Registration> registration_; ///< Null if the session has no state directory.
    std::mutex updating_;                              ///< Held during an update.
    mutable std::mutex mutex_; ///< Guards what follows; never held over a system call that blocks.
    std::condition_variable changed_;
    State state_ = State::Stopped;
    std::shared_ptr<const Spec> spec_;                                             ///< Replaced only while stopped.
    std::shared_ptr<const HookTable> hooks_ = std::make_shared<const HookTable>(); ///< Replaced in the same way.
    std::shared_ptr<const OwnHooks> own_hooks_; ///< Null if there are none; replaced only while stopped.
    std::shared_ptr<HookRun> hook_run_;         ///< After a run: whoever has time goes on with them.
    std::shared_ptr<HookRun> own_hook_run_;     ///< Of a start: only its own thread runs them.
    bool hooks_begun_ = false;                  ///< By the present or last start; changed by the thread that starts.
    std::shared_ptr<const ProcessSpec> process_;
    bool adopted_ = false; ///< The session has not started the process, or has let it go.
    bool adopter_ = false; ///< It was adopted by this session, not opened.
    bool removed_ = false;
    std::optional<ExitStatus> last_exit_;
    std::shared_ptr<ProcessCore> init_;
    std::shared_ptr<Entered> entered_ = std::make_shared<Entered>(); ///< Of the present or last run.
    std::shared_ptr<const Joins> held_; ///< Of a container without a first process, as long as it runs.
    /// Of the container that has made the pid namespace in which this one is; or none. What is started here has to be
    /// reaped before that one's first process can end.
    std::weak_ptr<Entered> pid_owner_;
    std::atomic<pid_t> starter_{0}; ///< The process of the present or last run.
    EnterTarget enter_target_{};    ///< Without the root, which enter() duplicates.
    HostSide host_side_;
    std::shared_ptr<const Groups> groups_;  ///< Of the present start or run, if it has any.
    std::shared_ptr<const UniqueFd> upper_; ///< The throw-away upper directory of the present or last run, if any.
    std::shared_ptr<const SeccompHandler> on_seccomp_;
    std::optional<Log> log_;
    std::vector<std::shared_ptr<LogSink>> sinks_;
    std::shared_ptr<OutputHandlers> handlers_; ///< Null as long as there never were any.
    std::shared_ptr<Output> output_;
    std::optional<Attachable> attachable_;
    std::string attach_socket_;                 ///< Of the last server.
    std::shared_ptr<AttachPoint> attach_point_; ///< Null as long as it never was attachable.
    std::shared_ptr<Events> events_;            ///< Null as long as there never was a handler.
    std::shared_ptr<RunWatch> run_watch_;
    std::shared_ptr<const ExitRecord> exit_record_; ///< Of the last run that has ended.
    std::string exit_file_;                         ///< Or empty.
    std::shared_ptr<Ending> ending_;                ///< With which nobody is at work.
    /// Of the present or last start; changed by the thread that starts.
    struct RunTimes {
        std::chrono::steady_clock::time_point begin = {};
        std::chrono::system_clock::time_point wall = {};
        pid_t pid = -1;
        StartTimes start = {};
    } run_times_;
};

} // namespace ct::internal
