// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "capi/session.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <ct/error.hpp>
#include <ct/export.hpp>
#include <libct/libct-log-levels.h>

#include "base/sys.hpp"
#include "capi/container.hpp"
#include "capi/guard.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

namespace {

unsigned log_level(LogLevel level) {
    switch (level) {
    case LogLevel::Warning: return LOG_WARN;
    case LogLevel::Info: return LOG_INFO;
    case LogLevel::Debug: break;
    }
    return LOG_DEBUG;
}

void watch(int epoll, int fd) {
    epoll_event readable{.events = EPOLLIN, .data = {.fd = fd}};
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &readable) < 0) {
        throw internal::sys::error(errno, Stage::Session, "watch a session");
    }
}

SystemdProperty property_of(const libct_systemd_property& given) {
    require(given.name != nullptr, LCTERR_INVARG, "a property of systemd has no name");
    switch (given.type) {
    case LIBCT_PROPERTY_NUMBER: return {given.name, given.number};
    case LIBCT_PROPERTY_BOOLEAN: return {given.name, given.number != 0};
    case LIBCT_PROPERTY_TEXT:
        require(given.text != nullptr, LCTERR_INVARG, "a property of systemd has no text");
        return {given.name, std::string(given.text)};
    default: throw Failure(LCTERR_INVARG, "there is no such type of a property of systemd");
    }
}

std::vector<SystemdProperty> properties_of(const libct_session_options& given) {
    const std::size_t count = given.systemd_property_count;
    require(given.systemd_properties != nullptr || count == 0, LCTERR_INVARG, "there are no properties of systemd");
    std::vector<SystemdProperty> properties;
    for (std::size_t i = 0; i < count; ++i) properties.push_back(property_of(given.systemd_properties[i]));
    return properties;
}

SessionOptions options_of(const libct_session_options& given) {
    SessionOptions options = Session::default_options();
    const bool known = given.on_close == LIBCT_ON_CLOSE_DETACH || given.on_close == LIBCT_ON_CLOSE_KILL;
    require(known, LCTERR_INVARG, "there is no such way to close a session");
    if (given.on_close == LIBCT_ON_CLOSE_KILL) options.on_close = OnClose::Kill;
    if (given.state_directory != nullptr) options.state_directory = given.state_directory;
    if (given.network_directory != nullptr) options.network_directory = given.network_directory;
    if (given.cgroup_parent != nullptr) options.cgroup_parent = given.cgroup_parent;
    options.record_events = given.record_events != 0;
    if (given.own_thread != 0) options.start_thread = StartThread::Own;
    if (given.systemd != 0) options.cgroup_manager = CgroupManager::Systemd;
    options.systemd_properties = properties_of(given);
    if (given.log != nullptr) {
        options.log_handler = [tell = given.log, user = given.user](LogLevel level, std::string_view text) {
            (void)guard([&] { tell(log_level(level), std::string(text).c_str(), user); });
        };
    }
    return options;
}

} // namespace

SessionOptions Session::default_options() {
    return {.on_close = OnClose::Detach, .log_handler = [](LogLevel level, std::string_view text) {
                log(log_level(level), text, std::source_location::current());
            }};
}

Session::Session(SessionOptions options) : options_(std::move(options)) {
    sessions_.emplace_back(options_);
}

ct::Session& Session::add_session() {
    ct::Session& added = sessions_.emplace_back(options_);
    if (events_) watch(events_.get(), added.fd());
    return added;
}

ct::Container Session::create(const std::string& name) {
    const std::lock_guard lock(mutex_);
    for (ct::Session& session : sessions_) {
        try {
            return session.create(name);
        } catch (const Error& error) {
            // In a state directory it is in use for all sessions.
            if (error.code() != Errc::NameInUse || options_.state_directory) throw;
        }
    }
    return add_session().create(name);
}

ct::Container Session::open(const std::string& name) {
    require(options_.state_directory.has_value(), 1, "the session has no state directory");
    return with_first([&](ct::Session& session) { return session.open(name); });
}

std::vector<HostFeature> Session::features() {
    return with_first([](ct::Session& session) { return session.capabilities(); });
}

std::vector<ContainerInfo> Session::containers() {
    const std::lock_guard lock(mutex_);
    std::vector<ContainerInfo> all;
    // With a state directory there is just one that has containers.
    for (const ct::Session& session : sessions_) {
        for (ContainerInfo& info : session.containers()) all.push_back(std::move(info));
    }
    std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return all;
}

int Session::fd() {
    const std::lock_guard lock(mutex_);
    if (!events_) {
        internal::UniqueFd events(::epoll_create1(EPOLL_CLOEXEC));
        if (!events) throw internal::sys::error(errno, Stage::Session, "make an epoll descriptor");
        internal::UniqueFd closing(::eventfd(closed_ ? 1 : 0, EFD_CLOEXEC));
        if (!closing) throw internal::sys::error(errno, Stage::Session, "make an event descriptor");
        watch(events.get(), closing.get());
        for (ct::Session& session : sessions_) watch(events.get(), session.fd());
        closing_ = std::move(closing);
        events_ = std::move(events);
    }
    return events_.get();
}

int Session::dispatch(int timeout_ms) {
    if (timeout_ms != 0) {
        pollfd due{.fd = fd(), .events = POLLIN, .revents = 0};
        if (::poll(&due, 1, std::max(timeout_ms, -1)) <= 0) return 0; // also if a signal has come
    }
    std::vector<ct::Session*> sessions;
    {
        const std::lock_guard lock(mutex_);
        require(!closed_, LCTERR_INVARG, "the session was closed");
        for (ct::Session& session : sessions_) sessions.push_back(&session);
    }
    std::size_t told = 0;
    for (ct::Session* const session : sessions) told += session->dispatch();
    return static_cast<int>(told);
}

void Session::close() noexcept {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    if (closing_) (void)::eventfd_write(closing_.get(), 1);
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

CT_EXPORT libct_session_t libct_session_open_with(const struct libct_session_options* options) {
    return guard_handle([&] {
        const ct::SessionOptions wanted = options_of(read_struct(options));
        return with_codes([&] { return add_handle<libct_session_t>(std::make_shared<Session>(wanted)); });
    });
}

CT_EXPORT int libct_session_features(libct_session_t s, int (*cb)(const struct libct_feature*, void*), void* user) {
    return guard([&] {
        const auto session = get(s);
        require(cb != nullptr, LCTERR_INVARG, "there is no function");
        int result = 0;
        for (const ct::HostFeature& feature : session->features()) {
            const libct_feature told{sizeof told, feature.name.c_str(), feature.available ? 1 : 0,
                                     feature.detail.c_str(), feature.remedy.c_str()};
            result = cb(&told, user);
            if (result != 0) break;
        }
        return result;
    });
}

CT_EXPORT void libct_session_close(libct_session_t s) {
    (void)guard([&] {
        const auto session = get(s);
        for (const void* const handle : session->take_containers()) {
            if (const auto container = std::dynamic_pointer_cast<Container>(find_object(handle)))
                container->close(session->on_close());
        }
        remove_object(s);
        session->close();
    });
}

} // extern "C"
