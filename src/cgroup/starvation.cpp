// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/starvation.hpp"

#include <charconv>
#include <exception>
#include <string>

#include "cgroup/control_file.hpp"

namespace ct::internal {

namespace {

/// How often the group has refused memory. Version 1 counts also what was given after all, once some was reclaimed.
std::uint64_t refusals(const Group& group) {
    const bool version_2 = group.hierarchy->version == 2;
    const std::string text =
        "\n" + try_read_control(group, version_2 ? "memory.events" : "memory.failcnt").value_or("");
    const std::string key = version_2 ? "\noom " : "\n";
    const std::size_t at = text.find(key);
    std::uint64_t count = 0;
    if (at != std::string::npos) std::from_chars(text.data() + at + key.size(), text.data() + text.size(), count);
    return count;
}

} // namespace

bool Starvation::goes_on() {
    const Group* const group = groups_->find(Controller::Memory);
    if (group == nullptr) return false;
    const std::uint64_t now = refusals(*group);
    times_ = now > refusals_ ? times_ + 1 : 0;
    refusals_ = now;
    found_ = times_ >= (group->hierarchy->version == 2 ? 3 : 50);
    return found_;
}

void Starvation::relieve() noexcept {
    const Group* const group = groups_->find(Controller::Memory);
    if (!found_ || group == nullptr) return;
    const bool version_2 = group->hierarchy->version == 2;
    const std::vector<const char*> files =
        version_2 ? std::vector{"memory.max"} : std::vector{"memory.memsw.limit_in_bytes", "memory.limit_in_bytes"};
    for (const char* const file : files) {
        try {
            write_control(*group, file, version_2 ? "max" : "-1");
        } catch (const std::exception&) {
            continue; // the other may be what counts
        }
    }
}

} // namespace ct::internal
