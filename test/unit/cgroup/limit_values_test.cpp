// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/limit_values.hpp"

#include <cmath>

#include "cgroup/controllers.hpp"
#include "cgroup/fake_groups.hpp"

namespace ct::internal {
namespace {

using namespace std::chrono_literals;

const std::vector<Controller> Everything(AllControllers.begin(), AllControllers.end());

/// "FILE=VALUE" of each write to groups of that version, in their order.
std::vector<std::string> written(int version, const Limits& given, const Limits& whole,
                                 const std::vector<std::pair<std::string, std::string>>& files = {}) {
    FakeGroups fake;
    fake.add(version, Everything, files);
    std::vector<std::string> list;
    for (const LimitWrite& write : limit_writes(fake.groups(), given, whole)) {
        list.push_back(write.file + "=" + write.value.value_or("(remembered)"));
    }
    return list;
}

std::vector<std::string> written(int version, const Limits& limits,
                                 const std::vector<std::pair<std::string, std::string>>& files = {}) {
    return written(version, limits, limits, files);
}

std::string failure(int version, const Limits& limits) {
    try {
        (void)written(version, limits);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::Unsupported);
        EXPECT_EQ(error.stage(), Stage::Cgroup);
        return error.what();
    }
    return {};
}

using Files = std::vector<std::string>;

TEST(LimitWrites, NothingForNothing) {
    EXPECT_EQ(written(1, {}), Files{});
    EXPECT_EQ(written(2, {}), Files{});
    EXPECT_TRUE(limit_writes(Groups(), {}, {}).empty());
}

TEST(LimitWrites, MemoryOfVersion2) {
    const Limits limits{.memory_max = 64 * MiB,
                        .memory_high = 48 * MiB,
                        .memory_low = 8 * MiB,
                        .memory_min = 4 * MiB,
                        .swap_max = Bytes{0},
                        .oom_group = true};
    EXPECT_EQ(written(2, limits), (Files{"memory.oom.group=1", "memory.min=4194304", "memory.low=8388608",
                                         "memory.swap.max=0", "memory.high=50331648", "memory.max=67108864"}));
    EXPECT_EQ(written(2, {.memory_max = Bytes::unlimited(), .swap_max = Bytes::unlimited(), .oom_group = false}),
              (Files{"memory.oom.group=0", "memory.swap.max=max", "memory.max=max"}));
}

TEST(LimitWrites, MemoryOfVersion1CountsSwapOnTop) {
    const auto both = [](Bytes memory, Bytes swap) { return written(1, {.memory_max = memory, .swap_max = swap}); };
    EXPECT_EQ(both(64 * MiB, 16 * MiB),
              (Files{"memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=83886080"}));
    EXPECT_EQ(both(64 * MiB, Bytes{0}),
              (Files{"memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=67108864"}));
    EXPECT_EQ(both(64 * MiB, Bytes::unlimited()),
              (Files{"memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=-1"}));
    EXPECT_EQ(both(Bytes::unlimited(), Bytes::unlimited()),
              (Files{"memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1"}));
    EXPECT_EQ(both(Bytes{~std::uint64_t{0} - 5}, 16 * MiB),
              (Files{"memory.limit_in_bytes=18446744073709551610", "memory.memsw.limit_in_bytes=-1"}))
        << "a sum that overflows is no limit";
    EXPECT_EQ(written(1, {.memory_low = 1 * MiB}), Files{"memory.soft_limit_in_bytes=1048576"});
}

TEST(LimitWrites, AnUpdateOfMemoryTakesTheSwapAlong) {
    const Limits before{.memory_max = 64 * MiB, .swap_max = 16 * MiB};
    const Limits more{.memory_max = 128 * MiB};
    EXPECT_EQ(written(1, more, merged(before, more)),
              (Files{"memory.limit_in_bytes=134217728", "memory.memsw.limit_in_bytes=150994944"}));
    EXPECT_EQ(written(2, more, merged(before, more)), Files{"memory.max=134217728"});
    const Limits swap{.swap_max = 1 * MiB};
    EXPECT_EQ(written(1, swap, merged(before, swap)), Files{"memory.memsw.limit_in_bytes=68157440"});
    const Limits low{.memory_low = 1 * MiB};
    EXPECT_EQ(written(1, low, merged(before, low)), Files{"memory.soft_limit_in_bytes=1048576"});
}

TEST(LimitWrites, WhatVersion1HasNotIsUnsupportedAndSaysWhere) {
    for (const auto& [limits, file] :
         std::vector<std::pair<Limits, std::string>>{{{.memory_high = MiB}, "memory.high"},
                                                     {{.memory_min = MiB}, "memory.min"},
                                                     {{.oom_group = true}, "memory.oom.group"}}) {
        const std::string sentence = failure(1, limits);
        EXPECT_NE(sentence.find("set " + file + " in '"), std::string::npos) << sentence;
        EXPECT_NE(sentence.find("the memory controller is in the hierarchy of version 1 at /"), std::string::npos)
            << sentence;
        EXPECT_EQ(failure(2, limits), "");
    }
    EXPECT_NE(failure(1, {.swap_max = MiB}).find("it takes memory_max as well"), std::string::npos);
    EXPECT_NE(failure(1, {.memory_max = Bytes::unlimited(), .swap_max = MiB}).find("memory_max"), std::string::npos);
    EXPECT_EQ(failure(2, {.swap_max = MiB}), "");
}

TEST(LimitWrites, CpuTimeIsAQuotaOfAPeriod) {
    const auto both = [](double cpus, std::optional<std::chrono::microseconds> period) {
        const Limits limits{.cpus = cpus, .cpu_period = period};
        return std::pair(written(1, limits), written(2, limits));
    };
    EXPECT_EQ(both(0.5, std::nullopt), std::pair(Files{"cpu.cfs_quota_us=50000"}, Files{"cpu.max=50000 100000"}));
    EXPECT_EQ(both(2, std::nullopt), std::pair(Files{"cpu.cfs_quota_us=200000"}, Files{"cpu.max=200000 100000"}));
    EXPECT_EQ(both(0.1, 10ms),
              std::pair((Files{"cpu.cfs_period_us=10000", "cpu.cfs_quota_us=1000"}), Files{"cpu.max=1000 10000"}));
    EXPECT_EQ(both(0.3333333, 1s), std::pair((Files{"cpu.cfs_period_us=1000000", "cpu.cfs_quota_us=333333"}),
                                             Files{"cpu.max=333333 1000000"}));
    EXPECT_EQ(both(HUGE_VAL, std::nullopt), std::pair(Files{"cpu.cfs_quota_us=-1"}, Files{"cpu.max=max 100000"}));
    const Limits period{.cpu_period = 50ms};
    EXPECT_EQ(written(1, period), Files{"cpu.cfs_period_us=50000"});
    EXPECT_EQ(written(2, period), Files{"cpu.max=max 50000"});
}

TEST(LimitWrites, AnUpdateOfThePeriodKeepsThePart) {
    const Limits before{.cpus = 0.5};
    const Limits period{.cpu_period = 20ms};
    EXPECT_EQ(written(1, period, merged(before, period)), (Files{"cpu.cfs_period_us=20000", "cpu.cfs_quota_us=10000"}));
    EXPECT_EQ(written(2, period, merged(before, period)), Files{"cpu.max=10000 20000"});
}

TEST(LimitWrites, CpuWeightIsInSharesOnVersion1) {
    // The kernel's own: cpu.weight 100 is 1024 shares.
    for (const auto& [weight, shares] : std::vector<std::pair<std::uint32_t, std::uint64_t>>{{1, 10},
                                                                                             {2, 20},
                                                                                             {50, 512},
                                                                                             {99, 1014},
                                                                                             {100, 1024},
                                                                                             {101, 1034},
                                                                                             {200, 2048},
                                                                                             {1000, 10240},
                                                                                             {10000, 102400}}) {
        EXPECT_EQ(cpu_shares(weight), shares) << weight;
        EXPECT_EQ(written(1, {.cpu_weight = weight}), Files{"cpu.shares=" + std::to_string(shares)});
        EXPECT_EQ(written(2, {.cpu_weight = weight}), Files{"cpu.weight=" + std::to_string(weight)});
        EXPECT_EQ((shares * 100 + 512) / 1024, weight) << "as the kernel converts back";
    }
}

TEST(LimitWrites, AnIdleGroupHasNoWeight) {
    EXPECT_EQ(written(2, {.cpu_weight = 50, .cpu_idle = true}), (Files{"cpu.weight=(remembered)", "cpu.idle=1"}));
    EXPECT_EQ(written(1, {.cpu_idle = true}), (Files{"cpu.shares=(remembered)", "cpu.idle=1"}));
    const Limits before{.cpu_weight = 50, .cpu_idle = true};
    const Limits busy{.cpu_idle = false};
    EXPECT_EQ(written(2, busy, merged(before, busy)),
              (Files{"cpu.weight=(remembered)", "cpu.idle=0", "cpu.weight=50"}));
    const Limits heavier{.cpu_weight = 60};
    EXPECT_EQ(written(2, heavier, merged(before, heavier)), Files{});
}

TEST(LimitWrites, CpusetsAndPids) {
    for (const int version : {1, 2}) {
        EXPECT_EQ(written(version, {.cpuset_cpus = "0-1,3", .cpuset_mems = "0"}),
                  (Files{"cpuset.mems=0", "cpuset.cpus=0-1,3"}));
        EXPECT_EQ(written(version, {.pids_max = 64}), Files{"pids.max=64"});
        EXPECT_EQ(written(version, {.pids_max = Unlimited}), Files{"pids.max=max"});
    }
}

TEST(LimitWrites, IoWeightsGoToEverySchedulerThatHasThem) {
    const Limits limits{.io_weight = 200, .io = {{.major = 8, .minor = 0, .weight = 1000}}};
    EXPECT_EQ(written(2, limits, {{"io.weight", ""}}), (Files{"io.weight=default 200", "io.weight=8:0 1000"}));
    EXPECT_EQ(written(2, limits, {{"io.bfq.weight", ""}}),
              (Files{"io.bfq.weight=default 109", "io.bfq.weight=8:0 181"}));
    EXPECT_EQ(
        written(2, limits, {{"io.weight", ""}, {"io.bfq.weight", ""}}),
        (Files{"io.weight=default 200", "io.bfq.weight=default 109", "io.weight=8:0 1000", "io.bfq.weight=8:0 181"}));
    EXPECT_EQ(written(1, limits, {{"blkio.bfq.weight", ""}}),
              (Files{"blkio.bfq.weight=109", "blkio.bfq.weight_device=8:0 181"}));
    EXPECT_NE(failure(1, limits).find("there is no blkio.bfq.weight"), std::string::npos);
    EXPECT_NE(failure(2, limits).find("neither io.weight"), std::string::npos);
}

TEST(LimitWrites, TheWeightOfBfqIsScaledAboveItsDefault) {
    for (const auto& [weight, bfq] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
             {1, 1}, {50, 50}, {100, 100}, {111, 101}, {200, 109}, {1000, 181}, {5050, 550}, {10000, 1000}}) {
        EXPECT_EQ(bfq_weight(weight), bfq) << weight;
    }
}

TEST(LimitWrites, IoLimitsOfADevice) {
    const Limits limits{.io = {{.major = 8,
                                .minor = 16,
                                .read_per_second = 1 * MiB,
                                .write_per_second = Bytes::unlimited(),
                                .reads_per_second = 100,
                                .writes_per_second = Unlimited}}};
    EXPECT_EQ(written(2, limits), Files{"io.max=8:16 rbps=1048576 wbps=max riops=100 wiops=max"});
    EXPECT_EQ(written(1, limits),
              (Files{"blkio.throttle.read_bps_device=8:16 1048576", "blkio.throttle.write_bps_device=8:16 0",
                     "blkio.throttle.read_iops_device=8:16 100", "blkio.throttle.write_iops_device=8:16 0"}));
    const Limits huge{.io = {{.major = 8, .writes_per_second = std::uint64_t{1} << 32U}}};
    EXPECT_EQ(written(2, huge), Files{"io.max=8:0 wiops=4294967296"});
    EXPECT_EQ(written(1, huge), Files{"blkio.throttle.write_iops_device=8:0 0"}) << "more than version 1 can count";
}

TEST(LimitWrites, HugePagesBySize) {
    const Limits limits{.hugetlb = {{64 * KiB, 1 * MiB}, {2 * MiB, 64 * MiB}, {1 * GiB, Bytes::unlimited()}}};
    EXPECT_EQ(written(1, limits), (Files{"hugetlb.64KB.limit_in_bytes=1048576", "hugetlb.2MB.limit_in_bytes=67108864",
                                         "hugetlb.1GB.limit_in_bytes=-1"}));
    EXPECT_EQ(written(2, limits, {{"hugetlb.2MB.rsvd.max", ""}}),
              (Files{"hugetlb.64KB.max=1048576", "hugetlb.2MB.rsvd.max=67108864", "hugetlb.2MB.max=67108864",
                     "hugetlb.1GB.max=max"}));
    EXPECT_EQ(huge_page_name(512 * MiB), "512MB");
    EXPECT_EQ(huge_page_name(16 * GiB), "16GB");
}

TEST(LimitWrites, Network) {
    EXPECT_EQ(written(1, {.net_class = 0x100001, .net_priority = {{"eth0", 5}, {"lo", 0}}}),
              (Files{"net_cls.classid=1048577", "net_prio.ifpriomap=eth0 5", "net_prio.ifpriomap=lo 0"}));
}

TEST(LimitWrites, EachControllerWhereItLives) {
    FakeGroups fake;
    fake.add(1, {Controller::Cpu, Controller::Memory}).add(2, {Controller::Pids, Controller::Hugetlb});
    const Limits limits{.memory_max = 1 * MiB, .cpus = 1, .pids_max = 5, .hugetlb = {{2 * MiB, 2 * MiB}}};
    Files list;
    for (const LimitWrite& write : limit_writes(fake.groups(), limits, limits)) list.push_back(write.file);
    EXPECT_EQ(list, (Files{"cpu.cfs_quota_us", "pids.max", "hugetlb.2MB.max", "memory.limit_in_bytes"}));
    try {
        (void)limit_writes(fake.groups(), {.io_weight = 5}, {});
        FAIL() << "a controller without a group";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::InvalidState);
        EXPECT_NE(std::string(error.what()).find("use the io controller"), std::string::npos) << error.what();
    }
}

TEST(RestoringValue, IsTheWholeFileOrTheLineOfTheDevice) {
    EXPECT_EQ(restoring_value({.file = "cpu.max"}, "max 100000"), "max 100000");
    const LimitWrite io{.file = "io.max", .key = "8:0", .removal = "rbps=max"};
    EXPECT_EQ(restoring_value(io, "8:16 rbps=5\n8:0 rbps=7 wbps=max"), "8:0 rbps=7 wbps=max");
    EXPECT_EQ(restoring_value(io, "8:16 rbps=5"), "8:0 rbps=max");
    EXPECT_EQ(restoring_value(io, ""), "8:0 rbps=max");
    EXPECT_EQ(restoring_value(io, "8:0"), "8:0 rbps=max") << "a line without a value is malformed";
    EXPECT_EQ(restoring_value(io, "\n\n8:01 x\n8:0 rbps=7"), "8:0 rbps=7");
    const LimitWrite weight{.file = "io.weight", .key = "default", .removal = "100"};
    EXPECT_EQ(restoring_value(weight, "default 200\n8:0 300"), "default 200");
    EXPECT_EQ(restoring_value({.file = "x", .key = "eth0"}, "lo 5"), std::nullopt);
}

/// The files in the order of an update.
Files ordered(const std::vector<std::pair<std::string, std::pair<std::string, std::string>>>& from_to) {
    std::vector<LimitChange> changes;
    for (const auto& [file, values] : from_to) {
        changes.push_back({{.file = file, .value = values.second}, values.first});
    }
    order_changes(changes);
    Files files;
    for (const LimitChange& change : changes) files.push_back(change.write.file);
    return files;
}

TEST(OrderOfChanges, MemoryNeverExceedsMemoryAndSwap) {
    const auto order = [](const char* memory, const char* new_memory, const char* both, const char* new_both) {
        return ordered(
                   {{"memory.limit_in_bytes", {memory, new_memory}}, {"memory.memsw.limit_in_bytes", {both, new_both}}})
                           .front() == "memory.limit_in_bytes"
                   ? "memory first"
                   : "both first";
    };
    EXPECT_STREQ(order("100", "50", "150", "60"), "memory first");
    EXPECT_STREQ(order("100", "200", "150", "250"), "both first");
    EXPECT_STREQ(order("100", "150", "150", "150"), "memory first");
    EXPECT_STREQ(order("9223372036854771712", "100", "9223372036854771712", "100"), "memory first");
    EXPECT_STREQ(order("100", "-1", "150", "-1"), "both first");
    EXPECT_STREQ(order("100", "50", "garbage", "60"), "memory first");
}

TEST(OrderOfChanges, NeverMoreOfTheCpusThanBeforeOrAfter) {
    const auto order = [](const char* period, const char* new_period) {
        return ordered({{"cpu.cfs_period_us", {period, new_period}}, {"cpu.cfs_quota_us", {"5000", "5000"}}}).front();
    };
    EXPECT_EQ(order("10000", "100000"), "cpu.cfs_period_us");
    EXPECT_EQ(order("100000", "10000"), "cpu.cfs_quota_us");
    EXPECT_EQ(order("100000", "100000"), "cpu.cfs_period_us");
    EXPECT_EQ(ordered({{"cpu.cfs_quota_us", {"1", "2"}}, {"pids.max", {"1", "2"}}}).front(), "cpu.cfs_quota_us");
}

TEST(MergedLimits, KeepWhatIsNotGiven) {
    const Limits before{.memory_max = 5 * MiB,
                        .cpus = 1,
                        .io = {{.major = 8, .minor = 0, .read_per_second = MiB, .weight = 5},
                               {.major = 8, .minor = 16, .writes_per_second = 7}},
                        .hugetlb = {{2 * MiB, 2 * MiB}},
                        .net_priority = {{"eth0", 1}}};
    EXPECT_EQ(merged(before, {}), before);
    EXPECT_EQ(merged({}, before), before);
    const Limits given{.memory_max = 6 * MiB,
                       .pids_max = 4,
                       .io = {{.major = 8, .minor = 0, .write_per_second = 2 * MiB, .weight = 6},
                              {.major = 8, .minor = 32, .weight = 9}},
                       .hugetlb = {{1 * GiB, 1 * GiB}},
                       .net_priority = {{"eth0", 2}, {"lo", 3}}};
    const Limits after{
        .memory_max = 6 * MiB,
        .cpus = 1,
        .pids_max = 4,
        .io = {{.major = 8, .minor = 0, .read_per_second = MiB, .write_per_second = 2 * MiB, .weight = 6},
               {.major = 8, .minor = 16, .writes_per_second = 7},
               {.major = 8, .minor = 32, .weight = 9}},
        .hugetlb = {{2 * MiB, 2 * MiB}, {1 * GiB, 1 * GiB}},
        .net_priority = {{"eth0", 2}, {"lo", 3}}};
    EXPECT_EQ(merged(before, given), after);
}

TEST(MergedLimits, TakeEveryField) {
    const Limits all{.memory_max = Bytes{1},
                     .memory_high = Bytes{2},
                     .memory_low = Bytes{3},
                     .memory_min = Bytes{4},
                     .swap_max = Bytes{5},
                     .oom_group = true,
                     .cpus = 6,
                     .cpu_period = 7us,
                     .cpu_weight = 8,
                     .cpu_idle = true,
                     .cpuset_cpus = "9",
                     .cpuset_mems = "10",
                     .pids_max = 11,
                     .io_weight = 12,
                     .io = {{.major = 13,
                             .minor = 14,
                             .read_per_second = Bytes{15},
                             .write_per_second = Bytes{16},
                             .reads_per_second = 17,
                             .writes_per_second = 18,
                             .weight = 19}},
                     .hugetlb = {{Bytes{20}, Bytes{21}}},
                     .devices = {{DeviceRule{.allow = true}}},
                     .net_class = 22,
                     .net_priority = {{"a", 23}}};
    EXPECT_EQ(merged({}, all), all);
    Limits other = all;
    for (std::optional<std::uint64_t>* const value : {&other.io[0].reads_per_second, &other.io[0].writes_per_second})
        *value = 99;
    other.io[0].weight = 98;
    other.io[0].read_per_second = Bytes{97};
    other.io[0].write_per_second = Bytes{96};
    EXPECT_EQ(merged(all, other), other);
}

} // namespace
} // namespace ct::internal
