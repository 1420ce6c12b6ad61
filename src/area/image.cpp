// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "area/image.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <linux/mount.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr const char* LoopControl = "/dev/loop-control";

std::string_view privilege_hint(int error) {
    return error == EPERM || error == EACCES ? "mounting an image needs CAP_SYS_ADMIN and the loop devices of the host"
                                             : "";
}

bool is_always_read_only(std::string_view type) {
    return type == "squashfs" || type == "erofs";
}

UniqueFd open_file(const ImageArea& image, int access) {
    // Whatever is there instead of a file must not block.
    UniqueFd file = sys::open(image.path, access | O_NONBLOCK | O_NOCTTY, Stage::Root, "open the image");
    struct stat status {};
    if (::fstat(file.get(), &status) < 0) throw sys::error(errno, Stage::Root, "look at the image", image.path);
    if (!S_ISREG(status.st_mode)) {
        throw sys::error(EINVAL, Stage::Root, "open the image", image.path, "it is not a regular file");
    }
    return file;
}

/// The type as the first bytes tell it.
std::string recognise(const ImageArea& image) {
    const UniqueFd file = open_file(image, O_RDONLY);
    std::array<char, 2048> start{};
    if (::pread(file.get(), start.data(), start.size(), 0) < 0) {
        throw sys::error(errno, Stage::Root, "read the image", image.path);
    }
    const auto has = [&](std::size_t at, std::string_view magic) {
        return std::string_view(start.data() + at, magic.size()) == magic;
    };
    if (has(0, "hsqs")) return "squashfs";
    if (has(1024, "\xe2\xe1\xf5\xe0")) return "erofs";
    if (has(1024 + 56, "\x53\xef")) return "ext4"; // ext2 and ext3 as well, which ext4 mounts
    throw Error(Errc::Unsupported, Stage::Root, "recognise the file system in the image", image.path,
                "it is none of ext4, squashfs and erofs; give its type if it is another one");
}

/// One container that writes, or many that read. The loop device keeps the open file and with it the lock.
void lock(const ImageArea& image, const UniqueFd& file, bool read_only) {
    sys::fault_point(Stage::Root, "lock the image", image.path);
    if (::flock(file.get(), (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return;
    if (errno != EWOULDBLOCK) throw sys::error(errno, Stage::Root, "lock the image", image.path);
    throw sys::error(EBUSY, Stage::Root, "lock the image", image.path,
                     read_only ? "another container writes to it" : "another container uses it");
}

struct LoopDevice {
    UniqueFd fd;
    std::string path;
};

/// A loop device for \p file, gone with its last user.
LoopDevice open_loop(const ImageArea& image, const UniqueFd& file, bool read_only) {
    const int control_fd = ::open(LoopControl, O_RDWR | O_CLOEXEC);
    if (control_fd < 0) {
        throw sys::error(errno, Stage::Root, concat("for the image '", image.path, "' open"), LoopControl,
                         errno == ENOENT ? "this kernel has no loop devices" : privilege_hint(errno));
    }
    const UniqueFd control(control_fd);
    sys::fault_point(Stage::Root, "find a free loop device for the image", image.path);
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(file.get());
    // With direct I/O, where the file allows it, its contents are in memory once.
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    if (read_only) config.info.lo_flags |= LO_FLAGS_READ_ONLY;
    // Others look for free devices, too.
    for (int attempt = 0; attempt < 256; ++attempt) {
        const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
        if (number < 0) {
            throw sys::error(errno, Stage::Root, "find a free loop device for the image", image.path,
                             privilege_hint(errno));
        }
        std::string device = concat("/dev/loop", number);
        UniqueFd loop(::open(device.c_str(), (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC));
        if (!loop && errno != ENXIO && errno != ENODEV) { // ENXIO: somebody has removed it
            throw sys::error(errno, Stage::Root, concat("for the image '", image.path, "' open"), device,
                             privilege_hint(errno));
        }
        if (loop && ::ioctl(loop.get(), LOOP_CONFIGURE, &config) == 0) return {std::move(loop), std::move(device)};
        if (loop && errno != EBUSY && errno != ENXIO) {
            throw sys::error(errno, Stage::Root, concat("attach to '", device, "' the image"), image.path,
                             privilege_hint(errno));
        }
    }
    throw sys::error(EBUSY, Stage::Root, "find a free loop device for the image", image.path,
                     "others take each one first");
}

/// What the file system says of a failure.
std::string message_of(const UniqueFd& fs) {
    std::array<char, 512> text{};
    const ssize_t length = ::read(fs.get(), text.data(), text.size());
    // The first two characters are the kind of the message.
    if (length <= 2) return {};
    std::string_view message(text.data() + 2, static_cast<std::size_t>(length) - 2);
    message = message.substr(0, message.find('\n'));
    return concat("the file system says: ", message);
}

UniqueFd mount_device(const ImageArea& image, const std::string& type, const std::string& device, bool read_only,
                      bool user_namespace) {
    const auto fail = [&](const std::string& hint) {
        return sys::error(errno, Stage::Root, concat("mount as ", type, " the image"), image.path, hint);
    };
    const UniqueFd fs(static_cast<int>(::syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC)));
    if (!fs) {
        throw fail(errno == ENODEV ? concat("this kernel has no file system '", type, "'")
                                   : std::string(privilege_hint(errno)));
    }
    const auto configure = [&](unsigned command, const char* key, const char* value) {
        if (::syscall(SYS_fsconfig, fs.get(), command, key, value, 0) == 0) return;
        const int error = errno;
        std::string hint = message_of(fs);
        errno = error;
        if (hint.empty()) hint = privilege_hint(error);
        // Not even ENOMEM means what it says.
        if (hint.empty() && command == FSCONFIG_CMD_CREATE) {
            hint = concat("it is damaged, or not ", type, "; the kernel's log may tell more");
        }
        throw fail(hint);
    };
    configure(FSCONFIG_SET_STRING, "source", device.c_str());
    if (read_only) configure(FSCONFIG_SET_FLAG, "ro", nullptr);
    for (const std::string& option : image.options) {
        const std::size_t equals = option.find('=');
        if (equals == std::string::npos) {
            configure(FSCONFIG_SET_FLAG, option.c_str(), nullptr);
        } else {
            configure(FSCONFIG_SET_STRING, option.substr(0, equals).c_str(), option.c_str() + equals + 1);
        }
    }
    configure(FSCONFIG_CMD_CREATE, nullptr, nullptr);
    const unsigned attributes = (read_only ? MOUNT_ATTR_RDONLY : 0U) | (user_namespace ? MOUNT_ATTR_NODEV : 0U);
    UniqueFd tree(static_cast<int>(::syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, attributes)));
    if (!tree) throw fail(std::string(privilege_hint(errno)));
    return tree;
}

} // namespace

UniqueFd open_image(const ImageArea& image, bool user_namespace) {
    const std::string type = image.type.empty() ? recognise(image) : image.type;
    const bool read_only = image.read_only || is_always_read_only(type);
    const UniqueFd file = open_file(image, read_only ? O_RDONLY : O_RDWR);
    lock(image, file, read_only);
    const LoopDevice loop = open_loop(image, file, read_only);
    sys::fault_point(Stage::Root, "mount the image", image.path);
    return mount_device(image, type, loop.path, read_only, user_namespace);
}

void map_image_ids(const ImageArea& image, int tree, pid_t pid) {
    const UniqueFd user_namespace = sys::open(concat("/proc/", pid, "/ns/user"), O_RDONLY, Stage::IdMap);
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_IDMAP;
    sys::fault_point(Stage::IdMap, "map to the user namespace the ids in the image", image.path);
    attributes.userns_fd = static_cast<unsigned>(user_namespace.get());
    if (::syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) == 0) return;
    throw sys::error(errno, Stage::IdMap, "map to the user namespace the ids in the image", image.path,
                     errno == EINVAL ? "this kernel cannot map the ids of such a file system" : "");
}

} // namespace ct::internal
