// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <filesystem>
#include <string>

#include "host.hpp"

namespace ct::bench {

/// A temporary OCI bundle: `rootfs` with the program /true in it, the mount points it needs, and `config.json`.
class Bundle {
public:
    Bundle();
    Bundle(const Bundle&) = delete;
    Bundle& operator=(const Bundle&) = delete;
    ~Bundle();

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] std::string root() const { return path_ / "rootfs"; }

private:
    std::filesystem::path path_;
};

/// How much of the kernel the container has to itself.
enum class Isolation {
    None,  ///< Nothing: a mere child process.
    Basic, ///< Namespaces pid, mnt, uts, ipc; root, default mounts and devices, host name.
    Full,  ///< The same, and namespaces net and cgroup.
};

enum class SessionOpens {
    Early, ///< Before the host process grows.
    Late,
};

// What a host does, for Host: each starts /true, in a container unless said otherwise, and waits for its end.

/// With libct, in a host process of the given size.
Host::Action start_with_libct(const Bundle& bundle, Isolation isolation, const Size& size = {},
                              SessionOpens opens = SessionOpens::Early);
/// With the least of system calls; \p isolation is not None.
Host::Action start_with_floor(const Bundle& bundle, Isolation isolation);
/// As one more process of a running container.
Host::Action enter_with_libct(const Bundle& bundle, Isolation isolation);
Host::Action enter_with_floor(const Bundle& bundle, Isolation isolation);
/// Without a container.
Host::Action spawn(const Bundle& bundle);
/// With an OCI runtime, which is searched along PATH: `crun` or `runc`.
/// \throws std::runtime_error if it does not work here.
Host::Action run_with(const std::string& runtime, const Bundle& bundle);

} // namespace ct::bench
