// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "monitor/seccomp_watch.hpp"
#include "seccomp/filter.hpp"

namespace ct {

namespace {

using internal::concat;

static_assert(sizeof(seccomp_data::args) == sizeof(std::array<std::uint64_t, 6>));

[[noreturn]] void fail(int error, std::string_view action) {
    throw internal::sys::error(error, Stage::Seccomp, action);
}

} // namespace

pid_t SeccompNotice::pid() const noexcept {
    return static_cast<pid_t>(received_.call.pid);
}

SeccompArchitecture SeccompNotice::architecture() const noexcept {
    return internal::architecture_of(received_.call.data.arch, system_call());
}

int SeccompNotice::system_call() const noexcept {
    return received_.call.data.nr;
}

std::string SeccompNotice::name() const {
    return internal::system_call_name(received_.call.data.arch, system_call());
}

std::array<std::uint64_t, 6> SeccompNotice::arguments() const noexcept {
    std::array<std::uint64_t, 6> values{};
    std::ranges::copy(received_.call.data.args, values.begin());
    return values;
}

bool SeccompNotice::valid() const noexcept {
    std::uint64_t id = received_.call.id;
    return ::ioctl(received_.listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

std::vector<std::byte> SeccompNotice::read_memory(std::uint64_t address, std::size_t size) const {
    const std::string action = concat("read the memory of process ", pid());
    const internal::UniqueFd memory(::open(concat("/proc/", pid(), "/mem").c_str(), O_RDONLY | O_CLOEXEC));
    const int opened = errno;
    // Only now is it certain whose memory that is.
    if (!valid()) fail(ESRCH, action);
    if (!memory) fail(opened, action);
    std::vector<std::byte> bytes(size);
    std::size_t count = 0;
    while (count < size) {
        const ssize_t read =
            ::pread(memory.get(), bytes.data() + count, size - count, static_cast<off_t>(address + count));
        if (read < 0 && errno == EINTR) continue;
        // EINVAL: an address that no offset can be.
        if (read < 0 && count == 0) fail(errno == EIO || errno == EINVAL ? EFAULT : errno, action);
        if (read <= 0) break;
        count += static_cast<std::size_t>(read);
    }
    if (!valid()) fail(ESRCH, action);
    bytes.resize(count);
    return bytes;
}

std::string SeccompNotice::read_string(std::uint64_t address, std::size_t limit) const {
    constexpr std::size_t page = 4096;
    std::string text;
    while (text.size() < limit) {
        // Not over the end of a page, behind which nothing may be mapped.
        const std::uint64_t from = address + text.size();
        const auto bytes = read_memory(from, std::min<std::size_t>(page - from % page, limit - text.size()));
        const auto end = std::ranges::find(bytes, std::byte{0});
        for (auto byte = bytes.begin(); byte != end; ++byte) text += static_cast<char>(*byte);
        if (end != bytes.end()) return text;
        if (bytes.empty()) fail(EFAULT, concat("read the memory of process ", pid()));
    }
    fail(ENAMETOOLONG, concat("read a string in the memory of process ", pid()));
}

int SeccompNotice::add_fd(int fd, SeccompFd where) const {
    seccomp_notif_addfd request{};
    request.id = received_.call.id;
    request.srcfd = static_cast<std::uint32_t>(fd);
    request.newfd_flags = where.close_on_exec ? O_CLOEXEC : 0;
    if (where.target >= 0) {
        request.flags = SECCOMP_ADDFD_FLAG_SETFD;
        request.newfd = static_cast<std::uint32_t>(where.target);
    }
    const int added = ::ioctl(received_.listener, SECCOMP_IOCTL_NOTIF_ADDFD, &request);
    if (added >= 0) return added;
    fail(errno == ENOENT ? ESRCH : errno, concat("give process ", pid(), " a descriptor"));
}

} // namespace ct
