// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <cerrno>
#include <new>

#include <ct/error.hpp>
#include <ct/export.hpp>

#include "capi/guard.hpp"
#include <libct/libct-log-levels.h>

namespace ct::capi {

namespace {

constexpr int Generic = -1; ///< What no LCTERR_* is made for.

} // namespace

int translate(const std::source_location& where) noexcept {
    try {
        throw;
    } catch (const Failure& failure) {
        if (!failure.text.empty()) log(LOG_ERROR, failure.text, where);
        return -failure.code;
    } catch (const Error& error) {
        log(LOG_ERROR, error.what(), where);
        errno = error.code().default_error_condition().value();
        return Generic;
    } catch (const std::bad_alloc&) {
        errno = ENOMEM;
        return Generic;
    } catch (const std::exception& error) {
        log(LOG_ERROR, error.what(), where);
        errno = EINVAL;
        return Generic;
    }
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

CT_EXPORT const char* libct_version() {
    return CT_VERSION;
}

} // extern "C"
