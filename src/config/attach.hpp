// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <vector>

#include <ct/attach.hpp>
#include <ct/process.hpp>

namespace ct::internal {

/// \throws Error with Errc::InvalidConfig for a malformed value
void check_attachable(const Attachable& attachable);
void check_attach_server(const AttachServerOptions& options);

/// What of \p process contradicts that the session holds its input.
void input_violations(std::vector<std::string>& found, const ProcessSpec& process);

/// \p process with a pipe for that.
[[nodiscard]] ProcessSpec pipe_for_input(ProcessSpec process);

} // namespace ct::internal
