// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>

namespace ct::internal {

/// \p value with \p digits digits. \returns the end of what was written
inline char* put_number(char* to, std::uint64_t value, int digits) {
    for (int i = digits - 1; i >= 0; --i, value /= 10) to[i] = static_cast<char>('0' + value % 10);
    return to + digits;
}

/// "YYYY-MM-DDThh:mm:ss.nnnnnnnnn", of that many nanoseconds since 1970. \returns the end of what was written
char* put_time(char* to, std::int64_t seconds, std::uint64_t nanoseconds);

} // namespace ct::internal
