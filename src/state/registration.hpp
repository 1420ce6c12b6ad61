// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "state/store.hpp"

namespace ct::internal {

/// A container's record as this process sees it. Calls exclude each other; none blocks for longer than others need
/// to write a record.
///
/// Nobody else writes a record while its owner is alive, except that anyone may finish a run that is over or update one
/// that goes on, and that a saved container belongs to whoever starts it next. So each change starts with a look
/// whether the version in the directory is the one written or read last.
class Registration {
public:
    Registration(const Store& store, std::string name) : store_(store), name_(std::move(name)) {}

    /// Makes the name this process's. \throws Error with Errc::NameInUse
    void reserve(std::shared_ptr<const Spec> spec, OnClose on_close);
    /// Takes over what was read of a container that somebody else has made.
    void follow(StoredRecord stored);

    struct Unchanged {};
    struct Removed {};
    /// What others have made of the record since the last look.
    [[nodiscard]] std::variant<Unchanged, Removed, StoredRecord> news();

    /// \name A start, in this order
    /// \throws Error if somebody else has taken the container
    /// @{
    /// What becomes known of a run with its start.
    struct Run {
        std::shared_ptr<const Spec> spec;
        std::vector<std::string> command;
        OnClose on_close;
        std::vector<LogTarget> log = {};
        std::string attach_socket = {};
        bool records_events = false;
    };
    void claim(Run run);
    void announce(const HostMount& mount);
    void announce_groups(std::vector<std::string> paths, std::string mark);
    void announce_nics(std::vector<NicState> nics, std::string pin);
    void born(pid_t init, int files_root, std::vector<HostLink> links);
    void running();
    /// The same for a container without a first process.
    void held();
    /// @}
    void failed();
    /// The specification of the run, as whoever has updated it last has left it.
    [[nodiscard]] std::shared_ptr<const Spec> running_spec();
    /// For the run that goes on: what it gets, and the links of the host that it does not have any more, by their
    /// names.
    void add_links(const std::vector<HostLink>& links);
    void add_nics(const std::vector<NicState>& nics, const std::string& pin);
    void remove_nic(const std::string& name);
    /// The links of the host that the run has, as whoever has moved one last has left it.
    [[nodiscard]] std::vector<NicState> running_nics();
    /// For the run that goes on, as the next.
    void set_attach_socket(const std::string& path);
    /// Another specification.
    void updated(std::shared_ptr<const Spec> spec);
    /// \p init is a process that somebody else has started.
    void adopted(pid_t init, std::shared_ptr<const Spec> spec);
    /// The first process has ended, whoever has started it, or the container is not held any more. If another process
    /// still logs its output, it is left to that.
    /// \returns whether nobody else was faster to take notice
    bool ended(const ExitStatus& status);

    /// Blocks until nobody else has output of the run to log that has ended.
    void await_owner() const;

    void save(std::shared_ptr<const Spec> spec, std::shared_ptr<const ProcessSpec> process);
    /// \throws Error with Errc::InvalidState if it is running
    void remove();
    /// It has no owner any more. \throws Error with Errc::InvalidState if another process is the owner
    void detach();
    /// No handle is left: gives a name back that nothing else needs.
    void release();

    /// As of the last look.
    [[nodiscard]] Record last_known() const;

private:
    /// Whether the record is the version that this process knows.
    [[nodiscard]] bool is_current(const LockedEntry& entry) const { return token_ && entry.is_current(*token_); }
    /// Somebody else has made \p present of it. \throws Error
    [[noreturn]] void refuse(LockedEntry& entry, const std::optional<StoredRecord>& present) const;
    /// Locks it. \throws Error if somebody else has changed it
    [[nodiscard]] LockedEntry lock_own();
    /// The same, but somebody may have updated the running container.
    [[nodiscard]] LockedEntry lock_run();
    /// After a failure everything is as before.
    void write(LockedEntry& entry, Record next);
    void write_running(Record next);
    /// Whether it is neither running nor being started, except by this object itself.
    [[nodiscard]] bool is_at_rest() const;
    /// Locks it for a start.
    [[nodiscard]] LockedEntry lock_to_claim();
    void keep(std::optional<StoredRecord> stored);
    /// \returns false if something of a dead process has to be settled first
    [[nodiscard]] bool try_remove();

    const Store& store_;
    const std::string name_;
    mutable std::mutex mutex_;
    Record record_;
    std::optional<RecordToken> token_;
    bool claimed_ = false; ///< The present or last start is this object's own.
};

} // namespace ct::internal
