// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "log/time.hpp"

#include <array>
#include <chrono>

#include <ct/log_reader.hpp>

namespace ct {

namespace internal {

namespace {

using namespace std::chrono;

/// Takes numbers and marks off the begin of a text.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    /// Exactly \p digits digits.
    std::int64_t number(std::size_t digits) {
        std::int64_t value = 0;
        for (std::size_t i = 0; i < digits && good_; ++i) {
            good_ = !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
            if (good_) value = value * 10 + (take() - '0');
        }
        return value;
    }
    /// \returns the one of \p marks that comes next
    char mark(std::string_view marks) {
        good_ = good_ && !rest_.empty() && marks.find(rest_.front()) != std::string_view::npos;
        return good_ ? take() : '\0';
    }
    /// Of a second; further digits than nanoseconds have are left out.
    std::int64_t fraction() {
        if (rest_.empty() || rest_.front() != '.') return 0;
        take();
        std::int64_t value = number(1);
        for (int digits = 1;; ++digits) {
            const bool more = !rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9';
            if (!more && digits >= 9) return value;
            const int digit = more ? take() - '0' : 0;
            if (digits < 9) value = value * 10 + digit;
        }
    }
    [[nodiscard]] bool done() const { return good_ && rest_.empty(); }

private:
    char take() {
        const char c = rest_.front();
        rest_.remove_prefix(1);
        return c;
    }

    std::string_view rest_;
    bool good_ = true;
};

} // namespace

char* put_time(char* to, std::int64_t count, std::uint64_t nanos) {
    const sys_seconds second{seconds(count)};
    const auto day = floor<days>(second);
    const year_month_day date(day);
    const hh_mm_ss clock(second - day);
    const auto number = [](auto value) { return static_cast<std::uint64_t>(value); };
    to = put_number(to, number(static_cast<int>(date.year())), 4);
    *to++ = '-';
    to = put_number(to, static_cast<unsigned>(date.month()), 2);
    *to++ = '-';
    to = put_number(to, static_cast<unsigned>(date.day()), 2);
    *to++ = 'T';
    to = put_number(to, number(clock.hours().count()), 2);
    *to++ = ':';
    to = put_number(to, number(clock.minutes().count()), 2);
    *to++ = ':';
    to = put_number(to, number(clock.seconds().count()), 2);
    *to++ = '.';
    return put_number(to, nanos, 9);
}

} // namespace internal

std::string to_rfc3339(LogTime time) {
    const auto second = std::chrono::floor<std::chrono::seconds>(time);
    std::array<char, 32> text{};
    char* end = internal::put_time(text.data(), second.time_since_epoch().count(),
                                   static_cast<std::uint64_t>((time - second).count()));
    *end++ = 'Z';
    return {text.data(), end};
}

std::optional<LogTime> parse_rfc3339(std::string_view text) {
    using namespace std::chrono;
    internal::Scanner scan(text);
    const year year{static_cast<int>(scan.number(4))};
    scan.mark("-");
    const month month{static_cast<unsigned>(scan.number(2))};
    scan.mark("-");
    const day day{static_cast<unsigned>(scan.number(2))};
    scan.mark("Tt ");
    const hours hour{scan.number(2)};
    scan.mark(":");
    const minutes minute{scan.number(2)};
    scan.mark(":");
    const seconds second{scan.number(2)};
    const nanoseconds fraction{scan.fraction()};
    minutes offset{0};
    if (const char sign = scan.mark("Zz+-"); sign == '+' || sign == '-') {
        const hours offset_hours{scan.number(2)};
        scan.mark(":");
        offset = offset_hours + minutes(scan.number(2));
        if (sign == '-') offset = -offset;
    }
    const year_month_day date(year, month, day);
    // A leap second is the first of the next minute; what does not fit in 64 bits of nanoseconds is no time of a log.
    const bool right = scan.done() && date.ok() && hour < hours(24) && minute < minutes(60) && second <= seconds(60) &&
                       date.year() >= std::chrono::year(1678) && date.year() <= std::chrono::year(2261);
    if (!right) return std::nullopt;
    return LogTime(sys_days(date).time_since_epoch()) + hour + minute + second + fraction - offset;
}

} // namespace ct
