// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log/split.hpp"

#include <string>

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

constexpr std::size_t NoLimit = 1000;

struct Piece {
    std::string bytes;
    bool partial = false;
    bool operator==(const Piece&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Piece& piece) {
    return out << '\'' << piece.bytes << '\'' << (piece.partial ? " (partial)" : "");
}

struct Result {
    std::vector<Piece> pieces;
    std::string rest;
};

Result split(std::string_view text, std::size_t limit, std::size_t most = NoLimit) {
    std::vector<LogRecord> records;
    const LogRecord model{.container = "box", .stream = Stream::Error, .time = LogTime(), .bytes = {}};
    const std::size_t used = split_lines(text, limit, model, most, records);
    Result result{{}, std::string(text.substr(used))};
    for (const LogRecord& record : records) {
        EXPECT_EQ(record.container, "box");
        EXPECT_EQ(record.stream, Stream::Error);
        result.pieces.push_back({std::string(record.bytes), record.partial});
    }
    return result;
}

using Pieces = std::vector<Piece>;

TEST(SplitLines, LeavesTheUnfinishedLine) {
    const Result result = split("one\n\nthree\nfo", 100);
    EXPECT_EQ(result.pieces, (Pieces{{"one"}, {""}, {"three"}}));
    EXPECT_EQ(result.rest, "fo");
}

TEST(SplitLines, KeepsEveryByteButTheNewline) {
    const std::string line("a\0\r\t\xFF\x80z", 7);
    EXPECT_EQ(split(line + "\n", 100).pieces, (Pieces{{line}}));
}

TEST(SplitLines, LineOfJustTheLimitIsWhole) {
    EXPECT_EQ(split("12345678\nx", 8).pieces, (Pieces{{"12345678"}}));
    const Result unfinished = split("12345678", 8);
    EXPECT_TRUE(unfinished.pieces.empty());
    EXPECT_EQ(unfinished.rest, "12345678");
}

TEST(SplitLines, LongerOneComesInPieces) {
    EXPECT_EQ(split("123456789\n", 8).pieces, (Pieces{{"12345678", true}, {"9"}}));
    const Result result = split("1234567890abcdefg", 8);
    EXPECT_EQ(result.pieces, (Pieces{{"12345678", true}, {"90abcdef", true}}));
    EXPECT_EQ(result.rest, "g");
    EXPECT_EQ(split("12\n", 1).pieces, (Pieces{{"1", true}, {"2"}}));
}

TEST(SplitLines, PiecesDoNotCutCharacters) {
    EXPECT_EQ(split("1234567\xC3\xA4"
                    "9\n",
                    8)
                  .pieces,
              (Pieces{{"1234567", true},
                      {"\xC3\xA4"
                       "9"}}));
    EXPECT_EQ(split("12345\xF0\x9F\x98\x80"
                    "9\n",
                    8)
                  .pieces,
              (Pieces{{"12345", true},
                      {"\xF0\x9F\x98\x80"
                       "9"}}));
    // One that ends at the limit stays where it is; and what is no character is cut like anything else.
    EXPECT_EQ(split("123456\xC3\xA4"
                    "9\n",
                    8)
                  .pieces,
              (Pieces{{"123456\xC3\xA4", true}, {"9"}}));
    EXPECT_EQ(split("1234\x80\x80\x80\x80\x80\n", 8).pieces, (Pieces{{"1234\x80\x80\x80\x80", true}, {"\x80"}}));
    EXPECT_EQ(split("\xF0\x9F\x98\x80\n", 2).pieces, (Pieces{{"\xF0\x9F", true}, {"\x98\x80"}}));
}

TEST(SplitLines, StopsAtTheMost) {
    const Result result = split("a\nb\nc\n", 8, 2);
    EXPECT_EQ(result.pieces, (Pieces{{"a"}, {"b"}}));
    EXPECT_EQ(result.rest, "c\n");
}

TEST(SplitLines, JoinsToWhatItWas) {
    std::string text;
    for (std::size_t size = 1; size < 3000; size += 37)
        text += std::string(size, static_cast<char>('a' + size % 26)) + '\n';
    for (const std::size_t limit : {1UL, 2UL, 7UL, 100UL, 999UL, 4096UL}) {
        const Result result = split(text, limit, text.size());
        std::string joined;
        for (const Piece& piece : result.pieces) {
            EXPECT_LE(piece.bytes.size(), limit);
            joined += piece.bytes;
            if (!piece.partial) joined += '\n';
        }
        EXPECT_EQ(joined + result.rest, text);
    }
}

} // namespace
} // namespace ct::internal
