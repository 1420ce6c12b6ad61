// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
//
// The pid file of the runtime, for libFuzzer: whatever is in it, there is the number of a process or a reason.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/unique_fd.hpp"
#include "runtime.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const ct::internal::UniqueFd file(::memfd_create("pid-file", MFD_CLOEXEC));
    if (!file || ::write(file.get(), data, size) != static_cast<ssize_t>(size)) __builtin_trap();
    ctmon::Options options;
    options.container_pidfile = "/proc/self/fd/" + std::to_string(file.get());
    std::string why;
    const auto pid = ctmon::read_pid_file(options, AT_FDCWD, why);
    if (!pid) {
        if (why.empty()) __builtin_trap();
        return 0;
    }
    // It is what the file begins with, but for zeros.
    const std::string text(reinterpret_cast<const char*>(data), size);
    const std::string number = std::to_string(*pid);
    const std::size_t begin = text.find_first_not_of('0');
    if (*pid <= 0 || begin == std::string::npos || text.compare(begin, number.size(), number) != 0) __builtin_trap();
    const std::size_t end = begin + number.size();
    if (end < text.size() && text[end] != '\n') __builtin_trap();
    return 0;
}
