// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <string>

#include "follow/log_source.hpp"

namespace ct::internal {

/// What systemd's journal has of a container.
/// \throws Error with Errc::Unsupported if there is no journal, or this libct knows none
[[nodiscard]] std::unique_ptr<LogSource> open_journal(const Journald& log, const std::string& container,
                                                      const LogReaderOptions& options);

} // namespace ct::internal
