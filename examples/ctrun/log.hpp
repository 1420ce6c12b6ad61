// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <optional>
#include <string>

#include <ct/ct.hpp>

#include "options.hpp"
#include "terminal.hpp"

namespace ctrun {

/// What --log tells: k8s-file:PATH, json-file:PATH, plain:PATH, journald or syslog; none if it is a path alone.
std::optional<ct::LogTarget> parse_log(const std::string& text, const Rotation& rotation = {});

/// Starts \p spec, whose output the session logs, hands on signals, and waits. \returns the exit status
int run_logged(ct::Session& session, ct::Container& container, const ct::ProcessSpec& spec, const Signals& signals);

} // namespace ctrun
