// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ct/export.hpp>
#include <ct/log.hpp>

/// \file
/// Following the containers of all programs that share a state directory: see Session::read_events().
///
/// Programs whose sessions have SessionOptions::record_events write what becomes of their containers to one file in
/// the state directory. Of the containers of other programs only the changes of their state are known, as far as
/// somebody follows them.
namespace ct {

namespace internal {
class EventReaderCore;
} // namespace internal

/// What has become of a container of any program.
struct RecordedEvent {
    LogTime time = {};
    std::string_view container = {};
    std::string_view event = {}; ///< "state", "start", "exit", "oom", ...: as Container::on_state() and its kin.
    /// All of it, as one line: {"time":"2024-02-29T23:59:58.000000042Z","container":"web","event":"state",...}.
    std::string_view json = {};
};

using RecordedEventHandler = std::function<void(const RecordedEvent& event)>;

struct EventReaderOptions {
    std::vector<std::string> containers = {}; ///< Their names; empty: all.
    std::optional<LogTime> since = {};        ///< Older ones are left out.
    /// What was recorded before is read, too, as far as it is still there: the last 256 KiB at least.
    bool history = true;
    /// EventReader::fd() tells when there is more.
    bool follow = false;
};

/// Reads events, in the order in which they were recorded. One thread at a time may use it.
class CT_EXPORT EventReader {
public:
    EventReader(EventReader&&) noexcept;
    EventReader& operator=(EventReader&&) noexcept;
    ~EventReader();

    /// Calls \p handler with the next events; what it is given is valid during the call. Never blocks for others.
    /// \returns whether there may be more at once
    [[nodiscard]] bool read(const RecordedEventHandler& handler);
    /// Readable when read() may have more. Borrowed; -1 without EventReaderOptions::follow.
    [[nodiscard]] int fd() const noexcept;

    /// Made by Session.
    explicit EventReader(std::unique_ptr<internal::EventReaderCore> core) noexcept;

private:
    std::unique_ptr<internal::EventReaderCore> core_;
};

} // namespace ct
