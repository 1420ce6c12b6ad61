// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "capi/process.hpp"

#include <fcntl.h>

#include <cerrno>

#include <ct/export.hpp>
#include <libct/libct-processes.h>
#include <libct/libct-streams.h>

#include "base/sys.hpp"
#include "capi/exit_record.hpp"
#include "capi/guard.hpp"
#include "capi/process_desc.hpp"

namespace ct::capi {

void Process::set(ct::Process process) {
    const std::lock_guard lock(mutex_);
    pid_ = process.pid();
    process_ = std::move(process);
}

ct::Process Process::present() {
    const std::lock_guard lock(mutex_);
    require(process_.has_value(), LCTERR_BADCTSTATE, "the process was waited for already");
    return *process_;
}

int Process::become_waited_for(const ct::Process& process, const ExitStatus& status) {
    const std::lock_guard lock(mutex_);
    // Of several that wait at a time one gets it.
    require(process_ && process_->pidfd() == process.pidfd(), LCTERR_BADCTSTATE,
            "the process was waited for meanwhile");
    process_.reset();
    pid_ = -1;
    return raw_status(status);
}

int Process::wait() {
    const ct::Process process = present();
    return become_waited_for(process, process.wait());
}

std::optional<int> Process::wait_for(std::chrono::nanoseconds limit) {
    const ct::Process process = present();
    const auto status = process.wait_for(limit);
    if (!status) return std::nullopt;
    return become_waited_for(process, *status);
}

void Process::signal(int number) {
    present().signal(number);
}

int Process::pidfd() {
    const ct::Process process = present();
    const int fd = ::fcntl(process.pidfd(), F_DUPFD_CLOEXEC, 3);
    if (fd < 0) throw internal::sys::error(errno, Stage::Session, "duplicate the descriptor of a process");
    return fd;
}

void Process::wait_if_needed() {
    {
        const std::lock_guard lock(mutex_);
        if (!process_) return;
    }
    try {
        (void)wait();
    } catch (const Failure&) {
        return; // somebody else was faster
    }
}

pid_t Process::pid() {
    const std::lock_guard lock(mutex_);
    return pid_;
}

int Process::take_stream(int number) {
    const std::lock_guard lock(mutex_);
    require(number >= 0 && number <= 2, LCTERR_INVARG, "there is no such stream");
    require(process_.has_value(), LCTERR_BADCTSTATE, "the process was waited for already");
    int fd = process_->terminal();
    if (fd >= 0) {
        fd = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0) throw internal::sys::error(errno, Stage::Stdio, "duplicate the terminal");
    } else {
        fd = process_->release_stream(number);
    }
    require(fd >= 0, LCTERR_NOTFOUND, "the stream is no pipe");
    return fd;
}

void Process::resize_terminal(TerminalSize size) {
    const std::lock_guard lock(mutex_);
    require(process_.has_value(), LCTERR_BADCTSTATE, "the process was waited for already");
    require(process_->terminal() >= 0, LCTERR_NOTFOUND, "the process has no terminal");
    process_->resize_terminal(size);
}

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_process_wait(ct_process_t p, int* status) {
    return guard([&] {
        const int told = get(p)->wait();
        if (status != nullptr) *status = told;
    });
}

CT_EXPORT int libct_process_wait_for(ct_process_t p, int timeout_ms, int* status) {
    return guard([&] {
        const auto process = get(p);
        const auto told = timeout_ms < 0 ? process->wait() : process->wait_for(std::chrono::milliseconds(timeout_ms));
        if (told && status != nullptr) *status = *told;
        return told ? 1 : 0;
    });
}

CT_EXPORT int libct_process_signal(ct_process_t p, int sig) {
    return guard([&] { get(p)->signal(sig); });
}

CT_EXPORT int libct_process_pidfd(ct_process_t p) {
    return guard([&] { return get(p)->pidfd(); });
}

CT_EXPORT int libct_process_get_pid(ct_process_t p) {
    return guard([&] { return get(p)->pid(); });
}

CT_EXPORT int libct_process_stream(ct_process_t p, int stream) {
    return guard([&] { return get(p)->take_stream(stream); });
}

CT_EXPORT int libct_process_resize_terminal(ct_process_t p, unsigned int rows, unsigned int columns) {
    return guard([&] { get(p)->resize_terminal(terminal_size(rows, columns)); });
}

CT_EXPORT void libct_process_destroy(ct_process_t p) {
    (void)guard([&] {
        if (get(p)->owner() == Process::Owner::Caller) remove_object(p);
    });
}

} // extern "C"
