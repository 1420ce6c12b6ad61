// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/mark.hpp"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <array>
#include <cstdint>
#include <mutex>
#include <set>
#include <sstream>

#include "base/concat.hpp"
#include "state/process_id.hpp"

namespace ct::internal {

namespace {

constexpr const char* Attribute = "user.libct.owner";

/// Those of this process; never destroyed, since marks may be static, too.
struct Registry {
    std::mutex mutex;
    std::set<std::string> marks;
    std::uint64_t count = 0;
};

Registry& registry() {
    static auto* const only = new Registry;
    return *only;
}

std::uint64_t own_pid_namespace() {
    struct stat status {};
    return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

/// "<pid namespace> <pid> <start time>"
std::string this_process() {
    const ProcessId self = ProcessId::self();
    return concat(own_pid_namespace(), ' ', self.pid, ' ', self.start_time);
}

/// "<owner> <number>"
std::string new_text(const std::string& owner) {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    std::string text = concat(owner, ' ', ++all.count);
    all.marks.insert(text);
    return text;
}

} // namespace

GroupMark::GroupMark() : GroupMark(this_process()) {}

GroupMark::GroupMark(std::string owner) : owner_(std::move(owner)), text_(new_text(owner_)) {}

std::shared_ptr<const GroupMark> GroupMark::another() const {
    return std::shared_ptr<const GroupMark>(new GroupMark(owner_));
}

GroupMark::~GroupMark() {
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    all.marks.erase(text_);
}

void GroupMark::put_on(int directory) const noexcept {
    (void)::fsetxattr(directory, Attribute, text_.data(), text_.size(), 0);
}

std::optional<std::string> mark_of(int directory) {
    std::array<char, 128> mark{};
    const ssize_t length = ::fgetxattr(directory, Attribute, mark.data(), mark.size());
    if (length < 0) return std::nullopt;
    return std::string(mark.data(), static_cast<std::size_t>(length));
}

bool is_in_use(const std::string& mark) {
    std::istringstream text(mark);
    std::uint64_t pid_namespace = 0;
    ProcessId owner;
    text >> pid_namespace >> owner.pid >> owner.start_time;
    // Of another version, or with pids that mean nothing here.
    if (!text || pid_namespace != own_pid_namespace()) return true;
    if (owner != ProcessId::self()) return open_if_alive(owner).get() >= 0;
    Registry& all = registry();
    const std::lock_guard lock(all.mutex);
    return all.marks.contains(mark);
}

} // namespace ct::internal
