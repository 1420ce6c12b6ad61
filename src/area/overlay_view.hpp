// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <vector>

#include <ct/private_area.hpp>
#include <ct/spec.hpp>

#include "base/unique_fd.hpp"

namespace ct::internal {

/// The directories of an overlay, seen from the host.
struct OverlayView {
    UniqueFd upper;
    std::string upper_shown; ///< Its name in errors.
    std::vector<UniqueFd> lower;
    std::string target;      ///< Where in the container it is, without a slash at the end: "" or "/srv".
    bool user_xattr = false; ///< Its marks are in user.overlay.* attributes, else in trusted.overlay.*.
};

/// Opens the directories of the overlay in \p spec. \param throw_away  its upper directory if it has none of its own
/// \throws Error with Stage::Root for those that are missing
[[nodiscard]] OverlayView open_overlay(const Spec& spec, int throw_away);

/// What overlay(5) calls a whiteout: the mark that a file is deleted.
[[nodiscard]] inline bool is_whiteout(const struct stat& status) {
    return S_ISCHR(status.st_mode) && status.st_rdev == 0;
}
/// The attribute of that name among an overlay's own, such as "trusted.overlay.opaque".
[[nodiscard]] std::string overlay_attribute(std::string_view name, bool user_xattr);
/// Whether the directory hides what is in the lower ones of the same name.
[[nodiscard]] bool is_opaque(int directory, bool user_xattr);

/// \throws Error unless the kernel can use the two together
void check_upper(const OverlayArea& overlay, int upper, int work);
/// Locks the upper directory for as long as \p upper is open. \throws Error with EBUSY if another container has it
void lock_upper(const OverlayArea& overlay, int upper);
void lock_work(const OverlayArea& overlay, int work);

/// What the upper directory changes, see Container::changes().
[[nodiscard]] std::vector<Change> list_changes(const OverlayView& view);
/// Copies the upper directory, see Container::commit().
void copy_upper(const OverlayView& view, const std::string& directory);

} // namespace ct::internal
