// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "state/registration.hpp"

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "state/cleanup.hpp"

namespace ct::internal {

namespace {

std::chrono::seconds now() {
    return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
}

Error taken(const Record& record, Standing standing) {
    std::string holder;
    switch (standing) {
    case Standing::Saved: holder = "it is a saved one"; break;
    case Standing::Running: holder = concat("it is running, with process ", record.init.pid); break;
    case Standing::Elsewhere: holder = "it is one of another pid namespace"; break;
    default: holder = concat("process ", record.owner.pid, " has it"); break;
    }
    return {Errc::NameInUse, Stage::State, "record", {}, holder};
}

Error removed() {
    return {Errc::InvalidState, Stage::State, "record", {}, "it was removed meanwhile"};
}

} // namespace

void Registration::reserve(std::shared_ptr<const Spec> spec, OnClose on_close) {
    const std::lock_guard lock(mutex_);
    std::optional<LockedEntry> entry;
    for (;;) {
        entry.emplace(store_.lock(name_));
        const auto present = entry->read();
        if (!present) break;
        const Standing standing = assess(present->record, store_.viewpoint()).standing;
        if (!is_unsettled(standing)) throw taken(present->record, standing);
        entry.reset();
        settle(store_, name_);
    }
    record_ = {};
    record_.name = name_;
    record_.on_close = on_close;
    record_.viewpoint = store_.viewpoint();
    record_.owner = ProcessId::self();
    record_.created = now();
    record_.spec = std::move(spec);
    write(*entry);
}

void Registration::follow(StoredRecord stored) {
    const std::lock_guard lock(mutex_);
    record_ = std::move(stored.record);
    token_ = stored.token;
}

std::variant<Registration::Unchanged, Registration::Removed, StoredRecord> Registration::news() {
    const std::lock_guard lock(mutex_);
    // What is not saved is nobody else's business.
    if (!record_.saved) return Unchanged{};
    const auto present = store_.token(name_);
    if (present && token_ && *present == *token_) return Unchanged{};
    auto stored = store_.read(name_);
    if (!stored) return Removed{};
    return std::move(*stored);
}

LockedEntry Registration::lock_own() {
    LockedEntry entry = store_.lock(name_);
    if (is_current(entry)) return entry;
    const auto present = entry.read();
    if (present) throw taken(present->record, assess(present->record, store_.viewpoint()).standing);
    entry.remove();
    throw removed();
}

LockedEntry Registration::lock_to_claim() {
    for (;;) {
        std::optional<LockedEntry> entry(store_.lock(name_));
        if (is_current(*entry)) return std::move(*entry);
        auto present = entry->read();
        if (!present && !record_.saved) return std::move(*entry);
        if (!present) {
            entry->remove();
            throw removed();
        }
        const Standing standing = assess(present->record, store_.viewpoint()).standing;
        if (is_unsettled(standing)) {
            entry.reset();
            settle(store_, name_);
            continue;
        }
        const bool free = record_.saved ? standing == Standing::Saved
                                        : standing == Standing::Reserved && present->record.owner == ProcessId::self();
        if (!free) throw taken(present->record, standing);
        record_ = std::move(present->record);
        return std::move(*entry);
    }
}

void Registration::claim(std::shared_ptr<const Spec> spec, std::vector<std::string> command, OnClose on_close) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_to_claim();
    // A name that is reserved is nobody else's, and there is nothing to undo until announce() or born() writes.
    const bool reserved = is_current(entry) && !record_.saved && record_.owner == ProcessId::self();
    record_.phase = Phase::Starting;
    record_.viewpoint = store_.viewpoint();
    record_.owner = ProcessId::self();
    record_.on_close = on_close;
    record_.command = std::move(command);
    record_.spec = std::move(spec);
    if (!reserved) write(entry);
}

void Registration::announce(const HostMount& mount) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_own();
    record_.area_mount = mount;
    write(entry);
}

void Registration::born(pid_t init, int files_root) {
    const std::lock_guard lock(mutex_);
    // Before the lock: it looks for every mount point.
    record_.mount_points = missing_mount_points(files_root, *record_.spec);
    record_.files_root = record_.mount_points.empty() ? "" : path_of_fd(files_root);
    record_.init = ProcessId::of(init).value_or(ProcessId{});
    LockedEntry entry = lock_own();
    write(entry);
}

void Registration::running() {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_own();
    record_.phase = Phase::Running;
    record_.started = now();
    record_.files_root.clear(); // after a success mount points stay
    record_.mount_points.clear();
    write(entry);
}

void Registration::failed() {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = store_.lock(name_);
    if (!is_current(entry) || record_.phase != Phase::Starting) return;
    keep(finish(entry, record_, store_.viewpoint(), std::nullopt));
}

void Registration::adopted(pid_t init, std::shared_ptr<const Spec> spec) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_own();
    record_.phase = Phase::Running;
    record_.adopted = true;
    record_.init = ProcessId::of(init).value_or(ProcessId{});
    record_.started = now();
    record_.spec = std::move(spec);
    write(entry);
}

void Registration::ended(const ExitStatus& status) {
    const std::lock_guard lock(mutex_);
    auto entry = store_.lock_present(name_);
    if (!entry) return;
    if (!is_current(*entry)) {
        auto present = entry->read();
        // Another run's, or somebody was faster.
        if (!present || present->record.phase != Phase::Running || !(present->record.init == record_.init)) return;
        record_ = std::move(present->record);
    }
    if (record_.phase == Phase::Running) keep(finish(*entry, record_, store_.viewpoint(), status));
}

void Registration::keep(std::optional<StoredRecord> stored) {
    token_.reset();
    if (!stored) return;
    record_ = std::move(stored->record);
    token_ = stored->token;
}

void Registration::save(std::shared_ptr<const Spec> spec, std::shared_ptr<const ProcessSpec> process) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = store_.lock(name_);
    if (!is_current(entry)) {
        auto present = entry.read();
        if (!present) {
            entry.remove();
            throw removed();
        }
        const Standing standing = assess(present->record, store_.viewpoint()).standing;
        if (standing == Standing::Starting) throw taken(present->record, standing);
        record_ = std::move(present->record);
    }
    record_.saved = true;
    record_.spec = std::move(spec);
    record_.process = std::move(process);
    write(entry);
}

void Registration::remove() {
    const std::lock_guard lock(mutex_);
    auto entry = store_.lock_present(name_);
    if (entry) {
        if (!is_current(*entry)) {
            const auto present = entry->read();
            const Standing standing =
                present ? assess(present->record, store_.viewpoint()).standing : Standing::Abandoned;
            if (standing == Standing::Reserved && present->record.owner != ProcessId::self()) return; // a later one
            if (standing == Standing::Starting || standing == Standing::Running || standing == Standing::Elsewhere) {
                throw Error(Errc::InvalidState, Stage::State, "remove", {}, "another process has started it meanwhile");
            }
        }
        entry->remove();
    }
    record_.saved = false;
    token_.reset();
}

void Registration::detach() {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_own();
    if (record_.phase != Phase::Running) return;
    if (record_.owner != ProcessId::self() && owner_alive(record_, store_.viewpoint())) {
        throw Error(Errc::InvalidState, Stage::State, "detach", {},
                    concat("process ", record_.owner.pid, " has started it"));
    }
    record_.owner = {};
    record_.on_close = OnClose::Detach;
    write(entry);
}

void Registration::release() {
    const std::lock_guard lock(mutex_);
    if (!token_ || record_.saved || record_.phase != Phase::Idle) return;
    auto entry = store_.lock_present(name_);
    if (entry && is_current(*entry)) entry->remove();
}

Record Registration::last_known() const {
    const std::lock_guard lock(mutex_);
    return record_;
}

} // namespace ct::internal
