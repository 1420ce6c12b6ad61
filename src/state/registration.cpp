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
    case Standing::Running:
        holder = record.held ? concat("process ", record.owner.pid, " holds it")
                             : concat("it is running, with process ", record.init.pid);
        break;
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
    Record next;
    next.name = name_;
    next.on_close = on_close;
    next.viewpoint = store_.viewpoint();
    next.owner = ProcessId::self();
    next.created = now();
    next.spec = std::move(spec);
    write(*entry, std::move(next));
}

void Registration::follow(StoredRecord stored) {
    const std::lock_guard lock(mutex_);
    record_ = std::move(stored.record);
    token_ = stored.token;
    claimed_ = false;
}

std::variant<Registration::Unchanged, Registration::Removed, StoredRecord> Registration::news() {
    const std::lock_guard lock(mutex_);
    // What is not saved is nobody else's business.
    if (!record_.saved) return Unchanged{};
    const auto present = store_.token(name_);
    if (present && token_ && *present == *token_) return Unchanged{};
    auto stored = store_.read(name_);
    // Another one of the same name may have been made since.
    if (!stored || !stored->record.saved || stored->record.created != record_.created) return Removed{};
    return std::move(*stored);
}

void Registration::write(LockedEntry& entry, Record next) {
    token_ = entry.write(next);
    record_ = std::move(next);
}

LockedEntry Registration::lock_run() {
    LockedEntry entry = store_.lock(name_);
    if (is_current(entry)) return entry;
    auto present = entry.read();
    const bool same_run = present && record_.phase == Phase::Running && present->record.phase == Phase::Running &&
                          present->record.init == record_.init && present->record.owner == record_.owner;
    if (!same_run) refuse(entry, present);
    record_ = std::move(present->record);
    token_ = present->token;
    return entry;
}

bool Registration::is_at_rest() const {
    return record_.phase == Phase::Idle || (record_.phase == Phase::Starting && claimed_);
}

void Registration::refuse(LockedEntry& entry, const std::optional<StoredRecord>& present) const {
    if (present) throw taken(present->record, assess(present->record, store_.viewpoint()).standing);
    entry.remove();
    throw removed();
}

LockedEntry Registration::lock_own() {
    LockedEntry entry = store_.lock(name_);
    if (!is_current(entry)) refuse(entry, entry.read());
    return entry;
}

LockedEntry Registration::lock_to_claim() {
    for (;;) {
        std::optional<LockedEntry> entry(store_.lock(name_));
        if (is_current(*entry) && is_at_rest()) return std::move(*entry);
        auto present = entry->read();
        if (!present && !record_.saved) return std::move(*entry);
        if (!present) {
            entry->remove();
            throw removed();
        }
        const Standing standing = assess(present->record, store_.viewpoint()).standing;
        if (standing == Standing::Ending || is_unsettled(standing)) {
            entry.reset();
            await_owner();
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

void Registration::claim(Run run) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_to_claim();
    // A name that is reserved is nobody else's, and there is nothing to undo until announce() or born() writes.
    const bool reserved = is_current(entry) && !record_.saved && record_.owner == ProcessId::self();
    Record next = record_;
    next.phase = Phase::Starting;
    next.viewpoint = store_.viewpoint();
    next.owner = ProcessId::self();
    next.on_close = run.on_close;
    next.command = std::move(run.command);
    next.log = std::move(run.log);
    next.attach_socket = std::move(run.attach_socket);
    next.records_events = run.records_events;
    next.spec = std::move(run.spec);
    if (reserved) {
        record_ = std::move(next);
    } else {
        write(entry, std::move(next));
    }
    claimed_ = true;
}

void Registration::announce(const HostMount& mount) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_own();
    Record next = record_;
    next.area_mount = mount;
    write(entry, std::move(next));
}

void Registration::announce_groups(std::vector<std::string> paths, std::string mark) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_own();
    Record next = record_;
    next.groups = std::move(paths);
    next.group_mark = std::move(mark);
    write(entry, std::move(next));
}

void Registration::announce_nics(std::vector<NicState> nics, std::string pin) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_own();
    Record next = record_;
    next.nics = std::move(nics);
    next.nic_pin = std::move(pin);
    write(entry, std::move(next));
}

void Registration::born(pid_t init, int files_root, std::vector<HostLink> links) {
    const std::lock_guard lock(mutex_);
    // Before the lock: it looks for every mount point.
    Record next = record_;
    next.mount_points = missing_mount_points(files_root, *next.spec);
    next.files_root = next.mount_points.empty() ? "" : path_of_fd(files_root);
    next.init = ProcessId::of(init).value_or(ProcessId{});
    next.links = std::move(links);
    LockedEntry entry = lock_own();
    write(entry, std::move(next));
}

void Registration::running() {
    const std::lock_guard lock(mutex_);
    write_running(record_);
}

void Registration::held() {
    const std::lock_guard lock(mutex_);
    Record next = record_;
    next.held = true;
    next.init = {};
    write_running(std::move(next));
}

void Registration::write_running(Record next) {
    LockedEntry entry = lock_own();
    next.phase = Phase::Running;
    next.started = now();
    next.files_root.clear(); // after a success mount points stay
    next.mount_points.clear();
    write(entry, std::move(next));
}

void Registration::failed() {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = store_.lock(name_);
    if (!claimed_ || !is_current(entry) || record_.phase != Phase::Starting) return;
    try {
        keep(finish(store_, entry, record_, std::nullopt));
    } catch (const Error& error) {
        // release() tries again, and then the next session.
        if (record_.saved || !record_.nic_pin.empty() || error.stage() == Stage::Cgroup) throw;
        // Better no record than one of a start that never ends.
        entry.remove();
        record_.phase = Phase::Idle;
        token_.reset();
    }
}

void Registration::adopted(pid_t init, std::shared_ptr<const Spec> spec) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_own();
    Record next = record_;
    next.phase = Phase::Running;
    next.adopted = true;
    next.init = ProcessId::of(init).value_or(ProcessId{});
    next.started = now();
    next.spec = std::move(spec);
    write(entry, std::move(next));
}

bool Registration::ended(const ExitStatus& status) {
    const std::lock_guard lock(mutex_);
    auto entry = store_.lock_present(name_);
    if (!entry) return false;
    if (!is_current(*entry)) {
        auto present = entry->read();
        // Another run's, or somebody was faster.
        if (!present || present->record.phase != Phase::Running || !(present->record.init == record_.init))
            return false;
        if (present->record.held && present->record.owner != record_.owner) return false;
        record_ = std::move(present->record);
    }
    if (record_.phase != Phase::Running) return false;
    if (assess(record_, store_.viewpoint()).standing == Standing::Ending) return false;
    keep(finish(store_, *entry, record_, record_.held ? std::nullopt : std::optional(status)));
    return true;
}

void Registration::await_owner() const {
    for (;;) {
        const auto present = store_.read(name_);
        if (!present) return;
        const Assessment found = assess(present->record, store_.viewpoint());
        if (found.standing != Standing::Ending) return;
        store_.wait_for_change(name_, present->token, found.owner.get());
    }
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
        token_ = present->token;
    }
    Record next = record_;
    next.saved = true;
    next.spec = std::move(spec);
    next.process = std::move(process);
    write(entry, std::move(next));
}

void Registration::remove() {
    for (await_owner(); !try_remove(); await_owner()) settle(store_, name_);
}

bool Registration::try_remove() {
    const std::lock_guard lock(mutex_);
    auto entry = store_.lock_present(name_);
    if (entry) {
        if (!is_current(*entry) || !is_at_rest()) {
            const auto present = entry->read();
            const Standing standing = present ? assess(present->record, store_.viewpoint()).standing : Standing::Saved;
            if (standing == Standing::Ending || is_unsettled(standing)) return false;
            if (standing == Standing::Reserved && present->record.owner != ProcessId::self())
                return true; // a later one
            if (standing != Standing::Reserved && standing != Standing::Saved) {
                throw Error(Errc::InvalidState, Stage::State, "remove", {}, "another process has started it meanwhile");
            }
        }
        // Of a failed start something may be left.
        if (is_current(*entry) && record_.phase == Phase::Starting) keep(finish(store_, *entry, record_, std::nullopt));
        entry->remove();
    }
    record_.saved = false;
    token_.reset();
    return true;
}

std::shared_ptr<const Spec> Registration::running_spec() {
    const std::lock_guard lock(mutex_);
    (void)lock_run();
    return record_.spec;
}

std::vector<NicState> Registration::running_nics() {
    const std::lock_guard lock(mutex_);
    (void)lock_run();
    return record_.nics;
}

void Registration::add_links(const std::vector<HostLink>& links) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_run();
    Record next = record_;
    next.links.insert(next.links.end(), links.begin(), links.end());
    write(entry, std::move(next));
}

void Registration::add_nics(const std::vector<NicState>& nics, const std::string& pin) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_run();
    Record next = record_;
    for (const NicState& nic : nics) {
        std::erase_if(next.nics, [&](const NicState& known) { return known.name == nic.name; });
        next.nics.push_back(nic);
    }
    next.nic_pin = pin;
    write(entry, std::move(next));
}

void Registration::remove_nic(const std::string& name) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_run();
    Record next = record_;
    std::erase_if(next.nics, [&](const NicState& nic) { return nic.name == name; });
    write(entry, std::move(next));
}

void Registration::set_attach_socket(const std::string& path) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_run();
    Record next = record_;
    next.attach_socket = path;
    write(entry, std::move(next));
}

void Registration::updated(std::shared_ptr<const Spec> spec) {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_run();
    Record next = record_;
    next.spec = std::move(spec);
    write(entry, std::move(next));
}

void Registration::detach() {
    const std::lock_guard lock(mutex_);
    LockedEntry entry = lock_run();
    if (record_.phase != Phase::Running) return;
    if (record_.owner != ProcessId::self() && owner_alive(record_, store_.viewpoint())) {
        throw Error(Errc::InvalidState, Stage::State, "detach", {},
                    concat("process ", record_.owner.pid, " has started it"));
    }
    Record next = record_;
    next.owner = {};
    next.on_close = OnClose::Detach;
    write(entry, std::move(next));
}

void Registration::release() {
    const std::lock_guard lock(mutex_);
    const bool idle = record_.phase == Phase::Idle;
    if (!token_ || (idle ? record_.saved : record_.owner != ProcessId::self())) return;
    if (record_.phase == Phase::Starting && !claimed_) return; // it is started by way of another session
    auto entry = store_.lock_present(name_);
    if (!entry || !is_current(*entry)) return;
    if (!idle) {
        // The end of a start or run that could not be written.
        if (assess(record_, store_.viewpoint()).standing == Standing::Running) return;
        try {
            keep(finish(store_, *entry, record_, std::nullopt));
        } catch (const Error&) {
            Record next = record_;
            next.owner = {}; // whoever looks next tries again
            write(*entry, std::move(next));
            throw;
        }
    }
    if (!record_.saved) entry->remove();
}

Record Registration::last_known() const {
    const std::lock_guard lock(mutex_);
    return record_;
}

} // namespace ct::internal
