// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "exit_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "base/concat.hpp"
#include "base/split_path.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr std::string_view Action = "write the exit file";
constexpr mode_t Mode = 0640;

void write_all(int fd, std::string_view text, const std::string& path) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) throw sys::error(written < 0 ? errno : ENOSPC, Stage::State, Action, path);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

} // namespace

void check_exit_file(const std::string& path) {
    const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
    if (path.empty() || path.front() != '/') {
        throw Error::invalid_config({}, {concat("the exit file '", path, "' is not an absolute path")});
    }
    if (name.empty() || name == "." || name == ".." || path.find('\0') != std::string::npos) {
        throw Error::invalid_config({}, {concat("the exit file '", path, "' is no file's path")});
    }
}

void write_exit_file(const std::string& path, std::string_view text) {
    static std::atomic<unsigned> count{0};
    const auto [directory_path, name] = split_path(path);
    const UniqueFd directory = sys::open(directory_path, O_PATH | O_DIRECTORY, Stage::State, Action);
    // Unlike that of any other writer, of this process or another one; what a killed one has left is replaced.
    const std::string draft = concat(".libct-exit-", ::getpid(), '-', ++count);
    (void)::unlinkat(directory.get(), draft.c_str(), 0);
    const UniqueFd file(
        ::openat(directory.get(), draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, Mode));
    if (!file) throw sys::error(errno, Stage::State, Action, path);
    try {
        sys::fault_point(Stage::State, Action, path);
        (void)::fchmod(file.get(), Mode); // whatever the umask is
        write_all(file.get(), text, path);
        if (::renameat(directory.get(), draft.c_str(), directory.get(), name.c_str()) < 0) {
            throw sys::error(errno, Stage::State, Action, path);
        }
    } catch (...) {
        (void)::unlinkat(directory.get(), draft.c_str(), 0);
        throw;
    }
}

} // namespace ct::internal
