// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/uio.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "log/sink.hpp"

namespace ct::internal {

/// Sends each record as a datagram to a unix socket, without ever waiting for its reader.
class DatagramSink : public DeliveringSink {
public:
    /// Whether there has to be a reader at the start, and at a reopen().
    enum class Reader { Needed, Optional };

    DatagramSink(std::string container, LogDelivery delivery, std::string socket, Reader reader);
    void reopen() override;

protected:
    /// The datagram of a record, whose bytes it borrows.
    class Frame {
    public:
        Frame() = default;
        Frame(const Frame&) = delete;
        Frame& operator=(const Frame&) = delete;
        /// Adds what lives as long as the record.
        void add(std::string_view text) noexcept {
            parts_.at(count_++) = {const_cast<char*>(text.data()), text.size()};
        }
        /// Adds a copy, of which there is only one, and short.
        void add_copy(std::string_view text) noexcept;
        [[nodiscard]] iovec* parts() noexcept { return parts_.data(); }
        [[nodiscard]] std::size_t count() const noexcept { return count_; }

    private:
        std::array<iovec, 4> parts_{};
        std::size_t count_ = 0;
        std::array<char, 80> copy_{};
    };
    /// The priorities of the lines that go on in the next record, by stream.
    using Lines = std::array<std::optional<unsigned>, 2>;

    std::size_t put(std::span<const LogRecord> records) final;
    /// \param lines  before the record, and then after it
    virtual void fill(Frame& frame, const LogRecord& record, Lines& lines) = 0;
    /// Delivers a record that is too large for a datagram. \returns 0 or the errno; EMSGSIZE if there is no way
    [[nodiscard]] virtual int send_large(Frame& frame) = 0;
    [[nodiscard]] int fd() const noexcept { return fd_.get(); }

private:
    /// \returns 0 or the errno
    [[nodiscard]] int connect();
    /// As connect(). \throws Error
    void open();
    /// \returns how many were sent; if not all, `error_` says why
    std::size_t send(std::span<const LogRecord> records);
    /// \returns 0 or the errno
    int send_alone(const LogRecord& record);

    const std::string socket_;
    const Reader reader_;
    UniqueFd fd_;
    Lines lines_;
};

/// The native protocol of systemd's journal. Not through libsystemd, which would wait for a journal that is stuck.
class JournalSink final : public DatagramSink {
public:
    JournalSink(const std::string& container, const Journald& settings);

protected:
    void fill(Frame& frame, const LogRecord& record, Lines& lines) override;
    int send_large(Frame& frame) override;

private:
    const bool keeps_newline_;
    const bool marks_partial_;
    const bool takes_prefix_;
    std::string fields_; ///< Of all records.
};

/// The protocol of syslog(3).
class SyslogSink final : public DatagramSink {
public:
    SyslogSink(const std::string& container, const Syslog& settings);

protected:
    void fill(Frame& frame, const LogRecord& record, Lines& lines) override;
    int send_large(Frame& frame) override;

private:
    const std::string tag_;
    const unsigned facility_;
    std::string time_; ///< Of this second.
    std::int64_t second_ = -1;
};

} // namespace ct::internal
