// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log/format.hpp"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace ct::internal {
namespace {

using namespace std::string_literals;

/// 2024-02-29 23:59:58.000000042 UTC
constexpr LogTime Leap{std::chrono::seconds(1709251198) + std::chrono::nanoseconds(42)};

LogRecord record(std::string_view bytes, bool partial = false, Stream stream = Stream::Output) {
    return {.container = "box", .stream = stream, .time = Leap, .bytes = bytes, .partial = partial};
}

std::string format(LogFormatter& formatter, const LogRecord& record) {
    std::string text(formatter.most(record), '#');
    text.resize(static_cast<std::size_t>(formatter.write(record, text.data()) - text.data()));
    return text;
}

TEST(LogFormatter, K8sFileIsWhatTheContainerRuntimeInterfaceSays) {
    LogFormatter formatter(LogFormat::K8s, TimeZone::Utc, {});
    EXPECT_EQ(format(formatter, record("hello world")), "2024-02-29T23:59:58.000000042+00:00 stdout F hello world\n");
    EXPECT_EQ(format(formatter, record("half", true, Stream::Error)),
              "2024-02-29T23:59:58.000000042+00:00 stderr P half\n");
    EXPECT_EQ(format(formatter, record("")), "2024-02-29T23:59:58.000000042+00:00 stdout F \n");
    EXPECT_EQ(format(formatter, record("\0\xFF\r"s)), "2024-02-29T23:59:58.000000042+00:00 stdout F \0\xFF\r\n"s);
}

TEST(LogFormatter, TellsEachTimeAnew) {
    LogFormatter formatter(LogFormat::K8s, TimeZone::Utc, {});
    LogRecord later = record("x");
    (void)format(formatter, later);
    later.time += std::chrono::seconds(2);
    EXPECT_EQ(format(formatter, later), "2024-03-01T00:00:00.000000042+00:00 stdout F x\n");
}

TEST(LogFormatter, JsonFileIsAsDockerWritesIt) {
    LogFormatter formatter(LogFormat::Json, TimeZone::Utc, {});
    EXPECT_EQ(format(formatter, record("a \"b\" \\ \t\x01 \xC3\xA4")),
              "{\"log\":\"a \\\"b\\\" \\\\ \\t\\u0001 \xC3\xA4\\n\",\"stream\":\"stdout\","
              "\"time\":\"2024-02-29T23:59:58.000000042Z\"}\n");
    EXPECT_EQ(format(formatter, record("half", true, Stream::Error)),
              "{\"log\":\"half\",\"stream\":\"stderr\",\"time\":\"2024-02-29T23:59:58.000000042Z\"}\n");
}

TEST(LogFormatter, JsonIsValidWhateverTheBytesAre) {
    LogFormatter formatter(LogFormat::Json, TimeZone::Utc, {{"tag", "a\"\n"}, {"b", "\xFF"}});
    std::string all;
    for (int byte = 255; byte >= 0; --byte) all += static_cast<char>(byte);
    all += "\xED\xA0\x80 \xC0\x80 \xF4\x90\x80\x80 \xE2\x82\xAC \xF0\x9F\x98\x80 \xE2\x82";
    const auto object = nlohmann::json::parse(format(formatter, record(all)));
    const std::string log = object["log"];
    EXPECT_TRUE(log.find("\xE2\x82\xAC \xF0\x9F\x98\x80 \xEF\xBF\xBD\xEF\xBF\xBD\n") != std::string::npos) << log;
    EXPECT_EQ(object["attrs"]["tag"], "a\"\n");
    EXPECT_EQ(object["attrs"]["b"], "\xEF\xBF\xBD");
}

TEST(LogFormatter, PlainIsTheBytes) {
    LogFormatter formatter(LogFormat::Plain, TimeZone::Utc, {});
    EXPECT_EQ(format(formatter, record("whole")), "whole\n");
    EXPECT_EQ(format(formatter, record("half", true)), "half");
}

} // namespace
} // namespace ct::internal
