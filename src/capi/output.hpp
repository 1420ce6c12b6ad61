// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/log.hpp>
#include <libct/libct-streams.h>

namespace ct::capi {

/// Valid as long as the chunk, or line, is.
[[nodiscard]] libct_output output_of(const OutputChunk& chunk);
[[nodiscard]] libct_output output_of(const LogRecord& record);
/// \throws Failure for a malformed one
[[nodiscard]] LogFile log_file_of(const libct_log_file* file);

} // namespace ct::capi
