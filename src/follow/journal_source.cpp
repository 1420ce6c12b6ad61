// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "follow/journal_source.hpp"

#include <ct/error.hpp>

#ifdef CT_HAVE_SYSTEMD

#include <systemd/sd-journal.h>

#include <algorithm>
#include <string_view>

#include "base/concat.hpp"
#include "base/shared_library.hpp"
#include "base/sys.hpp"
#include "follow/log_line.hpp"

namespace ct::internal {

namespace {

constexpr std::string_view Action = "read the journal";
constexpr int Turn = 64; ///< Records at a time.

/// What is used of libsystemd.
struct Library {
    Library();

    decltype(&::sd_journal_open) open;
    decltype(&::sd_journal_close) close;
    decltype(&::sd_journal_has_runtime_files) has_runtime_files;
    decltype(&::sd_journal_has_persistent_files) has_persistent_files;
    decltype(&::sd_journal_set_data_threshold) set_data_threshold;
    decltype(&::sd_journal_add_match) add_match;
    decltype(&::sd_journal_seek_head) seek_head;
    decltype(&::sd_journal_seek_tail) seek_tail;
    decltype(&::sd_journal_seek_realtime_usec) seek_realtime_usec;
    decltype(&::sd_journal_next) next;
    decltype(&::sd_journal_previous) previous;
    decltype(&::sd_journal_get_data) get_data;
    decltype(&::sd_journal_get_realtime_usec) get_realtime_usec;
    decltype(&::sd_journal_get_fd) get_fd;
    decltype(&::sd_journal_process) process;
};

Library::Library() {
    const SharedLibrary loaded("libsystemd.so.0", Stage::Stdio, std::string(Action));
    loaded.find(open, "sd_journal_open");
    loaded.find(close, "sd_journal_close");
    loaded.find(has_runtime_files, "sd_journal_has_runtime_files");
    loaded.find(has_persistent_files, "sd_journal_has_persistent_files");
    loaded.find(set_data_threshold, "sd_journal_set_data_threshold");
    loaded.find(add_match, "sd_journal_add_match");
    loaded.find(seek_head, "sd_journal_seek_head");
    loaded.find(seek_tail, "sd_journal_seek_tail");
    loaded.find(seek_realtime_usec, "sd_journal_seek_realtime_usec");
    loaded.find(next, "sd_journal_next");
    loaded.find(previous, "sd_journal_previous");
    loaded.find(get_data, "sd_journal_get_data");
    loaded.find(get_realtime_usec, "sd_journal_get_realtime_usec");
    loaded.find(get_fd, "sd_journal_get_fd");
    loaded.find(process, "sd_journal_process");
}

const Library& library() {
    static const Library loaded;
    return loaded;
}

/// \param result  of a function of libsystemd: a negative errno on failure
int check(int result) {
    if (result < 0) throw sys::error(-result, Stage::Stdio, Action);
    return result;
}

class JournalSource final : public LogSource {
public:
    JournalSource(const Journald& log, const std::string& container, const LogReaderOptions& options);
    ~JournalSource() override { library().close(journal_); }

    bool read(const RecordHandler& handler) override;
    [[nodiscard]] int fd() const noexcept override { return fd_; }

private:
    void match(const std::string& field, const std::string& value);
    void begin(const LogReaderOptions& options);
    [[nodiscard]] LogRecord record() const;
    /// Of the present entry; empty if it has none.
    [[nodiscard]] std::string_view field(const char* name) const;

    sd_journal* journal_ = nullptr;
    int fd_ = -1;
};

JournalSource::JournalSource(const Journald& log, const std::string& container, const LogReaderOptions& options) {
    check(library().open(&journal_, SD_JOURNAL_LOCAL_ONLY));
    try {
        if (library().has_runtime_files(journal_) <= 0 && library().has_persistent_files(journal_) <= 0)
            throw Error(Errc::Unsupported, Stage::Stdio, Action, {},
                        "there is none, or none that this user may read: neither in /run/log/journal nor in "
                        "/var/log/journal is a file of it");
        check(library().set_data_threshold(journal_, 0)); // no field is cut
        match("CONTAINER_NAME", container);
        match("CONTAINER_ID_FULL", log.id.empty() ? container : log.id);
        if (options.follow) fd_ = check(library().get_fd(journal_)); // from now on changes are noticed
        begin(options);
    } catch (...) {
        library().close(journal_);
        throw;
    }
}

void JournalSource::match(const std::string& field, const std::string& value) {
    const std::string text = concat(field, '=', value);
    check(library().add_match(journal_, text.data(), text.size()));
}

void JournalSource::begin(const LogReaderOptions& options) {
    if (options.tail) {
        check(library().seek_tail(journal_));
        LineCount counted;
        // The entry after which to go on; before the first there is none.
        while (check(library().previous(journal_)) > 0) {
            const LogRecord record = this->record();
            if (counted.add(record) > *options.tail || (options.since && record.time < *options.since)) return;
        }
        check(library().seek_head(journal_));
    } else if (options.since) {
        const auto since = std::chrono::duration_cast<std::chrono::microseconds>(options.since->time_since_epoch());
        check(library().seek_realtime_usec(journal_, static_cast<std::uint64_t>(since.count())));
    } else {
        check(library().seek_head(journal_));
    }
}

std::string_view JournalSource::field(const char* name) const {
    const void* data = nullptr;
    std::size_t size = 0;
    if (library().get_data(journal_, name, &data, &size) < 0) return {};
    std::string_view text(static_cast<const char*>(data), size);
    text.remove_prefix(std::min(text.size(), text.find('=') + 1));
    return text;
}

LogRecord JournalSource::record() const {
    std::uint64_t time = 0;
    check(library().get_realtime_usec(journal_, &time));
    LogRecord record;
    record.time = LogTime(std::chrono::microseconds(time));
    record.stream = field("PRIORITY") == "3" ? Stream::Error : Stream::Output;
    record.partial = field("CONTAINER_PARTIAL_MESSAGE") == "true";
    record.bytes = field("MESSAGE"); // the last one: it is valid until the next is asked for
    if (record.bytes.ends_with('\n')) record.bytes.remove_suffix(1); // see Journald::keep_newline
    return record;
}

bool JournalSource::read(const RecordHandler& handler) {
    if (fd_ >= 0) check(library().process(journal_));
    for (int i = 0; i < Turn; ++i) {
        if (check(library().next(journal_)) == 0) return false;
        handler(record());
    }
    return true;
}

} // namespace

std::unique_ptr<LogSource> open_journal(const Journald& log, const std::string& container,
                                        const LogReaderOptions& options) {
    return std::make_unique<JournalSource>(log, container, options);
}

} // namespace ct::internal

#else

namespace ct::internal {

std::unique_ptr<LogSource> open_journal(const Journald&, const std::string&, const LogReaderOptions&) {
    throw Error(Errc::Unsupported, Stage::Stdio, "read the journal", {}, "this libct was built without libsystemd");
}

} // namespace ct::internal

#endif
