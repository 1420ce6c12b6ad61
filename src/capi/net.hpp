// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <ct/network.hpp>

#include "capi/handles.hpp"

namespace ct::capi {

/// What the setters have said of one end of a device.
struct LinkRequest {
    std::string mac = {};
    std::string master = {};
    int mtu = 0;
    std::vector<std::string> addresses = {};
};

class NetDevice : public Object {
public:
    NetDevice(ct_net_type kind, std::string on_host, std::string inside)
        : type(kind), host_name(std::move(on_host)), container_name(std::move(inside)) {}

    [[nodiscard]] LinkRequest request() const {
        const std::lock_guard lock(mutex_);
        return request_;
    }
    template <typename Change>
    void change(const Change& change) {
        const std::lock_guard lock(mutex_);
        change(request_);
    }
    [[nodiscard]] NetworkDevice device() const;

    const ct_net_type type;
    const std::string host_name;
    const std::string container_name;
    std::shared_ptr<NetDevice> peer = {}; ///< Of a pair: the host's end. Set before there is a handle.

private:
    mutable std::mutex mutex_;
    LinkRequest request_;
};

class NextHop : public Object {
public:
    template <typename Change>
    void change(const Change& change) {
        const std::lock_guard lock(mutex_);
        change(hop_);
    }
    [[nodiscard]] ct::NextHop hop() const {
        const std::lock_guard lock(mutex_);
        return hop_;
    }

private:
    mutable std::mutex mutex_;
    ct::NextHop hop_;
};

class Route : public Object {
public:
    template <typename Change>
    void change(const Change& change) {
        const std::lock_guard lock(mutex_);
        change(route_);
    }
    void add(std::shared_ptr<NextHop> hop);
    [[nodiscard]] std::vector<std::shared_ptr<NextHop>> hops() const;
    [[nodiscard]] ct::Route route() const;

private:
    mutable std::mutex mutex_;
    ct::Route route_{.destination = "0.0.0.0/0"};
    std::vector<std::shared_ptr<NextHop>> hops_;
};

/// Their handles are gone.
void forget(const NetDevice& device) noexcept;
void forget(const Route& route) noexcept;

} // namespace ct::capi
