// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/concat.hpp"

/// How a monitor goes on in another process.
namespace ctmon {

using ct::Stream;
using ct::internal::UniqueFd;

namespace {

/// Whether it belongs to the keeper, who gets what a runtime leaves: an old pid file may name anything.
bool is_child_of_parent(pid_t pid) {
    const UniqueFd file(::open(ct::internal::concat("/proc/", pid, "/stat").c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 256> bytes{};
    const ssize_t size = file ? ::read(file.get(), bytes.data(), bytes.size() - 1) : 0;
    const std::string_view text(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    const std::size_t name_end = text.rfind(") "); // then one letter, and the parent
    return name_end != std::string_view::npos && std::atoi(text.data() + name_end + 4) == ::getppid();
}

} // namespace

std::vector<std::pair<std::string, int>> Monitor::descriptors() const {
    std::vector<std::pair<std::string, int>> all;
    const auto add = [&](const char* name, int fd) {
        if (fd >= 0) all.emplace_back(name, fd);
    };
    if (phase_ == Phase::New || phase_ >= Phase::Cleaning) return all;
    if (terminal_) {
        add("terminal", terminal_.get());
    } else {
        if (const auto input = streams_.point->input()) add("in", input->descriptor());
        add("out", streams_.output->descriptor(Stream::Output));
    }
    add("err", text_pipe_ ? text_pipe_.get() : streams_.output->descriptor(Stream::Error));
    return all;
}

void Monitor::hand_over() {
    streams_.output->hand_over();
}

void Monitor::resume(Saved saved) {
    phase_ = saved.phase;
    failed_ = saved.failed;
    container_ = saved.container;
    code_ = saved.code;
    reported_ = saved.reported;
    deadline_ = saved.deadline;
    try {
        if (phase_ <= Phase::Creating) {
            std::string ignored;
            const auto pid = read_pid_file(options_, AT_FDCWD, ignored);
            if (pid && is_child_of_parent(*pid)) container_ = pid; // to be killed
            constexpr const char* why = "the monitor was started anew while the runtime was at work";
            return fail(why, why);
        }
        if (phase_ == Phase::Running && !options_.sdnotify_socket.empty()) {
            notify_ = std::make_unique<NotifyProxy>(options_.bundle, options_.sdnotify_socket, shared_.loop, messages_);
        }
        if (phase_ <= Phase::Ending && !options_.bundle.empty() && !options_.log.passthrough) serve_attached();
        ct::internal::HostEnds ends;
        ends.pipes = {std::move(saved.in), std::move(saved.out), std::move(saved.err)};
        if (saved.terminal) keep_terminal(saved.terminal.get());
        ends.terminal = std::move(saved.terminal);
        streams_.output->connect(ends, shared_.loop);
        streams_.output->started();
    } catch (const std::exception& error) {
        messages_.error(error.what()); // the container goes on, and its end is told
    }
    switch (phase_) {
    case Phase::Running:
        if (!reported_) report_running();
        return watch_container();
    case Phase::Ending: return end_output();
    case Phase::Cleaning: return clean_up();
    default: return enter(Phase::Done); // nobody knows whether the exit command has ended, but it was started
    }
}

} // namespace ctmon
