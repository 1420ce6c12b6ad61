// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor.hpp"

/// How a monitor goes on in another process.
namespace ctmon {

using ct::Stream;
using ct::internal::UniqueFd;

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
    try {
        if (phase_ <= Phase::Creating) {
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
    case Phase::Running: return watch_container();
    case Phase::Ending: return end_output();
    case Phase::Cleaning: return clean_up();
    default: return enter(Phase::Done); // nobody knows whether the exit command has ended, but it was started
    }
}

} // namespace ctmon
