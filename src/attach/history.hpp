// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <ct/log.hpp>

namespace ct::internal {

/// A stretch of output of one stream.
struct OutputPiece {
    Stream stream = Stream::Output;
    std::string bytes;
};

/// The last bytes of all streams, in order. Memory: those bytes, and 8 more per change of the stream.
class History {
public:
    /// Empty, and to keep so many.
    void reset(std::size_t size);
    void append(Stream stream, std::string_view bytes);
    /// The last \p size bytes of them.
    [[nodiscard]] std::vector<OutputPiece> last(std::size_t size) const;

private:
    struct Run {
        Stream stream;
        std::uint32_t length;
    };

    std::size_t size_ = 0;
    std::size_t used_ = 0;
    std::size_t next_ = 0; ///< Where the next byte goes, in a ring of size_.
    std::string ring_;
    std::deque<Run> runs_;
};

} // namespace ct::internal
