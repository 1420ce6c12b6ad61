// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <thread>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup/hierarchies.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using internal::Hierarchies;

/// Tells the test that what it wants to see is done, and waits for the end.
[[noreturn]] void stay() {
    (void)!::write(1, "ready\n", 6);
    for (;;) ::pause();
}

/// Uses that much CPU time of its own.
void burn(std::chrono::nanoseconds time) {
    timespec used{};
    do {
        for (volatile int i = 0; i < 10'000;) i = i + 1;
        ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    } while (std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec) < time);
}

/// Makes that much memory its own. \returns false if there is none
bool hog(std::size_t size) {
    void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    std::memset(memory, 1, size);
    return true;
}

class ContainerStats : public ContainerTest {
protected:
    [[nodiscard]] bool has(Controller controller) const { return hierarchies_.find(controller) != nullptr; }
    [[nodiscard]] bool is_version_1(Controller controller) const { return hierarchies_.find(controller)->version == 1; }
    /// Runs \p main in the container until it says that it is ready.
    static void start(Container& container, const std::function<int()>& main) {
        const Process init = container.start({.stdio = {.out = Stdio::Pipe}}, main);
        ASSERT_EQ(read_line(init.stream(1)), "ready");
    }
    static void end(Container& container) {
        container.kill();
        container.wait();
    }

    const Hierarchies hierarchies_ = Hierarchies::detect();
};

TEST_F(ContainerStats, NeedARunningContainerWithGroups) {
    Container container = isolated();
    EXPECT_TRUE(fails([&] { (void)container.stats(); }, Errc::InvalidState,
                      {"container 'box': read its statistics", "it is stopped and has to be running"}));
    const Process init = start_ready(container, program({"pause"}));
    EXPECT_TRUE(fails([&] { (void)container.stats(); }, Errc::InvalidState,
                      {"container 'box': read its statistics", "has no cgroups"}));
    end(container);
}

TEST_F(ContainerStats, WithoutAControllerItsPartIsAbsent) {
    if (!has(Controller::Pids)) GTEST_SKIP() << "no pids controller on this host";
    Container container = isolated().add_controller(Controller::Pids);
    const Process init = start_ready(container, program({"pause"}));
    const Stats stats = container.stats();
    EXPECT_EQ(stats.pids.current, 1U);
    EXPECT_EQ(stats.pids.max, Unlimited);
    if (is_version_1(Controller::Pids)) {
        EXPECT_EQ(stats.cpu, CpuStats{});
        EXPECT_EQ(stats.memory, MemoryStats{});
        EXPECT_EQ(stats.io, std::nullopt);
        EXPECT_TRUE(stats.hugetlb.empty());
    }
    end(container);
}

TEST_F(ContainerStats, CpuTimeGrows) {
    if (!has(Controller::Cpuacct)) GTEST_SKIP() << "nothing accounts CPU time on this host";
    Container container = isolated().add_controller(Controller::Cpuacct);
    start(container, [] {
        burn(300ms);
        stay();
        return 0;
    });
    const CpuStats cpu = container.stats().cpu;
    ASSERT_TRUE(cpu.usage && cpu.user && cpu.system);
    EXPECT_GE(*cpu.usage, 300ms);
    EXPECT_GT(*cpu.user + *cpu.system, 200ms);
    const Process more = container.enter({.stdio = {.out = Stdio::Pipe}}, [] {
        burn(100ms);
        return 0;
    });
    EXPECT_TRUE(exited(finish(more).status, 0));
    EXPECT_GE(*container.stats().cpu.usage, *cpu.usage + 100ms) << "what has ended counts";
    end(container);
}

TEST_F(ContainerStats, ThrottlingShows) {
    if (!has(Controller::Cpu)) GTEST_SKIP() << "no cpu controller on this host";
    Container container = isolated().add_controller(Controller::Cpu);
    if (is_version_1(Controller::Cpu)) {
        container.set_controller_value(Controller::Cpu, "cpu.cfs_period_us", "100000");
        container.set_controller_value(Controller::Cpu, "cpu.cfs_quota_us", "5000");
    } else {
        container.set_controller_value(Controller::Cpu, "cpu.max", "5000 100000");
    }
    start(container, [] {
        (void)!::write(1, "ready\n", 6);
        for (;;) burn(1s);
        return 0;
    });
    CpuStats cpu;
    // The kernel counts a period as the waiting begins, and the time once it is over.
    const auto is_throttled = [&] {
        cpu = container.stats().cpu;
        return cpu.throttled_periods > 0U && cpu.throttled_time > 0ns;
    };
    ASSERT_TRUE(await(is_throttled));
    ASSERT_TRUE(cpu.periods);
    EXPECT_LE(*cpu.throttled_periods, *cpu.periods);
    end(container);
}

TEST_F(ContainerStats, MemoryGrows) {
    if (!has(Controller::Memory)) GTEST_SKIP() << "no memory controller on this host";
    Container container = isolated().add_controller(Controller::Memory);
    const std::string file = (dir() / "big").string();
    container.add_mount({.source = dir().string(), .target = "/data", .options = {}});
    start(container, [] {
        if (!hog(64 * MiB.count)) return 1;
        const int fd = ::open("/data/big", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        const std::vector<char> block(MiB.count, 'x');
        for (int i = 0; i < 16; ++i) {
            if (::write(fd, block.data(), block.size()) < 0) return 2;
        }
        stay();
        return 0;
    });
    const MemoryStats memory = container.stats().memory;
    ASSERT_TRUE(memory.current && memory.rss && memory.cache && memory.page_faults && memory.major_page_faults);
    // The kernel updates sums of many CPUs now and then.
    EXPECT_GE(*memory.rss, 60 * MiB);
    EXPECT_GE(*memory.cache, 12 * MiB);
    EXPECT_GE(*memory.current, 70 * MiB);
    EXPECT_GT(*memory.page_faults, 0U);
    EXPECT_EQ(memory.max, Bytes::unlimited());
    EXPECT_EQ(memory.events.oom_kill, 0U);
    EXPECT_EQ(memory.events.max, 0U);
    if (memory.peak) {
        EXPECT_GE(*memory.peak, 70 * MiB);
    }
    end(container);
}

TEST_F(ContainerStats, OomKillsAreCounted) {
    if (!has(Controller::Memory)) GTEST_SKIP() << "no memory controller on this host";
    Container container = isolated().add_controller(Controller::Memory);
    if (is_version_1(Controller::Memory)) {
        container.set_controller_value(Controller::Memory, "memory.limit_in_bytes", "67108864");
        container.set_controller_value(Controller::Memory, "memory.swappiness", "0");
    } else {
        container.set_controller_value(Controller::Memory, "memory.max", "67108864");
        container.set_controller_value(Controller::Memory, "memory.swap.max", "0");
    }
    start(container, [] {
        const pid_t child = ::fork();
        if (child == 0) ::_exit(hog(512 * MiB.count) ? 0 : 1);
        int status = 0;
        ::waitpid(child, &status, 0);
        if (!WIFSIGNALED(status)) return 1;
        stay();
        return 0;
    });
    const MemoryStats memory = container.stats().memory;
    EXPECT_EQ(memory.events.oom_kill, 1U);
    ASSERT_TRUE(memory.events.max);
    EXPECT_GE(*memory.events.max, 1U);
    EXPECT_EQ(memory.max, 64 * MiB);
    if (memory.peak) {
        EXPECT_LE(*memory.peak, 64 * MiB);
    }
    end(container);
}

TEST_F(ContainerStats, PidsCountAndRefuse) {
    if (!has(Controller::Pids)) GTEST_SKIP() << "no pids controller on this host";
    Container container = isolated().add_controller(Controller::Pids);
    container.set_controller_value(Controller::Pids, "pids.max", "4");
    start(container, [] {
        for (int i = 0; i < 5; ++i) {
            const pid_t child = ::fork();
            if (child == 0) {
                for (;;) ::pause();
            }
        }
        stay();
        return 0;
    });
    const PidsStats pids = container.stats().pids;
    EXPECT_EQ(pids.current, 4U);
    EXPECT_EQ(pids.max, 4U);
    EXPECT_EQ(pids.refused, 2U);
    if (pids.peak) {
        EXPECT_EQ(*pids.peak, 4U);
    }
    end(container);
}

TEST_F(ContainerStats, IoOfADevice) {
    if (!has(Controller::Io)) GTEST_SKIP() << "no io controller on this host";
    const std::string image = make_file("disk.ext4").string();
    fs::resize_file(image, 16 * MiB.count);
    ASSERT_EQ(std::system(("mkfs.ext4 -q " + image).c_str()), 0);
    Container container = isolated().add_controller(Controller::Io);
    container.set_private(ImageArea{.path = image, .target = "/data"});
    const Process init = container.start({.stdio = {.in = Stdio::Pipe, .out = Stdio::Pipe}}, [] {
        struct stat status {};
        if (::stat("/data", &status) != 0) return 1;
        char number[32];
        (void)std::snprintf(number, sizeof number, "%u:%u\n", major(status.st_dev), minor(status.st_dev));
        (void)!::write(1, number, std::strlen(number));
        (void)!::read(0, number, 1);
        const int fd = ::open("/data/big", O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
        void* const block =
            ::mmap(nullptr, MiB.count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        for (int i = 0; i < 4; ++i) {
            if (::write(fd, block, MiB.count) != static_cast<ssize_t>(MiB.count)) return 2;
        }
        stay();
        return 0;
    });
    const std::string disk = read_line(init.stream(1));
    // Newer kernels count for version 1 only where there is a limit.
    if (is_version_1(Controller::Io)) {
        container.set_controller_value(Controller::Io, "blkio.throttle.write_bps_device", disk + " 1073741824");
    }
    ASSERT_EQ(::write(init.stream(0), "\n", 1), 1);
    ASSERT_EQ(read_line(init.stream(1)), "ready");
    const auto io = container.stats().io;
    ASSERT_TRUE(io);
    const auto found = std::find_if(io->begin(), io->end(), [&](const IoStats& device) {
        return std::to_string(device.major) + ":" + std::to_string(device.minor) == disk;
    });
    ASSERT_NE(found, io->end()) << disk;
    ASSERT_TRUE(found->written && found->writes && found->read);
    EXPECT_GE(*found->written, 4 * MiB);
    EXPECT_GE(*found->writes, 4U);
    end(container);
}

TEST_F(ContainerStats, HugePagesOfEverySize) {
    if (!has(Controller::Hugetlb)) GTEST_SKIP() << "no hugetlb controller on this host";
    Container container = isolated().add_controller(Controller::Hugetlb);
    const Process init = start_ready(container, program({"pause"}));
    const auto hugetlb = container.stats().hugetlb;
    EXPECT_FALSE(hugetlb.empty());
    for (const auto& [size, stats] : hugetlb) {
        EXPECT_EQ(stats.current, Bytes{0}) << size.count;
        EXPECT_EQ(stats.failures, 0U) << size.count;
        EXPECT_TRUE(stats.max) << size.count;
    }
    end(container);
}

TEST_F(ContainerStats, PressureOfItsOwnGroup) {
    if (hierarchies_.unified() == nullptr) GTEST_SKIP() << "no cgroup version 2 on this host";
    if (!fs::exists("/proc/pressure/cpu")) GTEST_SKIP() << "this kernel does not tell pressure";
    Container container = plain();
    container.set_cgroup({.own_group = true});
    const Process init = start_ready(container, host_program({"pause"}));
    const Stats stats = container.stats();
    for (const Pressure& pressure : {stats.cpu_pressure, stats.memory_pressure, stats.io_pressure}) {
        ASSERT_TRUE(pressure.some && pressure.full);
        EXPECT_GE(pressure.some->total, pressure.full->total);
    }
    end(container);
}

TEST_F(ContainerStats, OfAContainerOfAnotherSession) {
    const SessionOptions options{.state_directory = make_dir("state").string(), .cgroup_parent = cgroup_parent()};
    Session own(options);
    Container container = own.create("shared");
    container.set_cgroup({.own_group = true, .controllers = {Controller::Cpuacct}});
    const Process init = start_ready(container, host_program({"pause"}));
    {
        Session other(options);
        const Container same = other.open("shared");
        EXPECT_TRUE(same.stats().cpu.usage);
    }
    container.kill();
    container.wait();
}

TEST_F(ContainerStats, WhileAnotherThreadStopsTheContainer) {
    for (int round = 0; round < 20; ++round) {
        Container container = isolated().add_controller(Controller::Cpuacct);
        const Process init = start_ready(container, program({"pause"}));
        std::atomic<bool> looked = false;
        std::string wrong;
        std::thread looking([&] {
            try {
                for (;;) {
                    if (!container.stats().cpu.usage) wrong = "statistics without a value";
                    looked = true;
                }
            } catch (const Error& error) {
                if (error.code() != Errc::InvalidState) wrong = error.what();
                looked = true;
            }
        });
        while (!looked) std::this_thread::yield();
        end(container);
        looking.join();
        EXPECT_EQ(wrong, "");
    }
}

} // namespace
} // namespace ct::test
