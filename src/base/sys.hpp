// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <ct/error.hpp>

#include "base/unique_fd.hpp"

/// System calls that throw ct::Error with the action and the path they were given. Every descriptor made here is
/// close-on-exec and, where that costs nothing, not 0, 1 or 2: a host may have closed those.
namespace ct::internal::sys {

/// The error for \p error_number, usually errno.
[[nodiscard]] Error error(int error_number, Stage stage, std::string_view action, std::string_view path = {},
                          std::string_view hint = {});

/// Throws if a test wants a failure here; see base/fault.hpp.
void fault_point(Stage stage, std::string_view action, std::string_view path = {});

[[nodiscard]] UniqueFd open(const std::string& path, int flags, Stage stage, std::string_view action = "open");

/// The directory \p path with \p root as "/": neither ".." nor a symbolic link leads out of it. For use by descriptor
/// only (O_PATH). Empty on failure, with errno.
[[nodiscard]] UniqueFd open_directory_in(int root, const std::string& path) noexcept;

/// A duplicate of \p fd at 3 or above.
[[nodiscard]] UniqueFd duplicate(int fd, Stage stage, std::string_view action);

/// \p fd itself, or a duplicate of it if it is 0, 1 or 2.
[[nodiscard]] UniqueFd above_stdio(UniqueFd fd, Stage stage, std::string_view action);

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};
[[nodiscard]] Pipe pipe(Stage stage);

/// Writes all of \p text by one write(2), as files in /proc want it.
void write_file(const std::string& path, std::string_view text, Stage stage, std::string_view action,
                std::string_view hint = {});

/// The calling thread's effective capabilities; bit N is capability N.
[[nodiscard]] std::uint64_t effective_capabilities() noexcept;
[[nodiscard]] std::uint64_t inheritable_capabilities() noexcept;

} // namespace ct::internal::sys
