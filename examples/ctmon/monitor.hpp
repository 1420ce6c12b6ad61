// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "attach/point.hpp"
#include "attach/server.hpp"
#include "attach_link.hpp"
#include "base/unique_fd.hpp"
#include "console_socket.hpp"
#include "control.hpp"
#include "log/scratch.hpp"
#include "messages.hpp"
#include "monitor/loop.hpp"
#include "monitor/output.hpp"
#include "notify_proxy.hpp"
#include "oom_watch.hpp"
#include "options.hpp"
#include "reaper.hpp"
#include "report.hpp"
#include "runtime.hpp"

namespace ctmon {

/// What all containers of one monitor process share.
struct Shared {
    std::shared_ptr<ct::internal::Loop> loop;
    Reaper& reaper;
    std::shared_ptr<ct::internal::ScratchPool> scratches;
};

/// The descriptors by which the client that wants a container is told of it.
struct ClientPipes {
    ReportPipe sync;
    ReportPipe attach;
    ct::internal::UniqueFd start; ///< Read once more before an exec to which the client attaches.
};

/// The log of a container, opened, and those who are attached to it. \throws ct::Error
struct Streams {
    /// \param view  not null: what is read off pipes has to outlive this process
    Streams(const Options& options, std::shared_ptr<ct::internal::ScratchPool> scratches,
            std::shared_ptr<const ct::internal::PipeView> view = {});
    std::shared_ptr<ct::internal::AttachPoint> point;
    std::shared_ptr<ct::internal::Output> output;
};

/// One container, or one exec in it: has the runtime create it, passes on its streams, and tells of its end.
///
/// Everything happens within dispatches of the loop, and nothing blocks.
class Monitor : public std::enable_shared_from_this<Monitor> {
public:
    enum class Phase : std::uint8_t {
        New,
        Creating, ///< The runtime is at work.
        Running,
        Ending,    ///< Its exit code is known, and not told yet.
        Cleaning,  ///< Before the exit command.
        Finishing, ///< While that runs.
        Done,
    };

    /// What another process needs to go on with the container.
    struct Saved {
        Phase phase = Phase::New;
        bool failed = false;
        std::optional<pid_t> container;
        std::optional<int> code;
        bool reported = false;                                         ///< That it runs.
        std::optional<std::chrono::steady_clock::time_point> deadline; ///< Of its timeout.
        ct::internal::UniqueFd in;
        ct::internal::UniqueFd out;
        ct::internal::UniqueFd err;
        ct::internal::UniqueFd terminal;
    };

    Monitor(Options options, Inherited inherited, ClientPipes pipes, Streams streams, const Shared& shared);
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;
    ~Monitor();

    /// Has the runtime started. What fails is reported to the client.
    void begin();
    /// Goes on in place of another process, in place of begin().
    void resume(Saved saved);
    /// \param told  when something has changed that resume() needs
    void when_changed(std::function<void()> told) { changed_ = std::move(told); }
    /// Another process goes on.
    void hand_over();
    /// For the first process of the container, or for the runtime as long as there is none.
    void forward(int signal) noexcept;
    void reopen_log();
    void resize(WindowSize size);

    [[nodiscard]] Phase phase() const noexcept { return phase_; }
    [[nodiscard]] bool failed() const noexcept { return failed_; }
    /// The streams' descriptors, by the names of Saved; those of inherited things are not among them.
    [[nodiscard]] std::vector<std::pair<std::string, int>> descriptors() const;
    [[nodiscard]] const Inherited& inherited() const noexcept { return inherited_; }
    [[nodiscard]] const ClientPipes& pipes() const noexcept { return pipes_; }
    [[nodiscard]] const Options& options() const noexcept { return options_; }
    [[nodiscard]] std::optional<pid_t> container() const noexcept { return container_; }
    [[nodiscard]] bool reported() const noexcept { return reported_; }
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> deadline() const noexcept { return deadline_; }
    /// As exit files tell it; none as long as it is not known.
    [[nodiscard]] std::optional<int> exit_code() const noexcept { return code_; }
    /// All is told and cleaned up.
    [[nodiscard]] bool done() const noexcept;
    /// Of a process that monitors just this container.
    [[nodiscard]] int exit_status() const noexcept { return failed_ ? 1 : code_.value_or(0) & 0xFF; }

private:
    void set_up();
    void serve_attached();
    void start();
    ChildStreams open_streams(std::vector<ct::internal::UniqueFd>& child_ends);
    void watch_runtime_text(ct::internal::UniqueFd text);
    void read_runtime_text();
    /// From now on what comes by standard error is the container's.
    void pass_on_runtime_text();
    void keep_terminal(int master);
    void console_came(ct::internal::UniqueFd master);
    void runtime_ended(std::optional<int> status);
    /// \returns what went wrong; empty if nothing did
    [[nodiscard]] std::string look_for_container(std::optional<int> status);
    void enter(Phase phase);
    void created();
    void report_running();
    /// From when its first process is known.
    void watch_container();
    /// \param told  what the client hears
    void fail(const std::string& why, std::string_view told) noexcept;
    void time_is_up();
    void container_ended(std::optional<int> status);
    void end_output();
    void output_ended();
    void release_descriptors() noexcept;
    void clean_up();
    void run_exit_command();
    void report(int value, std::string_view message = {}) noexcept;

    const Options options_;
    const Messages messages_;
    Inherited inherited_;
    ClientPipes pipes_;
    const Streams streams_;
    const Shared shared_;
    std::function<void()> changed_;
    Phase phase_ = Phase::New;
    bool failed_ = false;
    bool timed_out_ = false;
    pid_t runtime_ = 0;                              ///< While it runs.
    std::optional<Reaper::Expectation> expectation_; ///< Of the container.
    std::optional<pid_t> container_;
    ct::internal::UniqueFd pidfd_; ///< Of the container.
    std::optional<int> code_;
    bool reported_ = false;
    std::optional<std::chrono::steady_clock::time_point> deadline_;
    std::string runtime_text_;         ///< What the runtime has written to its standard error.
    ct::internal::UniqueFd text_pipe_; ///< Where that comes from, and later the container's.
    ct::internal::Loop::Id text_watch_ = 0;
    ct::internal::Loop::Id timer_ = 0;
    ct::internal::UniqueFd terminal_;
    ct::internal::UniqueFd terminal_peer_;
    std::optional<WindowSize> size_; ///< Asked for before there was a terminal.
    std::unique_ptr<ConsoleSocket> console_;
    std::unique_ptr<NotifyProxy> notify_;
    std::unique_ptr<ControlFifos> controls_;
    std::unique_ptr<AttachLink> link_;
    std::shared_ptr<ct::internal::AttachServerCore> server_;
    std::unique_ptr<OomWatch> oom_;
};

} // namespace ctmon
