// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log/append_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/concat.hpp"
#include "base/split_path.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr int Flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

Error failed(int error, const std::string& path, std::string_view hint = {}) {
    if (error == ELOOP) hint = "it is a symbolic link; name the file itself";
    if (error == ENXIO || error == EISDIR) hint = "it is no regular file";
    return sys::error(error, Stage::Stdio, "open the log", path, hint);
}

/// A new file, which gets its name once it is complete.
struct NewFile {
    UniqueFd fd;
    std::string name; ///< For now, where it has to have one, or the file system has no files without.
};

NewFile make_new(int directory, mode_t mode, bool named) {
    NewFile made;
    if (!named) {
        made.fd.reset(::openat(directory, ".", (Flags & ~O_NOFOLLOW) | O_TMPFILE, mode));
        named = !made.fd && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL);
    }
    // What already has such a name is somebody else's, or was left by a process that was killed.
    for (unsigned number = 0; named && !made.fd && number < 100; ++number) {
        made.name = concat(".libct-new.", ::getpid(), '.', number);
        made.fd.reset(::openat(directory, made.name.c_str(), Flags | O_CREAT | O_EXCL, mode));
        if (!made.fd && errno != EEXIST) break;
    }
    if (made.fd) (void)::fchmod(made.fd.get(), mode);
    return made;
}

/// Takes nobody's place, where the file system can tell. \returns whether it could
bool give_name(const NewFile& file, int directory, const std::string& name) {
    if (!file.name.empty()) {
        return ::renameat2(directory, file.name.c_str(), directory, name.c_str(), RENAME_NOREPLACE) == 0 ||
               (errno == EINVAL && ::renameat(directory, file.name.c_str(), directory, name.c_str()) == 0);
    }
    const std::string unnamed = concat("/proc/self/fd/", file.fd.get());
    return ::linkat(AT_FDCWD, unnamed.c_str(), directory, name.c_str(), AT_SYMLINK_FOLLOW) == 0;
}

/// Renames \p name to NAME.1, that to NAME.2, and so on, \p count of them. \returns whether all went well
bool shift(int directory, const std::string& name, unsigned count) {
    const auto old = [&](unsigned number) { return concat(name, '.', number); };
    const auto rename = [&](const std::string& from, const std::string& to) {
        return ::renameat(directory, from.c_str(), directory, to.c_str()) == 0 || errno == ENOENT;
    };
    // As far as there are any, or a wrong number would keep us busy.
    unsigned last = 0;
    while (last + 1 < count && ::faccessat(directory, old(last + 1).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) ++last;
    for (; last > 0; --last)
        if (!rename(old(last), old(last + 1))) return false;
    return rename(name, old(1));
}

} // namespace

AppendFile::AppendFile(std::string path, mode_t mode) : path_(std::move(path)), mode_(mode) {
    sys::fault_point(Stage::Stdio, "open the log", path_);
    open_at(place());
}

AppendFile::Place AppendFile::place() const noexcept {
    auto [directory, name] = split_path(path_);
    return {UniqueFd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), std::move(name)};
}

void AppendFile::adopt(UniqueFd fd, std::uint64_t size) noexcept {
    fd_ = std::move(fd);
    size_ = size;
}

void AppendFile::open_at(const Place& place) {
    if (!place.directory) throw failed(errno, path_);
    const char* const name = place.name.c_str();
    bool made = false;
    // Who else makes or removes it meanwhile does so a few times at most.
    for (int attempt = 0;; ++attempt) {
        UniqueFd fd(::openat(place.directory.get(), name, Flags));
        if (!fd && errno == ENOENT) {
            fd.reset(::openat(place.directory.get(), name, Flags | O_CREAT | O_EXCL, mode_));
            made = static_cast<bool>(fd);
        }
        if (!fd && (errno == EEXIST || errno == ENOENT || errno == EINTR) && attempt < 10) continue;
        if (!fd) throw failed(errno, path_);
        struct stat status {};
        if (::fstat(fd.get(), &status) < 0) throw failed(errno, path_);
        if (!S_ISREG(status.st_mode)) throw failed(EINVAL, path_, "it is no regular file");
        if (made) (void)::fchmod(fd.get(), mode_); // whatever the umask is; a file system without modes has none
        adopt(sys::above_stdio(std::move(fd), Stage::Stdio, "open the log"),
              static_cast<std::uint64_t>(status.st_size));
        made_ = made;
        return;
    }
}

bool AppendFile::is_at(const Place& place) const noexcept {
    struct stat mine {};
    struct stat there {};
    return ::fstat(fd_.get(), &mine) == 0 &&
           ::fstatat(place.directory.get(), place.name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

void AppendFile::reopen() {
    open_at(place());
}

int AppendFile::rotate(unsigned count) noexcept {
    try {
        const Place place = this->place();
        if (!place.directory) return errno;
        const int directory = place.directory.get();
        if (!is_at(place)) {
            open_at(place);
            return 0;
        }
        // The new file comes first: without it nothing changes. Only one with a name can take the place of another.
        NewFile fresh = make_new(directory, mode_, count == 0);
        if (!fresh.fd) return errno;
        const bool placed = count == 0 ? ::renameat(directory, fresh.name.c_str(), directory, place.name.c_str()) == 0
                                       : shift(directory, place.name, count) && give_name(fresh, directory, place.name);
        if (!placed) {
            const int error = errno;
            if (!fresh.name.empty()) (void)::unlinkat(directory, fresh.name.c_str(), 0);
            return error;
        }
        adopt(sys::above_stdio(std::move(fresh.fd), Stage::Stdio, "open the log"), 0);
        return 0;
    } catch (const Error& error) {
        return error.code().value();
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    }
}

void AppendFile::cut(std::size_t bytes) noexcept {
    struct stat status {};
    if (::fstat(fd_.get(), &status) < 0 || static_cast<std::uint64_t>(status.st_size) != size_) return;
    if (::ftruncate(fd_.get(), static_cast<off_t>(size_ - bytes)) == 0) size_ -= bytes;
}

void AppendFile::abandon() noexcept {
    if (!made_ || size_ != 0) return;
    const Place place = this->place();
    if (place.directory && is_at(place)) (void)::unlinkat(place.directory.get(), place.name.c_str(), 0);
}

} // namespace ct::internal
