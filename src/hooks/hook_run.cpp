// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "hooks/hook_run.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "base/concat.hpp"
#include "base/rollback.hpp"
#include "base/sys.hpp"
#include "base/time_limit.hpp"
#include "launch/exit_status.hpp"
#include "launch/failure.hpp"
#include "plan/compile.hpp"
#include "state/hook_state.hpp"

namespace ct::internal {

namespace {

/// A file rather than a pipe: nobody has to write while the hook reads, or does not.
UniqueFd file_with(const std::string& text) {
    UniqueFd file = sys::above_stdio(UniqueFd(::memfd_create("hook-state", MFD_CLOEXEC)), Stage::Hooks,
                                     "make a file for the container's state");
    if (!file || ::pwrite(file.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
        throw sys::error(errno, Stage::Hooks, "make a file for the container's state");
    }
    return file;
}

std::vector<std::string> environment_of(const HookCommand& command) {
    if (command.environment) return *command.environment;
    std::vector<std::string> entries;
    for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) entries.emplace_back(*entry);
    return entries;
}

ToolRequest request_for(const Hook& hook, const std::string& state) {
    ToolRequest request;
    request.argv = hook.command.argv;
    request.environment = environment_of(hook.command);
    const std::vector<std::string_view> entries(request.environment.begin(), request.environment.end());
    request.candidates = exec_candidates(program_of(hook.command), entries);
    request.directory = hook.command.working_directory;
    request.input = file_with(state);
    request.tells_output = false;
    request.new_session = true;
    request.time_limit = hook.time_limit;
    return request;
}

} // namespace

bool HookSet::any_at(HookPoint point) const {
    const auto is_there = [&](const auto& hook) { return hook.point == point; };
    return std::ranges::any_of(spec->hooks, is_there) || (own && std::ranges::any_of(*own, is_there));
}

HookRun::HookRun(About about, const HookSet& hooks, Failed failed)
    : about_(std::move(about)), hooks_(hooks), failed_(std::move(failed)) {
    const std::vector<Hook>& commands = hooks_.spec->hooks;
    static const OwnHooks none;
    const OwnHooks& own = hooks_.own ? *hooks_.own : none;
    for (std::size_t at = 0; at <= commands.size(); ++at) {
        for (const OwnHook& hook : own) {
            const bool here = std::min(hook.after, commands.size()) == at;
            if (here && hook.point == about_.point) items_.emplace_back(&hook.handler);
        }
        if (at < commands.size() && commands[at].point == about_.point) items_.emplace_back(&commands[at]);
    }
}

HookRun::~HookRun() {
    if (watch_) loop_->remove(*watch_);
}

void HookRun::leave_out_commands() {
    std::erase_if(items_, [](const Item& item) { return std::holds_alternative<const Hook*>(item); });
}

void HookRun::begin(std::shared_ptr<Loop> loop, std::function<void()> then) {
    loop_ = std::move(loop);
    then_ = std::move(then);
}

bool HookRun::is_in_callable() const {
    const std::lock_guard lock(mutex_);
    return runner_ == std::this_thread::get_id();
}

bool HookRun::go_on() {
    {
        const std::lock_guard lock(mutex_);
        if (over_) return true;
        if (runner_ != std::thread::id()) return false;
        runner_ = std::this_thread::get_id();
    }
    Rollback leave; // also if a failure ends the run
    bool over = true;
    leave.add([&] {
        {
            const std::lock_guard lock(mutex_);
            runner_ = {};
            over_ = over;
        }
        changed_.notify_all();
    });
    over = advance();
    if (!over) return false;
    const auto self = shared_from_this(); // what follows may be the end of its owner
    if (then_) std::exchange(then_, nullptr)();
    return true;
}

bool HookRun::await(std::optional<std::chrono::nanoseconds> limit) {
    if (is_in_callable()) return false; // it would wait for itself
    const TimeLimit time(limit);
    while (!go_on()) {
        if (time.passed()) return false;
        std::shared_ptr<Tool> tool;
        {
            std::unique_lock lock(mutex_);
            const auto is_idle = [&] { return over_ || runner_ == std::thread::id(); };
            if (limit && !changed_.wait_for(lock, *time.left(), is_idle)) return false;
            if (!limit) changed_.wait(lock, is_idle);
            tool = tool_;
        }
        if (tool) (void)wait_until_ended(tool->pidfd(), time.left());
    }
    return true;
}

bool HookRun::advance() {
    for (;;) {
        if (tool_) {
            if (!wait_until_ended(tool_->pidfd(), std::chrono::nanoseconds(0))) return false;
            finish_command();
        }
        if (next_ == items_.size()) return true;
        const Item& item = items_[next_++];
        if (const auto* const hook = std::get_if<const Hook*>(&item)) {
            start(**hook);
        } else {
            call(*std::get<const HookHandler*>(item));
        }
    }
}

Error HookRun::failure(int error, std::string_view path, std::string_view hint) const {
    return sys::error(error, Stage::Hooks, concat("run ", to_string(about_.point), " hook"), path, hint);
}

void HookRun::start(const Hook& hook) {
    const std::string& program = program_of(hook.command);
    try {
        sys::fault_point(Stage::Hooks, "run a hook", program);
        auto tool = std::make_shared<Tool>(
            request_for(hook, hook_state(about_.container, about_.point, *hooks_.spec, about_.pid)));
        const std::lock_guard lock(mutex_);
        tool_ = std::move(tool);
        command_ = &hook;
    } catch (const Error& error) {
        failed_(failure(error.code().value(), program, error.hint()));
        return;
    } catch (const std::bad_alloc&) {
        failed_(failure(ENOMEM, program, {}));
        return;
    }
    if (!loop_) return;
    try {
        watch_ = loop_->add(tool_->pidfd(), EPOLLIN, [weak = weak_from_this()](std::uint32_t) {
            if (const auto self = weak.lock()) (void)self->go_on();
        });
    } catch (const Error& error) {
        failed_(error); // whoever asks for the container's state goes on
    }
}

void HookRun::finish_command() {
    std::shared_ptr<Tool> tool;
    {
        const std::lock_guard lock(mutex_);
        tool.swap(tool_);
    }
    if (watch_) loop_->remove(*watch_);
    watch_.reset();
    const std::string& program = program_of(command_->command);
    ToolResult result;
    try {
        result = tool->result();
    } catch (const Error& error) {
        failed_(failure(error.code().value(), program, {}));
        return;
    }
    if (!result.late && result.status.success()) return;
    failed_(failure(
        result.late ? ETIMEDOUT : ECANCELED, program,
        hook_hint(result.late ? std::optional(command_->time_limit) : std::nullopt, result.status, result.text)));
}

void HookRun::call(const HookHandler& handler) {
    std::error_code code = std::make_error_code(std::errc::operation_canceled);
    std::string reason = "it threw something that is no std::exception";
    try {
        sys::fault_point(Stage::Hooks, "run a hook");
        handler({about_.container, about_.point, about_.state, about_.pid});
        return;
    } catch (const std::system_error& error) {
        code = error.code();
        reason = error.what();
    } catch (const std::exception& error) {
        reason = error.what();
    } catch (...) {
    }
    failed_(Error(code, Stage::Hooks, concat("run a callable as ", to_string(about_.point), " hook"), {}, reason));
}

} // namespace ct::internal
