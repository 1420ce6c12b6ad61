// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>

#include <ct/error.hpp>
#include <ct/log.hpp>

namespace ct {

LogRing::LogRing(Bytes size) : size_(size.count) {
    if (size_ == 0) throw Error::invalid_config("make a log ring", {"its size is 0"});
}

LogRing::~LogRing() = default;

void LogRing::append(std::string_view bytes) {
    if (bytes.size() > size_) bytes.remove_prefix(bytes.size() - size_);
    const std::size_t free = size_ - bytes_.size();
    const std::string_view fits = bytes.substr(0, free);
    bytes_ += fits;
    bytes.remove_prefix(fits.size());
    while (!bytes.empty()) {
        const std::string_view part = bytes.substr(0, size_ - next_);
        std::ranges::copy(part, bytes_.begin() + static_cast<std::ptrdiff_t>(next_));
        next_ = (next_ + part.size()) % size_;
        bytes.remove_prefix(part.size());
    }
}

void LogRing::write(std::span<const LogRecord> records) {
    const std::lock_guard lock(mutex_);
    for (const LogRecord& record : records) {
        append(record.bytes);
        if (!record.partial) append("\n");
    }
}

std::string LogRing::text() const {
    const std::lock_guard lock(mutex_);
    return bytes_.substr(next_) + bytes_.substr(0, next_);
}

void LogRing::clear() {
    const std::lock_guard lock(mutex_);
    bytes_.clear();
    next_ = 0;
}

} // namespace ct
