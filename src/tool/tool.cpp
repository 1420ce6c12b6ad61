// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "tool/tool.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "base/concat.hpp"
#include "base/signals_blocked.hpp"
#include "base/sys.hpp"
#include "child/clone.hpp"
#include "child/tool.hpp"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace ct::internal {

namespace {

/// The memory that keeper and program use until the program is executed.
struct Area {
    static constexpr std::size_t StackSize = std::size_t{16} * 1024;
    child::ToolPlan plan{};
    alignas(16) std::array<std::byte, StackSize> keeper_stack;
    alignas(16) std::array<std::byte, StackSize> program_stack;
};

clone_args clone_request(std::array<std::byte, Area::StackSize>& stack) {
    clone_args args{};
    args.flags = CLONE_VM | CLONE_FILES | CLONE_CLEAR_SIGHAND;
    args.stack = reinterpret_cast<std::uintptr_t>(stack.data());
    args.stack_size = stack.size();
    return args;
}

void wait_for_end(int pidfd) {
    pollfd fd{pidfd, POLLIN, 0};
    while (::poll(&fd, 1, -1) < 0 && errno == EINTR) {
    }
}

std::string last_line(int fd) {
    std::array<char, 4096> buffer{};
    const off_t size = std::max<off_t>(::lseek(fd, 0, SEEK_END), 0);
    const off_t from = std::max<off_t>(size - static_cast<off_t>(buffer.size()), 0);
    const ssize_t length = ::pread(fd, buffer.data(), buffer.size(), from);
    std::string text(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text.substr(text.rfind('\n') + 1);
}

ExitStatus from_wait_status(const child::ToolPlan& plan) {
    if (plan.awaited == 0) return {};
    if (WIFEXITED(plan.status)) return {ExitStatus::Kind::Exited, WEXITSTATUS(plan.status), false};
    return {ExitStatus::Kind::Signaled, WTERMSIG(plan.status), false};
}

} // namespace

std::string find_tool(std::string_view name) {
    for (const char* const directory : {"/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/", "/usr/local/bin/"}) {
        std::string path = concat(directory, name);
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return {};
}

ToolResult run_tool(const std::string& program, const std::vector<std::string>& argv) {
    const UniqueFd input = sys::open("/dev/null", O_RDONLY, Stage::Launch);
    const UniqueFd output = sys::above_stdio(UniqueFd(::memfd_create("libct-tool", MFD_CLOEXEC)), Stage::Launch,
                                             "make a file for a program's output");
    std::vector<const char*> words;
    words.reserve(argv.size() + 1);
    for (const std::string& word : argv) words.push_back(word.c_str());
    words.push_back(nullptr);
    const std::array<const char*, 2> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", nullptr};

    auto area = std::make_unique<Area>();
    child::ToolPlan& plan = area->plan;
    plan.path = program.c_str();
    plan.argv = words.data();
    plan.envp = environment.data();
    plan.input = input.get();
    plan.output = output.get();
    plan.clone = clone_request(area->program_stack);
    plan.clone.flags |= CLONE_VFORK;
    plan.clone.exit_signal = SIGCHLD;
    clone_args keeper = clone_request(area->keeper_stack);
    int number = -1;
    keeper.flags |= CLONE_PIDFD;
    keeper.pidfd = reinterpret_cast<std::uintptr_t>(&number);
    long pid;
    {
        const SignalsBlocked blocked;
        pid = child::clone_onto_stack(&keeper, child::run_keeper, &plan);
    }
    if (pid < 0) throw sys::error(static_cast<int>(-pid), Stage::Launch, "make a process for", program);
    const UniqueFd pidfd(number);
    wait_for_end(pidfd.get());
    // If somebody in the host was faster, the plan tells how the program ended all the same.
    siginfo_t info{};
    (void)::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd.get()), &info, WEXITED | __WALL);

    if (plan.error != 0) throw sys::error(plan.error, Stage::Launch, "execute", program);
    ToolResult result{from_wait_status(plan), last_line(output.get())};
    // A keeper that was killed may have left the program's process behind, still on its way to exec.
    if (plan.awaited == 0) (void)area.release();
    return result;
}

} // namespace ct::internal
