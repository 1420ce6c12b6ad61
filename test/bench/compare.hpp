// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <benchmark/benchmark.h>

#include <chrono>

#include "host.hpp"

namespace ct::bench {

/// What the design owes: how the subject's time divided by the baseline's has to be. 0 is no bound.
struct Owed {
    double at_most = 0;
    double at_least = 0;
};

/// Lets the two hosts take turns, one pair in each iteration, and reports the medians and the median of the ratios.
/// \param apart  waits as long before each action
void compare(benchmark::State& state, Host& subject, Host& baseline, Owed owed,
             std::chrono::milliseconds apart = std::chrono::milliseconds(0));

/// Prints one line for each comparison.
class TableReporter : public benchmark::BenchmarkReporter {
public:
    bool ReportContext(const Context& context) override;
    void ReportRuns(const std::vector<Run>& runs) override;

    /// Every comparison could be made and is what is owed.
    [[nodiscard]] bool all_kept() const noexcept { return all_kept_; }

private:
    bool all_kept_ = true;
};

} // namespace ct::bench
