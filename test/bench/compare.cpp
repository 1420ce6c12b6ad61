// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "compare.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace ct::bench {
namespace {

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

double microseconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double, std::micro>(time).count();
}

} // namespace

void compare(benchmark::State& state, Host& subject, Host& baseline, Owed owed, std::chrono::milliseconds apart) {
    constexpr int WarmUp = 10;
    for (int i = 0; i < WarmUp; ++i) {
        subject.run();
        baseline.run();
    }
    std::vector<double> subjects;
    std::vector<double> baselines;
    std::vector<double> ratios;
    bool subject_first = false;
    for (auto _ : state) {
        // Each comes first as often as the other, since the first finds the caches as it left them.
        subject_first = !subject_first;
        Host& first = subject_first ? subject : baseline;
        Host& second = subject_first ? baseline : subject;
        double times[2] = {0, 0};
        if (apart.count() > 0) std::this_thread::sleep_for(apart);
        times[0] = microseconds(first.run());
        if (apart.count() > 0) std::this_thread::sleep_for(apart);
        times[1] = microseconds(second.run());
        if (!subject_first) std::swap(times[0], times[1]);
        state.SetIterationTime(times[0] * 1e-6);
        subjects.push_back(times[0]);
        baselines.push_back(times[1]);
        ratios.push_back(times[0] / times[1]);
    }
    state.counters["subject_us"] = median(subjects);
    state.counters["baseline_us"] = median(baselines);
    state.counters["ratio"] = median(ratios);
    state.counters["at_most"] = owed.at_most;
    state.counters["at_least"] = owed.at_least;
}

bool TableReporter::ReportContext(const Context&) {
    std::printf("%-68s %10s %10s %7s  %s\n", "what, compared with what", "us", "us", "ratio", "owed");
    return true;
}

void TableReporter::ReportRuns(const std::vector<Run>& runs) {
    for (const Run& run : runs) {
        const std::string name = run.run_name.function_name;
        if (run.error_occurred) {
            std::printf("%-68s %s\n", name.c_str(), run.error_message.c_str());
            all_kept_ = false;
            continue;
        }
        const auto value = [&run](const char* counter) { return run.counters.at(counter).value; };
        const double ratio = value("ratio");
        const double at_most = value("at_most");
        const double at_least = value("at_least");
        std::printf("%-68s %10.1f %10.1f %7.3f", name.c_str(), value("subject_us"), value("baseline_us"), ratio);
        if (at_most > 0) std::printf("  <= %.2f", at_most);
        if (at_least > 0) std::printf("  >= %.2f", at_least);
        if ((at_most > 0 && ratio > at_most) || ratio < at_least) {
            std::printf("  NOT KEPT");
            all_kept_ = false;
        }
        std::printf("\n");
    }
    std::fflush(stdout);
}

} // namespace ct::bench
