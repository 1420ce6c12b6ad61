// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "capi/output.hpp"

#include <utility>

#include <ct/error.hpp>
#include <ct/export.hpp>
#include <libct/libct-attach.h>

#include "capi/container.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

namespace {

libct_output output(Stream stream, bool partial, LogTime time, std::string_view bytes) {
    return {.struct_size = sizeof(libct_output),
            .stream = static_cast<int>(stream),
            .partial = partial ? 1 : 0,
            .time_ns = time.time_since_epoch().count(),
            .bytes = bytes.data(),
            .length = bytes.size()};
}

} // namespace

libct_output output_of(const OutputChunk& chunk) {
    return output(chunk.stream, false, chunk.time, chunk.bytes);
}

libct_output output_of(const LogRecord& record) {
    return output(record.stream, record.partial, record.time, record.bytes);
}

namespace {

/// A sink that is the caller's.
class OwnSink final : public LogSink {
public:
    OwnSink(ct_handler_t container, const libct_log_sink& sink) : container_(container), sink_(sink) {}

    void write(std::span<const LogRecord> records) override {
        std::vector<libct_output> lines;
        lines.reserve(records.size());
        for (const LogRecord& record : records) lines.push_back(output_of(record));
        const int result = sink_.write(container_, lines.data(), lines.size(), sink_.user);
        require(result == 0, 1, "a log of the caller's has failed");
    }
    void reopen() override {
        if (sink_.reopen != nullptr) sink_.reopen(container_, sink_.user);
    }
    void finish() override {
        if (sink_.finish != nullptr) sink_.finish(container_, sink_.user);
    }

private:
    const ct_handler_t container_;
    const libct_log_sink sink_;
};

template <typename Change>
void change_log(ct_handler_t ct, const Change& change) {
    get(ct)->with_stopped([&](ct::Container& container) {
        Log log = container.log().value_or(Log{});
        change(log);
        container.set_log(std::move(log));
    });
}

int add_target(ct_handler_t ct, LogTarget target) {
    change_log(ct, [&](Log& log) { log.targets.push_back(std::move(target)); });
    return 0;
}

LogDelivery delivery_of(int blocks, std::uint64_t backlog) {
    LogDelivery delivery;
    if (blocks != 0) delivery.policy = LogPolicy::Block;
    if (backlog != 0) delivery.backlog = {backlog};
    return delivery;
}

std::map<std::string, std::string> labels_of(const char* const* list) {
    std::map<std::string, std::string> labels;
    for (const std::string& label : text_list(list)) {
        const std::size_t equals = label.find('=');
        require(equals != std::string::npos && equals > 0, LCTERR_INVARG, "a label is not KEY=VALUE");
        labels.insert_or_assign(label.substr(0, equals), label.substr(equals + 1));
    }
    return labels;
}

LogFormat format_of(int given) {
    switch (given) {
    case LIBCT_LOG_K8S: return LogFormat::K8s;
    case LIBCT_LOG_JSON: return LogFormat::Json;
    case LIBCT_LOG_PLAIN: return LogFormat::Plain;
    default: throw Failure(LCTERR_BADTYPE, "there is no such format of logs");
    }
}

} // namespace

LogFile log_file_of(const libct_log_file* file) {
    const libct_log_file given = read_struct(file);
    require(given.path != nullptr, LCTERR_INVARG, "a log has no path");
    LogFile log{.path = given.path, .format = format_of(given.format)};
    if (given.mode != 0) log.mode = given.mode;
    log.rotate_size = {given.rotate_bytes};
    if (given.rotate_count != 0) log.rotate_count = given.rotate_count;
    log.total_size = {given.total_bytes};
    log.local_time = given.local_time != 0;
    log.labels = labels_of(given.labels);
    log.delivery = delivery_of(given.blocks, given.backlog_bytes);
    return log;
}

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_container_on_output(ct_handler_t ct, void (*cb)(ct_handler_t, const struct libct_output*, void*),
                                        void* user) {
    return guard([&] {
        const auto set_output = [=](ct::Container& container, bool set) {
            ct::OutputHandler handler;
            if (set) {
                handler = [=](const ct::OutputChunk& chunk) {
                    const libct_output told = output_of(chunk);
                    cb(ct, &told, user);
                };
            }
            container.on_output(std::move(handler));
        };
        get(ct)->set_handler("output", set_output, cb != nullptr);
    });
}

CT_EXPORT int libct_container_on_line(ct_handler_t ct, void (*cb)(ct_handler_t, const struct libct_output*, void*),
                                      void* user) {
    return guard([&] {
        const auto set_lines = [=](ct::Container& container, bool set) {
            ct::RecordHandler handler;
            if (set) {
                handler = [=](const ct::LogRecord& record) {
                    const libct_output told = output_of(record);
                    cb(ct, &told, user);
                };
            }
            container.on_log(std::move(handler));
        };
        get(ct)->set_handler("line", set_lines, cb != nullptr);
    });
}

CT_EXPORT int libct_container_add_log_file(ct_handler_t ct, const struct libct_log_file* file) {
    return guard([&] { return add_target(ct, log_file_of(file)); });
}

CT_EXPORT int libct_container_add_log_journald(ct_handler_t ct, const char* tag) {
    return guard([&] { return add_target(ct, ct::Journald{.tag = text_or(tag)}); });
}

CT_EXPORT int libct_container_add_log_syslog(ct_handler_t ct, const char* tag) {
    return guard([&] { return add_target(ct, ct::Syslog{.tag = text_or(tag)}); });
}

CT_EXPORT int libct_container_add_log_journald_with(ct_handler_t ct, const struct libct_log_service* service) {
    return guard([&] {
        (void)get(ct); // before anything else
        const libct_log_service given = read_struct(service);
        ct::Journald journald{.tag = text_or(given.tag),
                              .id = text_or(given.id),
                              .labels = labels_of(given.labels),
                              .delivery = delivery_of(given.blocks, given.backlog_bytes)};
        if (given.socket != nullptr) journald.socket = given.socket;
        return add_target(ct, std::move(journald));
    });
}

CT_EXPORT int libct_container_add_log_syslog_with(ct_handler_t ct, const struct libct_log_service* service) {
    return guard([&] {
        (void)get(ct); // before anything else
        const libct_log_service given = read_struct(service);
        ct::Syslog syslog{.tag = text_or(given.tag), .delivery = delivery_of(given.blocks, given.backlog_bytes)};
        if (given.facility != 0) syslog.facility = given.facility;
        if (given.socket != nullptr) syslog.socket = given.socket;
        return add_target(ct, std::move(syslog));
    });
}

CT_EXPORT int libct_container_set_log_options(ct_handler_t ct, const struct libct_log_options* options) {
    return guard([&] {
        (void)get(ct); // before anything else
        const libct_log_options given = read_struct(options);
        change_log(ct, [&](ct::Log& log) {
            const ct::Log standard;
            log.line_size = given.line_bytes != 0 ? ct::Bytes{given.line_bytes} : standard.line_size;
            log.flush_after = given.flush_ms != 0 ? std::chrono::milliseconds(given.flush_ms) : standard.flush_after;
            log.grace = std::chrono::milliseconds(given.grace_ms);
        });
    });
}

CT_EXPORT int libct_container_add_log_sink(ct_handler_t ct, const struct libct_log_sink* sink) {
    return guard([&] {
        const auto container = get(ct);
        const libct_log_sink given = read_struct(sink);
        require(given.write != nullptr, LCTERR_INVARG, "a log has no function");
        container->with_stopped([&](ct::Container& core) { core.add_sink(std::make_shared<OwnSink>(ct, given)); });
    });
}

CT_EXPORT int libct_container_clear_log(ct_handler_t ct) {
    return guard([&] { get(ct)->with_stopped([](ct::Container& container) { container.clear_log(); }); });
}

CT_EXPORT int libct_container_log_stats(ct_handler_t ct, struct libct_log_stats* stats) {
    return guard([&] {
        const ct::LogStats now = get(ct)->object().log_stats();
        write_struct(stats, libct_log_stats{.struct_size = sizeof(libct_log_stats),
                                            .bytes = now.bytes,
                                            .records = now.records,
                                            .dropped_bytes = now.dropped_bytes,
                                            .dropped_records = now.dropped_records});
    });
}

CT_EXPORT int libct_container_reopen_log(ct_handler_t ct) {
    return guard([&] { get(ct)->object().reopen_log(); });
}

} // extern "C"
