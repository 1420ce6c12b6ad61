// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <ct/session.hpp>

#include "base/unique_fd.hpp"
#include "capi/guard.hpp"
#include "capi/handles.hpp"

namespace ct::capi {

class Session : public Object {
public:
    Session() : Session(default_options()) {}
    explicit Session(SessionOptions options);

    [[nodiscard]] ct::Container create(const std::string& name);
    /// One that is recorded in the state directory. \throws Failure without one
    [[nodiscard]] ct::Container open(const std::string& name);
    [[nodiscard]] std::vector<HostFeature> features();
    /// \throws Failure with LCTERR_NOTFOUND
    [[nodiscard]] ct_handler_t find(std::string_view name);
    /// Its own, and those of the state directory, by name.
    [[nodiscard]] std::vector<ContainerInfo> containers();
    /// Hands the session of the C++ library that is always there to a function.
    template <typename Call>
    auto with_first(const Call& call) {
        ct::Session* first = nullptr;
        {
            const std::lock_guard lock(mutex_);
            first = &sessions_.front(); // which stays where it is
        }
        return with_codes([&] { return call(*first); });
    }
    [[nodiscard]] int fd();
    /// \returns how many callbacks ran
    int dispatch(int timeout_ms);
    /// Ends dispatch() of other threads.
    void close() noexcept;
    [[nodiscard]] OnClose on_close() const noexcept { return options_.on_close; }
    /// What the old entry points open.
    static SessionOptions default_options();
    /// Whose containers are gone with the session.
    void attach(const void* container);
    void detach(const void* container) noexcept;
    /// Forgets them. \returns their handles
    [[nodiscard]] std::set<const void*> take_containers() noexcept;

private:
    [[nodiscard]] ct::Session& add_session();

    const SessionOptions options_;
    std::mutex mutex_;
    std::set<const void*> containers_;
    /// One, and more of them for containers of the same name: a session of the C++ library has one of each.
    std::deque<ct::Session> sessions_;
    bool closed_ = false;
    internal::UniqueFd closing_; ///< Of close(), in `events_`.
    internal::UniqueFd events_;  ///< An epoll descriptor of all their descriptors, once there is one.
};

} // namespace ct::capi
