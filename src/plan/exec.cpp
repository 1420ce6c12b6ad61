// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "base/concat.hpp"
#include "config/validate.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

std::string_view name_of(std::string_view entry) {
    return entry.substr(0, entry.find('='));
}

std::vector<std::string_view> environment(Plan& plan, const ProcessSpec& process) {
    std::vector<std::string_view> entries;
    const auto add = [&](std::string_view entry) {
        if (process.add_environment.empty() || !process.add_environment.contains(std::string(name_of(entry)))) {
            entries.push_back(entry);
        }
    };
    if (process.environment) {
        for (const std::string& entry : *process.environment) add(entry);
    } else {
        for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) add(*entry);
    }
    for (const auto& [name, value] : process.add_environment) entries.emplace_back(plan.text(name, "=", value));
    return entries;
}

/// PATH of the environment, or what execvp(3) would take instead.
std::string_view search_path_of(const std::vector<std::string_view>& entries) {
    std::string_view path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (const std::string_view entry : entries) {
        if (name_of(entry) == "PATH" && entry.size() > 5) path = entry.substr(5);
    }
    return path;
}

std::vector<std::string> candidates(const std::string& program, std::string_view path) {
    if (program.find('/') != std::string::npos) return {program};
    std::vector<std::string> paths;
    for (std::size_t at = 0; at <= path.size();) {
        const std::size_t end = std::min(path.find(':', at), path.size());
        const std::string_view directory = path.substr(at, end - at);
        // An empty entry is the working directory, see exec(3).
        paths.push_back(directory.empty() ? program : concat(directory, '/', program));
        at = end + 1;
    }
    return paths;
}

} // namespace

std::vector<std::string_view> plan_environment(Plan& plan, const ProcessSpec& process) {
    return environment(plan, process);
}

std::vector<std::string> exec_candidates(const std::string& program, const std::vector<std::string_view>& entries) {
    return candidates(program, search_path_of(entries));
}

const char* const* plan_environment_array(Plan& plan, const std::vector<std::string_view>& entries) {
    const auto is_home = [](std::string_view entry) { return name_of(entry) == "HOME"; };
    if (plan.user == nullptr || std::any_of(entries.begin(), entries.end(), is_home)) return plan.strings(entries);
    return plan.strings(entries, plan.user->home_entry);
}

namespace {

void plan_confinement(Plan& plan, const ProcessSpec& process, bool callable) {
    if (process.landlock) plan_landlock(plan, *process.landlock);
    if (process.seccomp && confined_last(process)) plan_filter(plan, process, callable);
}

} // namespace

void plan_callable(Plan& plan, const ProcessSpec& process) {
    plan.steps.add(Op::UnblockSignals, {Stage::Launch, "unblock signals"});
    plan_confinement(plan, process, true);
    if (plan.has_tasks(Await::Freeze)) {
        plan.steps.add(Op::AwaitParent, AwaitArgs{Await::Freeze}, {Stage::Launch, "wait for the parent"});
    }
    if (process.environment || !process.add_environment.empty() || plan.user != nullptr) {
        plan.environment = plan_environment_array(plan, environment(plan, process));
    }
}

namespace {

/// What an image must not get hold of; it cannot change while this process lives.
const HostProgram* host_program() {
    static const HostProgram program = [] {
        struct stat status {};
        if (::stat("/proc/self/exe", &status) < 0) return HostProgram{0, 0, 0};
        return HostProgram{status.st_ino, ::major(status.st_dev), ::minor(status.st_dev)};
    }();
    return &program;
}

} // namespace

void plan_exec(Plan& plan, const ProcessSpec& process, bool foreign_files) {
    const std::vector<std::string_view> entries = environment(plan, process);
    const std::string& program = process.executable.empty() ? process.argv.at(0) : process.executable;
    // Only root could write to it.
    const bool guarded = foreign_files && (!process.user || process.user->uid == 0);
    plan.exec_candidates =
        candidates(program, process.search_path ? std::string_view(*process.search_path) : search_path_of(entries));
    plan.steps.add(Op::UnblockSignals, {Stage::Exec, "unblock signals"});
    const ExecArgs args{plan.strings(plan.exec_candidates), plan.strings(process.argv),
                        plan_environment_array(plan, entries), guarded ? host_program() : nullptr};
    const StepInfo info{Stage::Exec, "exec", plan.text(program)};
    const bool confined = process.landlock || (process.seccomp && confined_last(process));
    if (confined) plan.steps.add(Op::FindProgram, args, info);
    plan_confinement(plan, process, false);
    plan.steps.add(Op::Exec, args, info);
}

} // namespace ct::internal
