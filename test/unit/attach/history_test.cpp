// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <string>

#include <gtest/gtest.h>

#include "attach/history.hpp"

namespace ct::internal {
namespace {

/// "o:text e:text": pieces, by stream.
std::string last(const History& history, std::size_t size) {
    std::string text;
    for (const OutputPiece& piece : history.last(size)) {
        text += (text.empty() ? "" : " ") + std::string(piece.stream == Stream::Error ? "e:" : "o:") + piece.bytes;
    }
    return text;
}

TEST(History, KeepsNothingUnlessTold) {
    History history;
    history.append(Stream::Output, "text");
    EXPECT_EQ(last(history, 10), "");
}

TEST(History, KeepsTheLastBytesInOrder) {
    History history;
    history.reset(8);
    EXPECT_EQ(last(history, 8), "");
    history.append(Stream::Output, "abc");
    history.append(Stream::Output, "d");
    history.append(Stream::Error, "ef");
    EXPECT_EQ(last(history, 8), "o:abcd e:ef");
    EXPECT_EQ(last(history, 3), "o:d e:ef");
    EXPECT_EQ(last(history, 1), "e:f");
    EXPECT_EQ(last(history, 0), "");
    history.append(Stream::Output, "ghij");
    EXPECT_EQ(last(history, 100), "o:cd e:ef o:ghij");
    history.append(Stream::Error, "0123456789");
    EXPECT_EQ(last(history, 8), "e:23456789");
    history.append(Stream::Output, "");
    history.append(Stream::Output, "x");
    EXPECT_EQ(last(history, 3), "e:89 o:x");
    history.reset(8);
    EXPECT_EQ(last(history, 8), "");
}

TEST(History, EqualsTheEndOfAllForAnySizes) {
    for (std::size_t size = 1; size < 12; ++size) {
        History history;
        history.reset(size);
        std::string all;
        for (unsigned i = 0; i < 200; ++i) {
            const std::string text(i * 7 % 5, static_cast<char>('a' + i % 26));
            all += text;
            history.append(i % 3 == 0 ? Stream::Error : Stream::Output, text);
            std::string kept;
            for (const OutputPiece& piece : history.last(size)) kept += piece.bytes;
            ASSERT_EQ(kept, all.substr(all.size() - std::min(all.size(), size)));
        }
    }
}

} // namespace
} // namespace ct::internal
