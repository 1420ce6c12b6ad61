// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "state/hook_state.hpp"

#include <boost/filesystem/operations.hpp>

#include "state/json.hpp"

namespace ct {

namespace internal {

namespace {

const char* status_at(HookPoint point) {
    switch (point) {
    case HookPoint::CreateRuntime:
    case HookPoint::CreateContainer: return "creating";
    case HookPoint::Poststart: return "running";
    case HookPoint::Poststop: break;
    }
    return "stopped";
}

std::string without_brace(const std::string& container, HookPoint point, const Spec& spec) {
    Json state;
    state["ociVersion"] = "1.0.2";
    state["id"] = container;
    state["status"] = status_at(point);
    boost::system::error_code relative; // then it stays as it is
    const boost::filesystem::path root = spec.root ? spec.root->path : "/";
    const boost::filesystem::path here = boost::filesystem::current_path(relative);
    state["bundle"] = relative ? root.string() : boost::filesystem::absolute(root, here).lexically_normal().string();
    state["annotations"] = Json::object();
    for (const auto& [key, value] : spec.annotations) state["annotations"][key] = value;
    // Hooks take text, and no other form of it.
    std::string text = state.dump(-1, ' ', false, Json::error_handler_t::replace);
    text.pop_back();
    return text;
}

} // namespace

std::string hook_state_without_pid(const std::string& container, HookPoint point, const Spec& spec) {
    return without_brace(container, point, spec) + ",\"pid\":";
}

std::string hook_state(const std::string& container, HookPoint point, const Spec& spec, pid_t pid) {
    if (pid < 0) return without_brace(container, point, spec) + "}\n";
    return concat(hook_state_without_pid(container, point, spec), pid, "}\n");
}

} // namespace internal

std::string_view to_string(HookPoint point) noexcept {
    const auto& words = internal::Words<HookPoint>::list;
    const auto number = static_cast<std::size_t>(point);
    return number < words.size() ? words[number] : "unknown";
}

} // namespace ct
