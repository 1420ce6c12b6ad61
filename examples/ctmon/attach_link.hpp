// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

namespace ctmon {

/// `<socket-dir-path>/<cuuid>`, a symbolic link to the bundle, by which clients find the attach socket with a short
/// path. Removed with this object.
class AttachLink {
public:
    /// Replaces what is there, except a directory. \throws ct::Error
    AttachLink(const std::string& directory, const std::string& cuuid, const std::string& bundle);
    AttachLink(const AttachLink&) = delete;
    AttachLink& operator=(const AttachLink&) = delete;
    ~AttachLink();

private:
    const std::string path_;
    const std::string bundle_;
};

} // namespace ctmon
