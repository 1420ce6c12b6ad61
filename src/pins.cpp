// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "pins.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/concat.hpp"
#include "base/rollback.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

Error fail(std::string_view action, const std::string& path, std::string_view hint = {}) {
    return sys::error(errno, Stage::Namespaces, action, path, hint);
}

/// Makes the missing parents of \p path, which stay; empty directories like these are of use to the next pin as well.
void make_parents(const std::string& path, Rollback& rollback) {
    for (std::size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
        const std::string parent = path.substr(0, end);
        if (::mkdir(parent.c_str(), 0755) == 0) {
            rollback.add([parent] { ::rmdir(parent.c_str()); });
        } else if (errno != EEXIST) {
            throw fail("make the directory", parent);
        }
    }
}

/// Whether what pin_namespaces() makes is mounted at \p directory.
bool is_pin(const std::string& directory) {
    struct statx status {};
    struct statfs system {};
    return ::statx(AT_FDCWD, directory.c_str(), AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) == 0 &&
           S_ISDIR(status.stx_mode) && (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 &&
           ::statfs(directory.c_str(), &system) == 0 && system.f_type == TMPFS_MAGIC;
}

void bind_namespace(int directory, const NamespaceJoin& join, const std::string& shown) {
    const std::string kind(to_string(join.kind));
    const UniqueFd file(::openat(directory, kind.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444));
    if (!file) throw fail("make the file", concat(shown, '/', kind));
    const std::string source = concat("/proc/self/fd/", join.fd);
    const std::string target = concat("/proc/self/fd/", file.get());
    if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) < 0) {
        throw fail(
            concat("bind the ", kind, " namespace to"), concat(shown, '/', kind),
            errno == EINVAL
                ? "a mount namespace can be bound only in one that is older than itself; outside of the host's first "
                  "mount namespace Linux 6.18 mistakes the age of those made on different CPUs"
                : "");
    }
}

} // namespace

std::string default_pin_directory(std::string_view name) {
    const char* const runtime = ::geteuid() == 0 ? nullptr : std::getenv("XDG_RUNTIME_DIR");
    return concat(runtime != nullptr && runtime[0] == '/' ? runtime : "/run", "/libct-ns/", name);
}

void pin_namespaces(const std::string& directory, const std::vector<NamespaceJoin>& namespaces) {
    Rollback rollback;
    make_parents(directory, rollback);
    if (::mkdir(directory.c_str(), 0755) < 0) {
        throw fail("make the directory", directory, errno == EEXIST ? "unpin() removes what is pinned there" : "");
    }
    rollback.add([directory] { ::rmdir(directory.c_str()); });
    // A mount of its own: files of mount namespaces cannot be bound where a mount is propagated to other namespaces.
    constexpr unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (::mount("libct", directory.c_str(), "tmpfs", flags, "mode=0755,size=64k,nr_inodes=16") < 0) {
        throw fail("mount a tmpfs on", directory,
                   errno == EPERM ? "pinning needs CAP_SYS_ADMIN in the user namespace that owns the host's mounts"
                                  : "");
    }
    rollback.add([directory] { ::umount2(directory.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW); });
    if (::mount(nullptr, directory.c_str(), nullptr, MS_PRIVATE, nullptr) < 0) {
        throw fail("make private the mount on", directory);
    }
    const UniqueFd mounted = sys::open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, Stage::Namespaces);
    for (const NamespaceJoin& join : namespaces) bind_namespace(mounted.get(), join, directory);
    rollback.dismiss();
}

void unpin_namespaces(const std::string& directory) {
    struct stat status {};
    if (::lstat(directory.c_str(), &status) < 0 && errno == ENOENT) return;
    // An empty directory is what a host that was killed in the middle of pinning has left.
    if (is_pin(directory)) {
        // All that is bound in it goes along.
        if (::umount2(directory.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) < 0) throw fail("unmount", directory);
    }
    if (::rmdir(directory.c_str()) < 0) {
        throw fail("remove the directory", directory, "nothing was pinned there by libct");
    }
}

} // namespace ct::internal
