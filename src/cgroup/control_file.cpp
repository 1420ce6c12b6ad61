// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/control_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

/// What errno alone does not tell of a limit.
std::string_view limit_hint(std::string_view file, int error) {
    const bool cpuset = file == "cpuset.cpus" || file == "cpuset.mems";
    switch (error) {
    case EINVAL:
        if (file == "cpu.cfs_quota_us" || file == "cpu.cfs_period_us") {
            return "a group cannot have more CPU time than the one that it is in, nor less than one in it";
        }
        if (file == "memory.limit_in_bytes") return "it cannot be above memory.memsw.limit_in_bytes";
        if (file == "memory.memsw.limit_in_bytes") return "it cannot be below memory.limit_in_bytes";
        if (cpuset) return "this host has not all of these";
        return {};
    case ERANGE: return cpuset ? "this host has not all of these" : "";
    case EACCES: return cpuset ? "the group that it is in has not all of these" : "";
    case EBUSY: return cpuset ? "a group in it uses more than that" : "";
    case ENOSPC: return cpuset ? "its processes would have none left" : "";
    case ENODEV:
        if (file.starts_with("io.") || file.starts_with("blkio.")) {
            return "there is no such block device, or it is a partition: limits are for whole disks";
        }
        return {};
    case EOPNOTSUPP: return file.find("bfq") != file.npos ? "BFQ is not the I/O scheduler of that device" : "";
    default: return {};
    }
}

/// What errno alone does not tell.
std::string_view write_hint(const Group& group, std::string_view file, int error) {
    if (const std::string_view hint = limit_hint(file, error); !hint.empty()) return hint;
    switch (error) {
    case ENOENT: return "this kernel, or the version of this hierarchy, has no such file";
    case EBUSY:
        if (file == "cgroup.subtree_control")
            return "the group has processes of its own: move them into a group below, or choose another cgroup parent";
        if (file == "memory.limit_in_bytes" || file == "memory.memsw.limit_in_bytes")
            return "more than that is in use, and cannot be reclaimed";
        return {};
    case EACCES:
    case EPERM:
    case EROFS:
        return group.hierarchy != nullptr && !group.hierarchy->writable ? "the hierarchy is mounted read-only" : "";
    default: return {};
    }
}

} // namespace

Error write_error(const Group& group, const std::string& file, std::string_view value, int error) {
    return sys::error(error, Stage::Cgroup, concat("write \"", value, "\" to"), concat(group.path, "/", file),
                      write_hint(group, file, error));
}

void write_control(const Group& group, const std::string& file, std::string_view value) {
    const auto fail = [&](int error) { return write_error(group, file, value, error); };
    sys::fault_point(Stage::Cgroup, "write to", concat(group.path, "/", file));
    const UniqueFd fd(::openat(group.directory.get(), file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) throw fail(errno);
    const ssize_t written = ::write(fd.get(), value.data(), value.size());
    if (written < 0) throw fail(errno);
    if (static_cast<std::size_t>(written) != value.size()) throw fail(EIO);
}

int write_control_at(int directory, const char* file, std::string_view value) noexcept {
    const UniqueFd fd(::openat(directory, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
    return fd && ::write(fd.get(), value.data(), value.size()) >= 0 ? 0 : errno;
}

int read_control_at(int directory, const char* file, std::string& text) {
    const UniqueFd fd(::openat(directory, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return errno;
    std::size_t used = 0;
    for (;;) {
        text.resize(used + 4096);
        const ssize_t count = ::read(fd.get(), text.data() + used, text.size() - used);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return errno;
        used += static_cast<std::size_t>(count);
        if (count == 0) break;
    }
    while (used > 0 && text[used - 1] == '\n') --used;
    text.resize(used);
    return 0;
}

namespace {

Error read_error(const Group& group, const std::string& file, int error) {
    return sys::error(error, Stage::Cgroup, "read", concat(group.path, "/", file), write_hint(group, file, error));
}

} // namespace

std::string read_control(const Group& group, const std::string& file) {
    sys::fault_point(Stage::Cgroup, "read", concat(group.path, "/", file));
    std::string text;
    if (const int error = read_control_at(group.directory.get(), file.c_str(), text); error != 0)
        throw read_error(group, file, error);
    return text;
}

std::optional<std::string> try_read_control(const Group& group, const std::string& file) {
    std::string text;
    const int error = read_control_at(group.directory.get(), file.c_str(), text);
    if (error == ENOENT || error == ENODEV || error == EOPNOTSUPP || error == EINVAL) return std::nullopt;
    if (error != 0) throw read_error(group, file, error);
    return text;
}

void check_control_name(std::string_view file) {
    const auto reject = [&](std::string_view why) {
        return Error::invalid_config({}, {concat("control file '", file, "' ", why)});
    };
    if (file.empty() || file.size() > 255 || file.find('\0') != std::string_view::npos)
        throw reject("is no file name of 1 to 255 bytes");
    if (file.find('/') != std::string_view::npos || file == "." || file == "..")
        throw reject("is not in the group's own directory");
    if (file == "cgroup.procs" || file == "cgroup.threads" || file == "tasks") throw reject("moves processes");
}

} // namespace ct::internal
