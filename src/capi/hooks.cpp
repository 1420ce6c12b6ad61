// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-hooks.h>

#include <stdexcept>
#include <utility>

#include <ct/export.hpp>

#include "base/concat.hpp"
#include "capi/commands.hpp"
#include "capi/container.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

std::vector<HookCommand> commands_of(const libct_cmd* command) {
    std::vector<HookCommand> commands;
    for (; command != nullptr; command = command->next) {
        require(command->path != nullptr && *command->path != '\0', LCTERR_INVARG, "a command has no program");
        HookCommand made{.argv = text_list(command->argv), .executable = command->path};
        if (made.argv.empty()) made.argv.emplace_back(); // as the kernel makes of an empty one
        if (command->envp != nullptr) made.environment = text_list(command->envp);
        if (command->dir != nullptr) made.working_directory = command->dir;
        commands.push_back(std::move(made));
    }
    return commands;
}

std::vector<MountHook> mount_hooks_of(const libct_cmd* command) {
    std::vector<MountHook> hooks;
    for (HookCommand& one : commands_of(command)) hooks.emplace_back(std::move(one));
    return hooks;
}

void Container::add_hook(HookPoint point, HookHandler handler) {
    configure_both([&](const Config& config, ct::Container& container) {
        // Among the commands that have been added it has its place by their number.
        Spec spec = container.spec();
        spec.hooks = config.base.hooks;
        container.set_spec(std::move(spec));
        container.add_hook(point, handler);
        hooks_.emplace_back(point, std::move(handler));
    });
}

void Container::clear_hooks() {
    configure_both([&](Config& config, ct::Container& container) {
        container.clear_hooks();
        config.base.hooks.clear();
        hooks_.clear();
    });
}

namespace {

HookPoint point_of(int given) {
    static_assert(static_cast<int>(HookPoint::CreateRuntime) == LIBCT_HOOK_CREATE_RUNTIME &&
                  static_cast<int>(HookPoint::CreateContainer) == LIBCT_HOOK_CREATE_CONTAINER &&
                  static_cast<int>(HookPoint::Poststart) == LIBCT_HOOK_POSTSTART &&
                  static_cast<int>(HookPoint::Poststop) == LIBCT_HOOK_POSTSTOP);
    const bool known = given >= LIBCT_HOOK_CREATE_RUNTIME && given <= LIBCT_HOOK_POSTSTOP;
    require(known, LCTERR_BADTYPE, "there is no such point for hooks");
    return static_cast<HookPoint>(given);
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_container_add_hook(ct_handler_t ct, enum libct_hook_point point, const struct libct_cmd* commands,
                                       unsigned int time_limit_ms) {
    return guard([&] {
        const auto container = get(ct);
        const ct::HookPoint when = point_of(point);
        require(commands != nullptr, LCTERR_INVARG, "there is no command");
        std::vector<ct::Hook> hooks;
        for (ct::HookCommand& command : commands_of(commands)) {
            ct::Hook hook{.point = when, .command = std::move(command)};
            if (time_limit_ms != 0) hook.time_limit = std::chrono::milliseconds(time_limit_ms);
            hooks.push_back(std::move(hook));
        }
        container->configure_both([&](Config& config, ct::Container& core) {
            for (const ct::Hook& hook : hooks) core.add_hook(hook); // which finds what is malformed
            config.base.hooks.insert(config.base.hooks.end(), hooks.begin(), hooks.end());
        });
    });
}

CT_EXPORT int libct_container_add_hook_cb(ct_handler_t ct, enum libct_hook_point point,
                                          int (*cb)(ct_handler_t, const struct libct_hook_event*, void*), void* user) {
    return guard([&] {
        const auto container = get(ct);
        const ct::HookPoint when = point_of(point);
        require(cb != nullptr, LCTERR_INVARG, "there is no function");
        container->add_hook(when, [=](const ct::HookEvent& event) {
            if (find_object(ct) == nullptr) return; // nobody may use the handle any more
            const libct_hook_event told{.struct_size = sizeof told,
                                        .point = point,
                                        .phase = static_cast<libct_phase>(event.state),
                                        .pid = event.pid};
            const int result = cb(ct, &told, user);
            if (result != 0) throw std::runtime_error(ct::internal::concat("a function has returned ", result));
        });
    });
}

CT_EXPORT int libct_container_clear_hooks(ct_handler_t ct) {
    return guard([&] { get(ct)->clear_hooks(); });
}

CT_EXPORT int libct_container_set_annotation(ct_handler_t ct, const char* key, const char* value) {
    return guard([&] {
        const auto container = get(ct);
        require(key != nullptr && value != nullptr, LCTERR_INVARG, "an argument is NULL");
        container->configure_both([&](Config& config, ct::Container& core) {
            core.set_annotation(key, value);
            config.base.annotations.insert_or_assign(key, value);
        });
    });
}

} // extern "C"
