// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>

#include "absolute_path.hpp"
#include "base/concat.hpp"
#include "monitor.hpp"

namespace ctmon {

namespace {

constexpr std::chrono::milliseconds Grace{50};

ct::Bytes limit(std::int64_t bytes) {
    return ct::Bytes{bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0};
}

/// People log there in order not to log.
bool is_null_device(const std::string& path) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 && S_ISCHR(found.st_mode) && found.st_rdev == makedev(1, 3);
}

ct::LogFile file_of(const Options& options) {
    ct::LogFile file{.path = absolute_path(*options.log.file),
                     .mode = 0640,
                     .rotate_size = limit(options.log_size_max),
                     .rotate_count = options.log_rotate ? static_cast<unsigned>(options.log_max_files) : 0,
                     .replace_on_reopen = true,
                     .total_size = limit(options.log_global_size_max),
                     .total_with_old = true,
                     .sync = !options.no_sync_log,
                     .local_time = true};
    // A link stays what it is: what it leads to is made if it is missing, and written to; neither is moved.
    struct stat found {};
    if (::lstat(file.path.c_str(), &found) < 0 || !S_ISLNK(found.st_mode)) return file;
    const ct::internal::UniqueFd made(
        ::open(file.path.c_str(), O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, file.mode));
    std::array<char, PATH_MAX> target{};
    if (::realpath(file.path.c_str(), target.data()) != nullptr) {
        file.path = target.data();
        file.rotate_size = {};
        file.replace_on_reopen = false;
    }
    return file;
}

ct::Log log_of(const Options& options) {
    ct::Log log;
    log.grace = Grace;
    if (options.log.journald) {
        log.line_size = ct::Bytes{8192}; // what readers of the journal know
        ct::Journald journal{.tag = options.log_tag,
                             .id = options.cid,
                             .labels = {options.log_labels.begin(), options.log_labels.end()},
                             .keep_newline = true,
                             .mark_partial = !options.no_partial_message,
                             .priority_prefix = true,
                             .optional = true};
        journal.delivery.backlog = 16 * ct::MiB; // so much it may be behind: the container does not wait for it
        log.targets.emplace_back(std::move(journal));
    }
    if (options.log.file && !is_null_device(*options.log.file)) log.targets.emplace_back(file_of(options));
    return log;
}

} // namespace

Streams::Streams(const Options& options, std::shared_ptr<ct::internal::ScratchPool> scratches,
                 std::shared_ptr<const ct::internal::PipeView> view)
    : point(std::make_shared<ct::internal::AttachPoint>()),
      output(std::make_shared<ct::internal::Output>(
          options.name, log_of(options), std::vector<std::shared_ptr<ct::LogSink>>{},
          std::make_shared<ct::internal::OutputHandlers>(), std::move(scratches),
          ct::internal::AttachedOutput{
              point, {.input = (options.stdin_open || options.terminal) && !options.log.passthrough, .history = {}}})) {
    output->read_safely(std::move(view));
}

} // namespace ctmon
