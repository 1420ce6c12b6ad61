// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <chrono>
#include <cstdio>

#include <nlohmann/json.hpp>

#include <ct/events.hpp>

#include "base/concat.hpp"

namespace ct {

namespace {

using std::chrono::nanoseconds;

std::string with_digits(double number, const char* unit) {
    char text[64];
    const int size = std::snprintf(text, sizeof text, "%.*f %s", number < 10 ? 2 : number < 100 ? 1 : 0, number, unit);
    return {text, static_cast<std::size_t>(size)};
}

std::string describe_time(nanoseconds time) {
    const auto count = static_cast<double>(time.count());
    if (count < 1e6) return with_digits(count / 1e3, "us");
    if (count < 1e9) return with_digits(count / 1e6, "ms");
    return with_digits(count / 1e9, "s");
}

std::string describe_size(Bytes size) {
    const auto count = static_cast<double>(size.count);
    if (size < MiB) return with_digits(count / static_cast<double>(KiB.count), "KiB");
    if (size < GiB) return with_digits(count / static_cast<double>(MiB.count), "MiB");
    return with_digits(count / static_cast<double>(GiB.count), "GiB");
}

std::string_view word_of(ExitStatus::Kind kind) {
    switch (kind) {
    case ExitStatus::Kind::Exited: return "exited";
    case ExitStatus::Kind::Signaled: return "signaled";
    case ExitStatus::Kind::Unknown: break;
    }
    return "unknown";
}

std::int64_t since_1970(std::chrono::system_clock::time_point time) {
    return std::chrono::duration_cast<nanoseconds>(time.time_since_epoch()).count();
}

std::int64_t since_boot(std::chrono::steady_clock::time_point time) {
    return std::chrono::duration_cast<nanoseconds>(time.time_since_epoch()).count();
}

} // namespace

std::string ExitRecord::describe() const {
    std::string text = internal::concat(status.describe(), " after ", describe_time(ran));
    if (oom_kills.value_or(0) > 0) {
        text += internal::concat("; ", *oom_kills, *oom_kills == 1 ? " process" : " processes",
                                 " killed for lack of memory");
    }
    if (cpu_user && cpu_system) text += internal::concat("; ", describe_time(*cpu_user + *cpu_system), " of CPU time");
    if (peak_memory) text += internal::concat("; at most ", describe_size(*peak_memory));
    return text;
}

std::string to_json(const ExitRecord& record) {
    nlohmann::json json{{"container", record.container},
                        {"pid", record.pid},
                        {"status", word_of(record.status.kind)},
                        {"started", since_1970(record.started)},
                        {"ended", since_1970(record.ended)},
                        {"monotonic_start", since_boot(record.monotonic_start)},
                        {"monotonic_end", since_boot(record.monotonic_end)},
                        {"ran", record.ran.count()},
                        {"start",
                         {{"prepare", record.start.prepare.count()},
                          {"birth", record.start.birth.count()},
                          {"set_up", record.start.set_up.count()},
                          {"total", record.start.total.count()}}}};
    if (record.status.kind == ExitStatus::Kind::Exited) json["code"] = record.status.value;
    if (record.status.kind == ExitStatus::Kind::Signaled) {
        json["signal"] = record.status.value;
        json["core_dumped"] = record.status.core_dumped;
    }
    const auto put = [&json](const char* key, const auto& value) {
        if (!value) return;
        if constexpr (requires { value->count(); }) {
            json[key] = value->count();
        } else if constexpr (requires { value->count; }) {
            json[key] = value->count;
        } else {
            json[key] = *value;
        }
    };
    put("oom_kills", record.oom_kills);
    put("cpu_user", record.cpu_user);
    put("cpu_system", record.cpu_system);
    put("throttled", record.throttled);
    put("peak_memory", record.peak_memory);
    put("major_faults", record.major_faults);
    put("read", record.read);
    put("written", record.written);
    if (record.log) {
        json["log"] = {{"bytes", record.log->bytes},
                       {"records", record.log->records},
                       {"dropped_bytes", record.log->dropped_bytes},
                       {"dropped_records", record.log->dropped_records}};
    }
    return json.dump();
}

} // namespace ct
