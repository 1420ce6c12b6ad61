// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include <ct/log.hpp>

namespace ct::internal {

/// Memory for the time of one read or write.
struct Scratch {
    std::unique_ptr<char[]> bytes;
    std::size_t size = 0;
    std::vector<LogRecord> records;
    std::vector<std::size_t> ends;

    /// Room for \p wanted bytes; what was in it is lost.
    void reserve(std::size_t wanted) {
        if (wanted <= size) return;
        bytes.reset(new char[wanted]); // not filled with zeros
        size = wanted;
    }
};

/// Scratches that all containers of a session share: an idle container has none.
class ScratchPool {
public:
    class Lease {
    public:
        explicit Lease(ScratchPool& pool) : pool_(pool), scratch_(pool.take()) {}
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ~Lease() { pool_.give_back(std::move(scratch_)); }
        Scratch& operator*() noexcept { return *scratch_; }
        Scratch* operator->() noexcept { return scratch_.get(); }

    private:
        ScratchPool& pool_;
        std::unique_ptr<Scratch> scratch_;
    };

    /// Frees what is not in use: for a host that may be idle for long.
    void trim() noexcept {
        const std::lock_guard lock(mutex_);
        free_.clear();
    }

private:
    static constexpr std::size_t Kept = 4;

    std::unique_ptr<Scratch> take() {
        const std::lock_guard lock(mutex_);
        if (free_.empty()) return std::make_unique<Scratch>();
        auto scratch = std::move(free_.back());
        free_.pop_back();
        return scratch;
    }
    void give_back(std::unique_ptr<Scratch> scratch) noexcept {
        scratch->records.clear();
        scratch->ends.clear();
        const std::lock_guard lock(mutex_);
        if (free_.size() < Kept) free_.push_back(std::move(scratch));
    }

    std::mutex mutex_;
    std::vector<std::unique_ptr<Scratch>> free_ = [] {
        std::vector<std::unique_ptr<Scratch>> none;
        none.reserve(Kept);
        return none;
    }();
};

} // namespace ct::internal
