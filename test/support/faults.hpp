// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <functional>

namespace ct::test {

/// Fault points (see base/fault.hpp) in memory that is shared with children, for the time of the object.
class SharedFaults {
public:
    SharedFaults();
    SharedFaults(const SharedFaults&) = delete;
    SharedFaults& operator=(const SharedFaults&) = delete;
    ~SharedFaults();

    /// Has the step \p at, from 1 on, fail with \p error; with 0 whoever gets there stays until go().
    static void set(std::uint32_t at, int error = 0);
    static std::uint32_t passed();
    static void go();
    static void clear();

    /// Runs \p host in a process of its own, and kills that at the step \p at. \returns its wait status
    static int kill_at(std::uint32_t at, const std::function<void()>& host);
};

} // namespace ct::test
