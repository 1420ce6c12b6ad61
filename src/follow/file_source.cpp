// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "follow/file_source.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr std::size_t Piece = 64UL * 1024;
/// More than the longest record of a sink takes. Longer lines, of somebody else's, come in pieces.
constexpr std::size_t MaxLine = 8UL << 20;

/// The lines of a file, the last one first. Reads no more of it than is asked for.
class BackwardLines {
public:
    BackwardLines(const RotatedFile& file, std::uint64_t size) : file_(file), begin_(size) {}

    struct Line {
        std::uint64_t end; ///< The offset of what comes after it.
        std::string_view text;
    };
    /// \returns false at the begin of the file
    bool next(Line& line) {
        for (;;) {
            line.end = begin_ + buffer_.size();
            std::size_t size = buffer_.size();
            if (size > 0 && buffer_.back() == '\n') --size;
            const std::size_t before = size == 0 ? std::string::npos : buffer_.rfind('\n', size - 1);
            if (before == std::string::npos && begin_ > 0 && size < MaxLine) {
                extend();
                continue;
            }
            if (buffer_.empty()) return false;
            // An empty line has nothing but its newline.
            const std::size_t at = before == std::string::npos ? 0 : before + 1;
            line_.assign(buffer_, at, size - at);
            line.text = line_;
            buffer_.resize(at);
            return true;
        }
    }

private:
    void extend() {
        const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(begin_, std::max(Piece, buffer_.size())));
        std::string earlier(size, '\0');
        std::size_t done = 0;
        while (done < size) {
            const std::size_t count = file_.read(earlier.data() + done, size - done, begin_ - size + done);
            if (count == 0) break; // somebody has cut it
            done += count;
        }
        begin_ -= size;
        buffer_.insert(0, earlier);
    }

    const RotatedFile& file_;
    std::uint64_t begin_; ///< Of the buffer, in the file.
    std::string buffer_;
    std::string line_;
};

} // namespace

FileSource::FileSource(const LogFile& log, LogReaderOptions options)
    : options_(options), plain_(log.format == LogFormat::Plain), parser_(log.format), file_(log.path),
      since_passed_(!options.since) {
    if (options.since && plain_)
        throw Error(Errc::InvalidConfig, Stage::Stdio, "read the log", log.path, "it has no times");
    if (options.follow) {
        watch_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (!watch_) throw sys::error(errno, Stage::Stdio, "watch the log", log.path);
        watch_ = sys::above_stdio(std::move(watch_), Stage::Stdio, "watch the log");
        // For rotations. Before anything is opened, so that no change is missed.
        if (::inotify_add_watch(watch_.get(), concat("/proc/self/fd/", file_.directory()).c_str(),
                                IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
            throw sys::error(errno, Stage::Stdio, "watch the log", log.path);
    }
    begin();
}

void FileSource::begin() {
    if (options_.tail) {
        begin_with_last(*options_.tail);
    } else if (file_.open_oldest() && options_.since) {
        const auto is_too_old = [&] {
            const timespec changed = file_.status().st_mtim;
            return std::chrono::seconds(changed.tv_sec + 1) < options_.since->time_since_epoch();
        };
        while (is_too_old() && file_.open_next()) continue;
    }
    if (file_.is_open()) {
        watch_file();
    } else if (!options_.follow) {
        throw sys::error(ENOENT, Stage::Stdio, "open the log", file_.path());
    }
}

void FileSource::begin_with_last(std::uint64_t lines) {
    if (!file_.open_newest()) return;
    LineCount counted;
    do {
        const auto size = static_cast<std::uint64_t>(file_.status().st_size);
        BackwardLines backward(file_, size);
        BackwardLines::Line line{};
        offset_ = size;
        if (lines == 0) return;
        while (backward.next(line)) {
            if (counted.add(parser_.parse(line.text)) > lines) {
                offset_ = line.end;
                return;
            }
        }
        offset_ = 0;
    } while (file_.open_previous());
}

void FileSource::watch_file() {
    if (!watch_) return;
    if (file_watch_ >= 0) ::inotify_rm_watch(watch_.get(), std::exchange(file_watch_, -1));
    file_watch_ = ::inotify_add_watch(watch_.get(), concat("/proc/self/fd/", file_.fd()).c_str(), IN_MODIFY);
    if (file_watch_ < 0) throw sys::error(errno, Stage::Stdio, "watch the log", file_.path());
}

void FileSource::forget_changes() {
    alignas(inotify_event) std::array<char, 4096> events{};
    while (watch_ && ::read(watch_.get(), events.data(), events.size()) > 0) continue;
}

bool FileSource::read(const RecordHandler& handler) {
    forget_changes(); // before the look that would notice them
    if (!file_.is_open()) {
        if (!file_.open_oldest()) return false;
        watch_file();
    }
    if (std::exchange(interrupted_, false)) {
        hand_on(handler);
        return true;
    }
    const std::size_t before = buffer_.size();
    buffer_.resize(before + Piece);
    const std::size_t count = file_.read(buffer_.data() + before, Piece, offset_);
    buffer_.resize(before + count);
    offset_ += count;
    if (count == 0) return go_on(handler);
    hand_on(handler);
    return true;
}

bool FileSource::go_on(const RecordHandler& handler) {
    if (plain_ && !buffer_.empty()) {
        hand_on(std::exchange(buffer_, {}), true, handler);
        return true;
    }
    if (complete_) {
        if (!file_.open_next()) return false; // it has no name for a moment
        finish(handler);                      // a torn line
        offset_ = 0;
        complete_ = false;
        watch_file();
        return true;
    }
    if (static_cast<std::uint64_t>(file_.status().st_size) < offset_) { // somebody has cut it
        finish(handler);
        offset_ = 0;
        return true;
    }
    // What was written between the read and the rotation is read now.
    complete_ = !file_.is_newest();
    return complete_;
}

void FileSource::hand_on(const RecordHandler& handler) {
    std::string_view rest = buffer_;
    try {
        for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
            const std::string_view line = rest.substr(0, end);
            rest.remove_prefix(end + 1);
            hand_on(line, false, handler);
        }
        if (rest.size() > MaxLine) {
            const std::string_view line = std::exchange(rest, {});
            hand_on(line, true, handler);
        }
    } catch (...) {
        buffer_.erase(0, buffer_.size() - rest.size());
        interrupted_ = true;
        throw;
    }
    buffer_.erase(0, buffer_.size() - rest.size());
}

void FileSource::hand_on(std::string_view line, bool cut, const RecordHandler& handler) {
    // The begin of a line that is too long was no record, and neither is its rest.
    const bool whole = !std::exchange(within_line_, cut) && !cut;
    filter(whole ? parser_.parse(line) : LogRecord{.bytes = line, .partial = cut}, handler);
}

void FileSource::filter(const LogRecord& record, const RecordHandler& handler) {
    const bool has_time = record.time != NoTime;
    if (options_.since && has_time) since_passed_ = record.time >= *options_.since;
    if (since_passed_) handler(record);
}

void FileSource::finish(const RecordHandler& handler) {
    if (buffer_.empty()) return;
    const std::string last = std::exchange(buffer_, {});
    LogRecord record = std::exchange(within_line_, false) ? LogRecord{.bytes = last} : parser_.parse(last);
    record.partial = true;
    filter(record, handler);
}

} // namespace ct::internal
