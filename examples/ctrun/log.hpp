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
/// \throws std::invalid_argument if the path is missing
std::optional<ct::LogTarget> parse_log(const std::string& text, const Rotation& rotation = {});

/// Starts \p spec, whose output goes to the log of \p options, hands on signals, and waits. What could not be logged is
/// told on the standard error. \returns the exit status
int run_logged(ct::Session& session, ct::Container& container, const ct::ProcessSpec& spec,
               const DetachedOptions& options, const Signals& signals);

} // namespace ctrun
