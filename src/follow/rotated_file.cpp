// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "follow/rotated_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/concat.hpp"
#include "base/split_path.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

/// While files are being renamed, one number is missing for a moment.
constexpr unsigned Gap = 2;
/// A look that falls into a rotation is repeated: the writer does not rotate all the time.
constexpr int Attempts = 100;

bool same(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

struct stat status_of(const UniqueFd& fd, const std::string& path) {
    struct stat status {};
    if (::fstat(fd.get(), &status) < 0) throw sys::error(errno, Stage::Stdio, "read the log", path);
    return status;
}

} // namespace

RotatedFile::RotatedFile(std::string path) : path_(std::move(path)) {
    if (path_.find('/') == std::string::npos)
        throw Error(Errc::InvalidConfig, Stage::Stdio, "read the log", path_, "the path has to be absolute");
    auto [directory, name] = split_path(path_);
    name_ = std::move(name);
    directory_ = sys::open(directory, O_RDONLY | O_DIRECTORY, Stage::Stdio, "open the log's directory");
}

std::string RotatedFile::name(unsigned number) const {
    return number == 0 ? name_ : concat(name_, '.', number);
}

std::optional<struct stat> RotatedFile::look(unsigned number) const {
    struct stat status {};
    if (::fstatat(directory_.get(), name(number).c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return std::nullopt;
    return status;
}

struct stat RotatedFile::status() const {
    return status_of(fd_, path_);
}

std::optional<unsigned> RotatedFile::find() const {
    const struct stat mine = status();
    for (unsigned number = 0, missing = 0; missing < Gap; ++number) {
        const auto there = look(number);
        if (there && same(*there, mine)) return number;
        missing = there ? 0 : missing + 1;
    }
    return std::nullopt;
}

std::optional<unsigned> RotatedFile::last() const {
    std::optional<unsigned> found;
    for (unsigned number = 0, missing = 0; missing < Gap; ++number) {
        const bool there = look(number).has_value();
        if (there) found = number;
        missing = there ? 0 : missing + 1;
    }
    return found;
}

UniqueFd RotatedFile::open(unsigned number) const {
    const std::string path = number == 0 ? path_ : concat(path_, '.', number);
    int fd;
    do {
        fd =
            ::openat(directory_.get(), name(number).c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    UniqueFd file(fd);
    if (!file && errno == ENOENT) return file;
    if (!file)
        throw sys::error(errno, Stage::Stdio, "open the log", path, errno == ELOOP ? "it is a symbolic link" : "");
    if (!S_ISREG(status_of(file, path).st_mode))
        throw sys::error(EINVAL, Stage::Stdio, "open the log", path, "it is no regular file");
    return sys::above_stdio(std::move(file), Stage::Stdio, "open the log");
}

bool RotatedFile::open_newest() {
    // In the midst of a rotation the name is missing.
    for (int attempt = 0; attempt < Attempts; ++attempt) {
        if (UniqueFd file = open(0)) {
            fd_ = std::move(file);
            return true;
        }
        if (!look(1)) break;
    }
    return false;
}

bool RotatedFile::open_oldest() {
    for (int attempt = 0; attempt < Attempts; ++attempt) {
        const auto number = last();
        if (!number) return false;
        if (UniqueFd file = open(*number)) {
            fd_ = std::move(file);
            return true;
        }
    }
    return false;
}

bool RotatedFile::is_newest() const {
    return find() == 0U;
}

bool RotatedFile::open_next() {
    const struct stat mine = status();
    for (int attempt = 0; attempt < Attempts; ++attempt) {
        const auto number = find();
        if (!number) return open_oldest(); // it was removed: all that are left are newer
        UniqueFd next;
        for (unsigned newer = *number; !next && newer > 0 && newer + Gap > *number;) next = open(--newer);
        // If files were renamed meanwhile, it may be any.
        const auto again = look(*number);
        if (!again || !same(*again, mine)) continue;
        if (!next) return false; // there is none, or it has no name for a moment
        fd_ = std::move(next);
        return true;
    }
    return false;
}

bool RotatedFile::open_previous() {
    const struct stat mine = status();
    for (int attempt = 0; attempt < Attempts; ++attempt) {
        const auto number = find();
        if (!number) return false; // it was the oldest, and was removed
        UniqueFd previous = open(*number + 1);
        if (!previous) previous = open(*number + Gap);
        const auto again = look(*number);
        if (!again || !same(*again, mine)) continue;
        if (!previous) return false;
        fd_ = std::move(previous);
        return true;
    }
    return false;
}

std::size_t RotatedFile::read(char* to, std::size_t size, std::uint64_t offset) const {
    for (;;) {
        const ssize_t count = ::pread(fd_.get(), to, size, static_cast<off_t>(offset));
        if (count >= 0) return static_cast<std::size_t>(count);
        if (errno != EINTR) throw sys::error(errno, Stage::Stdio, "read the log", path_);
    }
}

} // namespace ct::internal
