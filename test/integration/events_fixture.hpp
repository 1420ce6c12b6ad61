// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "support/fixture.hpp"

namespace ct::test {

class EventsTest : public ContainerTest {
protected:
    /// Dispatches until that is so.
    template <typename Condition>
    void dispatch_until(const Condition& condition) {
        while (!condition()) (void)session().dispatch_for(std::chrono::seconds(60));
    }
    /// Has everything about \p container written down.
    void note(Container& container) {
        container.on_state([this](const StateEvent& event) {
            said.push_back(std::string("state ") + std::string(to_string(event.to)));
        });
        container.on_start([this](const StartEvent& event) {
            EXPECT_GT(event.pid, 0);
            said.emplace_back("start");
        });
        container.on_oom([this](const OomEvent&) { said.emplace_back("oom"); });
        container.on_process_exit(
            [this](const ProcessExitEvent& event) { said.push_back("process " + event.status.describe()); });
        container.on_exit([this](const ExitEvent& event) {
            record = event.record;
            said.push_back("exit");
        });
    }
    [[nodiscard]] bool stopped() const { return !said.empty() && said.back() == "state stopped"; }

    std::vector<std::string> said;
    std::optional<ExitRecord> record;
};

} // namespace ct::test
