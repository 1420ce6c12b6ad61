// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "capi/session.hpp"

#include <cstring>

#include <ct/error.hpp>
#include <ct/export.hpp>
#include <libct/libct-log-levels.h>

#include "capi/container.hpp"
#include "capi/guard.hpp"

namespace ct::capi {

SessionOptions Session::options() {
    return {.on_close = OnClose::Detach, .log_handler = [](LogLevel level, std::string_view text) {
                const unsigned number = level == LogLevel::Warning ? LOG_WARN
                                        : level == LogLevel::Info  ? LOG_INFO
                                                                   : LOG_DEBUG;
                log(number, text, std::source_location::current());
            }};
}

ct::Container Session::create(const std::string& name) {
    const std::lock_guard lock(mutex_);
    for (ct::Session& session : sessions_) {
        try {
            return session.create(name);
        } catch (const Error& error) {
            if (error.code() != Errc::NameInUse) throw;
        }
    }
    return sessions_.emplace_back(options()).create(name);
}

void Session::attach(const void* container) {
    const std::lock_guard lock(mutex_);
    containers_.insert(container);
}

void Session::detach(const void* container) noexcept {
    const std::lock_guard lock(mutex_);
    containers_.erase(container);
}

std::set<const void*> Session::take_containers() noexcept {
    const std::lock_guard lock(mutex_);
    return std::exchange(containers_, {});
}

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT libct_session_t libct_session_open_local() {
    return guard_handle([] { return add_handle<libct_session_t>(std::make_shared<Session>()); });
}

CT_EXPORT libct_session_t libct_session_open(const char* url) {
    return guard_handle([&] {
        require(url == nullptr || std::strcmp(url, "local") == 0, LCTERR_INVARG, "only local sessions can be opened");
        return add_handle<libct_session_t>(std::make_shared<Session>());
    });
}

CT_EXPORT void libct_session_close(libct_session_t s) {
    (void)guard([&] {
        const auto session = get(s);
        for (const void* const handle : session->take_containers()) {
            if (const auto container = std::dynamic_pointer_cast<Container>(find_object(handle))) container->close();
        }
        remove_object(s);
    });
}

} // extern "C"
