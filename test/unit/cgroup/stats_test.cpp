// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/stats.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ct/error.hpp>

#include "unit/cgroup/fake_groups.hpp"

namespace ct::internal {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

const std::vector<Controller> AllOfVersion2{Controller::Cpu,    Controller::Cpuacct, Controller::Io,
                                            Controller::Memory, Controller::Pids,    Controller::Hugetlb};

TEST(ReadStats, NoGroupsTellNothing) {
    EXPECT_EQ(read_stats(Groups{}), Stats{});
}

TEST(ReadStats, GroupsWithoutFilesTellNothing) {
    FakeGroups fake;
    fake.add("", AllOfVersion2);
    EXPECT_EQ(read_stats(fake.groups()), Stats{});
    FakeGroups fake_1;
    fake_1.add("cpu,cpuacct", {Controller::Cpu, Controller::Cpuacct});
    fake_1.add("memory", {Controller::Memory});
    fake_1.add("pids", {Controller::Pids});
    fake_1.add("blkio", {Controller::Io});
    fake_1.add("hugetlb", {Controller::Hugetlb});
    EXPECT_EQ(read_stats(fake_1.groups()), Stats{});
}

TEST(ReadStats, Version2) {
    FakeGroups fake;
    fake.add("", AllOfVersion2);
    fake.write("unified/cpu.stat", "usage_usec 3000\nuser_usec 2000\nsystem_usec 1000\ncore_sched.force_idle_usec 0\n"
                                   "nr_periods 9\nnr_throttled 4\nthrottled_usec 500\n");
    fake.write("unified/memory.current", "1048576\n");
    fake.write("unified/memory.peak", "2097152\n");
    fake.write("unified/memory.max", "max\n");
    fake.write("unified/memory.swap.current", "4096\n");
    fake.write("unified/memory.stat", "anon 11\nfile 12\nkernel 13\nfile_mapped 99\npgfault 14\npgmajfault 15\n");
    fake.write("unified/memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n");
    fake.write("unified/pids.current", "3\n");
    fake.write("unified/pids.peak", "8\n");
    fake.write("unified/pids.max", "64\n");
    fake.write("unified/pids.events", "max 2\n");
    fake.write("unified/io.stat", "8:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n");
    fake.write("unified/cpu.pressure", "some avg10=1.00 avg60=2.00 avg300=3.00 total=4\n");
    fake.write("unified/io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");

    const Stats stats = read_stats(fake.groups());
    Stats expected;
    expected.cpu = {3000us, 2000us, 1000us, 9, 4, 500us};
    expected.memory = {.current = 1 * MiB,
                       .peak = 2 * MiB,
                       .max = Bytes::unlimited(),
                       .cache = Bytes{12},
                       .rss = Bytes{11},
                       .swap = Bytes{4096},
                       .kernel = Bytes{13},
                       .page_faults = 14,
                       .major_page_faults = 15,
                       .events = {1, 2, 3, 4, 5, 6}};
    expected.pids = {3, 8, 64, 2};
    expected.io = {{.major = 8,
                    .minor = 0,
                    .read = Bytes{512},
                    .written = Bytes{0},
                    .discarded = Bytes{0},
                    .reads = 1,
                    .writes = 0,
                    .discards = 0}};
    expected.cpu_pressure.some = Stall{1, 2, 3, 4us};
    expected.io_pressure.some = Stall{};
    EXPECT_EQ(stats, expected);
}

TEST(ReadStats, Version1) {
    FakeGroups fake;
    fake.add("cpu,cpuacct", {Controller::Cpu, Controller::Cpuacct});
    fake.add("memory", {Controller::Memory});
    fake.add("pids", {Controller::Pids});
    fake.add("blkio", {Controller::Io});
    fake.write("cpu,cpuacct/cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_time 500\n");
    fake.write("cpu,cpuacct/cpuacct.usage", "123456789\n");
    fake.write("cpu,cpuacct/cpuacct.stat", "user 10\nsystem 2\n");
    fake.write("memory/memory.usage_in_bytes", "100\n");
    fake.write("memory/memory.max_usage_in_bytes", "200\n");
    fake.write("memory/memory.limit_in_bytes", "9223372036854771712\n");
    fake.write("memory/memory.kmem.usage_in_bytes", "50\n");
    fake.write("memory/memory.stat", "cache 1\nrss 2\ntotal_cache 3\ntotal_rss 4\ntotal_swap 5\ntotal_pgfault 6\n"
                                     "total_pgmajfault 7\n");
    fake.write("memory/memory.failcnt", "8\n");
    fake.write("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 9\n");
    fake.write("pids/pids.current", "3\n");
    fake.write("pids/pids.max", "max\n");
    fake.write("blkio/blkio.throttle.io_service_bytes", "8:0 Read 1\nTotal 1\n");
    fake.write("blkio/blkio.throttle.io_service_bytes_recursive", "8:0 Read 4096\nTotal 4096\n");
    fake.write("blkio/blkio.throttle.io_serviced", "8:0 Read 1\nTotal 1\n");

    const Stats stats = read_stats(fake.groups());
    Stats expected;
    const std::chrono::nanoseconds tick = std::chrono::nanoseconds(1s) / ::sysconf(_SC_CLK_TCK);
    expected.cpu = {123456789ns, 10 * tick, 2 * tick, 9, 4, 500ns};
    expected.memory = {.current = Bytes{100},
                       .peak = Bytes{200},
                       .max = Bytes::unlimited(),
                       .cache = Bytes{3},
                       .rss = Bytes{4},
                       .swap = Bytes{5},
                       .kernel = Bytes{50},
                       .page_faults = 6,
                       .major_page_faults = 7,
                       .events = {.max = 8, .oom_kill = 9}};
    expected.pids = {.current = 3, .max = Unlimited};
    expected.io = {{.major = 8, .minor = 0, .read = Bytes{4096}, .reads = 1}};
    EXPECT_EQ(stats, expected);
}

TEST(ReadStats, HybridTakesEachFromWhereItIs) {
    FakeGroups fake;
    fake.add("cpu", {Controller::Cpu});
    fake.add("cpuacct", {Controller::Cpuacct});
    fake.add("", {Controller::Hugetlb, Controller::Devices, Controller::Freezer});
    fake.write("cpu/cpu.stat", "nr_periods 2\nnr_throttled 1\nthrottled_time 7\n");
    fake.write("cpuacct/cpuacct.usage", "5\n");
    fake.write("unified/cpu.stat", "usage_usec 3\nuser_usec 2\nsystem_usec 1\n");
    const Stats stats = read_stats(fake.groups());
    EXPECT_EQ(stats.cpu, (CpuStats{3us, 2us, 1us, 2, 1, 7ns})) << "version 2 tells the time more exactly";
    EXPECT_EQ(stats.memory, MemoryStats{});
    EXPECT_EQ(stats.io, std::nullopt);
}

TEST(ReadStats, IoWithoutDevicesIsKnownToBeNothing) {
    FakeGroups fake;
    fake.add("", {Controller::Io});
    fake.write("unified/io.stat", "");
    EXPECT_EQ(read_stats(fake.groups()).io, std::vector<IoStats>{});
}

TEST(ReadStats, LongFiles) {
    FakeGroups fake;
    fake.add("", {Controller::Io});
    std::string text;
    for (int i = 0; i < 2000; ++i) text += "8:" + std::to_string(i) + " rbytes=1 wbytes=2 rios=3 wios=4\n";
    fake.write("unified/io.stat", text);
    const auto io = read_stats(fake.groups()).io;
    ASSERT_TRUE(io);
    ASSERT_EQ(io->size(), 2000U);
    EXPECT_EQ(io->back(),
              (IoStats{.major = 8, .minor = 1999, .read = Bytes{1}, .written = Bytes{2}, .reads = 3, .writes = 4}));
}

TEST(ReadStats, HugePagesByTheSizesOfTheHost) {
    if (!std::filesystem::exists("/sys/kernel/mm/hugepages/hugepages-2048kB")) GTEST_SKIP() << "no pages of 2 MiB here";
    FakeGroups fake;
    fake.add("", {Controller::Hugetlb});
    fake.write("unified/hugetlb.2MB.current", "2097152\n");
    fake.write("unified/hugetlb.2MB.max", "max\n");
    fake.write("unified/hugetlb.2MB.events", "max 3\n");
    fake.write("unified/hugetlb.3MB.current", "3\n");
    const HugetlbStats found{.current = 2 * MiB, .max = Bytes::unlimited(), .failures = 3};
    EXPECT_THAT(read_stats(fake.groups()).hugetlb, ElementsAre(std::pair(2 * MiB, found)));
}

TEST(ReadStats, FileThatCannotBeReadIsAnError) {
    FakeGroups fake;
    fake.add("pids", {Controller::Pids});
    std::filesystem::create_directory(fake.group("pids") / "pids.current");
    const Groups groups = fake.groups();
    try {
        (void)read_stats(groups);
        FAIL() << "nothing was thrown";
    } catch (const Error& error) {
        EXPECT_EQ(error.stage(), Stage::Cgroup);
        EXPECT_EQ(error.path(), fake.group("pids/pids.current").string());
    }
}

} // namespace
} // namespace ct::internal
