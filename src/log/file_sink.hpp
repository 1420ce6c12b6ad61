// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include "log/append_file.hpp"
#include "log/format.hpp"
#include "log/sink.hpp"

namespace ct::internal {

class FileSink final : public DeliveringSink {
public:
    FileSink(const std::string& container, const LogFile& settings, std::shared_ptr<ScratchPool> scratches);

    void reopen() override;
    void finish() override;
    void abandon() noexcept override { file_.abandon(); }

protected:
    std::size_t put(std::span<const LogRecord> records) override;
    [[nodiscard]] bool has_rest() const noexcept override { return !torn_.empty(); }

private:
    /// Formats as many of \p records as fit. \returns how many; 0 if the file has to be rotated before the first, or if
    /// that would be too much for the run
    std::size_t format(std::span<const LogRecord> records, Scratch& scratch);
    /// Writes what is formatted of \p records. \returns how many have reached the file, the last one perhaps torn
    std::size_t write_out(std::span<const LogRecord> records, const Scratch& scratch);
    bool write_torn();
    /// Writes the rest of a torn record, or cuts off its begin.
    void settle_torn();
    /// \returns how many bytes were written; if not all, `error_` says why
    std::size_t write_bytes(const char* bytes, std::size_t size);
    void rotate();

    const LogFile settings_;
    const std::shared_ptr<ScratchPool> scratches_;
    AppendFile file_;
    LogFormatter formatter_;
    std::uint64_t total_;    ///< Written by this run, and perhaps before.
    bool exhausted_ = false; ///< That was all that it may write.
    std::string torn_;       ///< The rest of a record of which only the begin was written.
    std::size_t torn_written_ = 0;
    std::size_t torn_size_ = 0;      ///< What the container has written for it.
    Clock::time_point rotate_after_; ///< Not before, as it has failed.
};

} // namespace ct::internal
