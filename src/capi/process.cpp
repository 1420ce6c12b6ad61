// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "capi/process.hpp"

#include <sys/wait.h>

#include <ct/export.hpp>

#include "capi/guard.hpp"

namespace ct::capi {

namespace {

int raw_status(const ExitStatus& status) {
    switch (status.kind) {
    case ExitStatus::Kind::Exited: return W_EXITCODE(status.value, 0);
    case ExitStatus::Kind::Signaled: return W_EXITCODE(0, status.value) | (status.core_dumped ? WCOREFLAG : 0);
    case ExitStatus::Kind::Unknown: break;
    }
    return -1;
}

} // namespace

void Process::set(ct::Process process) {
    const std::lock_guard lock(mutex_);
    pid_ = process.pid();
    process_ = std::move(process);
}

int Process::wait() {
    std::optional<ct::Process> process;
    {
        const std::lock_guard lock(mutex_);
        process = process_;
    }
    require(process.has_value(), LCTERR_BADCTSTATE, "the process was waited for already");
    const int status = raw_status(process->wait());
    const std::lock_guard lock(mutex_);
    // Of several that wait at a time one gets it.
    require(process_ && process_->pidfd() == process->pidfd(), LCTERR_BADCTSTATE,
            "the process was waited for meanwhile");
    process_.reset();
    pid_ = -1;
    return status;
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

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_process_wait(ct_process_t p, int* status) {
    return guard([&] {
        const int told = get(p)->wait();
        if (status != nullptr) *status = told;
    });
}

CT_EXPORT int libct_process_get_pid(ct_process_t p) {
    return guard([&] { return get(p)->pid(); });
}

CT_EXPORT void libct_process_destroy(ct_process_t p) {
    (void)guard([&] {
        if (get(p)->owner() == Process::Owner::Caller) remove_object(p);
    });
}

} // extern "C"
