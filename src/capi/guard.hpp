// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <ct/error.hpp>
#include <libct/libct.h>

namespace ct::capi {

/// Leaves an entry point with a code of its own.
struct Failure {
    explicit Failure(int given, std::string why = {}) : code(given), text(std::move(why)) {}
    /// Another code for an error.
    Failure(int given, const Error& error)
        : code(given), text(error.what()), number(error.code().default_error_condition().value()),
          stage(to_string(error.stage())), path(error.path()) {}
    int code; ///< LCTERR_* or an errno
    std::string text;
    int number = 0; ///< An errno, if there is one.
    std::string_view stage = "configure";
    std::string path = {};
};

/// \throws Failure with that code unless \p condition holds
inline void require(bool condition, int code, const char* text) {
    if (!condition) throw Failure(code, text);
}

/// Has \p call fail with the code that says best what the error is, rather than with -1.
template <typename Call>
decltype(auto) with_codes(const Call& call) {
    try {
        return call();
    } catch (const Error& error) {
        if (error.code() == Errc::InvalidConfig) throw Failure(LCTERR_INVARG, error);
        if (error.code() == Errc::InvalidState) throw Failure(LCTERR_BADCTSTATE, error);
        if (error.code() == Errc::NotFound) throw Failure(LCTERR_NOTFOUND, error);
        throw;
    }
}

/// Logs the exception at work, keeps it for libct_last_error(), sets errno if it has one, and translates it. \returns
/// a negative code
[[nodiscard]] int translate(const std::source_location& where) noexcept;
/// Writes to the log of libct_log_init().
void log(unsigned level, std::string_view text, const std::source_location& where) noexcept;

/// The body of an entry point that returns a code, or a count that \p body returns: no exception leaves it.
template <typename Body>
int guard(const Body& body, const std::source_location& where = std::source_location::current()) noexcept {
    try {
        if constexpr (std::is_void_v<decltype(body())>) {
            body();
            return 0;
        } else {
            return body();
        }
    } catch (...) {
        return translate(where);
    }
}

/// The same for a count of bytes, with codes that say best what the error is.
template <typename Body>
long guard_count(const Body& body, const std::source_location& where = std::source_location::current()) noexcept {
    std::size_t count = 0;
    const int error = guard([&] { count = with_codes(body); }, where);
    return error < 0 ? error : static_cast<long>(count);
}

/// The same for one that returns a handle.
template <typename Body>
auto guard_handle(const Body& body, const std::source_location& where = std::source_location::current()) noexcept
    -> decltype(body()) {
    try {
        return body();
    } catch (...) {
        return static_cast<decltype(body())>(libct_err_to_handle(translate(where)));
    }
}

} // namespace ct::capi
