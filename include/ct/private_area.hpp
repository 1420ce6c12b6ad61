// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <ct/export.hpp>

namespace ct {

/// A private area that is a directory of the host, bind-mounted (not recursively) into the root.
struct BindDir {
    std::string source = {}; ///< A directory of the host.
    /// Where in the root; "/" puts it over the root directory itself. What is missing of it is created if there is a
    /// new mount namespace; without one it has to be there.
    std::string target = "/";
    bool read_only = false;
    bool operator==(const BindDir&) const = default;
};

/// A private area that shows directories of the host, one over the other, and takes all changes into an upper
/// directory: an overlay file system. Needs Namespace::Mount. What is mounted below the directories is not shown.
///
/// The upper directory is one of the host (then `work` is given, too), used by one container at a time; or a
/// throw-away one on a tmpfs, which is empty at every start. See Container::changes() for what can be done with it.
///
/// In a user namespace the overlay keeps its marks in `user.overlay.*` attributes instead of `trusted.overlay.*`: an
/// upper directory, or a committed one, is for containers of the same kind.
struct OverlayArea {
    std::vector<std::string> lower = {}; ///< Topmost first; if empty, what is at `target` in the root directory.
    std::string upper = {};              ///< Both empty, or both directories of the same mount, neither in the other.
    std::string work = {};               ///< For the kernel alone.
    std::uint64_t size = 0;   ///< Bytes of the throw-away upper; 0 is the kernel's limit, half of the memory.
    std::string target = "/"; ///< See BindDir.
    bool operator==(const OverlayArea&) const = default;
};

/// A private area that is an empty tmpfs, gone with the container. Needs Namespace::Mount.
struct TmpfsArea {
    std::uint64_t size = 0;   ///< Bytes; 0 is the kernel's limit, half of the memory.
    mode_t mode = 0755;       ///< Of its root directory.
    std::string target = "/"; ///< See BindDir. A tmpfs over the root directory is filled by mounts.
    bool operator==(const TmpfsArea&) const = default;
};

/// A private area that is a file system in a file, mounted through a loop device, which the kernel takes away with the
/// mount. Needs Namespace::Mount and CAP_SYS_ADMIN on the host, also with a user namespace: then the ids in the file
/// are those of the user namespace (Linux 5.12, and a file system that can map ids), and its device nodes do not work.
///
/// One container at a time may write to the file; any number may share it read-only. A damaged or hostile file system
/// is read by the kernel itself: use only files that come from where you would take a kernel module from.
struct ImageArea {
    std::string path = {};                 ///< A regular file of the host.
    std::string type = {};                 ///< File system type; if empty, ext4, squashfs and erofs are recognised.
    std::string target = "/";              ///< See BindDir.
    bool read_only = false;                ///< Nothing is ever written to the file. As squashfs and erofs are.
    std::vector<std::string> options = {}; ///< Options of the file system, each "key" or "key=value".
    bool operator==(const ImageArea&) const = default;
};

/// The files that belong to one container, over or in its root directory.
using PrivateArea = std::variant<BindDir, OverlayArea, TmpfsArea, ImageArea>;

/// What a container did to a file of its overlay.
enum class ChangeKind : std::uint8_t {
    Added,    ///< It is not in the lower directories.
    Modified, ///< It is there with other contents, another type or other attributes.
    Deleted,  ///< It is there, and hidden now, with everything below it.
};

/// The kind as one lower-case word.
[[nodiscard]] CT_EXPORT std::string_view to_string(ChangeKind kind) noexcept;

/// One file that differs from the lower directories.
struct Change {
    std::string path = {}; ///< Inside the container; it may hold any bytes but NUL.
    ChangeKind kind = ChangeKind::Added;
    bool operator==(const Change&) const = default;
};

} // namespace ct
