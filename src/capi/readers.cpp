// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-readers.h>

#include <atomic>
#include <thread>
#include <utility>

#include <ct/event_reader.hpp>
#include <ct/export.hpp>
#include <ct/log_reader.hpp>

#include "base/rollback.hpp"
#include "capi/output.hpp"
#include "capi/session.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

/// One thread at a time may use a reader; calls exclude each other.
template <typename Reader>
class ReaderObject : public Object {
public:
    explicit ReaderObject(Reader reader) : reader_(std::move(reader)) {}

    template <typename Call>
    auto with(const Call& call) {
        // Within a function that the reader calls.
        require(user_ != std::this_thread::get_id(), LCTERR_BADCTSTATE, "the reader is in use by this thread");
        const std::lock_guard lock(mutex_);
        user_ = std::this_thread::get_id();
        internal::Rollback release;
        release.add([this] { user_ = std::thread::id(); });
        return with_codes([&] { return call(reader_); });
    }
    [[nodiscard]] int fd() {
        const int fd = reader_.fd();
        require(fd >= 0, LCTERR_BADCTSTATE, "the reader does not follow");
        return fd;
    }

private:
    std::mutex mutex_;
    std::atomic<std::thread::id> user_ = {}; ///< Who holds it.
    Reader reader_;
};

class LogReaderObject : public ReaderObject<LogReader> {
    using ReaderObject::ReaderObject;
};
class EventReaderObject : public ReaderObject<EventReader> {
    using ReaderObject::ReaderObject;
};

namespace {

std::optional<LogTime> time_of(std::int64_t nanoseconds) {
    if (nanoseconds == 0) return std::nullopt;
    return LogTime(std::chrono::nanoseconds(nanoseconds));
}

LogReaderOptions options_of(const libct_log_reader_options* pointer) {
    LogReaderOptions options;
    if (pointer == nullptr) return options;
    const libct_log_reader_options given = read_struct(pointer);
    options.since = time_of(given.since_ns);
    if (given.has_tail != 0) options.tail = given.tail;
    options.follow = given.follow != 0;
    return options;
}

EventReaderOptions options_of(const libct_event_reader_options* pointer) {
    EventReaderOptions options;
    if (pointer == nullptr) return options;
    const libct_event_reader_options given = read_struct(pointer);
    options.containers = text_list(given.containers);
    options.since = time_of(given.since_ns);
    options.history = given.only_new == 0;
    options.follow = given.follow != 0;
    return options;
}

static_assert(static_cast<int>(LogReader::Next::More) == LIBCT_NEXT_MORE &&
              static_cast<int>(LogReader::Next::Nothing) == LIBCT_NEXT_NOTHING &&
              static_cast<int>(LogReader::Next::End) == LIBCT_NEXT_END &&
              static_cast<int>(LogReader::Next::Orphaned) == LIBCT_NEXT_ORPHANED);

libct_log_reader_t handle_of(LogReader reader) {
    return add_handle<libct_log_reader_t>(std::make_shared<LogReaderObject>(std::move(reader)));
}

template <typename Handle>
void close(Handle handle) {
    (void)guard([&] {
        (void)get(handle);
        remove_object(handle);
    });
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT libct_log_reader_t libct_session_read_log(libct_session_t s, const char* container,
                                                    const struct libct_log_reader_options* options) {
    return guard_handle([&] {
        const auto session = get(s);
        require(container != nullptr, LCTERR_INVARG, "the container has no name");
        const ct::LogReaderOptions wanted = options_of(options);
        return session->with_first([&](ct::Session& first) { return handle_of(first.read_log(container, wanted)); });
    });
}

CT_EXPORT libct_log_reader_t libct_log_file_read(const struct libct_log_file* file,
                                                 const struct libct_log_reader_options* options) {
    return guard_handle([&] {
        const ct::LogFile log = log_file_of(file);
        const ct::LogReaderOptions wanted = options_of(options);
        return with_codes([&] { return handle_of(ct::LogReader(log, {}, wanted)); });
    });
}

CT_EXPORT libct_log_reader_t libct_log_journal_read(const char* container,
                                                    const struct libct_log_reader_options* options) {
    return guard_handle([&] {
        require(container != nullptr, LCTERR_INVARG, "the container has no name");
        const ct::LogReaderOptions wanted = options_of(options);
        return with_codes([&] { return handle_of(ct::LogReader(ct::Journald{}, container, wanted)); });
    });
}

CT_EXPORT int libct_log_reader_read(libct_log_reader_t r, void (*cb)(const struct libct_output*, void*), void* user) {
    return guard([&] {
        const auto object = get(r);
        require(cb != nullptr, LCTERR_INVARG, "there is no function");
        return object->with([&](ct::LogReader& reader) {
            return static_cast<int>(reader.read([&](const ct::LogRecord& record) {
                const libct_output told = output_of(record);
                cb(&told, user);
            }));
        });
    });
}

CT_EXPORT int libct_log_reader_fd(libct_log_reader_t r) {
    return guard([&] { return get(r)->fd(); });
}

CT_EXPORT void libct_log_reader_close(libct_log_reader_t r) {
    close(r);
}

CT_EXPORT libct_event_reader_t libct_session_read_events(libct_session_t s,
                                                         const struct libct_event_reader_options* options) {
    return guard_handle([&] {
        const auto session = get(s);
        const ct::EventReaderOptions wanted = options_of(options);
        return session->with_first([&](ct::Session& first) {
            return add_handle<libct_event_reader_t>(std::make_shared<EventReaderObject>(first.read_events(wanted)));
        });
    });
}

CT_EXPORT int libct_event_reader_read(libct_event_reader_t r, void (*cb)(const struct libct_recorded_event*, void*),
                                      void* user) {
    return guard([&] {
        const auto object = get(r);
        require(cb != nullptr, LCTERR_INVARG, "there is no function");
        const auto tell = [&](const ct::RecordedEvent& event) {
            const std::string container(event.container), what(event.event), json(event.json);
            const libct_recorded_event told{.struct_size = sizeof told,
                                            .time_ns = event.time.time_since_epoch().count(),
                                            .container = container.c_str(),
                                            .event = what.c_str(),
                                            .json = json.c_str()};
            cb(&told, user);
        };
        return object->with([&](ct::EventReader& reader) { return reader.read(tell) ? 1 : 0; });
    });
}

CT_EXPORT int libct_event_reader_fd(libct_event_reader_t r) {
    return guard([&] { return get(r)->fd(); });
}

CT_EXPORT void libct_event_reader_close(libct_event_reader_t r) {
    close(r);
}

} // extern "C"
