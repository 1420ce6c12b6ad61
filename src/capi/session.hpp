// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <deque>
#include <mutex>
#include <set>
#include <string>

#include <ct/session.hpp>

#include "capi/handles.hpp"

namespace ct::capi {

class Session : public Object {
public:
    Session() { sessions_.emplace_back(options()); }

    [[nodiscard]] ct::Container create(const std::string& name);
    /// Whose containers are gone with the session.
    void attach(const void* container);
    void detach(const void* container) noexcept;
    /// Forgets them. \returns their handles
    [[nodiscard]] std::set<const void*> take_containers() noexcept;

private:
    static SessionOptions options();

    std::mutex mutex_;
    std::set<const void*> containers_;
    /// One, and more of them for containers of the same name: a session of the C++ library has one of each.
    std::deque<ct::Session> sessions_;
};

} // namespace ct::capi
