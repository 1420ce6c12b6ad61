// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "base/concat.hpp"
#include "base/subject.hpp"
#include "cgroup/stats.hpp"
#include "container_core.hpp"

namespace ct::internal {

Stats ContainerCore::stats() {
    constexpr std::string_view action = "read its statistics";
    const auto check_running = [&] {
        const State now = state();
        if (now != State::Running && now != State::Paused) throw wrong_state(action, "running", now);
    };
    check_running();
    const std::shared_ptr<const Groups> groups = this->groups();
    if (!groups) {
        check_running(); // it may have ended just now
        throw Error(Errc::InvalidState, Stage::Cgroup, concat(subject(), ": ", action), {},
                    "the container has no cgroups: see Spec::cgroup");
    }
    Stats stats = with_subject(subject(), [&] { return read_stats(*groups); });
    // Groups that are being removed tell only a part, or nothing.
    check_running();
    if (this->groups() != groups) throw wrong_state(action, "running", State::Stopping);
    return stats;
}

} // namespace ct::internal
