// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>

#include <ct/export.hpp>
#include <ct/process.hpp>
#include <ct/spec.hpp>

namespace ct {

/// Where programs of this user find each other's containers, unless they agree on another place:
/// $XDG_RUNTIME_DIR/libct, or /run/libct if that variable is not set. For SessionOptions::state_directory.
[[nodiscard]] CT_EXPORT std::string default_state_directory();

/// \name Specifications as JSON
/// The keys are the names of the fields. A field that has its default value is left out; what belongs to one process
/// of the host only (a callable) is left out, too. Text that is not UTF-8 is written as {"hex": "..."}.
/// @{
[[nodiscard]] CT_EXPORT std::string to_json(const Spec& spec);
[[nodiscard]] CT_EXPORT std::string to_json(const ProcessSpec& process);
/// \throws Error with Errc::InvalidConfig that names the field: one that is unknown, or not of the right type.
[[nodiscard]] CT_EXPORT Spec spec_from_json(std::string_view text);
[[nodiscard]] CT_EXPORT ProcessSpec process_from_json(std::string_view text);
/// @}

} // namespace ct
