// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "options.hpp"

#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "command_line.hpp"
#include "log_drivers.hpp"
#include "refuse.hpp"

namespace ctmon {

namespace {

using ct::internal::concat;

constexpr const char* Version = "conmon version 2.2.1\ncommit: libct " CTMON_VERSION "\n"; // clients parse it

Level parse_level(const std::string& name) {
    struct Named {
        const char* name;
        Level level;
    };
    static constexpr Named levels[] = {
        Named{"error", Level::Error},     Named{"fatal", Level::Error}, Named{"panic", Level::Error},
        Named{"warn", Level::Warning},    Named{"info", Level::Info},   Named{"debug", Level::Debug},
        Named{"warning", Level::Warning}, Named{"trace", Level::Trace},
    };
    for (const Named& known : levels) {
        if (::strcasecmp(known.name, name.c_str()) == 0) return known.level;
    }
    refuse("No such log level ", name);
}

/// The checks that come before those of the rest, with a prefix of their own.
void check_basics(const CommandLine& line) {
    if (line.log_max_files < 0) throw Refused("conmon: log-max-files must be non-negative");
    if (line.log_rotate && line.log_max_files == 0) {
        throw Refused("conmon: log-max-files must be at least 1 when log-rotate is enabled");
    }
    if (line.cid.empty()) throw Refused("conmon: Container ID not provided. Use --cid");
}

Mode mode_of(const CommandLine& line) {
    if (line.exec && line.checkpoint) refuse("Cannot use 'exec' and 'restore' at the same time");
    if (line.exec_attach && !line.exec) refuse("Attach can only be specified with exec");
    if (line.exec_attach && !line.api_version_1) {
        refuse("Attach can only be specified for a non-legacy exec session");
    }
    if (line.exec) return Mode::Exec;
    return line.checkpoint ? Mode::Restore : Mode::Create;
}

void check_program(const CommandLine& line) {
    const bool is_legacy_exec = line.exec && !line.api_version_1;
    if (line.cuuid.empty() && !is_legacy_exec) refuse("Container UUID not provided. Use --cuuid");
    if (line.runtime.empty()) refuse("Runtime path not provided. Use --runtime");
    if (::access(line.runtime.c_str(), X_OK) != 0) {
        refuse("Runtime path ", line.runtime, " is not valid: ", ::strerrordesc_np(errno));
    }
    if (line.exec && line.exec_process_spec.empty()) {
        refuse("Exec process spec path not provided. Use --exec-process-spec");
    }
    if (line.exit_delay < 0) refuse("Delay before invoking exit command must be greater than or equal to 0");
}

void set_log(CommandLine& line) {
    constexpr std::size_t short_id = 12;
    line.log = parse_log_drivers(line.log_paths);
    if (line.log.file && !line.log.journald) {
        if (!line.log_tag.empty()) refuse("k8s-file doesn't support --log-tag");
        if (!line.labels.empty()) refuse("k8s-file doesn't support --log-label");
    }
    if (line.log.journald) {
        if (line.cid.size() <= short_id) refuse("Container ID must be longer than 12 characters");
        line.log_labels = parse_labels(line.labels);
    }
    if (line.log.file && !is_allowed(line, *line.log.file)) {
        refuse("Log path ", *line.log.file, " is not in a directory of --log-allowlist-dir");
    }
}

std::string current_directory() {
    std::array<char, PATH_MAX> path{};
    if (::getcwd(path.data(), path.size()) == nullptr) {
        refuse("Failed to get working directory: ", ::strerrordesc_np(errno));
    }
    return path.data();
}

void set_paths(CommandLine& line) {
    if (line.checkpoint) line.restore = *line.checkpoint;
    if (line.bundle.empty() && line.mode != Mode::Exec) line.bundle = current_directory();
    if (line.container_pidfile.empty()) line.container_pidfile = concat(current_directory(), "/pidfile-", line.cid);
}

/// Empty if it does not exist.
std::string real_path(const std::string& path) {
    const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
    return real ? real.get() : "";
}

/// The directory that the file is in, or would be made in. Empty if it has none, or leads nowhere.
std::string real_directory(const std::string& file) {
    const auto parent = [](const std::string& path) {
        const std::size_t slash = path.rfind('/');
        return slash == std::string::npos ? std::string(".") : path.substr(0, slash == 0 ? 1 : slash);
    };
    struct stat status {};
    if (::lstat(file.c_str(), &status) != 0) return real_path(parent(file));
    const std::string real = real_path(file); // a link to a file that is missing could have it made anywhere
    return real.empty() ? real : parent(real);
}

bool is_in(const std::string& path, const std::string& directory) {
    if (directory.empty() || !path.starts_with(directory)) return false;
    return path.size() == directory.size() || directory.back() == '/' || path[directory.size()] == '/';
}

} // namespace

Request parse(const std::vector<std::string>& arguments) {
    CommandLine line = read_command_line(arguments);
    if (line.help) return {.answer = Answer{usage()}};
    if (line.version) return {.answer = Answer{Version}};
    check_basics(line);
    line.log_level = parse_level(line.level);
    line.mode = mode_of(line);
    check_program(line);
    set_log(line);
    set_paths(line);
    Request request;
    if (line.no_partial_message && !line.log.journald) {
        request.warnings.emplace_back("--no-container-partial-message has no effect without journald log driver");
    }
    request.options = static_cast<Options&&>(line);
    return request;
}

bool is_allowed(const Options& options, const std::string& log_path) {
    if (options.log_allowlist_dirs.empty()) return true;
    const std::string directory = real_directory(log_path);
    return std::ranges::any_of(options.log_allowlist_dirs,
                               [&](const std::string& allowed) { return is_in(directory, real_path(allowed)); });
}

} // namespace ctmon
