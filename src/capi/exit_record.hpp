// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/events.hpp>
#include <libct/libct-events.h>

namespace ct::capi {

/// As waitpid(2) tells, or -1.
[[nodiscard]] int raw_status(const ExitStatus& status);
[[nodiscard]] libct_exit_record exit_record_of(const ExitRecord& record);

} // namespace ct::capi
