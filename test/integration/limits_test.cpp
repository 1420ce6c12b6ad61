// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Limits of real containers: what is set stands in the kernel's files, and is enforced.
#include <cmath>
#include <csignal>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/unique_fd.hpp"
#include "limits_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using Limit = LimitsTest;

/// A limit, and where it stands on either version.
struct Written {
    Limits limits;
    Controller controller;
    std::string file_1;
    std::string value_1;
    std::string file_2;
    std::string value_2;
};

const std::vector<Written>& table() {
    using enum Controller;
    static const std::vector<Written> list{
        {{.memory_max = 64 * MiB}, Memory, "memory.limit_in_bytes", "67108864", "memory.max", "67108864"},
        {{.memory_low = 8 * MiB}, Memory, "memory.soft_limit_in_bytes", "8388608", "memory.low", "8388608"},
        {{.memory_high = 8 * MiB}, Memory, "", "", "memory.high", "8388608"},
        {{.memory_min = 8 * MiB}, Memory, "", "", "memory.min", "8388608"},
        {{.oom_group = true}, Memory, "", "", "memory.oom.group", "1"},
        {{.memory_max = 64 * MiB, .swap_max = 16 * MiB},
         Memory,
         "memory.memsw.limit_in_bytes",
         "83886080",
         "memory.swap.max",
         "16777216"},
        {{.cpus = 0.5}, Cpu, "cpu.cfs_quota_us", "50000", "cpu.max", "50000 100000"},
        {{.cpus = 2, .cpu_period = std::chrono::milliseconds(10)},
         Cpu,
         "cpu.cfs_period_us",
         "10000",
         "cpu.max",
         "20000 10000"},
        {{.cpus = HUGE_VAL}, Cpu, "cpu.cfs_quota_us", "-1", "cpu.max", "max 100000"},
        {{.cpu_weight = 1}, Cpu, "cpu.shares", "10", "cpu.weight", "1"},
        {{.cpu_weight = 10000}, Cpu, "cpu.shares", "102400", "cpu.weight", "10000"},
        {{.cpu_weight = 500, .cpu_idle = true}, Cpu, "cpu.idle", "1", "cpu.idle", "1"},
        {{.cpuset_cpus = "0", .cpuset_mems = "0"}, Cpuset, "cpuset.cpus", "0", "cpuset.cpus", "0"},
        {{.pids_max = 64}, Pids, "pids.max", "64", "pids.max", "64"},
        {{.pids_max = Unlimited}, Pids, "pids.max", "max", "pids.max", "max"},
        {{.net_class = 0x100001}, NetCls, "net_cls.classid", "1048577", "", ""},
    };
    return list;
}

TEST_F(Limit, EachIsWrittenWhereItsControllerLives) {
    for (const Written& limit : table()) {
        if (!has(limit.controller)) continue;
        const std::string& file = version(limit.controller) == 1 ? limit.file_1 : limit.file_2;
        SCOPED_TRACE(file.empty() ? limit.file_2 : file);
        Container container = isolated().set_limits(limit.limits);
        if (file.empty()) {
            EXPECT_TRUE(fails([&] { container.start(program({"pause"})); }, Errc::Unsupported,
                              {"container 'box': set " + limit.file_2, "only version 2 of cgroups has it",
                               "hierarchy of version 1 at " + hierarchies().find(limit.controller)->mount_point}));
            continue;
        }
        try {
            const Process init = start_ready(container, program({"pause"}));
        } catch (const Error& error) {
            // A kernel may be built without some of them; that it says so is all that can be seen there.
            EXPECT_EQ(error.code(), Errc::Unsupported) << error.what();
            EXPECT_TRUE(contains(error.what(), file));
            EXPECT_TRUE(file == "cpu.idle" || contains(file, "sw"));
            continue;
        }
        EXPECT_EQ(container.controller_value(limit.controller, file),
                  version(limit.controller) == 1 ? limit.value_1 : limit.value_2);
        container.kill();
        container.wait();
    }
}

TEST_F(Limit, PriorityOfPacketsByInterface) {
    CT_REQUIRE_CONTROLLER(Controller::NetPrio);
    Container container = isolated().set_limits({.net_priority = {{"lo", 5}}});
    const Process init = start_ready(container, program({"pause"}));
    EXPECT_EQ(number(container, Controller::NetPrio, "net_prio.ifpriomap", "lo"), 5U);
    container.update({.net_priority = {{"lo", 0}}});
    EXPECT_EQ(number(container, Controller::NetPrio, "net_prio.ifpriomap", "lo"), 0U);
    EXPECT_TRUE(fails(
        [&] {
            container.update({.net_priority = {{"none0", 1}}});
        },
        std::errc::no_such_device, {"none0 1", "net_prio.ifpriomap"}));
    container.kill();
    container.wait();
}

TEST_F(Limit, ControllersThatAreNowhereAreUnsupported) {
    for (const Written& limit : table()) {
        if (has(limit.controller)) continue;
        Container container = isolated().set_limits(limit.limits);
        EXPECT_TRUE(fails([&] { container.start(program({"pause"})); }, Errc::Unsupported,
                          {"use the " + std::string(to_string(limit.controller)) + " controller"}));
    }
}

TEST_F(Limit, SettersRefuseWhatIsMalformedAndStartContradictions) {
    Container container = isolated();
    EXPECT_TRUE(fails([&] { container.set_limits({.cpus = std::nan("")}); }, Errc::InvalidConfig,
                      {"container 'box': the number of CPUs"}));
    EXPECT_TRUE(fails([&] { container.set_cgroup({.limits = {.pids_max = 0}}); }, Errc::InvalidConfig,
                      {"container 'box': a limit of 0 processes"}));
    EXPECT_EQ(container.spec().cgroup, Cgroup{});
    container.set_limits({.cpus = 0.005});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        Errc::InvalidConfig, {"below the kernel's least, 1 ms"}));
    container.set_limits({.pids_max = 5}).set_limits({});
    EXPECT_EQ(container.spec().cgroup, Cgroup{}) << "all are replaced";
}

TEST_F(Limit, AMemoryHogIsKilledAndTheHostIsNot) {
    CT_REQUIRE_CONTROLLER(Controller::Memory);
    for (const bool late : {false, true}) {
        Container container = isolated().set_cgroup({.limits = {.memory_max = 32 * MiB}, .limits_after_set_up = late});
        const Finished modest = run(container, program({"hog", "8388608", "0"}));
        EXPECT_TRUE(contains(modest.out, "have 8388608")) << modest.err;
        EXPECT_TRUE(signaled(run(container, program({"hog", "268435456"})).status, SIGKILL));
    }
}

TEST_F(Limit, ACopyOfTheHostIsKilledAloneToo) {
    CT_REQUIRE_CONTROLLER(Controller::Memory);
    Container container = isolated().set_limits({.memory_max = 32 * MiB});
    const Process init = container.start({}, [] {
        const std::size_t size = std::size_t{256} << 20U;
        std::vector<char> memory(size);
        volatile char* const at = memory.data();
        for (std::size_t i = 0; i < size; i += 4096) at[i] = 1;
        return 0;
    });
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

/// Far less memory than a program needs to begin: whatever runs short, it is the container that fails.
TEST_F(Limit, TooLittleMemoryForTheStartIsAnErrorAndHarmsNobody) {
    CT_REQUIRE_CONTROLLER(Controller::Memory);
    for (const Bytes memory : {Bytes{1}, 4 * KiB, 16 * KiB, 64 * KiB, 128 * KiB, 256 * KiB, 512 * KiB}) {
        for (const bool late : {false, true}) {
            for (const Init kind : {Init::None, Init::Reaper}) {
                SCOPED_TRACE(std::to_string(memory.count) + (late ? " after set-up" : "") +
                             (kind == Init::Reaper ? " with a reaper" : ""));
                Container container = isolated().add_default_mounts();
                container.set_cgroup({.limits = {.memory_max = memory}, .limits_after_set_up = late});
                ProcessSpec process = program({"hog", "1048576"});
                process.init = kind;
                try {
                    container.start(process);
                    EXPECT_FALSE(container.wait().success());
                } catch (const Error& error) {
                    EXPECT_TRUE(contains(error.what(), "container 'box': "));
                }
                EXPECT_EQ(container.state(), State::Stopped);
            }
        }
    }
}

TEST_F(Limit, AForkBombStopsAtTheLimit) {
    CT_REQUIRE_CONTROLLER(Controller::Pids);
    Container container = isolated().set_limits({.pids_max = 10});
    EXPECT_EQ(run(container, program({"bomb", "100"})).out, "9 Resource temporarily unavailable\n");
    // What the set-up itself needs is one process.
    container.set_limits({.pids_max = 1});
    EXPECT_EQ(run(container, program({"bomb", "100"})).out, "0 Resource temporarily unavailable\n");
}

TEST_F(Limit, ASpinnerIsThrottled) {
    CT_REQUIRE_CONTROLLER(Controller::Cpu);
    Container container =
        isolated().set_limits({.cpus = 0.1, .cpu_period = std::chrono::milliseconds(10), .cpu_weight = 50});
    const Process init = start_ready(container, program({"spin"}));
    EXPECT_TRUE(gets_throttled(container, 3));
    container.kill();
    container.wait();
}

TEST_F(Limit, ThreadsRunOnTheCpusOfTheSet) {
    CT_REQUIRE_CONTROLLER(Controller::Cpuset);
    cpu_set_t own;
    ASSERT_EQ(::sched_getaffinity(0, sizeof own, &own), 0);
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &own)) continue;
        Container container = isolated().set_limits({.cpuset_cpus = std::to_string(cpu), .cpuset_mems = "0"});
        const Process init = container.start({}, [cpu] {
            cpu_set_t cpus;
            return ::sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) == 1 && CPU_ISSET(cpu, &cpus)
                       ? 0
                       : 1;
        });
        EXPECT_TRUE(exited(container.wait(), 0)) << cpu;
    }
    Container container = isolated().set_limits({.cpuset_cpus = "60000"});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::result_out_of_range, {"write \"60000\" to '", "cpuset.cpus'", "this host has not all of these"}));
}

TEST_F(Limit, HugePagesOfASizeThatTheHostHasNotNamesThose) {
    CT_REQUIRE_CONTROLLER(Controller::Hugetlb);
    const auto sizes = fs::directory_iterator("/sys/kernel/mm/hugepages");
    for (const fs::directory_entry& entry : sizes) {
        const std::string name = entry.path().filename(); // "hugepages-2048kB"
        const Bytes size{std::stoull(name.substr(name.find('-') + 1)) * KiB.count};
        Container container = isolated().set_limits({.hugetlb = {{size, 4 * size}}});
        const Process init = start_ready(container, program({"pause"}));
        const std::string page =
            size >= GiB ? std::to_string(size.count / GiB.count) + "GB" : std::to_string(size.count / MiB.count) + "MB";
        const std::string file = version(Controller::Hugetlb) == 1 ? ".limit_in_bytes" : ".max";
        const std::string expected = std::to_string(4 * size.count);
        EXPECT_EQ(container.controller_value(Controller::Hugetlb, "hugetlb." + page + file), expected);
        EXPECT_EQ(container.controller_value(Controller::Hugetlb, "hugetlb." + page + ".rsvd" + file), expected);
        container.kill();
        container.wait();
    }
    Container container = isolated().set_limits({.hugetlb = {{512 * GiB, MiB}}});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        Errc::Unsupported, {"hugetlb.512GB", "the huge pages of this host are of "}));
}

/// A loop device on a file of the test.
class Loop {
public:
    explicit Loop(const fs::path& file) {
        control_.reset(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
        const internal::UniqueFd backing(::open(file.c_str(), O_RDWR | O_CLOEXEC));
        // Somebody else may take the free one first.
        while (!device_) {
            path_ = "/dev/loop" + std::to_string(::ioctl(control_.get(), LOOP_CTL_GET_FREE));
            internal::UniqueFd device(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
            if (!device) return;
            loop_config config{};
            config.fd = static_cast<std::uint32_t>(backing.get());
            config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
            if (::ioctl(device.get(), LOOP_CONFIGURE, &config) == 0) device_ = std::move(device);
        }
    }
    [[nodiscard]] bool works() const { return device_.get() >= 0; }
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] IoLimit limit() const {
        struct stat status {};
        ::fstat(device_.get(), &status);
        return {.major = ::gnu_dev_major(status.st_rdev), .minor = ::gnu_dev_minor(status.st_rdev)};
    }

private:
    internal::UniqueFd control_;
    internal::UniqueFd device_;
    std::string path_;
};

TEST_F(Limit, ReadingADeviceIsSlowedDown) {
    CT_REQUIRE_CONTROLLER(Controller::Io);
    if (::access("/dev/loop-control", R_OK | W_OK) != 0) GTEST_SKIP() << "this host has no loop devices";
    const fs::path file = make_file("disk", std::string(1U << 20U, 'x'));
    const Loop loop(file);
    ASSERT_TRUE(loop.works()) << loop.path();
    IoLimit limit = loop.limit();
    const std::string device = std::to_string(limit.major) + ":" + std::to_string(limit.minor);
    limit.read_per_second = 256 * KiB;
    limit.writes_per_second = 1000;
    Container container = plain().set_limits({.io = {limit}});
    const auto begin = std::chrono::steady_clock::now();
    container.start(host_program({"read-direct", loop.path(), "524288"}));
    if (version(Controller::Io) == 1) {
        EXPECT_EQ(container.controller_value(Controller::Io, "blkio.throttle.read_bps_device"), device + " 262144");
        EXPECT_EQ(container.controller_value(Controller::Io, "blkio.throttle.write_iops_device"), device + " 1000");
    } else {
        EXPECT_TRUE(contains(container.controller_value(Controller::Io, "io.max"), device + " rbps=262144 wbps=max"));
    }
    EXPECT_TRUE(exited(container.wait(), 0));
    // Half a MiB takes two seconds; the kernel lets some of it pass at once.
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1000));
}

TEST_F(Limit, NoSuchDeviceIsExplained) {
    CT_REQUIRE_CONTROLLER(Controller::Io);
    Container container = isolated().set_limits({.io = {{.major = 4000, .minor = 77, .read_per_second = MiB}}});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::no_such_device, {"4000:77", "there is no such block device"}));
}

TEST_F(Limit, AWeightForIoIsSetOrSaidToBeMissing) {
    CT_REQUIRE_CONTROLLER(Controller::Io);
    Container container = isolated().set_limits({.io_weight = 200});
    try {
        const Process init = start_ready(container, program({"pause"}));
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::Unsupported) << error.what();
        EXPECT_TRUE(contains(error.what(), "bfq.weight"));
        return;
    }
    const fs::path group = container.cgroup_path(Controller::Io);
    const bool v1 = version(Controller::Io) == 1;
    const fs::path bfq = group / (v1 ? "blkio.bfq.weight" : "io.bfq.weight");
    EXPECT_TRUE(fs::exists(bfq) || fs::exists(group / "io.weight"));
    EXPECT_TRUE(!fs::exists(bfq) || content(bfq) == (v1 ? "109\n" : "default 109\n"));
    EXPECT_TRUE(!fs::exists(group / "io.weight") || content(group / "io.weight") == "default 200\n");
    container.kill();
    container.wait();
}

TEST_F(Limit, OfTheParentCannotBeExceededOnVersion1) {
    CT_REQUIRE_CONTROLLER(Controller::Cpu);
    if (version(Controller::Cpu) != 1) GTEST_SKIP() << "version 2 takes it, and enforces the parent's as well";
    {
        Container first = isolated().add_controller(Controller::Cpu);
        const Process init = start_ready(first, program({"pause"}));
        const fs::path parent = fs::path(first.cgroup_path(Controller::Cpu)).parent_path();
        first.kill();
        first.wait();
        ASSERT_TRUE(std::ofstream(parent / "cpu.cfs_quota_us") << "50000" << std::flush);
    }
    Container container = isolated("greedy").set_limits({.cpus = 0.6});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::invalid_argument,
        {"write \"60000\" to '", "greedy/cpu.cfs_quota_us'", "more CPU time than the one that it is in"}));
    container.set_limits({.cpus = 0.4});
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
}

} // namespace
} // namespace ct::test
