// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Many containers write at once and end in every way: the logs have all of it, once and in order. By default that is
// 128 MiB; with CT_TEST_FULL=1 in the environment a GiB.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <new>
#include <span>
#include <sstream>

#include "limits_fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t MostOfALine = 100'000;

/// What a container writes: lines of 1 to 100 000 bytes, as many short as long ones, on both streams or on one.
class Text {
public:
    struct Piece {
        int stream;
        std::string_view bytes; ///< Valid until the next one.
    };

    Text(std::uint64_t seed, bool both) : state_(seed), both_(both) {
        for (char& byte : letters_) byte = static_cast<char>('a' + random() % 26);
    }
    Piece next() {
        // The logarithm of the length is what is random.
        const double exponent = static_cast<double>(random() % 1'000'000) / 1e6;
        const auto length = static_cast<std::size_t>(std::pow(static_cast<double>(MostOfALine), exponent));
        line_.assign(letters_, random() % MostOfALine, length - 1);
        line_ += '\n';
        return {both_ && random() % 4 == 0 ? 1 : 0, line_};
    }

private:
    std::uint64_t random() {
        state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
        return state_ >> 33U;
    }

    std::uint64_t state_;
    const bool both_;
    std::string letters_ = std::string(2 * MostOfALine, ' ');
    std::string line_;
};

/// How much a container has written, in memory that its end does not take away.
struct Progress {
    /// Per stream: up to where write(2) was called, and up to where it has returned.
    std::array<std::atomic<std::uint64_t>, 2> asked;
    std::array<std::atomic<std::uint64_t>, 2> written;

    [[nodiscard]] std::uint64_t total() const { return written[0] + written[1]; }
};

class SharedProgress {
public:
    explicit SharedProgress(std::size_t count) : size_(count * sizeof(Progress)) {
        void* const memory = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        progress_ = {new (memory) Progress[count], count};
    }
    SharedProgress(const SharedProgress&) = delete;
    SharedProgress& operator=(const SharedProgress&) = delete;
    ~SharedProgress() { ::munmap(progress_.data(), size_); }
    Progress& operator[](std::size_t index) { return progress_[index]; }

private:
    const std::size_t size_;
    std::span<Progress> progress_;
};

enum class End { Exit, Unfinished, Kill, OutOfMemory };

/// One container and what it does.
struct Writer {
    std::uint64_t seed;
    LogFormat format;
    End end;
    bool rotates;
    std::uint64_t share; ///< It ends once it has written that much.

    [[nodiscard]] bool both() const { return format != LogFormat::Plain; } // which does not tell them apart
    [[nodiscard]] Text text() const { return {seed, both()}; }
};

/// Writes it all, and counts. \returns false on an error
bool put(int stream, std::string_view bytes, Progress& progress) {
    const auto index = static_cast<std::size_t>(stream);
    while (!bytes.empty()) {
        progress.asked.at(index) = progress.written.at(index) + bytes.size();
        const ssize_t size = ::write(stream + 1, bytes.data(), bytes.size());
        if (size <= 0) return false;
        progress.written.at(index) += static_cast<std::uint64_t>(size);
        bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
}

/// In the container.
int write_text(const Writer& writer, Progress& progress) {
    constexpr std::size_t portion = 1 << 20;
    Text text = writer.text();
    // Who is to be killed goes on until then.
    while (writer.end == End::Kill || writer.end == End::OutOfMemory || progress.total() < writer.share) {
        const auto [stream, bytes] = text.next();
        if (!put(stream, bytes, progress)) return 1;
        if (writer.end != End::OutOfMemory || progress.total() < writer.share) continue;
        void* const memory = ::mmap(nullptr, portion, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) return 2;
        std::memset(memory, 1, portion);
    }
    if (writer.end == End::Exit) return 0;
    const auto [stream, bytes] = text.next();
    return put(stream, bytes.substr(0, bytes.size() / 2), progress) ? 3 : 1;
}

/// What a log in one of the formats says that was written to each stream.
void decode(LogFormat format, std::string_view log, std::array<std::string, 2>& streams) {
    if (format == LogFormat::Plain) {
        streams[0] += log;
        return;
    }
    while (!log.empty()) {
        const std::size_t end = log.find('\n');
        ASSERT_NE(end, log.npos) << "a record is cut";
        std::string_view line = log.substr(0, end);
        log.remove_prefix(end + 1);
        bool error;
        bool whole;
        if (format == LogFormat::K8s) {
            ASSERT_GE(line.size(), 45U);
            error = line.substr(36, 6) == "stderr";
            whole = line[43] == 'F';
            line.remove_prefix(45);
        } else {
            constexpr std::string_view head = R"({"log":")";
            constexpr std::string_view middle = R"(","stream":"std)";
            ASSERT_TRUE(line.starts_with(head)) << line.substr(0, 100);
            line.remove_prefix(head.size());
            const std::size_t last = line.rfind(middle);
            ASSERT_NE(last, line.npos);
            error = line.substr(last + middle.size(), 3) == "err";
            line = line.substr(0, last);
            whole = line.ends_with("\\n");
            if (whole) line.remove_suffix(2);
        }
        std::string& stream = streams.at(error ? 1 : 0);
        stream += line;
        if (whole) stream += '\n';
    }
}

class LogLosslessTest : public LimitsTest {
protected:
    [[nodiscard]] static bool is_full() { return std::getenv("CT_TEST_FULL") != nullptr; }

    [[nodiscard]] fs::path log_path(const Writer& writer) const { return dir() / std::to_string(writer.seed) / "log"; }

    Container make(const Writer& writer) {
        make_dir(std::to_string(writer.seed));
        Container box = session().create("writer" + std::to_string(writer.seed));
        LogFile file{.path = log_path(writer), .format = writer.format};
        if (writer.rotates) file.rotate_size = 1 * MiB;
        if (writer.rotates) file.rotate_count = 1000;
        box.set_log({.targets = {file}});
        // It has a copy of this process's memory besides.
        if (writer.end == End::OutOfMemory) box.set_limits({.memory_max = 64 * MiB});
        return box;
    }

    /// Of all files, the oldest first.
    [[nodiscard]] std::array<std::string, 2> logged(const Writer& writer) const {
        const fs::path path = log_path(writer);
        unsigned last = 0;
        while (fs::exists(path.string() + "." + std::to_string(last + 1))) ++last;
        EXPECT_EQ(last > 0, writer.rotates);
        std::array<std::string, 2> streams;
        for (unsigned number = last;; --number) {
            const fs::path file = number == 0 ? path.string() : path.string() + "." + std::to_string(number);
            if (writer.rotates) {
                EXPECT_LE(fs::file_size(file), 1U << 20U) << file;
            }
            decode(writer.format, content(file), streams);
            if (number == 0) return streams;
        }
    }

    void check(const Writer& writer, const Progress& progress, const LogStats& stats) const {
        SCOPED_TRACE(testing::Message() << "writer " << writer.seed << ", format " << static_cast<int>(writer.format)
                                        << ", end " << static_cast<int>(writer.end));
        const auto streams = logged(writer);
        for (std::size_t i = 0; i < streams.size(); ++i) {
            EXPECT_GE(streams.at(i).size(), progress.written.at(i));
            // A process that is killed in write(2) may have written a part of that.
            EXPECT_LE(streams.at(i).size(), progress.asked.at(i));
        }
        EXPECT_GE(progress.total(), writer.share);
        EXPECT_EQ(stats.bytes, streams[0].size() + streams[1].size());
        EXPECT_EQ(stats.dropped_records, 0U);
        Text text = writer.text();
        std::array<std::string_view, 2> left{streams[0], streams[1]};
        while (!left[0].empty() || !left[1].empty()) {
            const auto [stream, bytes] = text.next();
            std::string_view& rest = left.at(static_cast<std::size_t>(stream));
            const std::size_t size = std::min(rest.size(), bytes.size());
            ASSERT_EQ(rest.substr(0, size), bytes.substr(0, size)) << rest.size() << " bytes before the end";
            rest.remove_prefix(size);
        }
    }
};

TEST_F(LogLosslessTest, AllThatManyWriteIsLoggedOnceAndInOrder) {
    const bool oom = has(Controller::Memory);
    const std::size_t count = ForksCannotAllocate && !is_full() ? 24 : 64;
    const std::uint64_t share = (is_full() ? 16 : 2) * 1024 * 1024;
    SharedProgress progress(count);
    std::vector<Writer> writers;
    std::vector<Container> boxes;
    for (std::size_t i = 0; i < count; ++i) {
        End end = static_cast<End>(i % 4);
        if (end == End::OutOfMemory && !oom) end = End::Kill;
        writers.push_back({i, static_cast<LogFormat>(i % 3), end, i / 12 % 2 == 0, share});
    }
    for (const Writer& writer : writers) {
        boxes.push_back(make(writer));
        boxes.back().start({}, [&, mine = &progress[writer.seed]] { return write_text(writer, *mine); });
    }
    for (std::size_t running = count; running > 0;) {
        (void)session().dispatch_for(Patience);
        running = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (!boxes[i].running()) continue;
            ++running;
            if (writers[i].end == End::Kill && progress[i].total() >= share) boxes[i].signal(SIGKILL);
        }
    }
    for (std::size_t i = 0; i < count; ++i) {
        const std::optional<ExitStatus> status = boxes[i].try_wait();
        ASSERT_TRUE(status);
        switch (writers[i].end) {
        case End::Exit: EXPECT_TRUE(exited(*status, 0)); break;
        case End::Unfinished: EXPECT_TRUE(exited(*status, 3)); break;
        default: EXPECT_TRUE(signaled(*status, SIGKILL)); break;
        }
        check(writers[i], progress[i], boxes[i].log_stats());
    }
}

} // namespace
} // namespace ct::test
