// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attribute_values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <stdexcept>

#include <linux/securebits.h>
#include <sys/personality.h>

#include "values.hpp"

namespace ctrun {

namespace {

[[noreturn]] void reject(std::string_view text, std::string_view expected) {
    throw std::invalid_argument("'" + std::string(text) + "' is not " + std::string(expected));
}

template <typename Value>
struct Named {
    const char* name;
    Value value;
};

template <typename Value, std::size_t N>
Value find(const std::array<Named<Value>, N>& table, std::string_view name, std::string_view expected) {
    for (const Named<Value>& entry : table)
        if (name == entry.name) return entry.value;
    reject(name, expected);
}

constexpr std::array Policies{
    Named{"other", ct::SchedulingPolicy::Other},   Named{"batch", ct::SchedulingPolicy::Batch},
    Named{"idle", ct::SchedulingPolicy::Idle},     Named{"fifo", ct::SchedulingPolicy::Fifo},
    Named{"rr", ct::SchedulingPolicy::RoundRobin}, Named{"deadline", ct::SchedulingPolicy::Deadline},
};

constexpr std::array Modes{
    Named{"default", ct::MemoryPolicyMode::Default},
    Named{"preferred", ct::MemoryPolicyMode::Preferred},
    Named{"bind", ct::MemoryPolicyMode::Bind},
    Named{"interleave", ct::MemoryPolicyMode::Interleave},
    Named{"local", ct::MemoryPolicyMode::Local},
    Named{"preferred-many", ct::MemoryPolicyMode::PreferredMany},
    Named{"weighted-interleave", ct::MemoryPolicyMode::WeightedInterleave},
};

constexpr std::array IoClasses{Named{"rt", ct::IoClass::RealTime}, Named{"be", ct::IoClass::BestEffort},
                               Named{"idle", ct::IoClass::Idle}};

constexpr std::array Personalities{
    Named{"linux", unsigned{PER_LINUX}},
    Named{"linux32", unsigned{PER_LINUX32}},
    Named{"no-randomize", unsigned{ADDR_NO_RANDOMIZE}},
    Named{"compat-layout", unsigned{ADDR_COMPAT_LAYOUT}},
    Named{"read-implies-exec", unsigned{READ_IMPLIES_EXEC}},
    Named{"limit-3gb", unsigned{ADDR_LIMIT_3GB}},
    Named{"short-inode", unsigned{SHORT_INODE}},
    Named{"whole-seconds", unsigned{WHOLE_SECONDS}},
    Named{"sticky-timeouts", unsigned{STICKY_TIMEOUTS}},
    Named{"mmap-page-zero", unsigned{MMAP_PAGE_ZERO}},
    Named{"uname26", unsigned{UNAME26}},
};

constexpr std::array SecureBits{
    Named{"noroot", unsigned{SECBIT_NOROOT}},
    Named{"noroot-locked", unsigned{SECBIT_NOROOT_LOCKED}},
    Named{"no-setuid-fixup", unsigned{SECBIT_NO_SETUID_FIXUP}},
    Named{"no-setuid-fixup-locked", unsigned{SECBIT_NO_SETUID_FIXUP_LOCKED}},
    Named{"keep-caps", unsigned{SECBIT_KEEP_CAPS}},
    Named{"keep-caps-locked", unsigned{SECBIT_KEEP_CAPS_LOCKED}},
    Named{"no-cap-ambient-raise", unsigned{SECBIT_NO_CAP_AMBIENT_RAISE}},
    Named{"no-cap-ambient-raise-locked", unsigned{SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED}},
};

template <std::size_t N>
unsigned parse_flags(const std::array<Named<unsigned>, N>& table, std::string_view text, std::string_view expected) {
    unsigned flags = 0;
    for (const std::string& word : split(text, ',')) flags |= find(table, word, expected);
    return flags;
}

bool is_number(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::uint32_t parse_id(std::string_view text) {
    return static_cast<std::uint32_t>(parse_number(text, std::numeric_limits<std::uint32_t>::max()));
}

std::chrono::nanoseconds parse_microseconds(std::string_view text) {
    return std::chrono::microseconds(parse_number(text, 1'000'000'000'000));
}

} // namespace

void parse_user(ct::ProcessSpec& spec, std::string_view text) {
    spec.user.reset();
    spec.user_name.clear();
    const std::size_t colon = text.find(':');
    const std::string_view user = text.substr(0, colon);
    const auto groups =
        colon == std::string_view::npos ? std::vector<std::string>{} : split(text.substr(colon + 1), ',');
    if (!is_number(user) || !std::all_of(groups.begin(), groups.end(), is_number)) {
        if (groups.size() > 1) reject(text, "UID:GID,GROUP... in numbers, nor USER:GROUP");
        spec.user_name = text;
        return;
    }
    ct::User& numbers = spec.user.emplace();
    numbers.uid = parse_id(user);
    numbers.gid = groups.empty() ? numbers.uid : parse_id(groups.front());
    for (std::size_t i = 1; i < groups.size(); ++i) numbers.groups.push_back(parse_id(groups[i]));
}

void parse_capability_set(ct::CapabilitySets& sets, std::string_view text) {
    const std::array members{
        Named{"bounding", &ct::CapabilitySets::bounding}, Named{"permitted", &ct::CapabilitySets::permitted},
        Named{"effective", &ct::CapabilitySets::effective}, Named{"inheritable", &ct::CapabilitySets::inheritable},
        Named{"ambient", &ct::CapabilitySets::ambient}};
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) reject(text, "SET=NAME,...");
    const auto member = find(members, text.substr(0, equals),
                             "a set of capabilities (bounding, permitted, effective, inheritable, ambient)");
    for (const std::string& name : split(text.substr(equals + 1), ','))
        if (!name.empty()) (sets.*member).push_back(name);
}

std::uint32_t parse_secure_bits(std::string_view text) {
    return parse_flags(SecureBits, text,
                       "noroot, no-setuid-fixup, keep-caps or no-cap-ambient-raise, or one of these with -locked");
}

int parse_integer(std::string_view text, int min, int max) {
    int value = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stopped != end || value < min || value > max)
        reject(text, "a number from " + std::to_string(min) + " to " + std::to_string(max));
    return value;
}

ct::Scheduler parse_scheduler(std::string_view text) {
    ct::Scheduler scheduler;
    const std::size_t comma = text.find(',');
    if (comma != std::string_view::npos) {
        if (text.substr(comma + 1) != "reset-on-fork") reject(text.substr(comma + 1), "reset-on-fork");
        scheduler.reset_on_fork = true;
    }
    const auto parts = split(text.substr(0, comma), ':');
    scheduler.policy = find(Policies, parts[0], "a scheduler (other, batch, idle, fifo, rr, deadline)");
    if (scheduler.policy == ct::SchedulingPolicy::Deadline) {
        if (parts.size() < 3 || parts.size() > 4) reject(text, "deadline:RUNTIME:DEADLINE[:PERIOD] in microseconds");
        scheduler.runtime = parse_microseconds(parts[1]);
        scheduler.deadline = parse_microseconds(parts[2]);
        if (parts.size() == 4) scheduler.period = parse_microseconds(parts[3]);
    } else if (parts.size() > 2) {
        reject(text, "POLICY[:PRIORITY]");
    } else if (parts.size() == 2) {
        scheduler.priority = parse_integer(parts[1], 0, 99);
    }
    return scheduler;
}

ct::IoPriority parse_io_priority(std::string_view text) {
    const auto parts = split(text, ':');
    ct::IoPriority priority;
    priority.io_class = find(IoClasses, parts[0], "a class of I/O priority (rt, be, idle)");
    if (parts.size() > 2 || (parts.size() == 2 && priority.io_class == ct::IoClass::Idle))
        reject(text, "rt[:LEVEL], be[:LEVEL] or idle");
    if (parts.size() == 2) priority.level = parse_integer(parts[1], 0, 7);
    return priority;
}

std::vector<unsigned> parse_list(std::string_view text) {
    constexpr unsigned most = 8191;
    std::vector<unsigned> numbers;
    for (const std::string& range : split(text, ',')) {
        const std::size_t dash = range.find('-');
        const auto first = static_cast<unsigned>(parse_number(std::string_view(range).substr(0, dash), most));
        const auto last = dash == std::string::npos
                              ? first
                              : static_cast<unsigned>(parse_number(std::string_view(range).substr(dash + 1), most));
        if (last < first) reject(range, "a range");
        for (unsigned number = first; number <= last; ++number) numbers.push_back(number);
    }
    return numbers;
}

ct::MemoryPolicy parse_memory_policy(std::string_view text) {
    const auto parts = split(text, ':');
    if (parts.size() > 3) reject(text, "MODE[:NODES[:FLAG,...]]");
    ct::MemoryPolicy policy;
    policy.mode = find(Modes, parts[0],
                       "a memory policy (default, local, preferred, preferred-many, bind, interleave, "
                       "weighted-interleave)");
    if (parts.size() > 1) policy.nodes = parse_list(parts[1]);
    if (parts.size() < 3) return policy;
    for (const std::string& flag : split(parts[2], ',')) {
        if (flag == "static") {
            policy.static_nodes = true;
        } else if (flag == "relative") {
            policy.relative_nodes = true;
        } else if (flag == "balancing") {
            policy.numa_balancing = true;
        } else {
            reject(flag, "a flag of a memory policy (static, relative, balancing)");
        }
    }
    return policy;
}

std::uint32_t parse_personality(std::string_view text) {
    return parse_flags(Personalities, text, "a personality (linux, linux32) or one of its flags; see ctrun(1)");
}

} // namespace ctrun
