// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <vector>

#include "net/socket.hpp"
#include "state/network_record.hpp"
#include "state/store.hpp"

namespace ct::internal {

/// The record of a network namespace while no other process or thread changes it, nor anything that it is about.
class LockedNetwork {
public:
    /// \throws Error with Errc::BadRecord for one that cannot be read: nothing is guessed then
    LockedNetwork(const Store& store, std::string place);
    LockedNetwork(const LockedNetwork&) = delete;
    LockedNetwork& operator=(const LockedNetwork&) = delete;
    ~LockedNetwork();

    /// The name of the record of the network namespace of \p socket.
    [[nodiscard]] static std::string place_of(NetlinkSocket& socket);

    NetworkRecord record;

    /// As it is now.
    void write();
    /// The lease that has these links, or null.
    [[nodiscard]] Lease* find(const Lease& lease);

    /// Brings the host in line with the record from which leases were erased: \p before is how it was. What cannot be
    /// undone stays in the record, for the next one who tries. \throws Error for what went wrong first
    void clean_up(const NetworkRecord& before, NetlinkSocket& socket);
    /// Erases the leases that nobody holds, and cleans up.
    void reclaim(NetlinkSocket& socket);

private:
    /// Throws the first error once all was tried.
    class Attempts;
    void update_table(const NetworkRecord& before) const;
    void reset_parameters();

    LockedEntry entry_;
    bool present_ = false; ///< There is a file.
    Viewpoint viewpoint_;
    std::string path_;
};

} // namespace ct::internal
