// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "seccomp.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include <strings.h>

#include <nlohmann/json.hpp>

#include "values.hpp"

namespace ctrun {

namespace {

using nlohmann::json;

[[noreturn]] void reject(const std::string& what) {
    throw std::invalid_argument(what);
}

std::uint16_t errno_of(const std::string& name) {
    constexpr int most = 4095; // MAX_ERRNO
    for (int number = 1; number < 200; ++number) {
        const char* const known = ::strerrorname_np(number);
        if (known != nullptr && ::strcasecmp(known, name.c_str()) == 0) return static_cast<std::uint16_t>(number);
    }
    try {
        return static_cast<std::uint16_t>(parse_number(name, most));
    } catch (const std::invalid_argument&) {
        reject("'" + name + "' is not allow, log, kill, trap or an errno");
    }
}

ct::SeccompAction oci_action(const std::string& name, const json& holder, const char* errno_key) {
    if (name == "SCMP_ACT_ALLOW") return ct::SeccompAction::allow();
    if (name == "SCMP_ACT_ERRNO") return ct::SeccompAction::fail(holder.value(errno_key, std::uint16_t{EPERM}));
    if (name == "SCMP_ACT_KILL_PROCESS") return ct::SeccompAction::kill_process();
    if (name == "SCMP_ACT_KILL" || name == "SCMP_ACT_KILL_THREAD") return ct::SeccompAction::kill_thread();
    if (name == "SCMP_ACT_TRAP") return ct::SeccompAction::trap();
    if (name == "SCMP_ACT_LOG") return ct::SeccompAction::log();
    reject("it has the action " + name + ", which ctrun cannot serve");
}

ct::SeccompCondition oci_condition(const json& arg) {
    using enum ct::SeccompCondition::Comparison;
    ct::SeccompCondition condition{.argument = arg.at("index"), .value = arg.at("value")};
    const std::string op = arg.at("op");
    if (op == "SCMP_CMP_MASKED_EQ") {
        condition.comparison = MaskedEqual;
        condition.mask = condition.value;
        condition.value = arg.value("valueTwo", std::uint64_t{0});
        return condition;
    }
    const std::pair<const char*, ct::SeccompCondition::Comparison> known[]{
        {"SCMP_CMP_EQ", Equal},       {"SCMP_CMP_NE", NotEqual}, {"SCMP_CMP_LT", Less},
        {"SCMP_CMP_LE", LessOrEqual}, {"SCMP_CMP_GT", Greater},  {"SCMP_CMP_GE", GreaterOrEqual}};
    const auto* const found = std::ranges::find(known, op, [](const auto& pair) { return std::string(pair.first); });
    if (found == std::end(known)) reject("it has the comparison " + op);
    condition.comparison = found->second;
    return condition;
}

ct::SeccompRule oci_rule(const json& entry, const ct::SeccompAction& otherwise) {
    // Docker's own profiles choose by these; OCI's are the outcome.
    for (const char* const key : {"includes", "excludes"}) {
        if (entry.contains(key) && !entry.at(key).empty()) reject(std::string("its rules have '") + key + "'");
    }
    ct::SeccompRule rule{.action = oci_action(entry.at("action"), entry, "errnoRet")};
    for (const json& arg : entry.value("args", json::array())) rule.conditions.push_back(oci_condition(arg));
    for (const std::string name : entry.at("names")) {
        if (ct::is_system_call(name)) {
            rule.system_calls.push_back(name);
        } else if (otherwise.kind == ct::SeccompAction::Kind::Allow) {
            reject("it has the unknown system call " + name); // which would stay allowed
        }
    }
    return rule;
}

void add_architectures(ct::Seccomp& seccomp, const json& names) {
#ifdef __x86_64__
    const std::pair<const char*, ct::SeccompArchitecture> known[]{{"SCMP_ARCH_X86", ct::SeccompArchitecture::X86},
                                                                  {"SCMP_ARCH_X32", ct::SeccompArchitecture::X32}};
#else
    const std::pair<const char*, ct::SeccompArchitecture> known[]{{"SCMP_ARCH_ARM", ct::SeccompArchitecture::Arm}};
#endif
    // Those of other machines, too, are listed in profiles.
    for (const auto& [name, architecture] : known) {
        if (std::ranges::find(names, name) != names.end()) seccomp.architectures.push_back(architecture);
    }
}

ct::Seccomp oci_profile(const json& profile) {
    ct::Seccomp seccomp;
    seccomp.default_action = oci_action(profile.at("defaultAction"), profile, "defaultErrnoRet");
    add_architectures(seccomp, profile.value("architectures", json::array()));
    const json flags = profile.value("flags", json::array());
    seccomp.log = std::ranges::find(flags, "SECCOMP_FILTER_FLAG_LOG") != flags.end();
    for (const json& entry : profile.value("syscalls", json::array())) {
        ct::SeccompRule rule = oci_rule(entry, seccomp.default_action);
        if (!rule.system_calls.empty()) seccomp.rules.push_back(std::move(rule));
    }
    return seccomp;
}

ct::Seccomp read_profile(const std::string& path) {
    std::ifstream file(path);
    if (!file) reject("'" + path + "': " + std::strerror(errno));
    try {
        return oci_profile(json::parse(file));
    } catch (const json::exception& error) {
        reject("'" + path + "' is not a seccomp profile: " + error.what());
    } catch (const std::invalid_argument& error) {
        reject("'" + path + "' is not a profile for ctrun: " + error.what());
    }
}

ct::SeccompAction parse_action(const std::string& text) {
    if (text == "allow") return ct::SeccompAction::allow();
    if (text == "log") return ct::SeccompAction::log();
    if (text == "kill") return ct::SeccompAction::kill_process();
    if (text == "trap") return ct::SeccompAction::trap();
    return ct::SeccompAction::fail(errno_of(text));
}

} // namespace

void set_profile(std::optional<ct::Seccomp>& seccomp, const std::string& text) {
    ct::Seccomp profile = text == "default" ? ct::Seccomp::standard() : read_profile(text);
    if (seccomp) profile.rules.insert(profile.rules.begin(), seccomp->rules.begin(), seccomp->rules.end());
    seccomp = std::move(profile);
}

void add_rule(ct::Seccomp& seccomp, const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) reject("'" + text + "' is not CALL[,CALL...]=ACTION");
    ct::SeccompRule rule{.system_calls = split(text.substr(0, equals), ','),
                         .action = parse_action(text.substr(equals + 1))};
    seccomp.rules.insert(seccomp.rules.begin(), std::move(rule));
}

void add_port(std::optional<std::vector<std::uint16_t>>& ports, const std::string& text) {
    constexpr std::uint64_t most = 65535;
    if (!ports) ports.emplace();
    ports->push_back(static_cast<std::uint16_t>(parse_number(text, most)));
}

} // namespace ctrun
