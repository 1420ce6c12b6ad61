// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <vector>

#include "messages.hpp"
#include "options.hpp"

namespace ctmon {

/// Has the server at \p socket monitor a container in place of this process. \returns the exit code of this process
/// \throws Refused; ct::Error
int monitor_elsewhere(const std::string& socket, const std::vector<std::string>& arguments, const Options& options,
                      const Messages& messages);

/// `ctmon at SOCKET COMMAND ...`. \returns the exit code of this process \throws Refused; ct::Error
int run_at(const std::vector<std::string>& arguments);

} // namespace ctmon
