// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <cerrno>

#include "child/child_ops.hpp"
#include "child/files.hpp"
#include "child/raw_syscall.hpp"

/// Users and groups in the container's own /etc/passwd and /etc/group: files of an image, which may be anything.
namespace ct::internal::child {

namespace {

constexpr std::uint64_t MostBytes = 128ULL << 20U;
constexpr std::uint32_t NoId = ~0U; // "no change" to the kernel

constexpr int EndOfFile = -10000; // of File::next(), which else says -errno

bool is_error(int c) noexcept {
    return c < 0 && c != EndOfFile;
}

long is_regular(long fd) noexcept {
    struct statx status;
    const long error = raw_syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &status);
    if (error < 0) return error;
    if ((status.stx_mode & 0170000U) == 0040000U) return -EISDIR;
    if ((status.stx_mode & 0170000U) != 0100000U) return -EOPNOTSUPP;
    if (status.stx_size > MostBytes) return -EFBIG;
    // The files of these say that they are regular, but to read one may do something: /proc/kmsg forgets what was read.
    struct statfs system;
    const long looked = raw_syscall(SYS_fstatfs, fd, &system);
    if (looked < 0) return looked;
    return system.f_type == PROC_SUPER_MAGIC || system.f_type == SYSFS_MAGIC ? -EOPNOTSUPP : 0;
}

/// Opens a file below the root directory of this process, but nothing else than a file.
long open_regular(const char* path) noexcept {
    const long root = raw_syscall(SYS_openat, AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) return root;
    // Looked at before it is opened: to open a device may do something, to a watchdog for example.
    long fd = open_in(root, path, 0);
    long error = fd < 0 ? fd : is_regular(fd);
    if (fd >= 0) raw_syscall(SYS_close, fd);
    if (error >= 0) {
        fd = open_content_in(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        error = fd < 0 ? fd : is_regular(fd); // it may be another one by now
        if (fd >= 0 && error < 0) raw_syscall(SYS_close, fd);
    }
    raw_syscall(SYS_close, root);
    return error < 0 ? error : fd;
}

/// A file, byte by byte. Closed with the object.
class File {
public:
    explicit File(const char* path) noexcept : fd_(open_regular(path)) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (fd_ >= 0) raw_syscall(SYS_close, fd_);
    }

    [[nodiscard]] long error() const noexcept { return fd_ < 0 ? fd_ : 0; }

    int next() noexcept {
        if (at_ == end_ && !fill()) return last_;
        return buffer_[at_++];
    }

private:
    bool fill() noexcept {
        if (last_ != 0) return false;
        const long length = raw_syscall(SYS_read, fd_, buffer_, sizeof buffer_);
        if (length > 0) total_ += static_cast<std::uint64_t>(length);
        if (length < 0) last_ = static_cast<int>(length);
        if (length == 0) last_ = EndOfFile;
        if (total_ > MostBytes) last_ = -EFBIG; // files of some file systems are larger than they say
        at_ = 0;
        end_ = last_ == 0 ? static_cast<unsigned>(length) : 0;
        return last_ == 0;
    }

    long fd_;
    std::uint64_t total_ = 0;
    unsigned at_ = 0;
    unsigned end_ = 0;
    int last_ = 0; ///< EndOfFile or -errno, for good.
    unsigned char buffer_[4096];
};

/// Takes a field that is a name. One that is too long or has a NUL byte is nobody's.
struct Name {
    char text[UserIds::NameSize];
    std::uint32_t length = 0;
    bool valid = true;

    void begin() noexcept {
        length = 0;
        valid = true;
    }
    void take(char c) noexcept {
        if (length + 1 >= UserIds::NameSize || c == '\0') valid = false;
        if (valid) text[length++] = c;
    }
    [[nodiscard]] bool is(const char* name) const noexcept {
        if (!valid || length == 0) return false;
        for (std::uint32_t i = 0; i < length; ++i) {
            if (text[i] != name[i]) return false; // also at the end of name
        }
        return name[length] == '\0';
    }
};

/// Takes a field that is an id: digits alone, below the one that means "no change".
struct Id {
    std::uint64_t value = 0;
    bool valid = false;

    void begin() noexcept {
        value = 0;
        valid = false;
        bad_ = false;
    }
    void take(char c) noexcept {
        if (c < '0' || c > '9') bad_ = true;
        if (!bad_) value = value * 10 + static_cast<std::uint64_t>(c - '0');
        if (value >= NoId) bad_ = true;
        valid = !bad_;
    }

private:
    bool bad_ = false;
};

/// Takes the field that is the home directory, after "HOME=". One that does not fit is "/".
struct Home {
    char* entry;
    std::uint32_t length = 5;
    bool valid = true;

    void begin() noexcept {}
    void take(char c) noexcept {
        if (length + 1 >= UserIds::HomeSize || c == '\0') valid = false;
        if (valid) entry[length++] = c;
    }
    void end() noexcept {
        if (!valid) length = 5;
        if (length == 5) entry[length++] = '/';
        entry[length] = '\0';
    }
};

struct Ignored {
    static void begin() noexcept {}
    static void take(char) noexcept {}
};

/// Reads a field. \returns what ended it: \p separator, a new line, or what File::next() says at the end
template <typename Field>
int read_field(File& file, Field& field, char separator = ':') noexcept {
    field.begin();
    for (;;) {
        const int c = file.next();
        if (c < 0 || c == '\n' || c == separator) return c;
        field.take(static_cast<char>(c));
    }
}

/// Reads what is left of a line.
int skip_line(File& file, int ended_by) noexcept {
    Ignored rest;
    return ended_by < 0 || ended_by == '\n' ? ended_by : read_field(file, rest, '\n');
}

void copy_name(UserIds& ids, const Name& name) noexcept {
    for (std::uint32_t i = 0; i < name.length; ++i) ids.name[i] = name.text[i];
    ids.name[name.length] = '\0';
}

/// \returns false if there is no room for one more
bool add_group(UserIds& ids, std::uint32_t gid) noexcept {
    for (std::uint32_t i = 0; i < ids.group_count; ++i) {
        if (ids.groups[i] == gid) return true;
    }
    if (ids.group_count == UserIds::MaxGroups) return false;
    ids.groups[ids.group_count++] = gid;
    return true;
}

/// What the search says at the end of a file: \p missing, or the reason why it ended early.
long at_end(int ended_by, long missing) noexcept {
    return ended_by == EndOfFile ? missing : ended_by;
}

/// name:password:uid:gid:comment:home:...
long scan_passwd(File& file, const UserArgs& args) noexcept {
    UserIds& ids = *args.ids;
    Name name;
    Ignored password;
    Id uid;
    Id gid;
    for (int c = '\n'; c >= 0;) {
        uid.begin();
        gid.begin();
        c = read_field(file, name);
        if (c == ':') c = read_field(file, password);
        if (c == ':') c = read_field(file, uid);
        if (c == ':') c = read_field(file, gid);
        if (is_error(c)) return c;
        const bool found = args.user != nullptr ? name.is(args.user) : uid.valid && uid.value == ids.uid && name.valid;
        if (found) {
            // An entry that does not say who the user is is no reason to take somebody else.
            if (!uid.valid || (args.with_groups && !gid.valid)) return -EINVAL;
            ids.uid = static_cast<std::uint32_t>(uid.value);
            if (args.with_groups) ids.gid = static_cast<std::uint32_t>(gid.value);
            copy_name(ids, name);
            Ignored comment;
            Home home{ids.home_entry};
            if (c == ':') c = read_field(file, comment);
            if (c == ':') c = read_field(file, home);
            home.end();
            return is_error(c) ? c : 0;
        }
        c = skip_line(file, c);
        if (c < 0) return at_end(c, -ENODATA);
    }
    return -ENODATA;
}

/// name:password:gid:member,member,...
long scan_group(File& file, const UserArgs& args) noexcept {
    UserIds& ids = *args.ids;
    Name name;
    Ignored password;
    Id gid;
    for (int c = '\n'; c >= 0;) {
        gid.begin();
        c = read_field(file, name);
        if (c == ':') c = read_field(file, password);
        if (c == ':') c = read_field(file, gid);
        if (is_error(c)) return c;
        if (args.group != nullptr && name.is(args.group)) {
            if (!gid.valid) return -EINVAL;
            ids.gid = static_cast<std::uint32_t>(gid.value);
            return 0;
        }
        bool member = false;
        while (args.group == nullptr && (c == ':' || c == ',')) {
            c = read_field(file, name, ',');
            member = member || name.is(ids.name);
        }
        if (member && !gid.valid) return -EINVAL;
        if (member && !add_group(ids, static_cast<std::uint32_t>(gid.value))) return -E2BIG;
        c = skip_line(file, c);
        if (c < 0) return at_end(c, args.group != nullptr ? -ENODATA : 0);
    }
    return 0;
}

} // namespace

long find_user(const UserArgs& args) noexcept {
    File passwd("/etc/passwd");
    const long error = passwd.error() < 0 ? passwd.error() : scan_passwd(passwd, args);
    // A number is a user without any entry.
    if (args.user == nullptr && !args.needs_entry && (error == -ENOENT || error == -ENODATA)) return 0;
    return error;
}

long find_group(const UserArgs& args) noexcept {
    File group("/etc/group");
    return group.error() < 0 ? group.error() : scan_group(group, args);
}

long find_memberships(const UserArgs& args) noexcept {
    UserIds& ids = *args.ids;
    add_group(ids, ids.gid); // as initgroups(3) does
    if (ids.name[0] == '\0') return 0;
    const long error = find_group(args);
    return error == -ENOENT ? 0 : error;
}

long own_streams(const OwnStreamsArgs& args) noexcept {
    // Without the privilege they stay whose they are, which is all that can be done.
    for (std::uint32_t i = 0; i < args.count; ++i) raw_syscall(SYS_fchown, args.fds[i], args.ids->uid, -1);
    return 0;
}

} // namespace ct::internal::child
