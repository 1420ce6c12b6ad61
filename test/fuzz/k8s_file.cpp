// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
//
// The writer of log files against their reader, for libFuzzer: what a container has written is what is read, whatever
// bytes these are and in whatever chunks they come.
//
// The input: a byte for the longest line, then chunks. Each begins with a byte whose highest bit is the stream and
// whose others are its size, from 1 on; size 128 begins a long one, of sixteen times the bytes that follow.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "follow/log_line.hpp"
#include "monitor/output.hpp"

namespace {

using ct::Stream;
using namespace ct::internal;

constexpr std::size_t LongChunk = 128;

/// Removed at the end of the program.
class Directory {
public:
    Directory() {
        if (::mkdtemp(path_.data()) == nullptr) std::abort();
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() { std::filesystem::remove_all(path_); }
    [[nodiscard]] std::string log() const { return path_ + "/log"; }

private:
    std::string path_ = std::filesystem::temp_directory_path() / "ct-fuzz-XXXXXX";
};

/// What was written to each stream.
using Texts = std::array<std::string, 2>;

std::string& text_of(Texts& texts, Stream stream) {
    return texts.at(stream == Stream::Error ? 1 : 0);
}

Texts write_chunks(Output& output, std::string_view input) {
    Texts written;
    while (!input.empty()) {
        const auto head = static_cast<unsigned char>(input.front());
        input.remove_prefix(1);
        const Stream stream = head >= 128 ? Stream::Error : Stream::Output;
        const std::size_t size = head % 128 + 1;
        const std::string_view part = input.substr(0, size);
        input.remove_prefix(part.size());
        std::string chunk;
        for (std::size_t i = 0; i < (size == LongChunk ? 16 : 1); ++i) chunk += part;
        output.put(stream, chunk);
        text_of(written, stream) += chunk;
    }
    return written;
}

Texts read_log(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    const std::string all{std::istreambuf_iterator<char>(file), {}};
    if (!all.empty() && !all.ends_with('\n')) std::abort();
    Texts read;
    LogLineParser parser(ct::LogFormat::K8s);
    for (std::string_view rest = all; !rest.empty();) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(line.size() + 1);
        const ct::LogRecord record = parser.parse(line);
        if (record.time == NoTime) std::abort(); // a line that is not of the format
        std::string& text = text_of(read, record.stream);
        text += record.bytes;
        if (!record.partial) text += '\n';
    }
    return read;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Directory directory;
    if (size == 0) return 0;
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const ct::Log log{.targets = {ct::LogFile{.path = directory.log(), .local_time = size % 2 == 0}},
                      .line_size = ct::Bytes{static_cast<unsigned char>(input.front()) * 8UL + 1}};
    const auto output = std::make_shared<Output>("box", log, std::vector<std::shared_ptr<ct::LogSink>>{},
                                                 std::make_shared<OutputHandlers>(), std::make_shared<ScratchPool>());
    const Texts written = write_chunks(*output, input.substr(1));
    output->end_now();
    if (written != read_log(directory.log())) std::abort();
    std::filesystem::remove(directory.log());
    return 0;
}
