// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <map>
#include <string>

namespace ct::test {

/// Everything about this process and its surroundings that a good guest leaves as it was: one line per fact.
/// Descriptors with their targets and flags, mounts, network links, cgroups, children, signal mask and dispositions,
/// umask, working directory, environment, credentials, resource limits, namespaces, dumpable and subreaper flags,
/// threads.
class HostState {
public:
    [[nodiscard]] static HostState capture();

    /// The facts that differ, one per line: "+" only in \p after, "-" only in this one. Empty if there are none.
    [[nodiscard]] std::string difference(const HostState& after) const;

private:
    std::map<std::string, std::string> facts_;
};

/// How many threads this process has, as the kernel counts.
[[nodiscard]] int thread_count();
/// Waits until threads that were joined are gone for the kernel too: join returns a moment before.
/// \returns false if there are still more than \p count after ten seconds.
[[nodiscard]] bool settle_threads(int count);

} // namespace ct::test
