// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <libct/libct.h>

namespace ct::capi {

/// Leaves an entry point with a code of its own.
struct Failure {
    explicit Failure(int given, std::string why = {}) : code(given), text(std::move(why)) {}
    int code; ///< LCTERR_* or an errno
    std::string text;
};

/// \throws Failure with that code unless \p condition holds
inline void require(bool condition, int code, const char* text) {
    if (!condition) throw Failure(code, text);
}

/// Logs the exception at work, sets errno if it has one, and translates it. \returns a negative code
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
