// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/event_fields.hpp"

#include <array>

#include "base/concat.hpp"

namespace ct::internal {

namespace {

std::string event(std::string_view name) {
    return concat(R"("event":")", name, '"');
}

template <typename Number>
std::string member(std::string_view name, Number value) {
    return concat(",\"", name, "\":", value);
}

std::string status_members(const ExitStatus& status) {
    switch (status.kind) {
    case ExitStatus::Kind::Exited: return concat(R"(,"status":"exited")", member("code", status.value));
    case ExitStatus::Kind::Signaled: return concat(R"(,"status":"signaled")", member("signal", status.value));
    case ExitStatus::Kind::Unknown: break;
    }
    return R"(,"status":"unknown")";
}

} // namespace

std::string event_fields(const StateEvent& state) {
    return concat(event("state"), R"(,"from":")", to_string(state.from), R"(","to":")", to_string(state.to), '"');
}

std::string event_fields(const StartEvent& start) {
    const StartTimes& times = start.times;
    return concat(event("start"), member("pid", start.pid), R"(,"times":{"prepare":)", times.prepare.count(),
                  member("birth", times.birth.count()), member("set_up", times.set_up.count()),
                  member("total", times.total.count()), '}');
}

std::string event_fields(const ExitEvent& exit) {
    return concat(event("exit"), member("pid", exit.record.pid), status_members(exit.record.status), R"(,"record":)",
                  to_json(exit.record));
}

std::string event_fields(const OomEvent& oom) {
    return concat(event("oom"), member("kills", oom.kills), member("all_kills", oom.all_kills));
}

std::string event_fields(const ProcessExitEvent& exit) {
    return concat(event("process_exit"), member("pid", exit.pid), status_members(exit.status));
}

std::string event_fields(const FrozenEvent& frozen) {
    return concat(event("frozen"), R"(,"frozen":)", frozen.frozen ? "true" : "false");
}

std::string event_fields(const PressureEvent& pressure) {
    constexpr std::array<std::string_view, 3> resources{"cpu", "memory", "io"};
    const auto resource = static_cast<std::size_t>(pressure.trigger.resource);
    return concat(event("pressure"), R"(,"resource":")", resources.at(resource), '"');
}

std::string event_fields(const HealthEvent& health) {
    return concat(event("health"), R"(,"health":")", to_string(health.health), '"',
                  member("failures", health.failures));
}

std::string event_fields(const LimitEvent& limit, std::string_view event_name) {
    return concat(event(event_name), member("count", limit.count));
}

} // namespace ct::internal
