// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "area/overlay_view.hpp"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include <boost/filesystem/operations.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/paths.hpp"
#include "config/validate.hpp"

namespace ct::internal {

namespace {

UniqueFd open_directory(const std::string& path, std::string_view action) {
    return sys::open(path, O_PATH | O_DIRECTORY, Stage::Root, action);
}

struct statx look(const std::string& path, int fd) {
    struct statx status {};
    // glibc declares statx(2) as well, but <linux/stat.h> and <sys/stat.h> do not go together everywhere.
    if (::syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &status) < 0) {
        throw sys::error(errno, Stage::Root, "look at the directory of the overlay", path);
    }
    return status;
}

bool is_inside(const std::string& path, const std::string& directory) {
    return path == directory || path.starts_with(concat(directory, directory == "/" ? "" : "/"));
}

} // namespace

OverlayView open_overlay(const Spec& spec, int throw_away) {
    const auto& overlay = std::get<OverlayArea>(*spec.private_area);
    OverlayView view;
    view.user_xattr = has_namespace(spec, Namespace::User);
    view.target = normal_path(overlay.target);
    if (view.target == "/") view.target.clear();
    if (overlay.upper.empty()) {
        view.upper_shown = "(throw-away upper directory)";
        view.upper = sys::duplicate(throw_away, Stage::Root, "duplicate the upper directory of the overlay");
    } else {
        view.upper_shown = overlay.upper;
        view.upper = open_directory(overlay.upper, "open the upper directory of the overlay");
    }
    for (const std::string& lower : overlay.lower) {
        view.lower.push_back(open_directory(lower, "open the lower directory of the overlay"));
    }
    if (!overlay.lower.empty()) return view;
    UniqueFd root = open_directory(spec.root->path, "open the root");
    if (view.target.empty()) {
        view.lower.push_back(std::move(root));
    } else if (UniqueFd lower = sys::open_directory_in(root.get(), view.target)) {
        view.lower.push_back(std::move(lower));
    } else {
        throw sys::error(errno, Stage::Root, concat("in the root '", spec.root->path, "' open"), view.target);
    }
    return view;
}

std::string overlay_attribute(std::string_view name, bool user_xattr) {
    return concat(user_xattr ? "user" : "trusted", ".overlay.", name);
}

bool is_opaque(int directory, bool user_xattr) {
    char value = 0;
    return ::fgetxattr(directory, overlay_attribute("opaque", user_xattr).c_str(), &value, 1) == 1 && value == 'y';
}

void check_upper(const OverlayArea& overlay, int upper, int work) {
    const struct statx of_upper = look(overlay.upper, upper);
    const struct statx of_work = look(overlay.work, work);
    if (of_upper.stx_mnt_id != of_work.stx_mnt_id) {
        throw sys::error(EXDEV, Stage::Root,
                         concat("use with the upper directory '", overlay.upper, "' the work directory"), overlay.work,
                         "they have to be on the same mount");
    }
    const std::string upper_path = boost::filesystem::canonical(overlay.upper).string();
    const std::string work_path = boost::filesystem::canonical(overlay.work).string();
    if (is_inside(upper_path, work_path) || is_inside(work_path, upper_path)) {
        throw sys::error(EINVAL, Stage::Root,
                         concat("use with the upper directory '", overlay.upper, "' the work directory"), overlay.work,
                         "neither may be, or be in, the other");
    }
}

namespace {

void lock_directory(int directory, std::string_view action, const std::string& path) {
    sys::fault_point(Stage::Root, action, path);
    // The kernel would only write a warning to its log. EBADF: a directory that this user may not read.
    if (::flock(directory, LOCK_EX | LOCK_NB) == 0 || errno == EBADF) return;
    const bool used = errno == EWOULDBLOCK;
    throw sys::error(used ? EBUSY : errno, Stage::Root, action, path, used ? "another container uses it" : "");
}

} // namespace

void lock_upper(const OverlayArea& overlay, int upper) {
    lock_directory(upper, "lock the upper directory of the overlay", overlay.upper);
}

void lock_work(const OverlayArea& overlay, int work) {
    lock_directory(work, "lock the work directory of the overlay", overlay.work);
}

} // namespace ct::internal
