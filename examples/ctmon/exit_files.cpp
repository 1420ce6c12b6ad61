// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "exit_files.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <exception>

#include "base/concat.hpp"
#include "base/split_path.hpp"
#include "base/sys.hpp"

namespace ctmon {

using ct::Stage;
using ct::internal::concat;
using ct::internal::SplitPath;
using ct::internal::UniqueFd;
namespace sys = ct::internal::sys;

namespace {

constexpr std::string_view Action = "write";

SplitPath split(const std::string& path) {
    return path.find('/') == std::string::npos ? SplitPath{".", path} : ct::internal::split_path(path);
}

std::string draft_name(std::string_view name) {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    std::array<unsigned char, 6> random{};
    (void)::getrandom(random.data(), random.size(), GRND_NONBLOCK); // that the name is new is seen to by O_EXCL
    std::string draft = concat(name.substr(0, NAME_MAX - 1 - random.size()), '.');
    for (const unsigned char number : random) draft += letters[number % letters.size()];
    return draft;
}

void write_all(int fd, std::string_view text, const std::string& path) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) throw sys::error(written < 0 ? errno : ENOSPC, Stage::State, Action, path);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

bool write_code(const std::string& path, int code, const Messages& messages) {
    try {
        replace_file(path, std::to_string(code));
        return true;
    } catch (const std::exception& error) {
        messages.error(error.what());
        return false;
    }
}

} // namespace

void replace_file(const std::string& path, std::string_view text) {
    const auto [directory_path, name] = split(path);
    const UniqueFd directory = sys::open(directory_path, O_PATH | O_DIRECTORY, Stage::State);
    std::string draft;
    UniqueFd file;
    for (int attempt = 0; !file && attempt < 100; ++attempt) {
        draft = draft_name(name);
        // Not mkstemp(3), which knows but one mode.
        file.reset(
            ::openat(directory.get(), draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
        if (!file && errno != EEXIST) break;
    }
    if (!file) throw sys::error(errno, Stage::State, Action, path);
    try {
        write_all(file.get(), text, path);
        // A network file system tells only then that it is full.
        if (::close(file.release()) < 0 && errno != EINTR) throw sys::error(errno, Stage::State, Action, path);
        if (::renameat(directory.get(), draft.c_str(), directory.get(), name.c_str()) < 0) {
            throw sys::error(errno, Stage::State, Action, path);
        }
    } catch (...) {
        (void)::unlinkat(directory.get(), draft.c_str(), 0);
        throw;
    }
}

bool write_exit_files(const Options& options, int code, const Messages& messages) {
    // The engine that watches the second directory reads the first file then.
    const bool persistent =
        options.persist_dir.empty() || write_code(concat(options.persist_dir, "/exit"), code, messages);
    const bool listed =
        options.exit_dir.empty() || write_code(concat(options.exit_dir, "/", options.cid), code, messages);
    return persistent && listed;
}

} // namespace ctmon
