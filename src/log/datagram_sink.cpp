// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log/datagram_sink.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <vector>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr std::size_t Group = 64; ///< Datagrams by one system call.
constexpr unsigned SeverityError = 3;
constexpr unsigned SeverityInfo = 6;

unsigned severity(Stream stream) {
    return stream == Stream::Error ? SeverityError : SeverityInfo;
}

/// Whether a new connection may help.
bool is_gone(int error) {
    return error == ECONNREFUSED || error == ECONNRESET || error == ENOTCONN || error == EPIPE || error == ENOENT ||
           error == EBADF;
}

} // namespace

DatagramSink::DatagramSink(std::string container, LogDelivery delivery, std::string socket, Reader reader)
    : DeliveringSink(std::move(container), delivery), socket_(std::move(socket)), reader_(reader) {
    sys::fault_point(Stage::Stdio, "connect to the log socket", socket_);
    open();
}

void DatagramSink::Frame::add_copy(std::string_view text) noexcept {
    const std::size_t size = text.copy(copy_.data(), copy_.size());
    add({copy_.data(), size});
}

void DatagramSink::open() {
    const int error = connect();
    if (error == 0 || (reader_ == Reader::Optional && is_gone(error))) return; // put() tries again
    throw sys::error(error, Stage::Stdio, "connect to the log socket", socket_,
                     error == ENOENT || error == ECONNREFUSED ? "nobody serves it" : "");
}

int DatagramSink::connect() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return errno;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_.data(), std::min(socket_.size(), sizeof address.sun_path - 1));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return errno;
    try {
        fd_ = sys::above_stdio(std::move(fd), Stage::Stdio, "connect to the log socket");
    } catch (const Error& error) {
        return error.code().value();
    }
    return 0;
}

void DatagramSink::reopen() {
    open();
}

std::size_t DatagramSink::send(std::span<const LogRecord> records) {
    std::array<mmsghdr, Group> messages{};
    std::array<Frame, Group> frames;
    std::array<Lines, Group> lines; // after each
    const std::size_t count = std::min(records.size(), Group);
    for (std::size_t i = 0; i < count; ++i) {
        lines[i] = i == 0 ? lines_ : lines[i - 1];
        fill(frames[i], records[i], lines[i]);
        messages[i].msg_hdr.msg_iov = frames[i].parts();
        messages[i].msg_hdr.msg_iovlen = frames[i].count();
    }
    int sent;
    do {
        sent = ::sendmmsg(fd_.get(), messages.data(), static_cast<unsigned>(count), MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) error_ = errno; // else what was dropped before is still to be explained by it
    if (sent <= 0) return 0;
    lines_ = lines.at(static_cast<std::size_t>(sent) - 1);
    return static_cast<std::size_t>(sent);
}

int DatagramSink::send_alone(const LogRecord& record) {
    Frame frame;
    Lines lines = lines_;
    fill(frame, record, lines);
    const int error = send_large(frame);
    if (error == 0 || error == EMSGSIZE) lines_ = lines;
    return error;
}

std::size_t DatagramSink::put(std::span<const LogRecord> records) {
    std::size_t taken = 0;
    bool connected_anew = false;
    while (taken < records.size()) {
        const std::size_t sent = send(records.subspan(taken));
        taken += sent;
        if (sent > 0) continue; // what stopped it is told by the next call
        if (error_ == EMSGSIZE) {
            if (const int error = send_alone(records[taken]); error != 0) {
                error_ = error;
                if (error != EMSGSIZE) break;
                count_dropped(size_of(records[taken]));
            }
            ++taken;
        } else if (is_gone(error_) && !connected_anew) {
            connected_anew = true;
            if (const int error = connect(); error != 0) {
                error_ = error;
                break;
            }
        } else {
            break;
        }
    }
    return taken;
}

JournalSink::JournalSink(const std::string& container, const Journald& settings)
    : DatagramSink(container, settings.delivery, settings.socket,
                   settings.optional ? Reader::Optional : Reader::Needed),
      keeps_newline_(settings.keep_newline), marks_partial_(settings.mark_partial),
      takes_prefix_(settings.priority_prefix) {
    const std::string& id = settings.id.empty() ? container : settings.id;
    const std::string short_id = id.substr(0, 12);
    const std::string& name = container.empty() ? short_id : container;
    if (!container.empty()) fields_ = concat("CONTAINER_NAME=", container, '\n');
    fields_ += concat("CONTAINER_ID=", short_id, "\nCONTAINER_ID_FULL=", id,
                      "\nSYSLOG_IDENTIFIER=", settings.tag.empty() ? name : settings.tag, '\n');
    if (!settings.tag.empty()) fields_ += concat("CONTAINER_TAG=", settings.tag, '\n');
    for (const auto& [field, value] : settings.labels) fields_ += concat(field, '=', value, '\n');
}

void JournalSink::fill(Frame& frame, const LogRecord& record, Lines& lines) {
    std::optional<unsigned>& line = lines.at(record.stream == Stream::Error ? 1 : 0);
    std::string_view bytes = record.bytes;
    unsigned priority = line.value_or(severity(record.stream));
    if (takes_prefix_ && !line && bytes.size() >= 3 && bytes[0] == '<' && bytes[1] >= '0' && bytes[1] <= '7' &&
        bytes[2] == '>') {
        priority = static_cast<unsigned>(bytes[1] - '0');
        bytes.remove_prefix(3);
    }
    line = record.partial ? std::optional(priority) : std::nullopt;

    const bool newline = keeps_newline_ && !record.partial;
    std::array<char, 80> head{};
    const int length =
        std::snprintf(head.data(), head.size(), "PRIORITY=%u\n%sMESSAGE%c", priority,
                      record.partial && marks_partial_ ? "CONTAINER_PARTIAL_MESSAGE=true\n" : "", newline ? '\n' : '=');
    auto end = static_cast<std::size_t>(length);
    // A value with a newline comes after its size, as 64 bits, the lowest byte first.
    for (std::uint64_t i = 0, size = bytes.size() + 1; newline && i < sizeof size; ++i, size >>= 8U) {
        head.at(end++) = static_cast<char>(size & 0xFFU);
    }
    frame.add(fields_);
    frame.add_copy({head.data(), end});
    frame.add(bytes);
    frame.add(newline ? "\n\n" : "\n");
}

/// As systemd's documentation of the protocol has it: a sealed file without name, whose descriptor is the message.
int JournalSink::send_large(Frame& frame) {
    const UniqueFd file(::memfd_create("libct-log", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) return errno;
    for (std::size_t i = 0; i < frame.count(); ++i) {
        const iovec& part = frame.parts()[i];
        const ssize_t written = ::write(file.get(), part.iov_base, part.iov_len);
        if (written != static_cast<ssize_t>(part.iov_len)) return written < 0 ? errno : ENOSPC;
    }
    if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) return errno;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = file.get();
    std::memcpy(CMSG_DATA(rights), &number, sizeof number);
    return ::sendmsg(fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
}

SyslogSink::SyslogSink(const std::string& container, const Syslog& settings)
    : DatagramSink(container, settings.delivery, settings.socket, Reader::Needed),
      tag_(concat(settings.tag.empty() ? container : settings.tag, ": ")), facility_(settings.facility) {}

void SyslogSink::fill(Frame& frame, const LogRecord& record, Lines&) {
    const auto second = std::chrono::floor<std::chrono::seconds>(record.time).time_since_epoch().count();
    if (second != second_) {
        const std::time_t clock = second;
        std::tm local{};
        std::array<char, 32> text{};
        // The names of the months in English, as the protocol wants them, whatever the locale is.
        static constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        if (::localtime_r(&clock, &local) != nullptr) {
            (void)std::snprintf(text.data(), text.size(), "%s %2d %02d:%02d:%02d",
                                months.at(static_cast<std::size_t>(local.tm_mon)), local.tm_mday, local.tm_hour,
                                local.tm_min, local.tm_sec);
        }
        time_ = text.data();
        second_ = second;
    }
    frame.add_copy(concat('<', facility_ * 8 + severity(record.stream), '>', time_, ' '));
    frame.add(tag_);
    frame.add(record.bytes);
}

int SyslogSink::send_large(Frame&) {
    return EMSGSIZE;
}

} // namespace ct::internal
