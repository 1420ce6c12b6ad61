// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <array>
#include <string>

#include "base/unique_fd.hpp"
#include "log/sink.hpp"

namespace ct::internal {

/// Sends each record as a datagram to a unix socket, without ever waiting for its reader.
class DatagramSink : public DeliveringSink {
public:
    DatagramSink(std::string container, LogDelivery delivery, std::string socket);
    void reopen() override;

protected:
    std::size_t put(std::span<const LogRecord> records) final;
    /// What stands before the bytes of the records to come.
    virtual const std::string& head(const LogRecord& record) = 0;
    /// What stands after them.
    [[nodiscard]] virtual std::string_view tail() const = 0;
    /// Delivers a record that is too large for a datagram. \returns 0 or the errno; EMSGSIZE if there is no way
    [[nodiscard]] virtual int send_large(const LogRecord& record) = 0;
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    /// \returns 0 or the errno
    [[nodiscard]] int connect();
    /// \returns how many were sent; if not all, `error_` says why
    std::size_t send(std::span<const LogRecord> records);

    const std::string socket_;
    UniqueFd fd_;
};

/// The native protocol of systemd's journal. Not through libsystemd, which would wait for a journal that is stuck.
class JournalSink final : public DatagramSink {
public:
    JournalSink(const std::string& container, const Journald& settings);

protected:
    const std::string& head(const LogRecord& record) override;
    [[nodiscard]] std::string_view tail() const override { return "\n"; }
    int send_large(const LogRecord& record) override;

private:
    std::array<std::string, 4> heads_; ///< By stream and partial.
};

/// The protocol of syslog(3).
class SyslogSink final : public DatagramSink {
public:
    SyslogSink(const std::string& container, const Syslog& settings);

protected:
    const std::string& head(const LogRecord& record) override;
    [[nodiscard]] std::string_view tail() const override { return ""; }
    int send_large(const LogRecord&) override;

private:
    const std::string tag_;
    const unsigned facility_;
    std::array<std::string, 2> heads_; ///< By stream; for this second.
    std::int64_t second_ = -1;
};

} // namespace ct::internal
