// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "capi/handles.hpp"

#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "base/concat.hpp"
#include "capi/guard.hpp"

namespace ct::capi {

namespace {

struct Table {
    std::mutex mutex;
    std::unordered_map<std::uintptr_t, std::shared_ptr<Object>> objects;
    std::uintptr_t last = 0;
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
    // Aligned like an address, for whoever looks at that. Numbers of 64 bits do not come round again.
    all.last += 16;
    Object& added = *object;
    all.objects.emplace(all.last, std::move(object));
    added.handle = reinterpret_cast<void*>(all.last); // NOLINT: a number that is never followed
    return added.handle;
}

std::shared_ptr<Object> find_object(const void* handle) {
    Table& all = table();
    const std::lock_guard lock(all.mutex);
    const auto found = all.objects.find(reinterpret_cast<std::uintptr_t>(handle));
    return found == all.objects.end() ? nullptr : found->second;
}

void remove_object(const void* handle) noexcept {
    Table& all = table();
    std::shared_ptr<Object> last; // may be the last reference: released after the lock
    const std::lock_guard lock(all.mutex);
    const auto found = all.objects.find(reinterpret_cast<std::uintptr_t>(handle));
    if (found == all.objects.end()) return;
    last = std::move(found->second);
    all.objects.erase(found);
}

void refuse_handle(const void* handle) {
    const auto number = reinterpret_cast<std::uintptr_t>(handle);
    throw Failure(LCTERR_INVARG, internal::concat("there is no such object with the handle ", number));
}

} // namespace ct::capi
