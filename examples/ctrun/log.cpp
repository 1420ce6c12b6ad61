// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log.hpp"

#include <filesystem>
#include <iostream>
#include <stdexcept>

#include "monitor.hpp"

namespace ctrun {

std::optional<ct::LogTarget> parse_log(const std::string& text, const Rotation& rotation) {
    if (text == "journald") return ct::Journald{};
    if (text == "syslog") return ct::Syslog{};
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos) return std::nullopt;
    const std::string driver = text.substr(0, colon);
    ct::LogFile file;
    if (driver == "json-file") {
        file.format = ct::LogFormat::Json;
    } else if (driver == "plain") {
        file.format = ct::LogFormat::Plain;
    } else if (driver != "k8s-file") {
        return std::nullopt;
    }
    file.rotate_size = rotation.size;
    file.rotate_count = rotation.files;
    if (colon + 1 == text.size()) throw std::invalid_argument("it names no file");
    file.path = std::filesystem::absolute(text.substr(colon + 1)).lexically_normal();
    return file;
}

int run_logged(ct::Session& session, ct::Container& container, const ct::ProcessSpec& spec,
               const DetachedOptions& options, const Signals& signals) {
    container.set_log({.targets = {*parse_log(options.log, options.rotation)}});
    const ct::Process init = container.start(spec);
    monitor(session, container, init, signals, {.shares_terminal = !spec.terminal && !spec.new_session});
    if (const ct::LogStats stats = container.log_stats(); stats.dropped_records > 0) {
        std::cerr << "ctrun: warning: " << stats.dropped_records << " lines or parts of lines, " << stats.dropped_bytes
                  << " bytes, are missing in the log '" << options.log << "': they could not be written\n";
    }
    return init.wait().shell_code();
}

} // namespace ctrun
