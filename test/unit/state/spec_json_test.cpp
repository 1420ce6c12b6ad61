// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ct/error.hpp>
#include <ct/state.hpp>

#include "state/json.hpp"
#include "state/spec_fields.hpp"
#include "state/spec_json.hpp"

namespace ct::internal {
namespace {

using ::testing::HasSubstr;

/// Initialises a field of any type.
struct Anything {
    template <typename T>
    operator T() const; // NOLINT(google-explicit-constructor)
};

template <typename T, typename... Given>
consteval std::size_t field_count() {
    if constexpr (requires { T{Given{}..., Anything{}}; }) {
        return field_count<T, Given..., Anything>();
    } else {
        return sizeof...(Given);
    }
}

template <typename T>
constexpr std::size_t listed_fields = std::tuple_size_v<decltype(Fields<T>::list)>;

/// Every structure that a specification is made of.
template <typename T>
class EveryField : public ::testing::Test {};
using Structures =
    ::testing::Types<Spec, NewNamespace, NamespacePath, NamespaceFd, IdRange, Root, BindDir, OverlayArea, TmpfsArea,
                     ImageArea, Mount, ProcessSpec, StandardStreams, TerminalSize, User, ResourceLimit, FdMapping,
                     CapabilitySets, SecurityLabels, Scheduler, IoPriority, Scheduling, MemoryPolicy, SessionKeyring,
                     SeccompAction, SeccompCondition, SeccompRule, Seccomp, LandlockPath, Landlock, Cgroup,
                     ControllerValue, Limits, IoLimit, DeviceRule, Network, Names, HostEntry, Address, Veth, Macvlan,
                     Ipvlan, Vlan, Dummy, HostNic, Neighbour, NextHop, Route, Rule, Bridge, PublishedPort, HookCommand,
                     Hook>;
TYPED_TEST_SUITE(EveryField, Structures);

TYPED_TEST(EveryField, IsListedForJson) {
    EXPECT_EQ(listed_fields<TypeParam>, field_count<TypeParam>()) << "add the new field to src/state/spec_fields.hpp";
}

/// One that has no field at its default.
Spec full_spec() {
    Spec spec;
    spec.namespaces = {{Namespace::Mount, NewNamespace{}}, {Namespace::Net, NamespacePath{"/run/netns/a"}}};
    spec.uid_map = {{0, 1000, 1}, {1, 100000, 65536}};
    spec.gid_map = {{0, 4294967295U, 2}};
    spec.setgroups = SetGroups::Deny;
    spec.hostname = "h\"ost\n";
    spec.domainname = "dömäin";
    spec.root = Root{.path = "/srv/\xff\xfe", .read_only = true, .host_mounts = true};
    spec.private_area = BindDir{"/srv/a", "/data", true};
    spec.mounts = {{"/a", "/b", "", {}, true, true, true, true, true}, {"tmpfs", "/t", "tmpfs", {"size=1m", "x"}}};
    spec.default_mounts = true;
    spec.default_devices = true;
    spec.network.loopback_up = false;
    spec.network.devices = {
        Veth{"web0",
             "eth0",
             "02:00:00:00:00:01",
             "02:00:00:00:00:02",
             1400,
             "br0",
             {{"10.0.0.2/24", "10.0.0.3", Scope::Link, std::chrono::seconds(9), std::chrono::seconds(8), true}},
             true},
        Macvlan{"eth0", "eth1", MacvlanMode::Vepa, "02:00:00:00:00:03", 1400, {{"10.0.1.2/24"}}},
        Ipvlan{"eth0", "eth2", IpvlanMode::L3s, 1400, {}},
        Vlan{"eth0", 7, "eth3", "02:00:00:00:00:04", 1400, {}},
        Dummy{"eth4", "02:00:00:00:00:05", 1400, {}},
        HostNic{"eth5", "lan0", "02:00:00:00:00:06", 1400, true, {{"10.0.2.2/24"}}}};
    spec.network.neighbours = {{"eth0", "10.0.0.9", "02:00:00:00:00:09"}};
    spec.network.routes = {{"10.9.0.0/16",
                            "10.0.0.1",
                            "eth0",
                            "10.0.0.2",
                            5,
                            7,
                            1300,
                            Scope::Link,
                            true,
                            RouteType::Prohibit,
                            {{"10.0.0.5", "eth1", 3, true}}}};
    spec.network.names = {{"192.0.2.1"}, {"example.org"}, {"rotate"}, {{"10.0.0.9", {"db"}}}, true, true};
    spec.network.rules = {{"10.0.0.0/8", "10.1.0.0/16", "eth0", "lo", 7, 15, 100, RuleAction::Prohibit, 9, true}};
    spec.network.bridges = {{"br0", {"10.0.0.1/24", "fd00::1/64"}, 1400, true}};
    spec.network.ports = {{8080, 80, 2, Protocol::Udp, "127.0.0.1"}};
    spec.cgroup = {.own_group = true,
                   .controllers = {Controller::Cpu, Controller::Misc},
                   .named_hierarchies = {"libct"},
                   .limits = {.memory_max = 64 * MiB,
                              .swap_max = Bytes::unlimited(),
                              .oom_group = false,
                              .cpus = 0.5,
                              .cpu_period = std::chrono::microseconds(5000),
                              .cpuset_cpus = "0-1",
                              .pids_max = Unlimited,
                              .io = {{.major = 8, .minor = 1, .read_per_second = 1 * MiB, .weight = 7}},
                              .hugetlb = {{2 * MiB, 64 * MiB}},
                              .devices = {{{.allow = true, .type = DeviceClass::Character, .major = 1, .make = false}}},
                              .net_priority = {{"eth0", 3}}},
                   .values = {{Controller::Memory, "memory.max", "1"}},
                   .limits_after_set_up = true,
                   .born_frozen = true,
                   .mount = CgroupMount::Writable};
    spec.hooks = {{HookPoint::Poststop, {{"/bin/a", "\xff"}, "", {{"A=1"}}, "/w"}, std::chrono::milliseconds(250)},
                  {.command = {.argv = {"b"}, .executable = "c"}}};
    spec.annotations = {{"com.example.key", "value"}};
    return spec;
}

ProcessSpec full_process() {
    ProcessSpec process;
    process.argv = {"sh", "", "\x80"};
    process.executable = "/bin/sh";
    process.environment = {{"A=1", "B"}};
    process.add_environment = {{"C", "2"}, {"D", "\xc3\x28"}};
    process.working_directory = "/w";
    process.user = User{1, 2, {3, 4}};
    process.umask = 027;
    process.capabilities = {{"CAP_KILL"}};
    process.no_new_privileges = true;
    process.limits = {{7, 1, ResourceLimit::Unlimited}};
    process.new_session = true;
    process.parent_death_signal = 9;
    process.stdio = {Stdio::Null, Stdio::Pipe, Stdio::Output};
    process.terminal = TerminalSize{1, 2};
    process.init = Init::Reaper;
    process.user_name = "www:web";
    process.capability_sets = CapabilitySets{{"a"}, {"b"}, {"c"}, {"d"}, {"e"}};
    process.secure_bits = 5;
    process.labels = {"profile", "a:b:c"};
    process.seccomp = Seccomp::standard();
    process.seccomp->log = true;
    process.landlock = Landlock{{{"/a", true, true, true}}, {{80}}, std::vector<std::uint16_t>{}, true, true};
    process.scheduling.nice = -5;
    process.scheduling.scheduler = Scheduler{.policy = SchedulingPolicy::Deadline, .runtime = std::chrono::seconds(1)};
    process.scheduling.io_priority = IoPriority{IoClass::Idle, 0};
    process.scheduling.cpus = {0, 3};
    process.memory_policy = MemoryPolicy{MemoryPolicyMode::WeightedInterleave, {0}, true, true, true};
    process.oom_score_adj = -7;
    process.personality = 8;
    process.session_keyring = SessionKeyring{"ring"};
    process.search_path = "/a:/b";
    process.user_needs_entry = true;
    process.more_groups = {5};
    process.bounding_capabilities = {{"CAP_KILL"}};
    process.inherit_fds = true;
    return process;
}

TEST(SpecJson, ComesBackAsItWas) {
    EXPECT_EQ(spec_from_json(to_json(full_spec())), full_spec());
    EXPECT_EQ(spec_from_json(to_json(Spec{})), Spec{});
    for (const PrivateArea& area :
         {PrivateArea{OverlayArea{{"/l", "/m"}, "/u", "/w", 5, "/t"}}, PrivateArea{TmpfsArea{1, 0700, "/t"}},
          PrivateArea{ImageArea{"/i", "ext4", "/t", true, {"ro"}}}}) {
        const Spec spec{.private_area = area};
        EXPECT_EQ(spec_from_json(to_json(spec)), spec);
    }
    EXPECT_EQ(process_from_json(to_json(full_process())), full_process());
    ProcessSpec process;
    process.environment.emplace();
    process.capabilities.emplace();
    EXPECT_EQ(process_from_json(to_json(process)), process);
    process.add_environment = {{"\xff", "1"}, {"A", "2"}};
    EXPECT_EQ(process_from_json(to_json(process)), process);
}

TEST(SpecJson, SaysOnlyWhatIsSet) {
    EXPECT_EQ(to_json(Spec{}), "{}");
    EXPECT_EQ(to_json(Spec{.hostname = "h", .root = Root{.path = "/r"}}), R"({"hostname":"h","root":{"path":"/r"}})");
    EXPECT_EQ(to_json(Spec{.namespaces = {{Namespace::Pid, NewNamespace{}}}}), R"({"namespaces":{"pid":{"new":{}}}})");
    EXPECT_EQ(to_json(ProcessSpec{.argv = {"a", "\xff"}}), R"({"argv":["a",{"hex":"ff"}]})");
}

TEST(SpecJson, LeavesOutWhatAnotherProcessCannotUse) {
    const Spec spec{.namespaces = {{Namespace::Net, NamespaceFd{5}}}};
    EXPECT_EQ(to_json(spec), R"({"namespaces":{"net":{"descriptor":{}}}})");
    EXPECT_NO_THROW(check_savable({}, nullptr));
    const ProcessSpec process{.fds = {{.target = 3, .source = 4}}};
    try {
        check_savable(spec, &process);
        FAIL() << "it can be saved";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::InvalidConfig);
        EXPECT_THAT(error.what(), HasSubstr("namespaces[net].fd, fds[0].source"));
    }
}

std::string complaint(std::string_view text) {
    try {
        (void)spec_from_json(text);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::InvalidConfig);
        return error.hint();
    }
    return "none";
}

TEST(SpecJson, NamesTheFieldThatIsWrong) {
    EXPECT_EQ(complaint("{"), "it is not JSON");
    EXPECT_EQ(complaint("[]"), "it has to be an object");
    EXPECT_EQ(complaint(R"({"hostname": 3})"), "hostname: has to be text");
    EXPECT_EQ(complaint(R"({"hostname": {"hex": "0"}})"), "hostname: has to be pairs of hex digits");
    EXPECT_EQ(complaint(R"({"hostname": {"hex": "+1"}})"), "hostname: has to be pairs of hex digits");
    EXPECT_EQ(complaint(R"({"new_in_2040": 1})"), "new_in_2040: is unknown to this version of libct");
    EXPECT_EQ(complaint(R"({"mounts": [{}, {"target": "/a", "x": 1}]})"),
              "mounts[1].x: is unknown to this version of libct");
    EXPECT_EQ(complaint(R"({"uid_map": [{"inside": 4294967296}]})"), "uid_map[0].inside: is out of range");
    EXPECT_EQ(complaint(R"({"uid_map": [{"inside": -1}]})"), "uid_map[0].inside: is out of range");
    EXPECT_EQ(complaint(R"({"uid_map": [{"inside": 1.5}]})"), "uid_map[0].inside: has to be a whole number");
    EXPECT_EQ(complaint(R"({"setgroups": "never"})"), "setgroups: has to be one of auto, allow, deny");
    EXPECT_EQ(complaint(R"({"namespaces": {"moon": {"new": {}}}})"),
              "namespaces.moon: has to be one of mnt, pid, net, uts, ipc, user, cgroup, time");
    EXPECT_EQ(complaint(R"({"namespaces": {"pid": {"old": {}}}})"), "namespaces.pid: is of the unknown kind 'old'");
    EXPECT_EQ(complaint(R"({"default_mounts": 1})"), "default_mounts: has to be true or false");
}

TEST(SpecJson, KnowsUtf8) {
    for (const char* text : {"", "a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"})
        EXPECT_TRUE(is_utf8(text)) << text;
    for (const char* text : {"\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                             "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "a\xff"}) {
        EXPECT_FALSE(is_utf8(text)) << text;
    }
}

TEST(SpecJson, SurvivesAnyText) {
    const std::string text = to_json(full_spec());
    for (std::size_t i = 0; i < text.size(); ++i) {
        (void)complaint(text.substr(0, i));
        std::string damaged = text;
        damaged[i] = static_cast<char>(damaged[i] ^ 0x15);
        (void)complaint(damaged);
    }
    (void)complaint(std::string(100000, '['));
}

} // namespace
} // namespace ct::internal
