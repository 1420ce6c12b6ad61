// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

namespace ct::internal {

/// libnftables, loaded on first use: who has no NAT and publishes no ports does not pay for it.
class Nftables {
public:
    /// Loads it. \throws Error with Errc::Unsupported if it is not there, or libct was built without it
    static void require();
    /// Whether there is a table 'inet libct' in the calling thread's network namespace. Costs next to nothing, and
    /// says no if the kernel does not tell.
    [[nodiscard]] static bool has_table() noexcept;
    /// Runs commands as nft(8) takes them, in the calling thread's network namespace, all or none of them.
    /// \param action  for the error
    /// \returns what they print
    static std::string run(const std::string& commands, const char* action);
};

} // namespace ct::internal
