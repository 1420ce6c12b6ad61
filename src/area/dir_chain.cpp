// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "area/dir_chain.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr int DirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

UniqueFd open_child(int directory, const std::string& name, int flags) {
    open_how how{};
    how.flags = static_cast<unsigned>(flags);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    // openat2(2): EAGAIN when a rename somewhere on the system made the walk doubtful.
    for (int attempt = 0;; ++attempt) {
        UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how)));
        if (fd || errno != EAGAIN || attempt == 128) return fd;
    }
}

} // namespace

std::string proc_path(int fd) {
    return concat("/proc/self/fd/", fd);
}

DirChain::DirChain(int top, std::string shown) : fd_(::openat(top, ".", DirectoryFlags)), shown_(std::move(shown)) {
    if (!fd_) throw error("open");
    fd_ = sys::above_stdio(std::move(fd_), Stage::Root, "duplicate a directory");
}

FileIdentity DirChain::identity() const {
    struct stat status {};
    if (::fstat(fd(), &status) < 0) throw error("look at");
    return identity_of(status);
}

bool DirChain::try_enter(const std::string& name) {
    UniqueFd child = open_child(fd(), name, DirectoryFlags);
    if (!child) {
        // ELOOP is a symbolic link, EXDEV a directory that something is mounted on, which an overlay does not show.
        if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV) return false;
        throw error("open", name);
    }
    above_.push_back({identity(), shown_.size()});
    shown_ += '/';
    shown_ += name;
    fd_ = std::move(child);
    return true;
}

void DirChain::leave() {
    const Level& level = above_.back();
    UniqueFd parent(::openat(fd(), "..", DirectoryFlags));
    struct stat status {};
    if (!parent || ::fstat(parent.get(), &status) < 0) throw error("leave");
    if (identity_of(status) != level.directory) {
        errno = EAGAIN;
        throw error("leave, as it was moved meanwhile,");
    }
    fd_ = std::move(parent);
    shown_.resize(level.shown);
    above_.pop_back();
}

std::vector<std::string> DirChain::names() const {
    // A description of its own: its position is shared with nobody.
    const int copy = ::openat(fd(), ".", DirectoryFlags);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(copy < 0 ? nullptr : ::fdopendir(copy), ::closedir);
    if (!stream) {
        const int failure = errno;
        if (copy >= 0) ::close(copy);
        errno = failure;
        throw error("read");
    }
    std::vector<std::string> found;
    for (;;) {
        errno = 0;
        const dirent* const entry = ::readdir(stream.get());
        if (entry == nullptr) break;
        const std::string_view name = entry->d_name;
        if (name != "." && name != "..") found.emplace_back(name);
    }
    if (errno != 0) throw error("read");
    std::sort(found.begin(), found.end());
    return found;
}

bool DirChain::look(const std::string& name, struct stat& ret_status) const {
    struct stat status {};
    if (::fstatat(fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0) {
        if (errno == ENOENT) return false;
        throw error("look at", name);
    }
    ret_status = status;
    return true;
}

UniqueFd DirChain::find(const std::string& name) const {
    UniqueFd fd(::openat(this->fd(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno != ENOENT) throw error("open", name);
    return fd;
}

std::string DirChain::path_of(std::string_view name) const {
    return name.empty() ? shown_ : concat(shown_, '/', name);
}

Error DirChain::error(std::string_view action, std::string_view name) const {
    const int failure = errno;
    return sys::error(failure, Stage::Root, action, path_of(name),
                      failure == EAGAIN ? "its files were moved while they were looked at; try again" : "");
}

} // namespace ct::internal
