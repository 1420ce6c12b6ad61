// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What can be done to a container, beyond what the first libct could.
#include <libct/libct-processes.h>

#include <chrono>

#include <ct/export.hpp>

#include "capi/container.hpp"
#include "capi/guard.hpp"

namespace ct::capi {

bool Container::wait_for(std::chrono::nanoseconds limit) {
    {
        const std::lock_guard lock(mutex_);
        check_running();
        require(!held_, LCTERR_BADCTSTATE, "the container has no first process");
    }
    if (!object().wait_for(limit)) return false;
    wait(); // which has nothing to wait for
    return true;
}

void Container::stop(std::chrono::nanoseconds grace, int number) {
    require(state() != CT_STOPPED, LCTERR_BADCTSTATE, "the container is stopped");
    ct::Container container = object();
    if (container.running()) (void)with_codes([&] { return container.stop(grace, number); });
    become_paused(false);
    if (state() != CT_STOPPED) wait();
}

void Container::freeze(std::chrono::nanoseconds limit) {
    with_codes([&] { object().freeze(limit); });
    become_paused(true);
}

void Container::thaw(std::chrono::nanoseconds limit) {
    with_codes([&] { object().thaw(limit); });
    become_paused(false);
}

void Container::remove_forced() {
    with_codes([&] { object().remove(Remove::Force); });
    init_->wait_if_needed();
    const std::lock_guard lock(mutex_);
    state_ = CT_STOPPED;
    groups_.clear();
}

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_container_signal(ct_handler_t ct, int sig) {
    return guard([&] { with_codes([&] { get(ct)->object().signal(sig); }); });
}

CT_EXPORT int libct_container_wait_for(ct_handler_t ct, int timeout_ms) {
    return guard([&] {
        const auto container = get(ct);
        // A year is for ever.
        const auto limit = timeout_ms < 0 ? std::chrono::hours(24 * 365) : std::chrono::milliseconds(timeout_ms);
        return container->wait_for(limit) ? 1 : 0;
    });
}

CT_EXPORT int libct_container_stop(ct_handler_t ct, unsigned int grace_ms, int sig) {
    return guard([&] { get(ct)->stop(std::chrono::milliseconds(grace_ms), sig); });
}

CT_EXPORT int libct_container_freeze(ct_handler_t ct, unsigned int timeout_ms) {
    return guard([&] { get(ct)->freeze(std::chrono::milliseconds(timeout_ms)); });
}

CT_EXPORT int libct_container_thaw(ct_handler_t ct, unsigned int timeout_ms) {
    return guard([&] { get(ct)->thaw(std::chrono::milliseconds(timeout_ms)); });
}

CT_EXPORT int libct_container_detach(ct_handler_t ct) {
    return guard([&] { with_codes([&] { get(ct)->object().detach(); }); });
}

CT_EXPORT int libct_container_remove_forced(ct_handler_t ct) {
    return guard([&] { get(ct)->remove_forced(); });
}

} // extern "C"
