// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

#include <ct/container.hpp>

/// The events of a container as members of a JSON object, from `"event"` on.
namespace ct::internal {

[[nodiscard]] std::string event_fields(const StateEvent& event);
[[nodiscard]] std::string event_fields(const StartEvent& event);
[[nodiscard]] std::string event_fields(const ExitEvent& event);
[[nodiscard]] std::string event_fields(const OomEvent& event);
[[nodiscard]] std::string event_fields(const ProcessExitEvent& event);
[[nodiscard]] std::string event_fields(const FrozenEvent& event);
[[nodiscard]] std::string event_fields(const PressureEvent& event);
[[nodiscard]] std::string event_fields(const HealthEvent& event);
/// \param event_name  there are several such events
[[nodiscard]] std::string event_fields(const LimitEvent& event, std::string_view event_name);

} // namespace ct::internal
