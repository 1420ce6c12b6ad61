// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "pins.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>

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

/// The source of the mounts that pin_namespaces() makes, by which they are known.
constexpr const char* PinSource = "libct-pins";

/// As /proc/self/mountinfo numbers it; empty without /proc.
std::string mount_number(int fd) {
    std::ifstream info(concat("/proc/self/fdinfo/", fd));
    for (std::string word; info >> word;) {
        if (word == "mnt_id:" && info >> word) return word;
    }
    return {};
}

/// Whether \p fd is on a tmpfs that came from PinSource.
bool has_pin_source(int fd) {
    const std::string start = concat(mount_number(fd), ' ');
    const std::string origin = concat(" - tmpfs ", PinSource, ' ');
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        if (line.starts_with(start)) return line.find(origin) != std::string::npos;
    }
    return false;
}

/// Whether it is called as a kind of namespace is, and is one or the empty file for it.
bool is_pinned_file(int directory, const char* name) {
    constexpr std::array kinds{Namespace::Mount, Namespace::Pid,  Namespace::Net,    Namespace::Uts,
                               Namespace::Ipc,   Namespace::User, Namespace::Cgroup, Namespace::Time};
    if (std::none_of(kinds.begin(), kinds.end(), [&](Namespace kind) { return to_string(kind) == name; })) return false;
    const UniqueFd file(::openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    struct statfs system {};
    if (!file || ::fstat(file.get(), &status) < 0 || ::fstatfs(file.get(), &system) < 0) return false;
    return system.f_type == NSFS_MAGIC || (S_ISREG(status.st_mode) && status.st_size == 0);
}

bool holds_pins_only(int directory) {
    UniqueFd list(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(list ? ::fdopendir(list.get()) : nullptr, ::closedir);
    if (!entries) return false;
    (void)list.release();
    while (const dirent* const entry = ::readdir(entries.get())) {
        const std::string_view name = entry->d_name;
        if (name != "." && name != ".." && !is_pinned_file(directory, entry->d_name)) return false;
    }
    return true;
}

/// Whether the directory \p fd is the root of what pin_namespaces() mounts, and nothing else is in it.
bool is_pin(int fd) {
    struct statx status {};
    struct statfs system {};
    return ::statx(fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) == 0 &&
           (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 && ::fstatfs(fd, &system) == 0 &&
           system.f_type == TMPFS_MAGIC && has_pin_source(fd) && holds_pins_only(fd);
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
    if (::mount(PinSource, directory.c_str(), "tmpfs", flags, "mode=0755,size=64k,nr_inodes=16") < 0) {
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
    {
        const UniqueFd mounted(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        // All that is bound in it goes along. By descriptor: it is the very mount that was looked at.
        if (mounted && is_pin(mounted.get()) &&
            ::umount2(concat("/proc/self/fd/", mounted.get()).c_str(), MNT_DETACH) < 0) {
            throw fail("unmount", directory);
        }
    }
    if (::rmdir(directory.c_str()) < 0) {
        throw fail("remove the directory", directory, "nothing was pinned there by libct");
    }
}

} // namespace ct::internal
