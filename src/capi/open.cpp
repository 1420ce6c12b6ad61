// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Containers in a state directory, and whole specifications.
#include <ct/export.hpp>
#include <ct/state.hpp>

#include "capi/container.hpp"
#include "capi/guard.hpp"
#include "capi/session.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

void Container::open() {
    const std::lock_guard lock(mutex_);
    config_.set_spec(container_.spec());
    const State now = container_.state();
    if (now == State::Stopped) return;
    opened_ = true;
    init_->set(container_.init());
    state_ = now == State::Paused ? CT_PAUSED : CT_RUNNING;
    ++run_;
}

void Container::save() {
    const std::lock_guard lock(mutex_);
    check_stopped();
    config_.apply(container_);
    with_codes([&] { container_.save(); });
}

Spec Container::spec() const {
    const std::lock_guard lock(mutex_);
    return config_.spec();
}

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT ct_handler_t libct_container_open(libct_session_t s, const char* name) {
    return guard_handle([&] {
        const auto session = get(s);
        require(name != nullptr, LCTERR_INVARG, "the container has no name");
        auto container = std::make_shared<Container>(session, session->open(name));
        container->open();
        const auto added = add_handle<ct_handler_t>(container);
        session->attach(added);
        return added;
    });
}

CT_EXPORT int libct_container_save(ct_handler_t ct) {
    return guard([&] { get(ct)->save(); });
}

CT_EXPORT int libct_container_remove(ct_handler_t ct) {
    return guard([&] { get(ct)->with_stopped([](ct::Container& container) { container.remove(); }); });
}

CT_EXPORT int libct_container_set_spec(ct_handler_t ct, const char* json) {
    return guard([&] {
        const auto container = get(ct);
        require(json != nullptr, LCTERR_INVARG, "there is no specification");
        ct::Spec spec = with_codes([&] { return ct::spec_from_json(json); });
        container->configure([&](Config& config) {
            drop_network(config);
            config.set_spec(std::move(spec));
        });
    });
}

CT_EXPORT int libct_container_get_spec(ct_handler_t ct, char* buf, size_t size) {
    return guard([&] { return write_text(ct::to_json(get(ct)->spec()), buf, size); });
}

} // extern "C"
