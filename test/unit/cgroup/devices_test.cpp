// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/devices.hpp"

#include <array>
#include <map>
#include <random>

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

constexpr unsigned Make = 1;
constexpr unsigned Read = 2;
constexpr unsigned Write = 4;

struct Access {
    DeviceClass type;
    std::uint32_t major;
    std::uint32_t minor;
    unsigned ways;
};

/// What the rules mean: each way of access by itself, and the last rule about it.
bool model(const std::vector<DeviceRule>& rules, const Access& access) {
    for (const unsigned way : {Make, Read, Write}) {
        if ((access.ways & way) == 0) continue;
        bool granted = false;
        for (const DeviceRule& rule : rules) {
            const bool about_way = way == Make ? rule.make : way == Read ? rule.read : rule.write;
            if (about_way && (rule.type == DeviceClass::All || rule.type == access.type) &&
                rule.major.value_or(access.major) == access.major && rule.minor.value_or(access.minor) == access.minor)
                granted = rule.allow;
        }
        if (!granted) return false;
    }
    return true;
}

/// The instructions of eBPF that these programs have.
bool run(const std::vector<bpf_insn>& program, const Access& access) {
    const unsigned type = access.type == DeviceClass::Block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
    const std::array<std::uint32_t, 3> context{access.ways << 16U | type, access.major, access.minor};
    std::array<std::uint64_t, 11> registers{};
    for (std::size_t at = 0; at < program.size(); ++at) {
        const bpf_insn& one = program[at];
        std::uint64_t& to = registers.at(one.dst_reg);
        const auto value = static_cast<std::uint32_t>(one.imm);
        const auto jump_if = [&](bool condition) {
            if (condition) at += static_cast<std::size_t>(one.off);
        };
        switch (one.code) {
        case BPF_LDX | BPF_MEM | BPF_W: to = context.at(static_cast<std::size_t>(one.off) / 4); break;
        case BPF_ALU64 | BPF_MOV | BPF_X: to = registers.at(one.src_reg); break;
        case BPF_ALU64 | BPF_MOV | BPF_K: to = value; break;
        case BPF_ALU | BPF_AND | BPF_K: to &= value; break;
        case BPF_ALU | BPF_RSH | BPF_K: to = static_cast<std::uint32_t>(to) >> value; break;
        case BPF_JMP32 | BPF_JNE | BPF_K: jump_if(static_cast<std::uint32_t>(to) != value); break;
        case BPF_JMP32 | BPF_JSET | BPF_K: jump_if((to & value) != 0); break;
        case BPF_JMP | BPF_JA: jump_if(true); break;
        case BPF_JMP | BPF_EXIT: return registers[0] == 1;
        default: ADD_FAILURE() << "unexpected instruction " << int{one.code}; return false;
        }
    }
    ADD_FAILURE() << "the program has no end";
    return false;
}

/// What the kernel's devices controller of version 1 makes of the lists.
class Version1 {
public:
    explicit Version1(const DeviceLists& lists) {
        for (const DeviceLists::Write& write : lists.writes) {
            this->write(write);
            EXPECT_TRUE(write.text == "a" || removed_ == 0) << "an exception has to contradict the default";
        }
    }
    void write(const DeviceLists::Write& write) {
        const bool allow = write.file == "devices.allow";
        if (write.text == "a") {
            allows_ = allow;
            exceptions_.clear();
            return;
        }
        const std::size_t space = write.text.rfind(' ');
        const std::string device = write.text.substr(0, space);
        unsigned ways = 0;
        for (const char way : write.text.substr(space + 1)) ways |= way == 'r' ? Read : way == 'w' ? Write : Make;
        if (allow == allows_) ++removed_;
        unsigned& present = exceptions_[device];
        present = allow == allows_ ? present & ~ways : present | ways;
        if (present == 0) exceptions_.erase(device);
    }
    /// The text of devices.list.
    [[nodiscard]] std::string list() const {
        if (allows_) return "a *:* rwm";
        std::string text;
        for (const auto& [device, ways] : exceptions_) {
            text += device + ' ' + ((ways & Read) != 0 ? "r" : "") + ((ways & Write) != 0 ? "w" : "") +
                    ((ways & Make) != 0 ? "m" : "") + '\n';
        }
        return text;
    }
    [[nodiscard]] bool grants(const Access& access) const {
        for (const std::string& major : {std::to_string(access.major), std::string("*")}) {
            for (const std::string& minor : {std::to_string(access.minor), std::string("*")}) {
                const char* const type = access.type == DeviceClass::Block ? "b " : "c ";
                const auto one = exceptions_.find(type + major + ':' + minor);
                if (one == exceptions_.end()) continue;
                // An exception that grants has to cover the whole access, one that denies any part of it.
                if (!allows_ && (access.ways & ~one->second) == 0) return true;
                if (allows_ && (access.ways & one->second) != 0) return false;
            }
        }
        return allows_;
    }
    [[nodiscard]] bool grants_by_default() const { return allows_; }

private:
    bool allows_ = true;
    int removed_ = 0;
    std::map<std::string, unsigned> exceptions_;
};

std::vector<Access> all_accesses() {
    std::vector<Access> all;
    for (const DeviceClass type : {DeviceClass::Character, DeviceClass::Block}) {
        for (std::uint32_t major = 0; major < 4; ++major) {
            for (std::uint32_t minor = 0; minor < 4; ++minor) {
                for (unsigned ways = 1; ways < 8; ++ways) all.push_back({type, major, minor, ways});
            }
        }
    }
    return all;
}

std::vector<DeviceRule> random_rules(std::mt19937& random) {
    const auto below = [&](unsigned limit) { return static_cast<unsigned>(random() % limit); };
    const auto number = [&]() -> std::optional<std::uint32_t> {
        return below(3) == 0 ? std::nullopt : std::optional<std::uint32_t>(below(3)); // 3 is in no rule
    };
    std::vector<DeviceRule> rules(below(7));
    for (DeviceRule& rule : rules) {
        rule.allow = below(3) != 0;
        rule.type = static_cast<DeviceClass>(below(3));
        rule.major = number();
        rule.minor = number();
        rule.read = below(4) != 0;
        rule.write = below(4) != 0;
        rule.make = below(4) != 0;
    }
    return rules;
}

TEST(DeviceRulesOfBothVersions, GrantWhatTheModelGrants) {
    std::mt19937 random(4);
    const std::vector<Access> accesses = all_accesses();
    int expressible = 0;
    constexpr int lists = 3000;
    for (int i = 0; i < lists; ++i) {
        const std::vector<DeviceRule> rules = random_rules(random);
        const std::vector<bpf_insn> program = device_program(rules);
        const std::optional<DeviceLists> version_1 = device_lists(rules);
        if (version_1) ++expressible;
        for (const Access& access : accesses) {
            const bool granted = model(rules, access);
            ASSERT_EQ(run(program, access), granted) << "list " << i;
            if (version_1) {
                ASSERT_EQ(Version1(*version_1).grants(access), granted) << "list " << i;
            }
        }
    }
    EXPECT_GT(expressible, lists / 4);
    EXPECT_LT(expressible, lists);
}

TEST(DeviceRulesOfBothVersions, NothingIsAskedForNothingIsDenied) {
    EXPECT_TRUE(run(device_program({}), {DeviceClass::Character, 1, 3, 0}));
}

using Writes = std::vector<DeviceLists::Write>;

TEST(DeviceLists, AreExceptionsToOneDefault) {
    EXPECT_EQ(device_lists({})->writes, (Writes{{"devices.deny", "a"}}));
    EXPECT_EQ(device_lists({{.allow = true}})->writes,
              (Writes{{"devices.deny", "a"}, {"devices.allow", "c *:* rwm"}, {"devices.allow", "b *:* rwm"}}));
    const DeviceRule null{.allow = true, .type = DeviceClass::Character, .major = 1, .minor = 3};
    EXPECT_EQ(device_lists({null})->writes, (Writes{{"devices.deny", "a"}, {"devices.allow", "c 1:3 rwm"}}));
    DeviceRule no_null = null;
    no_null.allow = false;
    EXPECT_EQ(device_lists({{.allow = true}, no_null})->writes,
              (Writes{{"devices.allow", "a"}, {"devices.deny", "c 1:3 rwm"}}));
    EXPECT_EQ(device_lists({no_null, {.allow = true}, no_null, null})->writes.size(), 3U) << "the last one counts";
}

TEST(DeviceLists, HaveWhatAWiderExceptionGrantsInTheNarrowerOne) {
    const DeviceRule make{.allow = true, .read = false, .write = false};
    const DeviceRule use{.allow = true, .type = DeviceClass::Character, .major = 1, .minor = 3, .make = false};
    EXPECT_EQ(device_lists({make, use})->writes, (Writes{{"devices.deny", "a"},
                                                         {"devices.allow", "c *:* m"},
                                                         {"devices.allow", "c 1:3 rwm"},
                                                         {"devices.allow", "b *:* m"}}));
}

TEST(DeviceLists, CannotDenyAPartOfAWildcardAmongOthers) {
    const DeviceRule all_of_1{.allow = true, .type = DeviceClass::Character, .major = 1};
    const DeviceRule no_null{.allow = false, .type = DeviceClass::Character, .major = 1, .minor = 3};
    EXPECT_FALSE(device_lists({all_of_1, no_null}));
}

TEST(DeviceChanges, GrantNothingMoreAndNothingLessOnTheWay) {
    std::mt19937 random(5);
    const std::vector<Access> accesses = all_accesses();
    int changes = 0;
    while (changes < 1000) {
        const std::vector<DeviceRule> old_rules = random_rules(random);
        const std::optional<DeviceLists> old = device_lists(old_rules);
        const std::optional<DeviceLists> wanted = device_lists(random_rules(random));
        if (!old || !wanted) continue;
        const Version1 before(*old);
        const Version1 after(*wanted);
        if (before.grants_by_default() != after.grants_by_default()) continue;
        ++changes;
        Version1 now = before;
        // The kernel's list is believed, and the rules only as far as it says nothing.
        for (const auto& write : device_changes(present_device_lists(before.list(), old_rules), *wanted)) {
            now.write(write);
            for (const Access& access : accesses) {
                const bool before_grants = before.grants(access);
                const bool after_grants = after.grants(access);
                ASSERT_FALSE(now.grants(access) && !before_grants && !after_grants) << write.text;
                ASSERT_FALSE(!now.grants(access) && before_grants && after_grants) << write.text;
            }
        }
        for (const Access& access : accesses) ASSERT_EQ(now.grants(access), after.grants(access));
    }
}

TEST(DeviceChanges, FromNoRulesWriteTheWholeLists) {
    const DeviceRule null{.allow = true, .type = DeviceClass::Character, .major = 1, .minor = 3};
    const DeviceLists none = present_device_lists("a *:* rwm\n", std::nullopt);
    EXPECT_EQ(none.writes, (Writes{{"devices.allow", "a"}}));
    EXPECT_EQ(device_changes(none, *device_lists({null})), device_lists({null})->writes);
    EXPECT_EQ(device_changes(*device_lists({null}), none), none.writes);
    // The group above has a list, which a new one inherits.
    const DeviceLists inherited = present_device_lists("c 1:3 rwm\nb *:* m\n", std::nullopt);
    EXPECT_EQ(device_changes(inherited, *device_lists({null})), (Writes{{"devices.deny", "b *:* m"}}));
}

TEST(DeviceLists, TheDefaultRulesAreExpressible) {
    const auto lists = device_lists(default_device_rules());
    ASSERT_TRUE(lists);
    EXPECT_EQ(lists->writes.size(), 1U + 2 + 9);
}

} // namespace
} // namespace ct::internal
