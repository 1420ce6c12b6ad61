// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "control.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <utility>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "made_file.hpp"

namespace ctmon {

using ct::Stage;
using ct::internal::concat;
using ct::internal::Loop;
using ct::internal::UniqueFd;
namespace sys = ct::internal::sys;

namespace {

constexpr std::size_t LongestLine = 199;
constexpr int MostRowsOrColumns = 1000;
constexpr mode_t FileMode = 0660;

/// What `%d` of scanf(3) takes from the begin of \p text; what is too large becomes -1.
std::optional<int> take_number(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\v\f\r\n"), text.size()));
    std::string_view digits = text;
    const bool has_plus = digits.starts_with('+');
    if (has_plus) digits.remove_prefix(1);
    int number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc::invalid_argument || (has_plus && digits.front() == '-')) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return error == std::errc() ? number : -1;
}

bool in_range(int number) {
    return number >= 0 && number <= MostRowsOrColumns;
}

} // namespace

std::optional<Command> parse_control(std::string_view line, std::string& why) {
    const std::optional<int> type = take_number(line);
    const std::optional<int> rows = type ? take_number(line) : std::nullopt;
    const std::optional<int> columns = rows ? take_number(line) : std::nullopt;
    if (!columns) {
        why = "it is not three numbers";
    } else if (*type != 1 && *type != 2) {
        why = concat("there is no command ", *type);
    } else if (!in_range(*rows) || !in_range(*columns)) {
        why = concat("a number is not 0 to ", MostRowsOrColumns);
    } else if (*type == 2) {
        return ReopenLog();
    } else {
        return WindowSize{static_cast<unsigned short>(*rows), static_cast<unsigned short>(*columns)};
    }
    return std::nullopt;
}

std::optional<WindowSize> parse_window_size(std::string_view line) {
    const std::optional<int> rows = take_number(line);
    const std::optional<int> columns = rows ? take_number(line) : std::nullopt;
    if (!columns || !in_range(*rows) || !in_range(*columns)) return std::nullopt;
    return WindowSize{static_cast<unsigned short>(*rows), static_cast<unsigned short>(*columns)};
}

void ControlLines::feed(std::string_view bytes, const std::function<void(std::string_view line)>& take) {
    while (!bytes.empty()) {
        const std::size_t newline = bytes.find('\n');
        const std::string_view part = bytes.substr(0, newline);
        too_long_ = too_long_ || line_.size() + part.size() > LongestLine;
        if (too_long_) {
            line_.clear();
        } else {
            line_ += part;
        }
        if (newline == std::string_view::npos) return;
        bytes.remove_prefix(newline + 1);
        const std::string line = std::exchange(line_, {});
        if (!std::exchange(too_long_, false)) take(line);
    }
}

struct ControlFifos::Fifo {
    enum class Kind { Ctl, Winsz };

    Fifo(const std::shared_ptr<const UniqueFd>& directory, const std::string& bundle, Kind of)
        : kind(of), name(of == Kind::Ctl ? "ctl" : "winsz") {
        const std::string path = concat(bundle, "/", name);
        if (::unlinkat(directory->get(), name, 0) < 0 && errno != ENOENT) {
            throw sys::error(errno, Stage::Stdio, "remove the old", path);
        }
        if (::mkfifoat(directory->get(), name, FileMode) < 0)
            throw sys::error(errno, Stage::Stdio, "make the fifo", path);
        struct stat made {};
        if (::fstatat(directory->get(), name, &made, AT_SYMLINK_NOFOLLOW) < 0) {
            throw sys::error(errno, Stage::Stdio, "look at", path);
        }
        file = MadeFile(directory, name, made);
        try {
            open(directory->get(), path, made);
        } catch (...) {
            file.remove();
            throw;
        }
    }

    void open(int directory, const std::string& path, const struct stat& made) {
        // Its own writer, too: without any, it would be at its end for ever once the first client is gone.
        UniqueFd opened(::openat(directory, name, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
        struct stat status {};
        if (!opened || ::fstat(opened.get(), &status) < 0) throw sys::error(errno, Stage::Stdio, "open", path);
        if (!S_ISFIFO(status.st_mode) || status.st_ino != made.st_ino) {
            throw sys::error(ESTALE, Stage::Stdio, "open the fifo", path);
        }
        fd = sys::above_stdio(std::move(opened), Stage::Stdio, "duplicate a fifo");
    }

    /// One read, for the sake of all others in the loop.
    void read();
    void take(std::string_view line);
    void complain(std::string_view why);
    void stop() noexcept {
        if (watch) loop->remove(*std::exchange(watch, std::nullopt));
    }

    const Kind kind;
    const char* const name;
    UniqueFd fd;
    MadeFile file;
    ControlLines lines;
    std::shared_ptr<Loop> loop;
    std::optional<Loop::Id> watch; ///< None: closed; the handler is not to be called any more.
    const Messages* messages = nullptr;
    Handler handler;
    std::chrono::steady_clock::time_point minute; ///< In which the complaints are counted.
    unsigned complaints = 0;
};

void ControlFifos::Fifo::read() {
    std::array<char, 1024> buffer; // NOLINT(cppcoreguidelines-pro-type-member-init): read() fills it
    const ssize_t size = ::read(fd.get(), buffer.data(), buffer.size());
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
        complain("it cannot be read any more");
        stop();
        return;
    }
    lines.feed({buffer.data(), static_cast<std::size_t>(size)}, [&](std::string_view line) {
        if (watch) take(line); // the line before may have been the last one wanted
    });
}

void ControlFifos::Fifo::take(std::string_view line) {
    std::string why = "it is not two numbers from 0 to 1000";
    std::optional<Command> command;
    if (kind == Kind::Ctl) {
        command = parse_control(line, why);
    } else if (const auto size = parse_window_size(line)) {
        command = *size;
    }
    if (command) {
        handler(*command);
    } else {
        complain(why);
    }
}

void ControlFifos::Fifo::complain(std::string_view why) {
    constexpr unsigned most = 10; // a minute: whoever may write there shall not fill the log
    const auto now = std::chrono::steady_clock::now();
    if (complaints == 0 || now - minute >= std::chrono::minutes(1)) {
        minute = now;
        complaints = 0;
    }
    if (++complaints > most) return;
    messages->warn(concat("ignored a line of ", name, ": ", why,
                          complaints == most ? "; what else is wrong in this minute is not told" : ""));
}

ControlFifos::ControlFifos(const std::string& bundle, std::shared_ptr<Loop> loop, const Messages& messages,
                           Handler handler) {
    const auto directory =
        std::make_shared<const UniqueFd>(sys::open(bundle, O_PATH | O_DIRECTORY, Stage::Stdio, "open the bundle"));
    try {
        ctl_ = std::make_shared<Fifo>(directory, bundle, Fifo::Kind::Ctl);
        winsz_ = std::make_shared<Fifo>(directory, bundle, Fifo::Kind::Winsz);
        for (const auto& fifo : {ctl_, winsz_}) {
            fifo->loop = loop;
            fifo->messages = &messages;
            fifo->handler = handler;
            fifo->watch = loop->add(fifo->fd.get(), EPOLLIN, [weak = std::weak_ptr(fifo)](std::uint32_t) {
                if (const auto self = weak.lock()) self->read();
            });
        }
    } catch (...) {
        remove();
        throw;
    }
}

ControlFifos::~ControlFifos() {
    for (const auto& fifo : {ctl_, winsz_}) {
        if (fifo) fifo->stop();
    }
}

void ControlFifos::remove() noexcept {
    for (const auto& fifo : {ctl_, winsz_}) {
        if (!fifo) continue;
        fifo->stop();
        fifo->file.remove();
    }
}

} // namespace ctmon
