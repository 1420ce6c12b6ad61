// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <map>
#include <string>
#include <vector>

#include <ct/container.hpp>
#include <ct/event_reader.hpp>

#include "base/unique_fd.hpp"
#include "follow/rotated_file.hpp"
#include "state/store.hpp"

namespace ct::internal {

/// Reads the events of a state directory, see EventFile. While following it has an eye on the records, too: on those of
/// containers whose owners record nothing, for the changes of their states, and on the first processes of all, as
/// nobody else may notice their end.
class EventReaderCore {
public:
    EventReaderCore(const Store& store, EventReaderOptions options);

    bool read(const RecordedEventHandler& handler);
    [[nodiscard]] int fd() const noexcept { return poll_.get(); }

private:
    /// What is known of a container.
    struct Known {
        int watch = -1;
        State state = State::Stopped;
        bool recorded = false; ///< Its owner tells of it.
        ProcessId init = {};
        UniqueFd process; ///< The pidfd of `init` until it has ended, then of its owner.
    };

    void begin_to_follow();
    void notice_changes();
    void notice_ends();
    void find_new();
    void look(const std::string& name);
    void watch_process(Known& known, const Record& record);
    void tell_change(const std::string& name, State from, State to);
    /// \returns whether a piece of the file was read
    bool read_file();
    void hand_on(const RecordedEventHandler& handler);
    void hand_on(std::string_view line, const RecordedEventHandler& handler) const;
    void poll_also(int fd) const;

    const Store& store_;
    const EventReaderOptions options_;
    RotatedFile file_;
    std::uint64_t offset_ = 0;
    bool complete_ = false;            ///< The open file is not written to any more.
    std::string buffer_;               ///< Begins with a line.
    std::vector<std::string> derived_; ///< Lines that no file has.
    UniqueFd poll_;
    UniqueFd watch_;
    std::map<std::string, Known> known_;
};

} // namespace ct::internal
