// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach/spill_file.hpp"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr int Flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
constexpr std::uint64_t FileBlock = 4096; ///< Less is not given back.

/// Before each packet: its id, and its length as this host has it.
constexpr std::size_t HeadSize = 1 + sizeof(std::uint32_t);

} // namespace

bool SpillFile::open() noexcept {
    if (file_) return true;
    try {
        UniqueFd file(::open(directory_.c_str(), (Flags & ~O_NOFOLLOW) | O_TMPFILE | O_EXCL, 0600));
        for (unsigned number = 0; !file && number < 100; ++number) { // not every file system has such files
            const std::string name = concat(directory_, "/.libct-spill.", ::getpid(), '.', number);
            file.reset(::open(name.c_str(), Flags | O_CREAT | O_EXCL, 0600));
            if (file) (void)::unlink(name.c_str());
            if (!file && errno != EEXIST) return false;
        }
        file_ = sys::above_stdio(std::move(file), Stage::Stdio, "keep output");
        return static_cast<bool>(file_);
    } catch (const std::exception&) {
        return false;
    }
}

bool SpillFile::append(char id, std::string_view bytes) noexcept {
    const std::uint64_t size = HeadSize + bytes.size();
    if (bytes.size() > UINT32_MAX || end_ - freed_ + size > most_ || !open()) return false;
    std::array<char, HeadSize> head{id};
    const auto length = static_cast<std::uint32_t>(bytes.size());
    std::memcpy(head.data() + 1, &length, sizeof length);
    const std::array<iovec, 2> parts{iovec{head.data(), head.size()},
                                     iovec{const_cast<char*>(bytes.data()), bytes.size()}};
    ssize_t written = 0;
    do written = ::pwritev(file_.get(), parts.data(), parts.size(), static_cast<off_t>(end_));
    while (written < 0 && errno == EINTR);
    if (written != static_cast<ssize_t>(size)) {
        if (empty()) clear();
        return false;
    }
    end_ += size;
    return true;
}

std::vector<SpillFile::Piece> SpillFile::parse(std::string& bytes) {
    std::vector<Piece> pieces;
    const char* from = bytes.data();
    const char* const end = from + bytes.size();
    char* to = bytes.data();
    while (from < end) {
        if (left_ == 0) {
            if (end - from < static_cast<std::ptrdiff_t>(HeadSize)) break;
            id_ = *from;
            std::memcpy(&left_, from + 1, sizeof left_);
            from += HeadSize;
        }
        const std::size_t size = std::min<std::size_t>(left_, static_cast<std::size_t>(end - from));
        std::memmove(to, from, size);
        if (pieces.empty() || pieces.back().id != id_) {
            pieces.push_back({id_, {to, size}});
        } else {
            pieces.back().bytes = {pieces.back().bytes.data(), pieces.back().bytes.size() + size};
        }
        from += size;
        to += size;
        left_ -= static_cast<std::uint32_t>(size);
    }
    begin_ += static_cast<std::uint64_t>(from - bytes.data());
    return pieces;
}

std::optional<SpillFile::Block> SpillFile::take(std::size_t size) {
    const std::uint64_t wanted = std::min<std::uint64_t>(std::max(size, 2 * HeadSize), end_ - begin_);
    const auto bytes = std::make_shared<std::string>(wanted, '\0');
    ssize_t got = 0;
    do got = ::pread(file_.get(), bytes->data(), bytes->size(), static_cast<off_t>(begin_));
    while (got < 0 && errno == EINTR);
    if (got != static_cast<ssize_t>(wanted)) return std::nullopt;
    std::vector<Piece> pieces = parse(*bytes);
    if (empty()) {
        clear();
    } else {
        give_back();
    }
    return Block{bytes, std::move(pieces)};
}

void SpillFile::give_back() noexcept {
    const std::uint64_t to = begin_ / FileBlock * FileBlock;
    if (to == freed_) return;
    // Where that is not possible the file is full sooner.
    if (::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(freed_),
                    static_cast<off_t>(to - freed_)) == 0) {
        freed_ = to;
    }
}

void SpillFile::clear() noexcept {
    file_.reset();
    begin_ = end_ = freed_ = left_ = 0;
}

} // namespace ct::internal
