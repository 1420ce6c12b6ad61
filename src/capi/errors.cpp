// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <cerrno>
#include <new>
#include <string>

#include <ct/error.hpp>
#include <ct/export.hpp>

#include "capi/guard.hpp"
#include <libct/libct-log-levels.h>

namespace ct::capi {

namespace {

constexpr int Generic = -1; ///< What no LCTERR_* is made for.

/// Of one thread.
struct LastError {
    std::string stage;
    std::string path;
    std::string message;
    libct_error told = {};

    int keep(int code, int number, std::string_view at, std::string_view file, std::string_view text) noexcept {
        try {
            stage = at;
            path = file;
            message = text;
        } catch (const std::bad_alloc&) {
            message.clear();
        }
        told = {sizeof told, code, number, stage.c_str(), path.c_str(), message.c_str()};
        return code;
    }
};

LastError& last_error() noexcept {
    static thread_local LastError last;
    return last;
}

} // namespace

int translate(const std::source_location& where) noexcept {
    LastError& last = last_error();
    try {
        throw;
    } catch (const Failure& failure) {
        if (!failure.text.empty()) log(LOG_ERROR, failure.text, where);
        if (failure.number != 0 || failure.code == -Generic) errno = failure.number != 0 ? failure.number : EINVAL;
        return last.keep(-failure.code, failure.number, failure.stage, failure.path, failure.text);
    } catch (const Error& error) {
        log(LOG_ERROR, error.what(), where);
        const int number = error.code().default_error_condition().value();
        (void)last.keep(Generic, number, to_string(error.stage()), error.path(), error.what());
        errno = number;
    } catch (const std::bad_alloc&) {
        (void)last.keep(Generic, ENOMEM, "session", {}, "there is no memory");
        errno = ENOMEM;
    } catch (const std::exception& error) {
        log(LOG_ERROR, error.what(), where);
        (void)last.keep(Generic, EINVAL, "session", {}, error.what());
        errno = EINVAL;
    } catch (...) {
        (void)last.keep(Generic, EINVAL, "session", {}, "a function of the caller's has failed");
        errno = EINVAL;
    }
    return Generic;
}

} // namespace ct::capi

extern "C" {

CT_EXPORT void* libct_err_to_handle(long err) {
    return reinterpret_cast<void*>(err); // NOLINT: that is how a handle has an error
}

CT_EXPORT long libct_handle_to_err(void* h) {
    return reinterpret_cast<long>(h);
}

CT_EXPORT int libct_handle_is_err(void* h) {
    constexpr unsigned long last_error = 4095;
    return reinterpret_cast<unsigned long>(h) >= -last_error ? 1 : 0;
}

CT_EXPORT const struct libct_error* libct_last_error() {
    const libct_error& told = ct::capi::last_error().told;
    return told.struct_size == 0 ? nullptr : &told;
}

CT_EXPORT const char* libct_version() {
    return CT_VERSION;
}

} // extern "C"
