// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/devices.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/control_file.hpp"

namespace ct::internal {

namespace {

/// Ways of access, one bit each, as the kernel counts them.
constexpr unsigned Make = BPF_DEVCG_ACC_MKNOD;
constexpr unsigned Read = BPF_DEVCG_ACC_READ;
constexpr unsigned Write = BPF_DEVCG_ACC_WRITE;
constexpr unsigned AllWays = Make | Read | Write;

unsigned ways_of(const DeviceRule& rule) {
    return (rule.read ? Read : 0) | (rule.write ? Write : 0) | (rule.make ? Make : 0);
}

/// Devices of one class; without a number every one of them that no rule names.
struct Pattern {
    DeviceClass type;
    std::optional<std::uint32_t> major;
    std::optional<std::uint32_t> minor;
};

/// The ways that the rules grant to such devices.
unsigned granted(const std::vector<DeviceRule>& rules, const Pattern& device) {
    unsigned ways = 0;
    for (const DeviceRule& rule : rules) {
        if (rule.type != DeviceClass::All && rule.type != device.type) continue;
        if ((rule.major && rule.major != device.major) || (rule.minor && rule.minor != device.minor)) continue;
        ways = rule.allow ? ways | ways_of(rule) : ways & ~ways_of(rule);
    }
    return ways;
}

std::string exception(const Pattern& device, unsigned ways) {
    const auto number = [](std::optional<std::uint32_t> value) { return value ? std::to_string(*value) : "*"; };
    return concat(device.type == DeviceClass::Block ? "b " : "c ", number(device.major), ":", number(device.minor), " ",
                  (ways & Read) != 0 ? "r" : "", (ways & Write) != 0 ? "w" : "", (ways & Make) != 0 ? "m" : "");
}

/// All patterns that rules may tell apart: each number that is named, and the rest.
std::vector<Pattern> patterns(const std::vector<DeviceRule>& rules) {
    std::set<std::optional<std::uint32_t>> majors{std::nullopt};
    std::set<std::optional<std::uint32_t>> minors{std::nullopt};
    for (const DeviceRule& rule : rules) {
        majors.insert(rule.major);
        minors.insert(rule.minor);
    }
    std::vector<Pattern> all;
    for (const DeviceClass type : {DeviceClass::Character, DeviceClass::Block}) {
        for (const auto& major : majors) {
            for (const auto& minor : minors) all.push_back({type, major, minor});
        }
    }
    return all;
}

/// The exceptions to a default for all devices that make each device have its \p ways: what it is granted if the
/// default is to deny, or what it is denied if that is to grant. Every exception also applies to each device that its
/// pattern covers, so that none may have less than what a wider pattern gives it; empty if one should.
template <typename Ways>
std::optional<std::vector<std::string>> exceptions(const std::vector<Pattern>& all, const Ways& ways) {
    std::vector<std::string> texts;
    for (const Pattern& device : all) {
        const unsigned wanted = ways(device);
        // An access needs one exception that has all of its ways.
        bool covered = wanted == 0;
        for (const auto& [major, minor] : {std::pair(device.major, std::optional<std::uint32_t>()),
                                           std::pair(std::optional<std::uint32_t>(), device.minor),
                                           std::pair(std::optional<std::uint32_t>(), std::optional<std::uint32_t>())}) {
            if (major == device.major && minor == device.minor) continue;
            const unsigned wider = ways({device.type, major, minor});
            if ((wider & ~wanted) != 0) return std::nullopt;
            covered = covered || wider == wanted;
        }
        if (!covered) texts.push_back(exception(device, wanted));
    }
    return texts;
}

} // namespace

std::optional<DeviceLists> device_lists(const std::vector<DeviceRule>& rules) {
    const std::vector<Pattern> all = patterns(rules);
    const auto build = [](const char* file_of_all, const char* file, std::vector<std::string> texts) {
        DeviceLists lists{{{file_of_all, "a"}}};
        for (std::string& text : texts) lists.writes.push_back({file, std::move(text)});
        return lists;
    };
    if (auto texts = exceptions(all, [&](const Pattern& device) { return granted(rules, device); }))
        return build("devices.deny", "devices.allow", std::move(*texts));
    if (auto texts = exceptions(all, [&](const Pattern& device) { return AllWays & ~granted(rules, device); }))
        return build("devices.allow", "devices.deny", std::move(*texts));
    return std::nullopt;
}

namespace {

/// Registers of the program.
enum : std::uint8_t {
    Result = BPF_REG_0,
    Context = BPF_REG_1,
    Type = BPF_REG_2,
    Ways = BPF_REG_3,
    Major = BPF_REG_4,
    Minor = BPF_REG_5
};

bpf_insn instruction(unsigned code, std::uint8_t to, std::uint8_t from, std::size_t offset, std::uint32_t value) {
    bpf_insn made{};
    made.code = static_cast<std::uint8_t>(code);
    made.dst_reg = static_cast<std::uint8_t>(to & 0xfU);
    made.src_reg = static_cast<std::uint8_t>(from & 0xfU);
    made.off = static_cast<std::int16_t>(offset);
    made.imm = static_cast<std::int32_t>(value);
    return made;
}

bpf_insn load(std::uint8_t to, std::size_t offset) {
    return instruction(BPF_LDX | BPF_MEM | BPF_W, to, Context, offset, 0);
}

/// What one rule does with the ways that are still to be decided; rules are looked at from the last one on.
std::vector<bpf_insn> rule_code(const DeviceRule& rule) {
    const unsigned ways = ways_of(rule);
    std::vector<bpf_insn> decision;
    // A rule about all of them ends it: the verifier would follow each one that goes on to the end of the program.
    if (ways != AllWays && rule.allow) {
        decision.push_back(instruction(BPF_ALU | BPF_AND | BPF_K, Ways, 0, 0, AllWays & ~ways));
        decision.push_back(instruction(BPF_JMP32 | BPF_JNE | BPF_K, Ways, 0, 2, 0));
    } else if (ways != AllWays) {
        decision.push_back(instruction(BPF_JMP32 | BPF_JSET | BPF_K, Ways, 0, 1, ways));
        decision.push_back(instruction(BPF_JMP | BPF_JA, 0, 0, 2, 0));
    }
    decision.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_K, Result, 0, 0, rule.allow ? 1 : 0));
    decision.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));

    std::vector<std::pair<std::uint8_t, std::uint32_t>> conditions;
    if (rule.type != DeviceClass::All)
        conditions.emplace_back(Type, rule.type == DeviceClass::Block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
    if (rule.major) conditions.emplace_back(Major, *rule.major);
    if (rule.minor) conditions.emplace_back(Minor, *rule.minor);
    std::vector<bpf_insn> code;
    for (std::size_t i = 0; i < conditions.size(); ++i) {
        const std::size_t rest = conditions.size() - i - 1 + decision.size();
        code.push_back(instruction(BPF_JMP32 | BPF_JNE | BPF_K, conditions[i].first, 0, rest, conditions[i].second));
    }
    code.insert(code.end(), decision.begin(), decision.end());
    return code;
}

} // namespace

std::vector<bpf_insn> device_program(const std::vector<DeviceRule>& rules) {
    std::vector<bpf_insn> program{
        load(Ways, offsetof(bpf_cgroup_dev_ctx, access_type)),
        instruction(BPF_ALU64 | BPF_MOV | BPF_X, Type, Ways, 0, 0),
        instruction(BPF_ALU | BPF_AND | BPF_K, Type, 0, 0, 0xffff),
        instruction(BPF_ALU | BPF_RSH | BPF_K, Ways, 0, 0, 16),
        // Nothing is asked for, so nothing is denied.
        instruction(BPF_JMP32 | BPF_JNE | BPF_K, Ways, 0, 2, 0),
        instruction(BPF_ALU64 | BPF_MOV | BPF_K, Result, 0, 0, 1),
        instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
        load(Major, offsetof(bpf_cgroup_dev_ctx, major)),
        load(Minor, offsetof(bpf_cgroup_dev_ctx, minor)),
    };
    for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) {
        const std::vector<bpf_insn> code = rule_code(*rule);
        program.insert(program.end(), code.begin(), code.end());
        // It decides all that is left. The verifier refuses what nothing leads to.
        if (rule->type == DeviceClass::All && !rule->major && !rule->minor && ways_of(*rule) == AllWays) return program;
    }
    // Whatever no rule is about is denied.
    program.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_K, Result, 0, 0, 0));
    program.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    return program;
}

DeviceLists expressible_lists(const Group& group, const std::vector<DeviceRule>& rules) {
    std::optional<DeviceLists> lists = device_lists(rules);
    if (lists) return std::move(*lists);
    throw Error(Errc::Unsupported, Stage::Cgroup, "set the device rules", group.path,
                "cgroup version 1 cannot deny a part of what a rule with a wildcard allows, and allow another; name "
                "the devices one by one");
}

void write_device_lists(const Group& group, const std::vector<DeviceLists::Write>& writes) {
    try {
        for (const auto& [file, text] : writes) write_control(group, std::string(file), text);
    } catch (const Error& error) {
        const bool denied = error.code() == std::errc::operation_not_permitted;
        if (!denied && error.code() != std::errc::invalid_argument) throw;
        throw Error(error.code(), Stage::Cgroup, "set the device rules", group.path,
                    denied ? "a group above denies some of what is to be allowed, or it takes CAP_SYS_ADMIN"
                           : "the container has made groups below, which would keep the old rules");
    }
}

void apply_device_rules(const Group& group, const std::vector<DeviceRule>& rules) {
    if (group.hierarchy->version == 2) {
        attach_device_program(group, rules);
    } else {
        write_device_lists(group, expressible_lists(group, rules).writes);
    }
}

} // namespace ct::internal
