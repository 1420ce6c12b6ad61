// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach/history.hpp"

#include <algorithm>

namespace ct::internal {

void History::reset(std::size_t size) {
    *this = History();
    size_ = size;
}

void History::append(Stream stream, std::string_view bytes) {
    if (size_ == 0) return;
    if (bytes.size() > size_) bytes.remove_prefix(bytes.size() - size_);
    if (bytes.empty()) return;
    if (ring_.empty()) ring_.resize(size_);
    const std::size_t first = std::min(bytes.size(), size_ - next_);
    ring_.replace(next_, first, bytes.substr(0, first));
    ring_.replace(0, bytes.size() - first, bytes.substr(first));
    next_ = (next_ + bytes.size()) % size_;

    const auto length = static_cast<std::uint32_t>(bytes.size()); // the size is checked, see check_attachable()
    if (!runs_.empty() && runs_.back().stream == stream) {
        runs_.back().length += length;
    } else {
        runs_.push_back({stream, length});
    }
    used_ += bytes.size();
    while (used_ > size_) { // what the new ones have taken the place of
        const std::size_t over = std::min<std::size_t>(used_ - size_, runs_.front().length);
        runs_.front().length -= static_cast<std::uint32_t>(over);
        used_ -= over;
        if (runs_.front().length == 0) runs_.pop_front();
    }
}

std::vector<OutputPiece> History::last(std::size_t size) const {
    std::vector<OutputPiece> pieces;
    std::size_t skipped = used_ - std::min(size, used_);
    std::size_t from = used_ == 0 ? 0 : (next_ + size_ - used_) % size_;
    for (const Run& run : runs_) {
        const std::size_t skip = std::min<std::size_t>(skipped, run.length);
        skipped -= skip;
        const std::size_t length = run.length - skip;
        from = (from + skip) % size_;
        if (length == 0) continue;
        const std::size_t first = std::min(length, size_ - from);
        OutputPiece piece{run.stream, ring_.substr(from, first)};
        piece.bytes += ring_.substr(0, length - first);
        pieces.push_back(std::move(piece));
        from = (from + length) % size_;
    }
    return pieces;
}

} // namespace ct::internal
