// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

namespace ct::internal {

/// Binds the network namespace \p network to the file that ip-netns(8) looks for. After an error nothing is left.
void pin_named_network(const std::string& name, int network);

} // namespace ct::internal
