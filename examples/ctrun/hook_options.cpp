// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "hook_options.hpp"

#include <stdexcept>
#include <string>
#include <utility>

#include "values.hpp"

namespace ctrun {

namespace {

ct::HookPoint parse_point(const std::string& word) {
    for (const auto point : {ct::HookPoint::CreateRuntime, ct::HookPoint::CreateContainer, ct::HookPoint::Poststart,
                             ct::HookPoint::Poststop}) {
        if (word == ct::to_string(point)) return point;
    }
    if (word == "prestart") return ct::HookPoint::Prestart;
    throw std::invalid_argument("'" + word +
                                "' is none of createRuntime (or prestart), createContainer, poststart, poststop");
}

/// POINT[:SECONDS]=COMMAND
ct::Hook parse_hook(const std::string& text) {
    auto [when, command] = parse_assignment(text);
    if (command.empty()) throw std::invalid_argument("'" + text + "' has no command");
    ct::Hook hook{.command = {.argv = {"/bin/sh", "-c", std::move(command)}}};
    const std::size_t colon = when.find(':');
    hook.point = parse_point(when.substr(0, colon));
    if (colon != std::string::npos) hook.time_limit = parse_seconds(when.substr(colon + 1));
    return hook;
}

} // namespace

void add_hook_options(Adder& add, ct::Spec& spec) {
    add.group("Hooks");
    add.option("--hook", "POINT[:SECONDS]=COMMAND",
               "Have /bin/sh run COMMAND on the host at createRuntime (or\n"
               "prestart), poststart or poststop, or inside at createContainer,\n"
               "for at most 10 seconds; it reads the container's state as JSON",
               [&](const std::string& text) { spec.hooks.push_back(parse_hook(text)); });
    add.option("--annotation", "NAME=VALUE", "Tell the hooks", [&](const std::string& text) {
        auto [name, value] = parse_assignment(text);
        spec.annotations[std::move(name)] = std::move(value);
    });
}

} // namespace ctrun
