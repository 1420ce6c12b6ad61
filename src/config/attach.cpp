// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/attach.hpp"

#include <algorithm>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "config/log.hpp"

namespace ct::internal {

namespace {

constexpr Bytes LongestHistory = 64 * MiB;
constexpr Bytes ShortestQueue = 64 * KiB;
constexpr std::chrono::hours LongestTime{24};

[[noreturn]] void reject(std::string violation) {
    throw Error::invalid_config({}, {std::move(violation)});
}

void check_history(Bytes history) {
    if (history > LongestHistory) reject("the history is longer than 64 MiB");
}

} // namespace

void check_attachable(const Attachable& attachable) {
    check_history(attachable.history);
}

void check_attach_server(const AttachServerOptions& options) {
    if (options.path.empty() == (options.fd < 0)) reject("an attach server needs either a path or a descriptor");
    if (!options.path.empty()) check_file_path("the attach socket", options.path);
    if ((options.mode & ~mode_t{0777}) != 0) reject("the mode of an attach socket has more than permissions");
    check_history(options.history);
    if (options.queue < ShortestQueue) reject("the queue of an attach server is shorter than 64 KiB");
    if (!options.spill_directory.empty()) check_directory_path("the spill directory", options.spill_directory);
    if (options.slow == SlowClient::Spill && options.path.empty() && options.spill_directory.empty()) {
        reject("an attach server that spills, and has no path, needs a directory for that");
    }
    if (options.max_clients == 0) reject("an attach server has to accept a client");
    if (options.linger < options.linger.zero() || options.linger > LongestTime) {
        reject("linger is not from 0 to 24 hours");
    }
}

void input_violations(std::vector<std::string>& found, const ProcessSpec& process) {
    if (process.stdio.in == Stdio::Pipe) {
        found.push_back("descriptor 0 is a pipe of the caller's, but the input is attachable");
    }
    if (std::ranges::any_of(process.fds, [](const FdMapping& fd) { return fd.target == 0; })) {
        found.push_back("descriptor 0 is mapped, but the input is attachable");
    }
}

ProcessSpec pipe_for_input(ProcessSpec process) {
    if (!process.terminal && process.stdio.in == Stdio::Inherit) process.stdio.in = Stdio::Pipe;
    return process;
}

} // namespace ct::internal
