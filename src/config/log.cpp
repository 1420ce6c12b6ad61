// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/log.hpp"

#include <sys/un.h>

#include <algorithm>
#include <string_view>

#include <ct/error.hpp>

#include "base/concat.hpp"

namespace ct::internal {

namespace {

constexpr Bytes LongestLine = 1 * MiB;
constexpr unsigned MostOldFiles = 10'000;
constexpr unsigned MostFacility = 23;
constexpr std::chrono::hours LongestTime{24};

[[noreturn]] void reject(std::string violation) {
    throw Error::invalid_config({}, {std::move(violation)});
}

/// Into records that end with a newline nothing may be put that has one.
void check_text(std::string_view what, std::string_view text) {
    if (text.find_first_of(std::string_view("\n\0", 2)) != std::string_view::npos) {
        reject(concat(what, " '", text, "' has a newline or a NUL byte"));
    }
}

void check_socket(std::string_view what, const std::string& path) {
    check_file_path(what, path);
    if (path.size() >= sizeof(sockaddr_un::sun_path)) reject(concat(what, " '", path, "' is too long"));
}

bool is_field_name(std::string_view name) {
    constexpr std::size_t longest = 64;
    const auto is_letter = [](char c) { return c >= 'A' && c <= 'Z'; };
    return !name.empty() && name.size() <= longest && is_letter(name.front()) &&
           std::ranges::all_of(name, [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}

void check(const LogFile& file) {
    check_file_path("the log file", file.path);
    if ((file.mode & ~mode_t{0777}) != 0) reject("the mode of a log file has more than permissions");
    if (file.rotate_count > MostOldFiles) reject(concat("more than ", MostOldFiles, " old log files"));
    if (file.total_with_old && file.total_size.count == 0) reject("total_with_old is of use only with total_size");
    if (file.local_time && file.format != LogFormat::K8s) reject("only LogFormat::K8s has local time");
    if (!file.labels.empty() && file.format != LogFormat::Json) reject("only LogFormat::Json has labels");
}

void check(const Journald& journal) {
    check_socket("the socket of the journal", journal.socket);
    check_text("the tag", journal.tag);
    check_text("the id", journal.id);
    for (const auto& [name, value] : journal.labels) {
        if (!is_field_name(name)) {
            reject(concat("the label '", name, "' is not 1 to 64 of A-Z, 0-9 and _, from a letter on"));
        }
        check_text("the label value", value);
    }
}

void check(const Syslog& syslog) {
    check_socket("the socket of the system log", syslog.socket);
    check_text("the tag", syslog.tag);
    if (syslog.facility > MostFacility) reject(concat("facility ", syslog.facility, " is not 0 to ", MostFacility));
}

} // namespace

void check_directory_path(std::string_view what, const std::string& path) {
    if (path.empty() || path.front() != '/') reject(concat(what, " '", path, "' is not an absolute path"));
    check_text(what, path);
}

void check_file_path(std::string_view what, const std::string& path) {
    check_directory_path(what, path);
    const std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
    if (name.empty() || name == "." || name == "..") reject(concat(what, " '", path, "' names a directory"));
}

void check_log(const Log& log) {
    for (const LogTarget& target : log.targets) std::visit([](const auto& sink) { check(sink); }, target);
    if (log.line_size.count == 0 || log.line_size > LongestLine) reject("the line size is not from 1 B to 1 MiB");
    for (const auto& [what, time] : {std::pair{"flush_after", log.flush_after}, std::pair{"grace", log.grace}}) {
        if (time < time.zero() || time > LongestTime) reject(concat(what, " is not from 0 to 24 hours"));
    }
}

void log_violations(std::vector<std::string>& found, const ProcessSpec& process) {
    const auto& stdio = process.stdio;
    for (const auto& [number, kind] : {std::pair{1, stdio.out}, std::pair{2, stdio.err}}) {
        if (kind == Stdio::Pipe) {
            found.push_back(concat("descriptor ", number, " is a pipe of the caller's, but the output is logged"));
        }
        if (std::ranges::any_of(process.fds, [target = number](const FdMapping& fd) { return fd.target == target; })) {
            found.push_back(concat("descriptor ", number, " is mapped, but the output is logged"));
        }
    }
}

ProcessSpec pipes_for_output(ProcessSpec process) {
    if (process.terminal) return process;
    for (Stdio* const stream : {&process.stdio.out, &process.stdio.err})
        if (*stream == Stdio::Inherit) *stream = Stdio::Pipe;
    return process;
}

} // namespace ct::internal
