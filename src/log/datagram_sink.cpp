// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log/datagram_sink.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
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

DatagramSink::DatagramSink(std::string container, LogDelivery delivery, std::string socket)
    : DeliveringSink(std::move(container), delivery), socket_(std::move(socket)) {
    sys::fault_point(Stage::Stdio, "connect to the log socket", socket_);
    if (const int error = connect(); error != 0) {
        throw sys::error(error, Stage::Stdio, "connect to the log socket", socket_,
                         error == ENOENT || error == ECONNREFUSED ? "nobody serves it" : "");
    }
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
    if (const int error = connect(); error != 0) {
        throw sys::error(error, Stage::Stdio, "connect to the log socket", socket_);
    }
}

std::size_t DatagramSink::send(std::span<const LogRecord> records) {
    std::array<mmsghdr, Group> messages{};
    std::array<std::array<iovec, 3>, Group> parts{};
    const auto part = [](std::string_view text) { return iovec{const_cast<char*>(text.data()), text.size()}; };
    const std::size_t count = std::min(records.size(), Group);
    for (std::size_t i = 0; i < count; ++i) {
        parts[i] = {part(head(records[i])), part(records[i].bytes), part(tail())};
        messages[i].msg_hdr.msg_iov = parts[i].data();
        messages[i].msg_hdr.msg_iovlen = parts[i].size();
    }
    int sent;
    do {
        sent = ::sendmmsg(fd_.get(), messages.data(), static_cast<unsigned>(count), MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) error_ = errno; // else what was dropped before is still to be explained by it
    return static_cast<std::size_t>(std::max(sent, 0));
}

std::size_t DatagramSink::put(std::span<const LogRecord> records) {
    std::size_t taken = 0;
    bool connected_anew = false;
    while (taken < records.size()) {
        const std::size_t sent = send(records.subspan(taken));
        taken += sent;
        if (sent > 0) continue; // what stopped it is told by the next call
        if (error_ == EMSGSIZE) {
            if (const int error = send_large(records[taken]); error != 0) {
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
    : DatagramSink(container, settings.delivery, settings.socket) {
    const std::string& id = settings.id.empty() ? container : settings.id;
    constexpr std::size_t short_id = 12;
    std::string fields =
        concat("CONTAINER_NAME=", container, "\nCONTAINER_ID=", id.substr(0, short_id), "\nCONTAINER_ID_FULL=", id,
               "\nSYSLOG_IDENTIFIER=", settings.tag.empty() ? container : settings.tag, "\n");
    if (!settings.tag.empty()) fields += concat("CONTAINER_TAG=", settings.tag, "\n");
    for (const auto& [name, value] : settings.labels) fields += concat(name, '=', value, '\n');
    for (std::size_t i = 0; i < heads_.size(); ++i) {
        const Stream stream = i % 2 == 1 ? Stream::Error : Stream::Output;
        heads_[i] = concat(fields, "PRIORITY=", severity(stream), '\n',
                           i >= 2 ? "CONTAINER_PARTIAL_MESSAGE=true\n" : "", "MESSAGE=");
    }
}

const std::string& JournalSink::head(const LogRecord& record) {
    return heads_.at((record.stream == Stream::Error ? 1U : 0U) + (record.partial ? 2U : 0U));
}

/// As systemd's documentation of the protocol has it: a sealed file without name, whose descriptor is the message.
int JournalSink::send_large(const LogRecord& record) {
    const UniqueFd file(::memfd_create("libct-log", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!file) return errno;
    for (const std::string_view text : {std::string_view(head(record)), record.bytes, tail()}) {
        const ssize_t written = ::write(file.get(), text.data(), text.size());
        if (written != static_cast<ssize_t>(text.size())) return written < 0 ? errno : ENOSPC;
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
    : DatagramSink(container, settings.delivery, settings.socket),
      tag_(settings.tag.empty() ? container : settings.tag), facility_(settings.facility) {}

const std::string& SyslogSink::head(const LogRecord& record) {
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
        for (const Stream stream : {Stream::Output, Stream::Error}) {
            heads_.at(stream == Stream::Error ? 1 : 0) =
                concat('<', facility_ * 8 + severity(stream), '>', text.data(), ' ', tag_, ": ");
        }
        second_ = second;
    }
    return heads_.at(record.stream == Stream::Error ? 1 : 0);
}

int SyslogSink::send_large(const LogRecord&) {
    return EMSGSIZE;
}

} // namespace ct::internal
