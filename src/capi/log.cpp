// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <string>

#include <ct/export.hpp>
#include <libct/libct-log-levels.h>

#include "base/concat.hpp"
#include "base/unique_fd.hpp"
#include "capi/guard.hpp"

namespace ct::capi {

namespace {

struct Log {
    std::mutex mutex;
    internal::UniqueFd fd;
    unsigned level = DEFAULT_LOGLEVEL;
};

/// Never destroyed, as the table of handles.
Log& the_log() {
    static auto* const only = new Log;
    return *only;
}

std::string prefix_of(unsigned level, const std::source_location& where) {
    const char* const slash = std::strrchr(where.file_name(), '/');
    const char* const file = slash == nullptr ? where.file_name() : slash + 1;
    if (level == LOG_ERROR) return internal::concat("Error (", file, ':', where.line(), "): ");
    if (level == LOG_WARN) return internal::concat("Warn  (", file, ':', where.line(), "): ");
    return {};
}

} // namespace

void log(unsigned level, std::string_view text, const std::source_location& where) noexcept {
    const int before = errno;
    try {
        Log& to = the_log();
        const std::lock_guard lock(to.mutex);
        if (to.fd && (level == LOG_MSG || level <= to.level)) {
            const std::string line = internal::concat(prefix_of(level, where), text, "\n");
            (void)!::write(to.fd.get(), line.data(), line.size()); // a log that is full cannot be told of
        }
    } catch (const std::exception&) {
        // Nor can one for which there is no memory.
    }
    errno = before;
}

} // namespace ct::capi

extern "C" CT_EXPORT void libct_log_init(int fd, unsigned int level) {
    (void)ct::capi::guard([&] {
        ct::internal::UniqueFd duplicate(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 3));
        auto& to = ct::capi::the_log();
        const std::lock_guard lock(to.mutex);
        to.fd = std::move(duplicate);
        to.level = level;
    });
}
