// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>

#include "background.hpp"
#include "base/concat.hpp"
#include "base/sys.hpp"
#include "exit_files.hpp"

namespace ctmon {

using ct::Stage;
using ct::Stream;
using ct::internal::AttachServerCore;
using ct::internal::concat;
using ct::internal::Loop;
using ct::internal::UniqueFd;
using Clock = std::chrono::steady_clock;
namespace sys = ct::internal::sys;

namespace {

constexpr std::size_t LongestText = 8191;     ///< Of the runtime, as part of a report.
constexpr std::size_t MostText = 64UL * 1024; ///< Of a runtime that is not done yet: all that its pipe holds.
constexpr std::size_t MostClients = 4096;
constexpr mode_t AnyUser = 0777; ///< Who has another user inside may reopen /dev/stdout.
constexpr std::chrono::seconds KillPatience{5};
constexpr int Unknown = -1;

sys::Pipe make_pipe() {
    sys::Pipe pipe = sys::pipe(Stage::Stdio);
    (void)::fchmod(pipe.read.get(), AnyUser);
    (void)::fchmod(pipe.write.get(), AnyUser);
    return pipe;
}

std::string real_path(const std::string& path) {
    std::array<char, PATH_MAX> resolved{};
    if (::realpath(path.c_str(), resolved.data()) == nullptr) throw sys::error(errno, Stage::Stdio, "find", path);
    return resolved.data();
}

std::string describe(int status) {
    if (WIFSIGNALED(status)) return concat("the runtime was killed by signal ", WTERMSIG(status));
    return concat("the runtime exited with code ", WEXITSTATUS(status));
}

} // namespace

Monitor::Monitor(Options options, Inherited inherited, ClientPipes pipes, Streams streams, const Shared& shared)
    : options_(std::move(options)), messages_(options_), inherited_(std::move(inherited)), pipes_(std::move(pipes)),
      streams_(std::move(streams)), shared_(shared) {
    // Whoever else holds the input must close it, too.
    streams_.point->when_input_ends([this] {
        if (changed_) changed_();
    });
}

Monitor::~Monitor() {
    shared_.loop->remove(text_watch_);
    shared_.loop->remove(timer_);
    streams_.point->when_input_ends(nullptr);
}

void Monitor::report(int value, std::string_view message) noexcept {
    const bool exec = options_.mode == Mode::Exec;
    pipes_.sync.send(options_.api_version_1 ? "data" : exec ? "exit_code" : "pid", value, message);
}

void Monitor::begin() {
    try {
        set_up();
        start();
    } catch (const std::exception& error) {
        fail(error.what(), error.what());
    }
}

void Monitor::set_up() {
    if (!options_.sdnotify_socket.empty()) {
        notify_ = std::make_unique<NotifyProxy>(options_.bundle, options_.sdnotify_socket, shared_.loop, messages_);
    }
    if (!options_.bundle.empty() && !options_.log.passthrough) serve_attached();
    if (options_.exec_attach) pipes_.attach.send("data", 0);
}

void Monitor::serve_attached() {
    const std::string bundle = real_path(options_.bundle);
    if (!options_.full_attach && !options_.cuuid.empty()) {
        link_ = std::make_unique<AttachLink>(options_.socket_dir_path, options_.cuuid, bundle);
    }
    (void)::unlink(concat(bundle, "/attach").c_str()); // whatever it is
    // The input of a terminal does not end: another client may come, and this one may only have gone away.
    const bool closes_input = options_.stdin_open && !options_.terminal && !options_.leave_stdin_open;
    server_ = std::make_shared<AttachServerCore>(
        ct::AttachServerOptions{.path = concat(bundle, "/attach"),
                                .replace = true,
                                .mode = 0700,
                                .slow = ct::SlowClient::Spill,
                                .eof = closes_input ? ct::ClientEof::CloseInput : ct::ClientEof::Ignore,
                                .max_clients = MostClients},
        streams_.point, shared_.loop, shared_.scratches);
    server_->open();
    controls_ = std::make_unique<ControlFifos>(bundle, shared_.loop, messages_, [this](const Command& command) {
        if (const auto* const size = std::get_if<WindowSize>(&command)) return resize(*size);
        reopen_log();
    });
}

ChildStreams Monitor::open_streams(std::vector<UniqueFd>& child_ends) {
    ct::internal::HostEnds ends;
    if (options_.log.passthrough) {
        streams_.output->connect(ends, shared_.loop); // for its end
        return {.inherit = true};
    }
    ChildStreams streams;
    const auto lend = [&](UniqueFd fd) { return child_ends.emplace_back(std::move(fd)).get(); };
    if (options_.terminal) {
        console_ =
            std::make_unique<ConsoleSocket>(shared_.loop, [this](UniqueFd master) { console_came(std::move(master)); });
    } else {
        if (options_.stdin_open) {
            sys::Pipe in = make_pipe();
            streams.in = lend(std::move(in.read));
            ends.pipes[0] = std::move(in.write);
        }
        sys::Pipe out = make_pipe();
        streams.out = lend(std::move(out.write));
        ends.pipes[1] = std::move(out.read);
    }
    sys::Pipe err = make_pipe();
    streams.err = lend(std::move(err.write));
    streams_.output->connect(ends, shared_.loop);
    watch_runtime_text(std::move(err.read));
    return streams;
}

void Monitor::start() {
    std::vector<UniqueFd> child_ends;
    const ChildStreams child = open_streams(child_ends);
    messages_.debug(concat("start the runtime '", options_.runtime, "' for container ", options_.cid));
    enter(Phase::Creating);
    expectation_.emplace(shared_.reaper);
    runtime_ = start_runtime(options_, console_ ? console_->path() : "", child, pipes_.start.get(), inherited_);
    pipes_.start.reset();
    // Its standard streams, if they were given to it.
    std::erase_if(inherited_.fds, [](const auto& each) { return each.first <= STDERR_FILENO; });
    shared_.reaper.watch(runtime_, [weak = weak_from_this()](std::optional<int> status) {
        if (const auto self = weak.lock()) self->runtime_ended(status);
    });
    if (!options_.terminal && !options_.log.passthrough) streams_.output->started();
}

void Monitor::watch_runtime_text(UniqueFd text) {
    text_pipe_ = std::move(text);
    (void)::fcntl(text_pipe_.get(), F_SETFL, O_NONBLOCK);
    text_watch_ = shared_.loop->add(text_pipe_.get(), EPOLLIN, [this](std::uint32_t) { read_runtime_text(); });
}

void Monitor::read_runtime_text() {
    std::array<char, 4096> bytes{};
    for (;;) {
        const ssize_t size = ::read(text_pipe_.get(), bytes.data(), bytes.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) {
            // Its end would be told again and again.
            if (size == 0) shared_.loop->remove(std::exchange(text_watch_, 0));
            return;
        }
        runtime_text_.append(bytes.data(), static_cast<std::size_t>(size));
        // It would wait for us for ever; or an exec has begun to write, and its runtime is slow to end.
        if (runtime_text_.size() > MostText) return pass_on_runtime_text();
    }
}

void Monitor::pass_on_runtime_text() {
    shared_.loop->remove(std::exchange(text_watch_, 0));
    if (!text_pipe_) return;
    streams_.output->put(Stream::Error, runtime_text_);
    ct::internal::HostEnds ends;
    ends.pipes[2] = std::move(text_pipe_);
    streams_.output->connect(ends, shared_.loop);
    runtime_text_.resize(std::min(runtime_text_.size(), LongestText));
}

void Monitor::console_came(UniqueFd master) {
    console_.reset();
    if (!master) return messages_.error("what came by the console socket is no terminal");
    termios settings{};
    if (::tcgetattr(master.get(), &settings) == 0) {
        settings.c_oflag |= ONLCR;
        (void)::tcsetattr(master.get(), TCSANOW, &settings);
    }
    keep_terminal(master.get());
    if (size_) resize(*size_);
    ct::internal::HostEnds ends;
    ends.terminal = std::move(master);
    streams_.output->connect(ends, shared_.loop);
    streams_.output->started();
}

void Monitor::keep_terminal(int master) {
    terminal_ = sys::duplicate(master, Stage::Stdio, "duplicate the terminal");
    // As long as somebody has the other side open, it has no end: a process may close it, and another one open it.
    terminal_peer_.reset(::ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
}

void Monitor::resize(WindowSize size) {
    size_ = size;
    const winsize wanted{.ws_row = size.rows, .ws_col = size.columns, .ws_xpixel = 0, .ws_ypixel = 0};
    if (terminal_ && ::ioctl(terminal_.get(), TIOCSWINSZ, &wanted) < 0) {
        messages_.warn(concat("set the size of the terminal: ", ::strerrordesc_np(errno)));
    }
}

void Monitor::reopen_log() {
    try {
        streams_.output->reopen();
    } catch (const ct::Error& error) {
        messages_.warn(error.what()); // what comes goes on to the old file
    }
}

void Monitor::runtime_ended(std::optional<int> status) {
    runtime_ = 0;
    if (text_pipe_ && text_watch_ != 0) read_runtime_text();
    if (console_) console_->look();
    const std::string why = look_for_container(status);
    // A runtime that fails speaks for itself, if it says anything.
    const bool speaks = options_.mode != Mode::Exec && status.value_or(0) != 0;
    if (!why.empty()) return fail(why, speaks ? runtime_text_ : why);
    try {
        created();
    } catch (const std::exception& error) {
        fail(error.what(), error.what());
    }
}

std::string Monitor::look_for_container(std::optional<int> status) {
    const auto text_or = [&](std::string_view otherwise) {
        return runtime_text_.empty() ? std::string(otherwise) : runtime_text_.substr(0, LongestText);
    };
    const int how = status.value_or(0);
    // Some runtimes hand on the code of the command that they execute.
    if (options_.mode != Mode::Exec && how != 0) return text_or(describe(how));
    std::string why;
    container_ = read_pid_file(options_, inherited_.directory ? inherited_.directory.get() : AT_FDCWD, why);
    if (!container_) return text_or(how != 0 ? concat(describe(how), "; ", why) : why);
    if (options_.terminal && !terminal_ && !options_.log.passthrough) return "Runtime did not set up terminal";
    return {};
}

void Monitor::enter(Phase phase) {
    phase_ = phase;
    if (changed_) changed_();
}

void Monitor::created() {
    console_.reset();
    if (!options_.log.passthrough) pass_on_runtime_text();
    if (options_.timeout > 0) deadline_ = Clock::now() + std::chrono::seconds(options_.timeout);
    enter(Phase::Running);
    report_running();
    watch_container();
    expectation_.reset();
}

void Monitor::report_running() {
    if (options_.mode != Mode::Exec || options_.api_version_1) report(*container_);
    reported_ = true;
    if (changed_) changed_();
}

void Monitor::watch_container() {
    pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, *container_, 0)));
    std::vector<std::string> oom_files;
    for (const std::string& directory : {options_.persist_dir, options_.bundle})
        if (!directory.empty()) oom_files.push_back(concat(directory, "/oom"));
    oom_ = std::make_unique<OomWatch>(*container_, oom_files, shared_.loop, messages_);
    if (deadline_) timer_ = shared_.loop->add_timer(*deadline_, [this] { time_is_up(); });
    shared_.reaper.watch(*container_, [weak = weak_from_this()](std::optional<int> status) {
        if (const auto self = weak.lock()) self->container_ended(status);
    });
}

void Monitor::fail(const std::string& why, std::string_view told) noexcept {
    failed_ = true;
    messages_.error(why);
    if (container_) (void)::kill(*container_, SIGKILL);
    report(-1, told.substr(0, LongestText));
    expectation_.reset();
    console_.reset();
    if (server_) server_->close();
    if (controls_) controls_->remove();
    if (notify_) notify_->remove();
    link_.reset();
    shared_.loop->remove(std::exchange(text_watch_, 0));
    streams_.output->abandon();
    clean_up();
}

void Monitor::forward(int signal) noexcept {
    if (pidfd_ && phase_ == Phase::Running) {
        (void)::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
    } else if (runtime_ > 0) {
        (void)::kill(runtime_, signal); // not reaped yet
    }
}

void Monitor::time_is_up() {
    timer_ = 0;
    timed_out_ = true;
    const pid_t group = ::getpgid(*container_);
    if (group > 1 && group != ::getpgrp()) (void)::kill(-group, SIGKILL);
    forward(SIGKILL);
    timer_ = shared_.loop->add_timer(Clock::now() + KillPatience, [this] {
        timer_ = 0;
        container_ended(std::nullopt); // it does not die, and the client has to be told
    });
}

void Monitor::container_ended(std::optional<int> status) {
    if (phase_ != Phase::Running) return;
    shared_.loop->remove(std::exchange(timer_, 0));
    code_ = Unknown;
    if (status && !timed_out_) code_ = WIFSIGNALED(*status) ? 128 + WTERMSIG(*status) : WEXITSTATUS(*status);
    oom_->look();
    if (notify_) notify_->drain();
    end_output();
}

void Monitor::end_output() {
    enter(Phase::Ending);
    streams_.output->when_done([weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->output_ended();
    });
    (void)streams_.output->end(ct::internal::Output::Call::Handlers);
}

void Monitor::output_ended() {
    const ct::LogStats stats = streams_.output->stats();
    if (stats.dropped_bytes > 0) {
        messages_.warn(concat("the log lacks ", stats.dropped_bytes, " bytes of ", stats.dropped_records, " lines"));
    }
    release_descriptors(); // ports are free when the client learns of the end
    if (changed_) changed_();
    (void)write_exit_files(options_, *code_, messages_);
    if (options_.mode == Mode::Exec) report(*code_, timed_out_ ? "command timed out" : "");
    clean_up();
}

void Monitor::release_descriptors() noexcept {
    inherited_.fds.clear();
    close_foreign_descriptors();
    oom_.reset();
    terminal_.reset();
    terminal_peer_.reset();
}

void Monitor::clean_up() {
    enter(Phase::Cleaning);
    if (options_.exit_command.empty()) {
        return enter(Phase::Done);
    }
    timer_ = shared_.loop->add_timer(Clock::now() + std::chrono::seconds(options_.exit_delay), [this] {
        timer_ = 0;
        run_exit_command();
    });
}

void Monitor::run_exit_command() {
    const auto over = [weak = weak_from_this()](std::optional<int>) {
        if (const auto self = weak.lock()) self->enter(Phase::Done);
    };
    enter(Phase::Finishing);
    try {
        shared_.reaper.watch(start_exit_command(options_, inherited_), over);
    } catch (const std::exception& error) {
        messages_.error(error.what());
        over(std::nullopt);
    }
}

bool Monitor::done() const noexcept {
    return phase_ == Phase::Done && (!server_ || failed_ || server_->finished());
}

} // namespace ctmon
