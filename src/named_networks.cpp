// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "named_networks.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <ct/error.hpp>
#include <ct/network.hpp>

#include "base/concat.hpp"
#include "base/rollback.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr const char* Directory = "/run/netns";

Error fail(std::string_view action, const std::string& path, std::string_view hint = {}) {
    if (errno == EPERM) hint = "needs CAP_SYS_ADMIN in the user namespace that owns the host's mounts";
    return sys::error(errno, Stage::Namespaces, action, path, hint);
}

/// Makes the directory, on a mount that shares with other mount namespaces what comes and goes on it: a name that is
/// taken away here must not live on elsewhere.
/// \param lock  excludes others as long as it is there: nobody may use a mount that \p rollback takes away
UniqueFd open_directory(Rollback& rollback, UniqueFd& lock) {
    sys::fault_point(Stage::Namespaces, "make the directory", Directory);
    if (::mkdir(Directory, 0755) == 0) {
        rollback.add([] { ::rmdir(Directory); });
    } else if (errno != EEXIST) {
        throw fail("make the directory", Directory);
    }
    lock = sys::open(Directory, O_RDONLY | O_DIRECTORY, Stage::Namespaces);
    (void)::flock(lock.get(), LOCK_EX); // ip(8) does the same
    if (::mount(nullptr, Directory, nullptr, MS_SHARED | MS_REC, nullptr) < 0) {
        if (errno != EINVAL) throw fail("share the mount on", Directory);
        sys::fault_point(Stage::Namespaces, "bind to itself", Directory);
        if (::mount(Directory, Directory, nullptr, MS_BIND | MS_REC, nullptr) < 0) {
            throw fail("bind to itself", Directory);
        }
        rollback.add([] { ::umount2(Directory, MNT_DETACH | UMOUNT_NOFOLLOW); });
        if (::mount(nullptr, Directory, nullptr, MS_SHARED | MS_REC, nullptr) < 0) {
            throw fail("share the mount on", Directory);
        }
    }
    return sys::open(Directory, O_RDONLY | O_DIRECTORY, Stage::Namespaces);
}

bool is_network(int fd) {
    struct statfs system {};
    if (::fstatfs(fd, &system) < 0 || system.f_type != NSFS_MAGIC) return false;
    return ::ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

} // namespace

void pin_named_network(const std::string& name, int network) {
    const std::string path = named_network(name);
    UniqueFd lock; // outlives the rollback
    Rollback rollback;
    const UniqueFd directory = open_directory(rollback, lock);
    sys::fault_point(Stage::Namespaces, "make the file", path);
    const UniqueFd file(
        ::openat(directory.get(), name.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0));
    if (!file) throw fail("make the file", path, errno == EEXIST ? "unpin_network() takes the name away" : "");
    rollback.add([&] { ::unlinkat(directory.get(), name.c_str(), 0); });
    const std::string source = concat("/proc/self/fd/", network);
    const std::string target = concat("/proc/self/fd/", file.get());
    sys::fault_point(Stage::Namespaces, "bind the net namespace to", path);
    if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) < 0) {
        throw fail("bind the net namespace to", path);
    }
    rollback.dismiss();
}

} // namespace ct::internal

namespace ct {

std::string named_network(const std::string& name) {
    const auto forbidden = [](unsigned char c) { return c < ' ' || c == 0x7f || c == '/'; };
    if (name.empty() || name.size() > 255 || name == "." || name == ".." ||
        std::any_of(name.begin(), name.end(), forbidden)) {
        throw Error::invalid_config({},
                                    {internal::concat("'", name.substr(0, 64), "' is no name of a network namespace")});
    }
    return internal::concat(internal::Directory, "/", name);
}

void unpin_network(const std::string& name) {
    const std::string path = named_network(name);
    {
        const internal::UniqueFd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
        if (!file && errno == ENOENT) return;
        if (!file) throw internal::fail("open", path);
        struct stat status {};
        const bool network = internal::is_network(file.get());
        // An empty file is what is left of who was killed in the middle of it.
        const bool left = ::fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0;
        if (!network && !left) {
            errno = EEXIST;
            throw internal::fail("take away the name", path, "it is no network namespace");
        }
    }
    if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL) {
        throw internal::fail("unmount", path);
    }
    if (::unlink(path.c_str()) < 0 && errno != ENOENT) throw internal::fail("remove the file", path);
}

} // namespace ct
