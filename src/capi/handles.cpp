// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "capi/handles.hpp"

#include <cerrno>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "base/concat.hpp"
#include "capi/guard.hpp"

namespace ct::capi {

namespace {

/// Handles are aligned like addresses, for whoever looks at that; then comes the place in the table, then a count.
constexpr unsigned PlaceShift = 4;
constexpr unsigned CountShift = 28;
constexpr std::size_t MaxPlaces = 1U << (CountShift - PlaceShift);

struct Entry {
    std::uintptr_t handle = 0;
    std::shared_ptr<Object> object = nullptr;
};

struct Table {
    std::mutex mutex;
    std::vector<Entry> entries;
    std::vector<std::size_t> free; ///< Places; it has room for all that there are.
    std::uintptr_t count = 0;      ///< Of all handles that there were: 36 bits do not come round again.

    Entry* find(const void* handle) {
        const auto number = reinterpret_cast<std::uintptr_t>(handle);
        const std::size_t place = (number >> PlaceShift) % MaxPlaces;
        return number != 0 && place < entries.size() && entries[place].handle == number ? &entries[place] : nullptr;
    }
};

/// Never destroyed: other objects of the program may call libct in their destructors.
Table& table() {
    static auto* const only = new Table;
    return *only;
}

} // namespace

void* add_object(std::shared_ptr<Object> object) {
    Table& all = table();
    const std::lock_guard lock(all.mutex);
    if (all.free.empty()) {
        require(all.entries.size() < MaxPlaces, EMFILE, "there are too many handles");
        all.entries.emplace_back();
        all.free.reserve(all.entries.capacity());
        all.free.push_back(all.entries.size() - 1);
    }
    const std::size_t place = all.free.back();
    all.free.pop_back();
    const std::uintptr_t number = ++all.count << CountShift | place << PlaceShift;
    object->handle = reinterpret_cast<void*>(number); // NOLINT: a number that is never followed
    all.entries[place] = {number, std::move(object)};
    return reinterpret_cast<void*>(number); // NOLINT
}

std::shared_ptr<Object> find_object(const void* handle) {
    Table& all = table();
    const std::lock_guard lock(all.mutex);
    const Entry* const found = all.find(handle);
    return found == nullptr ? nullptr : found->object;
}

void remove_object(const void* handle) noexcept {
    Table& all = table();
    Entry last; // may hold the last reference: released after the lock
    const std::lock_guard lock(all.mutex);
    Entry* const found = all.find(handle);
    if (found == nullptr) return;
    last = std::exchange(*found, {});
    all.free.push_back(static_cast<std::size_t>(found - all.entries.data()));
}

void refuse_handle(const void* handle) {
    const auto number = reinterpret_cast<std::uintptr_t>(handle);
    throw Failure(LCTERR_INVARG, internal::concat("there is no such object with the handle ", number));
}

} // namespace ct::capi
