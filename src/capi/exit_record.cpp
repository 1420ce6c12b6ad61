// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "capi/exit_record.hpp"

#include <sys/wait.h>

#include <ct/export.hpp>

#include "capi/container.hpp"
#include "capi/numbers.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

int raw_status(const ExitStatus& status) {
    switch (status.kind) {
    case ExitStatus::Kind::Exited: return W_EXITCODE(status.value, 0);
    case ExitStatus::Kind::Signaled: return W_EXITCODE(0, status.value) | (status.core_dumped ? WCOREFLAG : 0);
    case ExitStatus::Kind::Unknown: break;
    }
    return -1;
}

libct_exit_record exit_record_of(const ExitRecord& record) {
    const auto since_1970 = [](std::chrono::system_clock::time_point time) {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
    };
    libct_exit_record told{};
    told.struct_size = sizeof told;
    told.pid = record.pid;
    told.status = raw_status(record.status);
    told.started_ns = since_1970(record.started);
    told.ended_ns = since_1970(record.ended);
    told.ran_ns = number_of(record.ran);
    told.start_ns = number_of(record.start.total);
    told.monotonic_start_ns = number_of(record.monotonic_start.time_since_epoch());
    told.monotonic_end_ns = number_of(record.monotonic_end.time_since_epoch());
    told.start_prepare_ns = number_of(record.start.prepare);
    told.start_birth_ns = number_of(record.start.birth);
    told.start_set_up_ns = number_of(record.start.set_up);
    const Known known(told.known);
    known.tell(LIBCT_EXIT_OOM_KILLS, told.oom_kills, record.oom_kills);
    known.tell(LIBCT_EXIT_CPU_USER, told.cpu_user_ns, record.cpu_user);
    known.tell(LIBCT_EXIT_CPU_SYSTEM, told.cpu_system_ns, record.cpu_system);
    known.tell(LIBCT_EXIT_THROTTLED, told.throttled_ns, record.throttled);
    known.tell(LIBCT_EXIT_PEAK_MEMORY, told.peak_memory_bytes, record.peak_memory);
    known.tell(LIBCT_EXIT_MAJOR_FAULTS, told.major_faults, record.major_faults);
    known.tell(LIBCT_EXIT_READ, told.read_bytes, record.read);
    known.tell(LIBCT_EXIT_WRITTEN, told.written_bytes, record.written);
    if (record.log) {
        told.known |= LIBCT_EXIT_LOG;
        told.log_bytes = record.log->bytes;
        told.log_records = record.log->records;
        told.log_dropped_bytes = record.log->dropped_bytes;
        told.log_dropped_records = record.log->dropped_records;
    }
    return told;
}

namespace {

ExitRecord last_record(ct_handler_t ct) {
    const auto record = get(ct)->object().exit_record();
    require(record.has_value(), LCTERR_NOTFOUND, "no run of the container has ended");
    return *record;
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_container_exit_record(ct_handler_t ct, struct libct_exit_record* record) {
    return guard([&] { write_struct(record, exit_record_of(last_record(ct))); });
}

CT_EXPORT int libct_container_describe_exit(ct_handler_t ct, char* buf, size_t size) {
    return guard([&] { return write_text(last_record(ct).describe(), buf, size); });
}

CT_EXPORT int libct_container_exit_json(ct_handler_t ct, char* buf, size_t size) {
    return guard([&] { return write_text(ct::to_json(last_record(ct)), buf, size); });
}

CT_EXPORT int libct_container_set_exit_file(ct_handler_t ct, const char* path) {
    return guard([&] {
        ct::Container container = get(ct)->object();
        with_codes([&] { container.set_exit_file(text_or(path)); });
    });
}

} // extern "C"
