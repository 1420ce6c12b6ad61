// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/limits.hpp"

#include <cerrno>
#include <functional>
#include <new>
#include <optional>
#include <tuple>

#include "base/fault.hpp"
#include "cgroup/apply.hpp"
#include "cgroup/fake_groups.hpp"
#include "cgroup/limit_values.hpp"

namespace ct::internal {
namespace {

/// The error of \p action, which has to fail.
std::optional<Error> failure(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        EXPECT_EQ(error.stage(), Stage::Cgroup);
        return error;
    }
    ADD_FAILURE() << "nothing failed";
    return std::nullopt;
}

/// Makes one fault point fail, see base/fault.hpp.
class Failing {
public:
    Failing(std::uint32_t at, int error) : faults_{.at = at, .error = error} {}
    /// \returns whether it failed
    [[nodiscard]] bool during(const std::function<void()>& action) const {
        Faults present = faults_;
        faults = &present;
        bool failed = false;
        try {
            action();
        } catch (const Error& error) {
            EXPECT_EQ(error.code().value(), faults_.error) << error.what();
            failed = true;
        }
        faults = nullptr;
        return failed;
    }

private:
    Faults faults_;
};

/// Makes every later write to the file fail.
void break_file(const std::filesystem::path& path) {
    std::filesystem::remove(path);
    std::filesystem::create_directory(path);
}

void update(const FakeGroups& fake, const Limits& given, const std::function<void()>& finish = {},
            const Limits& before = {}) {
    update_limits(fake.groups(), given, merged(before, given), finish);
}

TEST(ApplySettings, WritesLimitsAndThenValues) {
    FakeGroups fake;
    fake.add(2, {Controller::Cpu, Controller::Pids}, {{"cpu.max", ""}, {"pids.max", ""}, {"cpu.weight", ""}});
    Cgroup cgroup;
    cgroup.limits = {.cpus = 0.5, .pids_max = 7};
    cgroup.values = {{Controller::Cpu, "cpu.max", "70000 100000"}, {Controller::Cpu, "cpu.weight", "33"}};
    apply_settings(fake.groups(), cgroup);
    EXPECT_EQ(fake.text("pids.max"), "7");
    EXPECT_EQ(fake.text("cpu.max"), "70000 100000");
    EXPECT_EQ(fake.text("cpu.weight"), "33");
}

TEST(ApplyLimits, NamesTheFileAndTheValue) {
    FakeGroups fake;
    fake.add(2, {Controller::Pids});
    std::filesystem::create_directory(fake.path("pids.max"));
    const auto error = failure([&] { apply_limits(fake.groups(), {.pids_max = 7}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), std::errc::is_a_directory);
    EXPECT_EQ(std::string(error->what()), "write \"7\" to '" + fake.path("pids.max").string() + "': Is a directory");
}

TEST(ApplyLimits, AMissingFileIsAKernelThatCannot) {
    FakeGroups fake;
    fake.add(2, {Controller::Cpu, Controller::Memory, Controller::Io, Controller::Hugetlb},
             {{"hugetlb.2MB.max", ""}, {"hugetlb.2MB.current", ""}, {"hugetlb.1GB.max", ""}, {"hugetlb.x", ""}});
    for (const auto& [limits, file, why] : std::vector<std::tuple<Limits, std::string, std::string>>{
             {{.cpu_idle = true}, "cpu.idle", "Linux 5.15"},
             {{.cpus = 1}, "cpu.max", "CONFIG_CFS_BANDWIDTH"},
             {{.swap_max = MiB}, "memory.swap.max", "swapaccount=1"},
             {{.io = {{.major = 8, .reads_per_second = 5}}}, "io.max", "CONFIG_BLK_DEV_THROTTLING"},
             {{.memory_max = MiB}, "memory.max", "has no such file"},
             {{.hugetlb = {{64 * KiB, MiB}}}, "hugetlb.64KB.max", "of 1GB, 2MB"}}) {
        const auto error = failure([&] { apply_limits(fake.groups(), limits); });
        ASSERT_TRUE(error);
        EXPECT_EQ(error->code(), Errc::Unsupported) << error->what();
        EXPECT_EQ(error->path(), fake.path(file).string());
        EXPECT_NE(error->hint().find(why), std::string::npos) << error->what();
    }
    // Controllers of version 2 are enabled for a group or not.
    std::ofstream(fake.path("cgroup.controllers")) << "cpuset cpu hugetlb io";
    EXPECT_EQ(failure([&] { apply_limits(fake.groups(), {.memory_max = MiB}); })->code(), Errc::InvalidState);
    // Of a group that was removed meanwhile the kernel's own word says more.
    std::filesystem::remove(fake.path("cgroup.procs"));
    const auto error = failure([&] { apply_limits(fake.groups(), {.memory_max = MiB}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), std::errc::no_such_file_or_directory);
}

TEST(UpdateLimits, WritesOnlyWhatIsGiven) {
    FakeGroups fake;
    fake.add(2, {Controller::Cpu, Controller::Pids}, {{"cpu.weight", "100"}, {"pids.max", "max"}});
    bool finished = false;
    update(fake, {.pids_max = 123}, [&] {
        finished = true;
        EXPECT_EQ(fake.text("pids.max"), "123") << "it comes last";
    });
    EXPECT_TRUE(finished);
    EXPECT_EQ(fake.text("pids.max"), "123");
    EXPECT_EQ(fake.text("cpu.weight"), "100");
}

TEST(UpdateLimits, RestoresWhatWasThereWhicheverWriteFails) {
    const Limits given{.memory_max = Bytes{2097152}, .memory_low = Bytes{2097152}, .cpus = 0.25, .pids_max = 200};
    std::uint32_t at = 1;
    for (;; ++at) {
        FakeGroups fake;
        fake.add(2, {Controller::Cpu, Controller::Pids, Controller::Memory},
                 {{"cpu.max", "50000 100000"}, {"pids.max", "100"}, {"memory.low", "1048576"}, {"memory.max", "max"}});
        const Failing failing(at, ENOMEM);
        if (!failing.during([&] { update(fake, given); })) break;
        EXPECT_EQ(fake.text("cpu.max"), "50000 100000") << at;
        EXPECT_EQ(fake.text("pids.max"), "100") << at;
        EXPECT_EQ(fake.text("memory.low"), "1048576") << at;
        EXPECT_EQ(fake.text("memory.max").substr(0, 3), "max") << at;
    }
    EXPECT_EQ(at, 9U) << "each of four files could once not be read, and once not be written";
}

TEST(UpdateLimits, RestoresAlsoIfTheLastStepFails) {
    FakeGroups fake;
    fake.add(1, {Controller::Pids}, {{"pids.max", "100"}});
    EXPECT_THROW(update(fake, {.pids_max = 200}, [] { throw std::bad_alloc(); }), std::bad_alloc);
    EXPECT_EQ(fake.text("pids.max"), "100");
    const Error own(Errc::BadRecord, Stage::Cgroup, "finish");
    EXPECT_EQ(failure([&] { update(fake, {.pids_max = 200}, [&] { throw own; }); })->code(), Errc::BadRecord);
    EXPECT_EQ(fake.text("pids.max"), "100");
}

TEST(UpdateLimits, TellsWhatCouldNotBeRestored) {
    FakeGroups fake;
    fake.add(2, {Controller::Cpu, Controller::Pids}, {{"cpu.weight", "100"}, {"pids.max", "100"}});
    const auto error = failure([&] {
        update(fake, {.cpu_weight = 200, .pids_max = 200}, [&] {
            break_file(fake.path("pids.max"));
            throw Error(Errc::BadRecord, Stage::Cgroup, "finish", "/there", "hint");
        });
    });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Errc::BadRecord) << "the first error is the one to know";
    EXPECT_EQ(error->path(), "/there");
    EXPECT_EQ(error->hint(), "hint; not everything before it could be restored; write \"100\" to '" +
                                 fake.path("pids.max").string() + "': Is a directory");
    EXPECT_EQ(fake.text("cpu.weight"), "100") << "the others are restored nevertheless";
}

TEST(UpdateLimits, RestoresTheLineOfADevice) {
    FakeGroups fake;
    fake.add(1, {Controller::Io},
             {{"blkio.throttle.read_bps_device", "8:0 1000000\n8:16 5000000"},
              {"blkio.throttle.write_bps_device", "8:32 5000000"}});
    const Limits given{
        .io = {{.major = 8, .minor = 16, .read_per_second = Bytes{7000000}, .write_per_second = Bytes{70000}}}};
    EXPECT_THROW(update(fake, given, [] { throw std::bad_alloc(); }), std::bad_alloc);
    // An ordinary file keeps what lies behind a shorter text.
    EXPECT_EQ(fake.text("blkio.throttle.read_bps_device").substr(0, 12), "8:16 5000000");
    EXPECT_EQ(fake.text("blkio.throttle.write_bps_device").substr(0, 6), "8:16 0");
}

TEST(UpdateLimits, ASetThatInheritedGetsWhatItHad) {
    FakeGroups fake;
    fake.add(2, {Controller::Cpuset}, {{"cpuset.cpus", ""}, {"cpuset.cpus.effective", "0-1"}});
    EXPECT_THROW(update(fake, {.cpuset_cpus = "1"}, [] { throw std::bad_alloc(); }), std::bad_alloc);
    EXPECT_EQ(fake.text("cpuset.cpus"), "0-1");
}

/// What a group with that weight and idleness has after a failed change to the others.
std::pair<std::string, std::string> restored_idle(const std::string& shares, const std::string& idle, bool given) {
    FakeGroups fake;
    fake.add(1, {Controller::Cpu}, {{"cpu.shares", shares}, {"cpu.idle", idle}});
    EXPECT_THROW(update(fake, {.cpu_weight = given ? std::nullopt : std::optional(200U), .cpu_idle = given},
                        [&] {
                            // As the kernel does when it changes.
                            std::ofstream(fake.path("cpu.shares")) << (given ? "3" : "2048");
                            throw std::bad_alloc();
                        }),
                 std::bad_alloc);
    return {fake.text("cpu.shares"), fake.text("cpu.idle")};
}

TEST(UpdateLimits, RestoresTheWeightOfAGroupThatBecameIdle) {
    EXPECT_EQ(restored_idle("512", "0", true), std::pair(std::string("512"), std::string("0")));
    // The kernel sets the weight itself, and refuses that of an idle group.
    EXPECT_EQ(restored_idle("3", "1", false).second, "1");
}

TEST(UpdateLimits, ANewerKernelsFileIsMissedBeforeAnythingIsWritten) {
    FakeGroups fake;
    fake.add(2, {Controller::Cpu, Controller::Pids}, {{"cpu.weight", "100"}, {"pids.max", "100"}});
    const auto error = failure([&] { update(fake, {.cpu_idle = true, .pids_max = 200}); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->code(), Errc::Unsupported) << error->what();
    EXPECT_EQ(fake.text("pids.max"), "100");
}

} // namespace
} // namespace ct::internal
