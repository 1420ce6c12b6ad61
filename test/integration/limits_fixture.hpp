// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include "cgroup/hierarchies.hpp"
#include "support/fixture.hpp"

namespace ct::test {

/// Tests of limits, on whatever version of cgroups the controllers of this host are.
class LimitsTest : public ContainerTest {
protected:
    [[nodiscard]] bool has(Controller controller) const { return hierarchies_.find(controller) != nullptr; }
    /// Of the hierarchy that has the controller; 0 if none has.
    [[nodiscard]] int version(Controller controller) const {
        return has(controller) ? hierarchies_.find(controller)->version : 0;
    }
    [[nodiscard]] const internal::Hierarchies& hierarchies() const { return hierarchies_; }

    /// The number after \p key in the lines of a file such as cpu.stat; 0 if there is none.
    [[nodiscard]] static std::uint64_t number(const Container& container, Controller controller,
                                              const std::string& file, std::string_view key) {
        for (const std::string& line : lines(container.controller_value(controller, file))) {
            if (!line.starts_with(key) || line.find(' ') != key.size()) continue;
            std::uint64_t value = 0;
            std::from_chars(line.data() + key.size() + 1, line.data() + line.size(), value);
            return value;
        }
        return 0;
    }
    /// Waits until the group was throttled \p more times than now.
    [[nodiscard]] static bool gets_throttled(const Container& container, std::uint64_t more) {
        const auto throttled = [&] { return number(container, Controller::Cpu, "cpu.stat", "nr_throttled"); };
        const std::uint64_t wanted = throttled() + more;
        return await([&] { return throttled() >= wanted; });
    }
    /// A program whose standard input and output are pipes.
    [[nodiscard]] static ProcessSpec talking(std::vector<std::string> args) {
        ProcessSpec spec = program(std::move(args));
        spec.stdio.in = Stdio::Pipe;
        spec.stdio.out = Stdio::Pipe;
        return spec;
    }

private:
    const internal::Hierarchies hierarchies_ = internal::Hierarchies::detect();
};

/// Skips what this host has no controller for.
#define CT_REQUIRE_CONTROLLER(controller) \
    if (!has(controller)) GTEST_SKIP() << "this host has no " << to_string(controller) << " controller"

} // namespace ct::test
