// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include <ct/ct.hpp>

namespace ct::test {

/// A number that the test and processes forked from it share.
class SharedCounter {
public:
    SharedCounter();
    SharedCounter(const SharedCounter&) = delete;
    SharedCounter& operator=(const SharedCounter&) = delete;
    ~SharedCounter();

    void add() { number_->fetch_add(1); }
    [[nodiscard]] std::uint64_t value() const { return number_->load(); }
    /// Whether it is changed by others; waits for that.
    [[nodiscard]] bool moves() const;
    /// Whether it is changed while this thread lets others run for a while.
    [[nodiscard]] bool moves_soon() const;

private:
    std::atomic<std::uint64_t>* number_;
};

/// For a callable: forks as long and as fast as it can, counts, and never ends. To be kept in check by pids.max.
int fork_bomb(SharedCounter& counter);

/// The directory of the group by which such a container is frozen and killed, see Cgroup::own_group.
[[nodiscard]] std::string own_group_path(const Container& container);

/// Whether the controller is one of version 1 here.
[[nodiscard]] bool has_version_1(Controller controller);
/// Takes the hierarchy of version 2 out of sight of this process, for good: only for passes_in_child().
void hide_version_2();

} // namespace ct::test
