// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "base/concat.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

int call(const void* callable) {
    return (*static_cast<const std::function<int()>*>(callable))();
}

CommandArgs compiled(Plan& plan, const HookCommand& command) {
    ProcessSpec process;
    process.environment = command.environment;
    const std::vector<std::string_view> entries = plan_environment(plan, process);
    const char* const directory = command.working_directory.empty() ? nullptr : plan.text(command.working_directory);
    return {plan.strings(exec_candidates(program_of(command), entries)), plan.strings(command.argv),
            plan.strings(entries), directory};
}

} // namespace

void plan_hooks(Plan& plan, const std::vector<MountHook>& hooks, std::string_view moment, const std::string& target) {
    for (const MountHook& hook : hooks) {
        const auto* const command = std::get_if<HookCommand>(&hook);
        const std::string name = command != nullptr ? concat('\'', command->argv.at(0), '\'') : "a callable";
        const StepInfo info{Stage::Mounts, plan.text("run ", name, " ", moment, " the mount on"), plan.text(target)};
        if (command != nullptr) {
            plan.steps.add(Op::RunCommand, compiled(plan, *command), info);
        } else {
            plan.steps.add(Op::RunCallable, CallableArgs{call, &std::get<std::function<int()>>(hook)}, info);
        }
    }
}

void plan_created_hooks(Plan& plan, const Spec& spec) {
    if (plan.has_tasks(Await::Mounted)) {
        plan.steps.add(Op::AwaitParent, AwaitArgs{Await::Mounted}, {Stage::Launch, "wait for the parent"});
    }
    for (const Hook& hook : spec.hooks) {
        if (hook.point != HookPoint::CreateContainer) continue;
        CommandArgs args = compiled(plan, hook.command);
        args.state = plan.text(plan.hook_state);
        args.state_length = plan.hook_state.size();
        args.time_limit = std::chrono::nanoseconds(hook.time_limit).count();
        plan.steps.add(Op::RunCommand, args,
                       {Stage::Hooks, "run createContainer hook", plan.text(hook.command.argv.at(0))});
    }
}

bool has_callables(const HookTable& hooks) {
    const auto is_callable = [](const MountHook& hook) { return !std::holds_alternative<HookCommand>(hook); };
    return std::any_of(hooks.begin(), hooks.end(), [&](const auto& entry) {
        const MountHooks& of_mount = entry.second;
        return std::any_of(of_mount.before.begin(), of_mount.before.end(), is_callable) ||
               std::any_of(of_mount.after.begin(), of_mount.after.end(), is_callable);
    });
}

} // namespace ct::internal
