// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/hierarchies.hpp"
#include "ctrun_fixture.hpp"

namespace ct::test {
namespace {

class CtrunLimits : public CtrunTest {
protected:
    /// ctrun has its groups where others have theirs.
    [[nodiscard]] static std::string name() { return "ct-test-" + std::to_string(::getpid()); }
    [[nodiscard]] std::string limits(const std::string& container) {
        return ctrun({"inspect", "--json", container}).out;
    }
};

TEST_F(CtrunLimits, TakesThemAll) {
    const Said said = ctrun({"create",
                             "box",
                             "--memory",
                             "64M",
                             "--memory-high",
                             "48m",
                             "--memory-low",
                             "8k",
                             "--memory-min",
                             "4096",
                             "--swap",
                             "max",
                             "--oom-group",
                             "yes",
                             "--hugetlb",
                             "2m=64m",
                             "--cpus",
                             "0.5",
                             "--cpu-period",
                             "50",
                             "--cpu-weight",
                             "200",
                             "--cpu-idle",
                             "no",
                             "--cpuset-cpus",
                             "0-1,3",
                             "--cpuset-mems",
                             "0",
                             "--pids",
                             "max",
                             "--io-weight",
                             "50",
                             "--io-limit",
                             "8:0:rbps=1M,wbps=max,riops=5,wiops=100,weight=300",
                             "--net-class",
                             "10:1",
                             "--net-priority",
                             "lo=5",
                             "--limits-after-setup",
                             "--",
                             "true"});
    EXPECT_EQ(said.status, 0) << said;
    const std::string saved = limits("box");
    for (const char* const part : {R"("memory_max": 67108864)",
                                   R"("memory_high": 50331648)",
                                   R"("memory_low": 8192)",
                                   R"("memory_min": 4096)",
                                   R"("swap_max": 18446744073709551615)",
                                   R"("oom_group": true)",
                                   R"("cpus": 0.5)",
                                   R"("cpu_period": 50000)",
                                   R"("cpu_weight": 200)",
                                   R"("cpu_idle": false)",
                                   R"("cpuset_cpus": "0-1,3")",
                                   R"("cpuset_mems": "0")",
                                   R"("pids_max": 18446744073709551615)",
                                   R"("io_weight": 50)",
                                   R"("major": 8)",
                                   R"("read_per_second": 1048576)",
                                   R"("write_per_second": 18446744073709551615)",
                                   R"("reads_per_second": 5)",
                                   R"("writes_per_second": 100)",
                                   R"("weight": 300)",
                                   R"("net_class": 1048577)",
                                   R"("lo": 5)",
                                   R"("limits_after_set_up": true)"}) {
        EXPECT_TRUE(contains(saved, part)) << saved;
    }
    EXPECT_EQ(ctrun({"rm", "box"}).status, 0);
}

TEST_F(CtrunLimits, RefusesWhatIsNone) {
    for (const auto& [option, value] :
         std::vector<std::pair<std::string, std::string>>{{"--memory", "much"},
                                                          {"--memory", "1t"},
                                                          {"--cpus", "nan"},
                                                          {"--cpus", "inf"},
                                                          {"--cpus", ""},
                                                          {"--cpus", "1x"},
                                                          {"--cpu-idle", "maybe"},
                                                          {"--pids", "-1"},
                                                          {"--io-limit", "8:0"},
                                                          {"--io-limit", "8:0:rbps"},
                                                          {"--io-limit", "8:0:speed=1"},
                                                          {"--io-limit", "/dev/null:rbps=1"},
                                                          {"--io-limit", "rbps=1"},
                                                          {"--hugetlb", "2m"},
                                                          {"--net-class", "1:2:3"},
                                                          {"--net-class", "10000:1"},
                                                          {"--net-priority", "lo"}}) {
        const Said said = ctrun({"run", option, value, "--", "true"});
        EXPECT_EQ(said.status, 125) << option << ' ' << value;
        EXPECT_TRUE(contains(said.err, option)) << said;
    }
    // What libct refuses it says.
    EXPECT_TRUE(contains(ctrun({"run", "--cpu-weight", "0", "--", "true"}).err, "a CPU weight of 0"));
}

TEST_F(CtrunLimits, AreEnforcedAndUpdated) {
    const internal::Hierarchies hierarchies = internal::Hierarchies::detect();
    if (hierarchies.find(Controller::Pids) == nullptr) GTEST_SKIP() << "this host has no pids controller";
    const Said stopped = ctrun(shell({"--pids", "1"}, "ls; echo not reached"));
    EXPECT_NE(stopped.status, 0) << stopped;
    EXPECT_TRUE(contains(stopped.err, "fork")) << stopped;

    Ctrun box = start(shell({"--name", name(), "--pids", "20"}, "echo ready; cat"));
    std::string text;
    ASSERT_TRUE(read_until(box.out.get(), text, "ready\n"));
    EXPECT_TRUE(contains(limits(name()), R"("pids_max": 20)"));
    EXPECT_EQ(ctrun({"update", name(), "--pids", "30"}).status, 0);
    EXPECT_TRUE(contains(limits(name()), R"("pids_max": 30)"));
    const Said refused = ctrun({"update", name(), "--pids", "40", "--io-limit", "4000:1:rbps=1"});
    EXPECT_EQ(refused.status, 125);
    EXPECT_TRUE(contains(refused.err, "container '" + name() + "': ")) << refused;
    EXPECT_TRUE(contains(limits(name()), R"("pids_max": 30)"));
    box.in.close();
    EXPECT_EQ(finish(box).status, 0);
}

TEST_F(CtrunLimits, DeviceRulesAreReplaced) {
    Ctrun box = start(shell({"--name", name(), "--default-device-rules"}, "echo ready; cat"));
    std::string text;
    ASSERT_TRUE(read_until(box.out.get(), text, "ready\n"));
    const auto opens = [&](const std::string& device) {
        return ctrun({"exec", name(), "--", "sh", "-c", ": <" + device}).status == 0;
    };
    EXPECT_TRUE(opens("/dev/full"));
    const Said said = ctrun({"update", name(), "--device-rule", "allow:c:1:3:rw", "--device-rule", "allow:c:1:5:r"});
    EXPECT_EQ(said.status, 0) << said;
    EXPECT_TRUE(opens("/dev/null"));
    EXPECT_TRUE(opens("/dev/zero"));
    EXPECT_FALSE(opens("/dev/full"));
    EXPECT_TRUE(contains(ctrun({"update", name(), "--device-rule", "allow"}).err, "--device-rule"));
    box.in.close();
    EXPECT_EQ(finish(box).status, 0);
}

} // namespace
} // namespace ct::test
