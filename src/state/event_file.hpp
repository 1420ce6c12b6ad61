// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "state/store.hpp"

namespace ct::internal {

/// What becomes of the containers of a state directory, as lines of JSON: one file for all, so that their order is
/// known, nothing is lost with the record of a container, and whoever follows has one file to read. It is renamed to
/// FILE.1 when it has become large, and what had that name is gone.
///
/// No container can be called like its directory.
inline constexpr const char* EventDirectory = ".events";
inline constexpr const char* EventFile = "events.jsonl";

/// The path of the file, whose directory is made if it is missing. \throws Error
[[nodiscard]] std::string event_path(const Store& store);

/// Adds \p line to it. What cannot be written is lost: no container ends for that.
void append_event(const Store& store, std::string_view line) noexcept;

/// The line for what is in \p fields (`"event":...`), which happens now to container \p name.
[[nodiscard]] std::string event_line(std::string_view name, std::string_view fields);

/// Tells of the end of a run whose owner did not live to do it.
void record_end(const Store& store, const Record& record, const std::optional<ExitStatus>& status) noexcept;

/// Records the events of a session's containers. Has the directory to itself, so that it may outlive the session.
class EventRecorder {
public:
    explicit EventRecorder(const std::string& state_directory) : store_(state_directory) {}

    /// \param lines  without the last newline
    void write(std::string_view lines) const noexcept { append_event(store_, lines); }

private:
    const Store store_;
};

} // namespace ct::internal
