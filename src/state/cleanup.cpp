// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "state/cleanup.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <exception>
#include <thread>

#include <boost/filesystem/operations.hpp>

#include "base/concat.hpp"
#include "base/split_path.hpp"
#include "base/sys.hpp"
#include "cgroup/groups.hpp"
#include "cgroup/parents.hpp"
#include "cgroup/removal.hpp"
#include "config/defaults.hpp"
#include "config/names.hpp"
#include "config/validate.hpp"
#include "hooks/hook_run.hpp"
#include "host_nics.hpp"
#include "launch/exit_status.hpp"
#include "state/event_file.hpp"

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x00004000U
#endif

namespace ct::internal {

namespace {

/// Time for a killed process to end.
constexpr std::chrono::seconds KillPatience{10};
/// For what is left in a group: short, since the next one who looks tries again.
constexpr std::chrono::seconds GroupPatience{1};

bool exists_in(int root, const std::string& path) noexcept {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how))).get() >= 0;
}

void remove_if_empty(int root, const std::string& path) noexcept {
    const auto [directory, name] = split_path(path);
    const UniqueFd parent = sys::open_directory_in(root, directory);
    struct stat status {};
    if (!parent || ::fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return;
    if (S_ISDIR(status.st_mode)) {
        ::unlinkat(parent.get(), name.c_str(), AT_REMOVEDIR);
    } else if (S_ISREG(status.st_mode) && status.st_size == 0) {
        ::unlinkat(parent.get(), name.c_str(), 0);
    }
}

/// A child that a killed host had just made may have a lock of the host's for a moment: it looks for the host every
/// 100 ms.
bool lock_alone(int directory, bool host_was_killed) {
    for (int tries = host_was_killed ? 30 : 0; ::flock(directory, LOCK_EX | LOCK_NB) < 0; --tries) {
        if (tries == 0) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

void remove_mount_points(const Record& record, bool host_was_killed) {
    if (record.mount_points.empty()) return;
    const UniqueFd root(::open(record.files_root.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    // Whoever uses the directory has it locked, and may need them.
    if (!root || !lock_alone(root.get(), host_was_killed)) return;
    for (auto path = record.mount_points.rbegin(); path != record.mount_points.rend(); ++path) {
        remove_if_empty(root.get(), *path);
    }
}

void unmount_area(const Record& record) {
    if (!record.area_mount) return;
    const std::string& target = record.area_mount->target;
    const UniqueFd top(::open(target.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (top && mount_id(top.get()) == record.area_mount->id) ::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

/// What its owner could not remove. \throws Error if something stays
void end_groups(const Record& record) {
    if (record.groups.empty()) return;
    const Hierarchies hierarchies = Hierarchies::detect();
    remove_groups(open_groups(hierarchies, record.groups, record.group_mark), GroupPatience);
    for (const std::string& path : record.groups) remove_abandoned(path.substr(0, path.rfind('/')));
}

/// \throws Error if one has to stay where it is
void bring_back_nics(const Store& store, const Record& record) {
    if (record.nic_pin.empty()) return;
    // After a reboot they are where the kernel has found them.
    const bool same_boot = record.viewpoint.boot == store.viewpoint().boot;
    bring_back(same_boot ? record.nics : std::vector<NicState>(), record.nic_pin,
               [&](const std::string& text) { store.warn(concat("container '", record.name, "': ", text)); });
}

} // namespace

std::uint64_t mount_id(int fd) noexcept {
    struct statx status {};
    if (::syscall(SYS_statx, fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID_UNIQUE, &status) < 0) return 0;
    if ((status.stx_mask & STATX_MNT_ID_UNIQUE) != 0) return status.stx_mnt_id;
    if (::syscall(SYS_statx, fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &status) < 0) return 0;
    return status.stx_mnt_id;
}

std::string path_of_fd(int fd) {
    boost::system::error_code error;
    return boost::filesystem::read_symlink(concat("/proc/self/fd/", fd), error).string();
}

bool owner_alive(const Record& record, const Viewpoint& viewpoint) {
    return record.viewpoint == viewpoint && open_if_alive(record.owner).get() >= 0;
}

Assessment assess(const Record& record, const Viewpoint& viewpoint) {
    // After a reboot nothing is alive. With other namespaces, pids and start times have another meaning; what is saved
    // and not running depends on no process.
    const bool here = record.viewpoint == viewpoint;
    const bool needs_process = record.phase != Phase::Idle || !record.saved;
    if (record.viewpoint.boot == viewpoint.boot && !here && needs_process) return {Standing::Elsewhere, {}, {}};
    Assessment found{Standing::Running, here ? open_if_alive(record.owner) : UniqueFd(),
                     here ? open_if_alive(record.init) : UniqueFd()};
    switch (record.phase) {
    case Phase::Idle:
        found.standing = record.saved ? Standing::Saved : found.owner ? Standing::Reserved : Standing::Abandoned;
        break;
    case Phase::Starting: found.standing = found.owner ? Standing::Starting : Standing::HalfStarted; break;
    case Phase::Running:
        found.standing = (record.held ? found.owner : found.init) ? Standing::Running
                         : found.owner && !record.log.empty() && !(record.owner == ProcessId::self()) ? Standing::Ending
                                                                                                      : Standing::Ended;
        break;
    }
    return found;
}

std::optional<StoredRecord> finish(const Store& store, LockedEntry& entry, Record record,
                                   std::optional<ExitStatus> status) {
    const bool owned = owner_alive(record, store.viewpoint());
    std::exception_ptr left;
    try {
        end_groups(record);
    } catch (const Error&) {
        left = std::current_exception();
    }
    unmount_area(record);
    bring_back_nics(store, record);
    remove_links(record.links);
    remove_mount_points(record, !owned);
    if (left) std::rethrow_exception(left);
    // Its owner would tell of it.
    if (record.phase == Phase::Running && record.records_events && !owned) record_end(store, record, status);
    if (!record.saved && !owned) {
        entry.remove();
        return std::nullopt;
    }
    if (status) record.last_exit = status;
    record.phase = Phase::Idle;
    record.adopted = false;
    record.held = false;
    record.init = {};
    record.area_mount.reset();
    record.links.clear();
    record.nics.clear();
    record.nic_pin.clear();
    record.groups.clear();
    record.files_root.clear();
    record.mount_points.clear();
    const RecordToken token = entry.write(record);
    return StoredRecord{std::move(record), token};
}

namespace {

/// \param ret_run  the record of the run or start that was ended, if one was
/// \returns what has to end before the record can be settled
UniqueFd settle_locked(const Store& store, LockedEntry& entry, std::optional<Record>& ret_run) {
    const auto stored = entry.read();
    if (!stored) {
        entry.remove();
        return {};
    }
    Assessment found = assess(stored->record, store.viewpoint());
    if (!is_unsettled(found.standing)) return {};
    if (found.standing == Standing::HalfStarted && found.init) {
        ::syscall(SYS_pidfd_send_signal, found.init.get(), SIGKILL, nullptr, 0);
        return std::move(found.init);
    }
    const bool ran = found.standing == Standing::Ended && !stored->record.held;
    (void)finish(store, entry, stored->record, ran ? std::optional(ExitStatus{}) : std::nullopt);
    const bool was_born = stored->record.phase == Phase::Running || stored->record.init != ProcessId{};
    if (was_born) ret_run = stored->record;
    return {};
}

/// In place of the dead owner, and after the record was written: the hooks may look for the container.
void run_poststop_hooks(const Store& store, const Record& record) {
    const HookSet hooks{record.spec, nullptr};
    if (record.adopted || !hooks.any_at(HookPoint::Poststop)) return;
    const auto run = std::make_shared<HookRun>(
        HookRun::About{record.name, HookPoint::Poststop, State::Stopping}, hooks,
        [&](const Error& error) { store.warn(error.with_subject(concat("container '", record.name, "'")).what()); });
    (void)run->await(std::nullopt);
}

bool is_settled(const Store& store, const std::string& name) {
    const auto stored = store.read(name);
    return stored && !is_unsettled(assess(stored->record, store.viewpoint()).standing);
}

} // namespace

bool is_unsettled(Standing standing) noexcept {
    return standing == Standing::HalfStarted || standing == Standing::Ended || standing == Standing::Abandoned;
}

void settle(const Store& store, const std::string& name) {
    for (;;) {
        UniqueFd dying;
        std::optional<Record> run;
        {
            auto entry = store.lock_present(name);
            if (!entry) return;
            dying = settle_locked(store, *entry, run);
        }
        if (run) run_poststop_hooks(store, *run);
        if (!dying) return;
        if (!wait_until_ended(dying.get(), KillPatience)) {
            throw Error(std::make_error_code(std::errc::timed_out), Stage::State,
                        concat("container '", name, "': kill what was half started"));
        }
    }
}

void sweep(const Store& store, const std::function<void(const std::string&)>& warn) {
    for (const std::string& name : store.names()) {
        try {
            if (!is_settled(store, name)) settle(store, name);
        } catch (const std::exception& error) {
            warn(error.what());
        }
    }
}

std::vector<std::string> missing_mount_points(int root, const Spec& spec) {
    if (root < 0 || !makes_namespace(spec, Namespace::Mount)) return {};
    std::vector<std::string> missing;
    const auto add = [&](const std::string& target) {
        if (exists_in(root, target)) return;
        for (std::size_t end = target.find('/', 1);; end = target.find('/', end + 1)) {
            std::string part = target.substr(0, end);
            if (!exists_in(root, part)) missing.push_back(std::move(part));
            if (end == std::string::npos) return;
        }
    };
    if (spec.private_area && !covers_root(*spec.private_area)) {
        std::visit([&](const auto& area) { add(area.target); }, *spec.private_area);
    }
    const MountOrder order = order_mounts(spec, true);
    for (const Mount& mount : order.before_devices) add(mount.target);
    for (const Mount& mount : order.after_devices) add(mount.target);
    for (const std::string_view path : name_files(spec)) add(std::string(path));
    if (spec.cgroup.mount != CgroupMount::None) add(CgroupPlace);
    return missing;
}

} // namespace ct::internal
