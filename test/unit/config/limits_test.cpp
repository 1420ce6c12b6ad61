// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <ct/error.hpp>

#include "config/validate.hpp"

namespace ct::internal {
namespace {

using namespace std::chrono_literals;

/// What is wrong with the shape; empty if nothing is.
std::string violation(const Limits& limits) {
    try {
        check_limits(limits);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::InvalidConfig);
        EXPECT_EQ(error.stage(), Stage::Configure);
        return error.violations().size() == 1 ? error.violations().front() : "not one violation";
    }
    return {};
}

TEST(Limits, OfNothing) {
    EXPECT_EQ(violation({}), "");
}

TEST(Limits, MemoryAndProcesses) {
    EXPECT_EQ(violation({.memory_max = Bytes{1}}), "");
    EXPECT_EQ(violation({.memory_max = Bytes::unlimited(), .swap_max = Bytes{0}}), "");
    EXPECT_EQ(violation({.memory_max = Bytes{0}}), "a container cannot run without memory: its limit is 0");
    EXPECT_EQ(violation({.pids_max = 1}), "");
    EXPECT_EQ(violation({.pids_max = 4194304}), "");
    EXPECT_EQ(violation({.pids_max = Unlimited}), "");
    EXPECT_EQ(violation({.pids_max = 0}), "a limit of 0 processes is not from 1 to 4194304, or unlimited");
    EXPECT_EQ(violation({.pids_max = 4194305}), "a limit of 4194305 processes is not from 1 to 4194304, or unlimited");
}

TEST(Limits, CpuTime) {
    for (const double cpus : {0.001, 0.5, 64.0, 1e6, HUGE_VAL}) EXPECT_EQ(violation({.cpus = cpus}), "") << cpus;
    for (const double cpus :
         {0.0, -1.0, 1.1e6, -HUGE_VAL, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::max()}) {
        EXPECT_EQ(violation({.cpus = cpus}), "the number of CPUs is not above 0, up to a million, or infinite") << cpus;
    }
    for (const auto period : {1000us, 100'000us, 1'000'000us}) EXPECT_EQ(violation({.cpu_period = period}), "");
    EXPECT_EQ(violation({.cpu_period = 999us}), "a CPU period of 999 us is not from 1 ms to 1 s");
    EXPECT_EQ(violation({.cpu_period = 1'000'001us}), "a CPU period of 1000001 us is not from 1 ms to 1 s");
    EXPECT_EQ(violation({.cpu_period = -5us}), "a CPU period of -5 us is not from 1 ms to 1 s");
    EXPECT_EQ(violation({.cpu_weight = 1}), "");
    EXPECT_EQ(violation({.cpu_weight = 10000, .cpu_idle = true}), "");
    EXPECT_EQ(violation({.cpu_weight = 0}), "a CPU weight of 0 is not from 1 to 10000");
    EXPECT_EQ(violation({.cpu_weight = 10001}), "a CPU weight of 10001 is not from 1 to 10000");
}

TEST(Limits, ListsOfCpusAndNodes) {
    for (const char* const list : {"0", "0-3,7", "1,3,5", "0-0", "65535", "3,1", "0-1,1-2"}) {
        EXPECT_EQ(violation({.cpuset_cpus = list, .cpuset_mems = list}), "") << list;
    }
    for (const std::string& list :
         {std::string(), std::string(","), std::string("0,"), std::string(",0"), std::string("-1"), std::string("1-"),
          std::string("3-1"), std::string("0 1"), std::string("0-3,a"), std::string("all"), std::string("65536"),
          std::string("99999999999999999999"), std::string("0\n"), std::string("0\0", 2), std::string("+1"),
          std::string("0x1"), std::string("1--2"), std::string("0-1-2")}) {
        EXPECT_EQ(violation({.cpuset_cpus = list}), "the CPUs '" + list + "' are no list like 0-3,7");
        EXPECT_EQ(violation({.cpuset_mems = list}), "the memory nodes '" + list + "' are no list like 0-3,7");
    }
}

TEST(Limits, Io) {
    EXPECT_EQ(violation({.io_weight = 10000}), "");
    EXPECT_EQ(violation({.io_weight = 0}), "an I/O weight of 0 is not from 1 to 10000");
    const auto with = [](std::vector<IoLimit> list) { return violation({.io = std::move(list)}); };
    EXPECT_EQ(with({{.major = 4095, .minor = 1048575, .weight = 1}, {.major = 4095, .minor = 0, .weight = 1}}), "");
    EXPECT_EQ(with({{.major = 4096, .weight = 1}}), "device 4096:0 has a major number above 4095");
    EXPECT_EQ(with({{.major = 8, .minor = 1048576, .weight = 1}}), "device 8:1048576 has a minor number above 1048575");
    EXPECT_EQ(with({{.major = 8, .weight = 1}, {.major = 8, .read_per_second = MiB}}), "device 8:0 has two limits");
    EXPECT_EQ(with({{.major = 8, .weight = 10001}}), "a weight for device 8:0 of 10001 is not from 1 to 10000");
    EXPECT_EQ(with({{.major = 8}}), "device 8:0 has no limit");
    for (const IoLimit& limit : {IoLimit{.read_per_second = Bytes{0}}, IoLimit{.write_per_second = Bytes{0}},
                                 IoLimit{.reads_per_second = 0}, IoLimit{.writes_per_second = 0}}) {
        EXPECT_EQ(with({limit}), "device 0:0 has a limit of 0");
    }
    EXPECT_EQ(with({{.read_per_second = Bytes::unlimited(), .writes_per_second = Unlimited}}), "");
}

TEST(Limits, HugePages) {
    EXPECT_EQ(violation({.hugetlb = {{64 * KiB, Bytes{0}}, {2 * MiB, Bytes::unlimited()}, {16 * GiB, MiB}}}), "");
    EXPECT_EQ(violation({.hugetlb = {{Bytes{0}, MiB}}}), "there are no huge pages of 0 bytes");
    EXPECT_EQ(violation({.hugetlb = {{Bytes{512}, MiB}}}), "there are no huge pages of 512 bytes");
    EXPECT_EQ(violation({.hugetlb = {{3 * MiB, MiB}}}), "there are no huge pages of 3145728 bytes");
}

TEST(Limits, Network) {
    EXPECT_EQ(violation({.net_class = 0xffffffff, .net_priority = {{"eth0.100", 0}, {"lo", 2147483647}}}), "");
    EXPECT_EQ(violation({.net_priority = {{"lo", 2147483648}}}),
              "a network priority of 2147483648 is above 2147483647");
    for (const std::string& name : {std::string(), std::string("a b"), std::string("a/b"), std::string("a\nb"),
                                    std::string("."), std::string(".."), std::string(16, 'x'), std::string("a:b")}) {
        EXPECT_EQ(violation({.net_priority = {{name, 1}}}), "'" + name + "' is no name of a network interface");
    }
}

std::vector<std::string> contradictions(const Limits& limits) {
    std::vector<std::string> found;
    limit_violations(found, limits);
    return found;
}

TEST(LimitViolations, LeastCpuTime) {
    EXPECT_TRUE(contradictions({.cpus = 0.01}).empty());
    EXPECT_TRUE(contradictions({.cpus = 0.001, .cpu_period = 1s}).empty());
    EXPECT_TRUE(contradictions({.cpus = HUGE_VAL, .cpu_period = 1ms}).empty());
    EXPECT_TRUE(contradictions({.cpu_period = 1ms}).empty());
    EXPECT_EQ(contradictions({.cpus = 0.005}),
              std::vector<std::string>{"a CPU limit of 500 us in 100000 us is below the kernel's least, 1 ms"});
    EXPECT_EQ(contradictions({.cpus = 0.5, .cpu_period = 1ms}),
              std::vector<std::string>{"a CPU limit of 500 us in 1000 us is below the kernel's least, 1 ms"});
}

TEST(LimitViolations, ProtectedMemory) {
    EXPECT_TRUE(contradictions({.memory_max = MiB, .memory_min = MiB}).empty());
    EXPECT_EQ(contradictions({.memory_max = MiB, .memory_min = 2 * MiB}),
              std::vector<std::string>{"more memory is never to be reclaimed than the limit of memory allows"});
}

TEST(LimitViolations, AreAmongThoseOfTheSpecification) {
    Spec spec;
    spec.cgroup.limits.cpus = 0.005;
    EXPECT_EQ(violations(spec, {.argv = {"/bin/true"}}, Runs::Program, Role::First).size(), 1U);
    EXPECT_EQ(violations(spec, {.argv = {"/bin/true"}}, Runs::Program, Role::Entering).size(), 0U);
    EXPECT_EQ(held_violations(spec).size(), 1U);
    spec.cgroup.limits.cpus = 0;
    EXPECT_THROW(check_spec(spec), Error);
}

} // namespace
} // namespace ct::internal
