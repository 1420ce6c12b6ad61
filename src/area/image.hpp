// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <ct/private_area.hpp>

#include "base/unique_fd.hpp"

namespace ct::internal {

/// The root directory of the file system in an image, which is mounted nowhere yet: a tree for move_mount(2).
///
/// The tree holds the file system, that holds a loop device, and that the image, on which there is a lock as long: all
/// of it goes with the last mount and descriptor, in whatever way their owners end.
/// \param user_namespace  whether it is for one, where its devices shall not work
/// \throws Error with Stage::Root
[[nodiscard]] UniqueFd open_image(const ImageArea& image, bool user_namespace);

/// Makes the ids of a tree of open_image() those of the user namespace of process \p pid.
void map_image_ids(const ImageArea& image, int tree, pid_t pid);

} // namespace ct::internal
