// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <string>

#include <gtest/gtest.h>

#include <ct/error.hpp>
#include <ct/log.hpp>

namespace ct {
namespace {

void write(LogRing& ring, std::string_view bytes, bool partial = false) {
    const LogRecord record{
        .container = "box", .stream = Stream::Output, .time = LogTime(), .bytes = bytes, .partial = partial};
    ring.write({&record, 1});
}

TEST(LogRing, KeepsTheLastBytes) {
    LogRing ring(Bytes{8});
    EXPECT_EQ(ring.text(), "");
    write(ring, "abc");
    EXPECT_EQ(ring.text(), "abc\n");
    write(ring, "de", true);
    write(ring, "fgh");
    EXPECT_EQ(ring.text(), "c\ndefgh\n");
    write(ring, "0123456789abcdef");
    EXPECT_EQ(ring.text(), "9abcdef\n");
    ring.clear();
    write(ring, "x");
    EXPECT_EQ(ring.text(), "x\n");
}

TEST(LogRing, IsTheEndOfAllThatWasWritten) {
    std::string all;
    LogRing ring(Bytes{100});
    for (std::size_t size = 0; size < 250; ++size) {
        const std::string line(size, static_cast<char>('a' + size % 26));
        write(ring, line);
        all += line + '\n';
        EXPECT_EQ(ring.text(), all.substr(all.size() - std::min<std::size_t>(all.size(), 100)));
    }
}

TEST(LogRing, HasToHaveRoom) {
    EXPECT_THROW(LogRing(Bytes{}), Error);
}

} // namespace
} // namespace ct
