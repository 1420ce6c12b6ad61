// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "tool/tool.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/concat.hpp"
#include "base/signals_blocked.hpp"
#include "base/sys.hpp"
#include "child/clone.hpp"
#include "child/tool.hpp"
#include "launch/exit_status.hpp"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace ct::internal {

namespace {

constexpr std::size_t StackSize = std::size_t{16} * 1024;

std::vector<const char*> pointers(const std::vector<std::string>& words) {
    std::vector<const char*> list;
    list.reserve(words.size() + 1);
    for (const std::string& word : words) list.push_back(word.c_str());
    list.push_back(nullptr);
    return list;
}

UniqueFd above_stdio(UniqueFd fd) {
    return sys::above_stdio(std::move(fd), Stage::Launch, "make a program's streams");
}

} // namespace

struct Tool::Area {
    explicit Area(ToolRequest asked)
        : request(std::move(asked)), candidates(pointers(request.candidates)), argv(pointers(request.argv)),
          environment(pointers(request.environment)) {}

    const ToolRequest request;
    const std::vector<const char*> candidates;
    const std::vector<const char*> argv;
    const std::vector<const char*> environment;
    child::Command command{.candidates = candidates.data(), .argv = argv.data(), .envp = environment.data()};
    alignas(16) std::array<std::byte, StackSize> keeper_stack;
    alignas(16) std::array<std::byte, StackSize> program_stack;
};

std::string ToolResult::last_line() const {
    std::string line = text;
    while (!line.empty() && line.back() == '\n') line.pop_back();
    return line.substr(line.rfind('\n') + 1);
}

std::string find_tool(std::string_view name) {
    for (const char* const directory : {"/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/usr/local/bin/"}) {
        std::string path = concat(directory, name);
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return {};
}

Tool::Tool(ToolRequest asked) : area_(std::make_unique<Area>(std::move(asked))) {
    const ToolRequest& request = area_->request;
    sys::fault_point(Stage::Launch, "make the streams of", request.argv.at(0));
    output_ = above_stdio(sys::open("/dev/null", O_RDWR, Stage::Launch));
    sys::Pipe pipe = sys::pipe(Stage::Launch);
    errors_ = above_stdio(std::move(pipe.read));
    writer_ = above_stdio(std::move(pipe.write));
    ::fcntl(errors_.get(), F_SETFL, O_NONBLOCK);
    host_.reset(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    if (!host_) throw sys::error(errno, Stage::Launch, "open a pidfd of this process");

    child::Command& command = area_->command;
    command.directory = request.directory.empty() ? nullptr : request.directory.c_str();
    command.streams[0] = request.input ? request.input.get() : output_.get();
    command.streams[1] = request.tells_output ? writer_.get() : output_.get();
    command.streams[2] = writer_.get();
    command.new_session = request.new_session;
    command.shares_descriptors = true;
    command.time_limit = request.time_limit.count();
    command.host_pidfd = host_.get();
    command.errors = errors_.get();
    command.stack = area_->program_stack.data();
    command.stack_size = area_->program_stack.size();

    clone_args clone{};
    clone.flags = CLONE_VM | CLONE_FILES | CLONE_CLEAR_SIGHAND | CLONE_PIDFD;
    clone.stack = reinterpret_cast<std::uintptr_t>(area_->keeper_stack.data());
    clone.stack_size = area_->keeper_stack.size();
    int number = -1;
    clone.pidfd = reinterpret_cast<std::uintptr_t>(&number);
    sys::fault_point(Stage::Launch, "make a process for", request.argv.at(0));
    long pid;
    {
        const SignalsBlocked blocked;
        pid = child::clone_onto_stack(&clone, child::run_keeper, &command);
    }
    if (pid < 0) throw sys::error(static_cast<int>(-pid), Stage::Launch, "make a process for", request.argv.at(0));
    keeper_.reset(number);
}

Tool::~Tool() {
    if (!reaped_) reap();
}

void Tool::reap() noexcept {
    pollfd fd{keeper_.get(), POLLIN, 0};
    while (::poll(&fd, 1, -1) < 0 && errno == EINTR) {
    }
    // If somebody in the host was faster, the memory tells how the program ended all the same.
    siginfo_t info{};
    (void)::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(keeper_.get()), &info, WEXITED | __WALL);
    reaped_ = true;
    const child::Command& command = area_->command;
    if (command.awaited || command.error != 0) return;
    // A keeper that was killed has left its descriptor, and perhaps the program's process, still on its way to exec.
    if (command.pidfd >= 0) ::close(command.pidfd);
    (void)area_.release();
}

ToolResult Tool::result() {
    const Area& area = *area_; // which reap() may leave to the program's process
    const child::Command& command = area.command;
    reap();
    if (command.error != 0) throw sys::error(command.error, Stage::Launch, "execute", area.request.argv.at(0));
    return {command.awaited ? from_wait_status(command.status) : ExitStatus{}, command.late,
            std::string(command.text, command.text_length)};
}

ToolResult run_tool(const std::string& program, const std::vector<std::string>& argv) {
    Tool tool({.candidates = {program}, .argv = argv, .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}});
    try {
        return tool.result();
    } catch (const Error& error) {
        throw sys::error(error.code().value(), Stage::Launch, "execute", program);
    }
}

} // namespace ct::internal
