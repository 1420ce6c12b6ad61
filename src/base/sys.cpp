// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "base/sys.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <array>

#include "base/concat.hpp"
#include "base/fault.hpp"

namespace ct::internal::sys {

Error error(int error_number, Stage stage, std::string_view action, std::string_view path, std::string_view hint) {
    return {std::error_code(error_number, std::system_category()), stage, action, path, hint};
}

void fault_point([[maybe_unused]] Stage stage, [[maybe_unused]] std::string_view action,
                 [[maybe_unused]] std::string_view path) {
#ifdef CT_FAULT_POINTS
    if (!fault_due()) return;
    if (faults->error != 0) throw error(faults->error, stage, action, path);
    while (__atomic_load_n(&faults->go, __ATOMIC_ACQUIRE) == 0) ::sched_yield();
#endif
}

UniqueFd open(const std::string& path, int flags, Stage stage, std::string_view action) {
    fault_point(stage, action, path);
    int fd;
    do {
        fd = ::open(path.c_str(), flags | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) throw error(errno, stage, action, path);
    return above_stdio(UniqueFd(fd), stage, action);
}

UniqueFd open_directory_in(int root, const std::string& path) noexcept {
    open_how how{};
    how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

UniqueFd duplicate(int fd, Stage stage, std::string_view action) {
    fault_point(stage, action);
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (copy < 0) throw error(errno, stage, action);
    return UniqueFd(copy);
}

UniqueFd above_stdio(UniqueFd fd, Stage stage, std::string_view action) {
    return fd.get() > 2 ? std::move(fd) : duplicate(fd.get(), stage, action);
}

Pipe pipe(Stage stage) {
    fault_point(stage, "make a pipe");
    std::array<int, 2> fds{};
    if (::pipe2(fds.data(), O_CLOEXEC) < 0) throw error(errno, stage, "make a pipe");
    UniqueFd read(fds[0]);
    UniqueFd write(fds[1]);
    return {above_stdio(std::move(read), stage, "make a pipe"), above_stdio(std::move(write), stage, "make a pipe")};
}

void write_file(const std::string& path, std::string_view text, Stage stage, std::string_view action,
                std::string_view hint) {
    fault_point(stage, action, path);
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) throw error(errno, stage, action, path, hint);
    const UniqueFd file(fd);
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0) throw error(errno, stage, action, path, hint);
    if (static_cast<std::size_t>(written) != text.size()) throw error(EIO, stage, action, path, "short write");
}

namespace {

using CapabilityWords = std::array<__user_cap_data_struct, 2>;

CapabilityWords capability_words() noexcept {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    CapabilityWords words{};
    if (::syscall(SYS_capget, &header, words.data()) < 0) return {};
    return words;
}

} // namespace

std::uint64_t effective_capabilities() noexcept {
    const CapabilityWords words = capability_words();
    return words[0].effective | std::uint64_t{words[1].effective} << 32U;
}

std::uint64_t inheritable_capabilities() noexcept {
    const CapabilityWords words = capability_words();
    return words[0].inheritable | std::uint64_t{words[1].inheritable} << 32U;
}

} // namespace ct::internal::sys
