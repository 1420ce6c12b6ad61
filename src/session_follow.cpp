// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <ct/session.hpp>

#include "base/concat.hpp"
#include "base/subject.hpp"
#include "config/validate.hpp"
#include "follow/event_reader_core.hpp"
#include "follow/log_reader_core.hpp"
#include "session_core.hpp"

/// The part of a session that follows containers of all programs.
namespace ct {

namespace internal {

std::unique_ptr<LogReaderCore> SessionCore::read_log(const std::string& name, const LogReaderOptions& options) {
    check_container_name(name);
    const std::string subject = concat("container '", name, "'");
    const std::string action = concat(subject, ": read the log");
    auto stored = store ? with_subject(subject, [&] { return store->read(name); }) : std::nullopt;
    if (!stored) throw Error(Errc::NotFound, Stage::State, action);
    const std::vector<LogTarget>& targets = stored->record.log;
    if (targets.empty()) {
        const std::string_view hint = stored->record.started ? "its output is not logged" : "it was never started";
        throw Error(Errc::InvalidState, Stage::State, action, {}, hint);
    }
    return with_subject(subject, [&] {
        auto run = options.follow ? std::make_unique<RunFollower>(*store, *stored) : nullptr;
        for (std::size_t i = 0;; ++i) {
            try {
                auto source = open_source(targets[i], name, options);
                return std::make_unique<LogReaderCore>(std::move(source), std::move(run), options.follow);
            } catch (const Error& error) {
                if (error.code() != Errc::Unsupported || i + 1 == targets.size()) throw;
            }
        }
    });
}

} // namespace internal

LogReader Session::read_log(const std::string& name, LogReaderOptions options) const {
    return LogReader(core_->read_log(name, options));
}

EventReader Session::read_events(EventReaderOptions options) const {
    if (!core_->store)
        throw Error(Errc::InvalidState, Stage::State, "read events", {}, "the session has no state directory");
    return EventReader(std::make_unique<internal::EventReaderCore>(*core_->store, std::move(options)));
}

} // namespace ct
