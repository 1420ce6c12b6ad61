// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach_link.hpp"

#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <string_view>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ctmon {

namespace {

/// One that would not leave room for the final NUL in an address is shortened, as clients do, too.
std::string path_of(const std::string& directory, const std::string& cuuid) {
    std::string path = ct::internal::concat(directory, '/', cuuid);
    if (path.size() == sizeof(sockaddr_un::sun_path) - 1) path.pop_back();
    return path;
}

} // namespace

AttachLink::AttachLink(const std::string& directory, const std::string& cuuid, const std::string& bundle)
    : path_(path_of(directory, cuuid)), bundle_(bundle) {
    using ct::internal::sys::error;
    constexpr ct::Stage stage = ct::Stage::Stdio;
    if (::unlink(path_.c_str()) < 0 && errno != ENOENT) throw error(errno, stage, "replace", path_);
    if (::symlink(bundle_.c_str(), path_.c_str()) < 0) throw error(errno, stage, "make the link", path_);
}

AttachLink::~AttachLink() {
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlink(path_.c_str(), target.data(), target.size());
    // Another monitor of the same name may have made one meanwhile.
    if (size > 0 && std::string_view(target.data(), static_cast<std::size_t>(size)) == bundle_) {
        (void)::unlink(path_.c_str());
    }
}

} // namespace ctmon
