// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/unique_fd.hpp"
#include "child/handshake.hpp"

namespace ct::internal {

/// The memory of one start: the stacks of the child and its helper, each above a guard page, and their handshake.
class LaunchArea {
public:
    enum class Sharing {
        Threads,   ///< For children that share the host's memory.
        Processes, ///< Also for children that have a copy of it.
    };

    /// \throws Error with Stage::Launch
    explicit LaunchArea(Sharing sharing);
    LaunchArea(const LaunchArea&) = delete;
    LaunchArea& operator=(const LaunchArea&) = delete;
    ~LaunchArea();

    [[nodiscard]] std::span<std::byte> child_stack() const noexcept;
    [[nodiscard]] std::span<std::byte> helper_stack() const noexcept;
    [[nodiscard]] Handshake& handshake() const noexcept;

private:
    std::byte* memory_;
};

/// What starts leave to the next one: areas, since mapping and unmapping one costs every thread of the host a TLB
/// flush, and a descriptor.
class AreaPool {
public:
    /// \throws Error with Stage::Session
    AreaPool();
    [[nodiscard]] std::unique_ptr<LaunchArea> take();
    void give_back(std::unique_ptr<LaunchArea> area) noexcept;
    /// Of this process.
    [[nodiscard]] int host_pidfd() const noexcept { return host_.get(); }

private:
    const UniqueFd host_;
    std::mutex mutex_; ///< Guards what follows.
    std::vector<std::unique_ptr<LaunchArea>> free_;
};

} // namespace ct::internal
