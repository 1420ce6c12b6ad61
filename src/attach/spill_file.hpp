// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"

namespace ct::internal {

/// Packets that wait on a disk, in order, in a file without a name that exists only while there are any. The space of
/// what was taken out is given back, as far as the file system can do that.
class SpillFile {
public:
    /// \param most  how large the file may be
    SpillFile(std::string directory, std::uint64_t most) : directory_(std::move(directory)), most_(most) {}

    [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
    /// \returns false if it cannot be kept: the disk or the file is full; all that was kept before still is
    [[nodiscard]] bool append(char id, std::string_view bytes) noexcept;

    struct Piece {
        char id;
        std::string_view bytes; ///< In the block.
    };
    struct Block {
        std::shared_ptr<const std::string> bytes;
        std::vector<Piece> pieces; ///< Packets of one id may have become one, and one may be continued in the next.
    };
    /// Takes out the oldest, about \p size bytes of it. \returns none if it cannot be read
    [[nodiscard]] std::optional<Block> take(std::size_t size);
    void clear() noexcept;

private:
    [[nodiscard]] bool open() noexcept;
    /// Splits what was read into pieces, and moves them together.
    [[nodiscard]] std::vector<Piece> parse(std::string& bytes);
    void give_back() noexcept;

    const std::string directory_;
    const std::uint64_t most_;
    UniqueFd file_;
    std::uint64_t begin_ = 0; ///< Of what is still to be taken.
    std::uint64_t end_ = 0;
    std::uint64_t freed_ = 0; ///< Up to here the space was given back.
    char id_ = 0;             ///< Of the packet of which a part was taken.
    std::uint32_t left_ = 0;  ///< The rest of that.
};

} // namespace ct::internal
