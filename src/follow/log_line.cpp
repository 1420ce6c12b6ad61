// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "follow/log_line.hpp"

#include <nlohmann/json.hpp>

#include <ct/log_reader.hpp>

namespace ct::internal {

namespace {

bool set_stream(LogRecord& record, std::string_view name) {
    if (name != "stdout" && name != "stderr") return false;
    record.stream = name == "stderr" ? Stream::Error : Stream::Output;
    return true;
}

bool set_time(LogRecord& record, std::string_view text) {
    const auto time = parse_rfc3339(text);
    if (time) record.time = *time;
    return time.has_value();
}

/// `TIME STREAM TAG[:TAG...] BYTES`; the first tag is F or P.
bool parse_k8s(std::string_view line, LogRecord& record) {
    const auto word = [&] {
        const std::size_t space = line.find(' ');
        const std::string_view found = line.substr(0, space);
        line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
        return found;
    };
    if (!set_time(record, word()) || !set_stream(record, word())) return false;
    const std::string_view tags = word();
    const std::string_view tag = tags.substr(0, tags.find(':'));
    if (tag != "F" && tag != "P") return false;
    record.partial = tag == "P";
    record.bytes = line;
    return true;
}

/// Takes what it needs from an object, however large or deep that is, and keeps nothing else.
class LogObject : public nlohmann::json_sax<nlohmann::json> {
public:
    LogObject(std::string& text, LogRecord& record) : text_(text), record_(record) {}

    [[nodiscard]] bool complete() const { return has_text_ && has_stream_ && has_time_; }

    bool null() override { return depth_ > 0; }
    bool boolean(bool) override { return depth_ > 0; }
    bool number_integer(number_integer_t) override { return depth_ > 0; }
    bool number_unsigned(number_unsigned_t) override { return depth_ > 0; }
    bool number_float(number_float_t, const string_t&) override { return depth_ > 0; }
    bool binary(binary_t&) override { return false; }
    bool string(string_t& value) override {
        if (depth_ != 1) return depth_ > 0;
        if (key_ == "log") {
            text_ = std::move(value);
            has_text_ = true;
        } else if (key_ == "stream") {
            return has_stream_ = set_stream(record_, value);
        } else if (key_ == "time") {
            return has_time_ = set_time(record_, value);
        }
        return true;
    }
    bool key(string_t& value) override {
        if (depth_ == 1) key_ = value;
        return true;
    }
    bool start_object(std::size_t) override { return ++depth_ < MaxDepth; }
    bool end_object() override {
        --depth_;
        return true;
    }
    bool start_array(std::size_t) override { return depth_ > 0 && ++depth_ < MaxDepth; }
    bool end_array() override { return end_object(); }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

private:
    static constexpr int MaxDepth = 8;

    std::string& text_;
    LogRecord& record_;
    std::string key_;
    int depth_ = 0;
    bool has_text_ = false;
    bool has_stream_ = false;
    bool has_time_ = false;
};

} // namespace

bool LogLineParser::parse_json(std::string_view line, LogRecord& record) {
    LogObject object(text_, record);
    if (!nlohmann::json::sax_parse(line.begin(), line.end(), &object) || !object.complete()) return false;
    record.bytes = text_;
    record.partial = !record.bytes.ends_with('\n');
    if (!record.partial) record.bytes.remove_suffix(1);
    return true;
}

LogRecord LogLineParser::parse(std::string_view line) {
    LogRecord record;
    if (format_ == LogFormat::K8s && parse_k8s(line, record)) return record;
    if (format_ == LogFormat::Json && parse_json(line, record)) return record;
    return {.bytes = line};
}

} // namespace ct::internal
