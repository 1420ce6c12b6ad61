// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What the start of a container costs, from start() to the end of a program that ends at once, as ratios. See `run`.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <string>

#include "compare.hpp"
#include "groups.hpp"
#include "network.hpp"
#include "workloads.hpp"

namespace ct::bench {
namespace {

constexpr std::size_t MiB = 1024 * 1024;
constexpr int Pairs = 500;
constexpr int SlowPairs = 60;
constexpr int FewPairs = 15;

using Prepare = std::function<Host::Work()>;

void add(const std::string& name, const Prepare& subject, const Prepare& baseline, Owed owed, int pairs = Pairs,
         std::chrono::milliseconds apart = std::chrono::milliseconds(0)) {
    const auto run = [=](benchmark::State& state) {
        try {
            Host subject_host(subject);
            Host baseline_host(baseline);
            compare(state, subject_host, baseline_host, owed, apart);
        } catch (const std::exception& error) {
            state.SkipWithError(error.what());
        }
    };
    benchmark::RegisterBenchmark(name.c_str(), run)->Iterations(pairs)->UseManualTime();
}

/// A start from a large host process against one from a small one.
void add_sizes(const Bundle& bundle, Isolation isolation, const std::string& name) {
    struct Case {
        const char* name;
        Size size;
        SessionOpens opens = SessionOpens::Early;
    };
    static constexpr Case cases[] = {
        {"a second empty host", {}},
        {"256 MiB touched", {.touched = 256 * MiB}},
        {"1 GiB touched", {.touched = 1024 * MiB}},
        {"64 threads", {.threads = 64}},
        {"15000 descriptors", {.fds = 15000}},
        {"15000 descriptors, then the session", {.fds = 15000}, SessionOpens::Late},
        {"1 GiB, 64 threads, 15000 descriptors", {.touched = 1024 * MiB, .threads = 64, .fds = 15000}},
    };
    for (const Case& each : cases) {
        add(
            name + ": " + each.name + ", an empty host",
            [&bundle, isolation, &each] { return start_with_libct(bundle, isolation, each.size, each.opens); },
            [&bundle, isolation] { return start_with_libct(bundle, isolation); }, {.at_most = 1.1});
    }
}

void add_floors(const Bundle& bundle, Isolation isolation, const std::string& name) {
    add(
        name + ": start, floor", [=, &bundle] { return start_with_libct(bundle, isolation); },
        [=, &bundle] { return start_with_floor(bundle, isolation); }, {.at_most = 1.25});
    add(
        name + ": enter, floor", [=, &bundle] { return enter_with_libct(bundle, isolation); },
        [=, &bundle] { return enter_with_floor(bundle, isolation); }, {.at_most = 1.25});
}

void add_groups(const Bundle& bundle, const Groups& groups, const std::string& name) {
    for (const std::chrono::milliseconds apart : {std::chrono::milliseconds(0), std::chrono::milliseconds(30)}) {
        add(
            name + (apart.count() > 0 ? ", 30 ms apart" : "") + ": start, floor",
            [=, &bundle] { return start_in_groups(bundle, groups); },
            [=, &bundle] { return start_in_groups_with_floor(bundle, groups); }, {.at_most = 1.25},
            apart.count() > 0 ? SlowPairs : Pairs, apart);
    }
}

void add_groups(const Bundle& bundle) {
    const Groups groups = Groups::find();
    for (const std::size_t count : {1U, 4U, 8U}) {
        if (count <= groups.controllers.size()) {
            add_groups(bundle, groups.first(count), std::to_string(count) + " controllers of version 1");
        }
    }
    if (!groups.unified.empty()) add_groups(bundle, groups.only_unified(), "a group of version 2");
}

void add_network(const Bundle& bundle) {
    constexpr std::chrono::milliseconds apart(50); // the kernel is at the last one's namespace for a while
    add(
        "a veth on a bridge: start, floor", [&bundle] { return start_networked(bundle); },
        [&bundle] { return start_networked_with_floor(bundle); }, {.at_most = 1.25}, SlowPairs, apart);
    add(
        "a veth on a bridge: start to end, floor", [&bundle] { return run_networked(bundle); },
        [&bundle] { return run_networked_with_floor(bundle); }, {.at_most = 1.25}, SlowPairs, apart);
    add(
        "a veth on a bridge: 64 starts at once, one", [&bundle] { return start_networked_at_once(bundle, 64); },
        [&bundle] { return start_networked_at_once(bundle, 1); }, {.at_most = 1}, FewPairs, apart);
    add(
        "a veth on a bridge: ip(8) by hand, libct", [&bundle] { return start_networked_with_ip(bundle); },
        [&bundle] { return start_networked(bundle); }, {.at_least = 5}, FewPairs, apart);
}

void add_runtime(const Bundle& bundle, const std::string& runtime, double at_least) {
    if (std::system(("command -v " + runtime + " >/dev/null").c_str()) != 0) {
        std::fprintf(stderr, "%s is not installed: not compared\n", runtime.c_str());
        return;
    }
    add(
        "4 namespaces: " + runtime + " run, libct", [=, &bundle] { return run_with(runtime, bundle); },
        [&bundle] { return start_with_libct(bundle, Isolation::Basic); }, {.at_least = at_least}, SlowPairs);
}

void add_comparisons(const Bundle& bundle) {
    add_floors(bundle, Isolation::Basic, "4 namespaces");
    add_floors(bundle, Isolation::Full, "6 namespaces");
    add(
        "no isolation: start, posix_spawn", [&bundle] { return start_with_libct(bundle, Isolation::None); },
        [&bundle] { return spawn(bundle); }, {});
    add_groups(bundle);
    add_network(bundle);
    add_sizes(bundle, Isolation::Basic, "4 namespaces");
    add_sizes(bundle, Isolation::Full, "6 namespaces");
    add_runtime(bundle, "crun", 5);
    add_runtime(bundle, "runc", 15);
}

/// For tracers, which see each action of one kind often and little else.
void repeat(const Bundle& bundle, const std::string& what, int times) {
    const std::map<std::string, std::function<Host::Work()>> actions = {
        {"start", [&bundle] { return start_with_libct(bundle, Isolation::Basic); }},
        {"start-floor", [&bundle] { return start_with_floor(bundle, Isolation::Basic); }},
        {"enter", [&bundle] { return enter_with_libct(bundle, Isolation::Basic); }},
        {"enter-floor", [&bundle] { return enter_with_floor(bundle, Isolation::Basic); }},
        {"groups", [&bundle] { return start_in_groups(bundle, Groups::find().first(4)); }},
        {"groups-floor", [&bundle] { return start_in_groups_with_floor(bundle, Groups::find().first(4)); }},
        {"network", [&bundle] { return start_networked(bundle); }},
        {"network-floor", [&bundle] { return start_networked_with_floor(bundle); }},
    };
    const Host::Work work = actions.at(what)();
    for (int i = 0; i < times; ++i) {
        work.action();
        if (work.afterwards) work.afterwards();
    }
}

int run(int argc, char** argv) {
    const Bundle bundle;
    if (argc == 4 && std::string(argv[1]) == "--repeat") {
        repeat(bundle, argv[2], std::stoi(argv[3]));
        return 0;
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    add_comparisons(bundle);
    TableReporter table;
    benchmark::RunSpecifiedBenchmarks(&table);
    return table.all_kept() ? 0 : 1;
}

} // namespace
} // namespace ct::bench

int main(int argc, char** argv) {
    try {
        return ct::bench::run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ct_bench: %s\n", error.what());
        return 2;
    }
}
