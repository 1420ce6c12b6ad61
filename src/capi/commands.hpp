// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <vector>

#include <ct/hooks.hpp>
#include <libct/libct.h>

namespace ct::capi {

/// Those of the list. \throws Failure if one has no program
[[nodiscard]] std::vector<HookCommand> commands_of(const libct_cmd* command);
/// The same as what runs before or after a mount.
[[nodiscard]] std::vector<MountHook> mount_hooks_of(const libct_cmd* command);

} // namespace ct::capi
