// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <filesystem>

#include "base/unique_fd.hpp"

namespace ct::test {

/// The test, and what it starts, has mounts of its own for the time of the object.
class PrivateMounts {
public:
    PrivateMounts();
    PrivateMounts(const PrivateMounts&) = delete;
    PrivateMounts& operator=(const PrivateMounts&) = delete;
    ~PrivateMounts();

    /// A tmpfs at this directory, which is made if it is not there. \param options  as "size=64k"
    static void add_tmpfs(const std::filesystem::path& directory, const char* options = "");

private:
    internal::UniqueFd before_;
};

} // namespace ct::test
