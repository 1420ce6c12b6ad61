// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <ct/spec.hpp>

#include "base/rollback.hpp"
#include "base/unique_fd.hpp"
#include "bridge/host_network.hpp"
#include "host_nics.hpp"
#include "launch/launch.hpp"
#include "net/host_links.hpp"
#include "state/record.hpp"

namespace ct::internal {

/// What a running container needs on the host besides its process. Destroying it takes it down.
class HostSide {
public:
    HostSide() = default;
    /// Told of each mount in the host's mount namespace before it is made; may throw.
    using Announce = std::function<void(const HostMount&)>;
    /// \param name  of the container
    /// \throws Error for a missing root or private area, among others; nothing is left then
    /// \param warn  told what cannot be undone at the end
    HostSide(const Spec& spec, const Announce& announce, const Warn& warn, HostNetwork& network,
             const std::string& name);

    /// The directory that holds the container's files, locked against removal of mount points by others; or -1.
    [[nodiscard]] int files_root() const noexcept { return files_root_ ? files_root_.get() : upper_.get(); }
    /// Directories of the host that are bound into the root and in which mount points may be created, locked as well.
    [[nodiscard]] const std::vector<FilesRoot>& bound() const noexcept { return bound_; }
    /// The mount of an ImageArea, for the start alone; or empty.
    [[nodiscard]] UniqueFd take_image() noexcept { return std::move(image_); }
    /// The root of a container that has only chroot(2), else -1.
    [[nodiscard]] int chroot() const noexcept { return chroot_.get(); }

    static HostSide adopted(UniqueFd chroot);
    /// The links of the host that the container has; null if it needs none.
    [[nodiscard]] const std::shared_ptr<HostLinks>& links() const noexcept { return links_; }
    /// The links of the host that move into the container; null if there are none.
    [[nodiscard]] const std::shared_ptr<HostNics>& nics() const noexcept { return nics_; }
    /// Takes down in the end what a running container has got, too.
    void take_over(std::shared_ptr<HostLinks> links);
    void take_over(std::shared_ptr<HostNics> nics);
    /// What the container has of bridges that libct keeps; null if it has nothing.
    [[nodiscard]] const std::shared_ptr<BridgeUse>& bridges() const noexcept { return bridges_; }
    /// Leaves everything but bridges() to those who find the container's record.
    void detach() noexcept {
        teardown_.dismiss();
        if (links_) links_->leave();
        if (nics_) nics_->leave();
    }

private:
    void open_files_root(const Spec& spec);
    void open_area(const Spec& spec);
    void open_upper(const OverlayArea& overlay);
    void open_bound_directories(const Spec& spec);
    /// Of a container in the host's mount namespace: takes away in the end what the child mounts.
    void watch_mounts(const Spec& spec);
    void mount_private_area(const Spec& spec, const BindDir& area, const Announce& announce);

    UniqueFd files_root_;
    UniqueFd upper_; ///< Of an overlay, locked against use by others.
    UniqueFd work_;  ///< The same of its work directory.
    UniqueFd image_;
    std::vector<FilesRoot> bound_;
    std::vector<UniqueFd> bound_directories_;
    UniqueFd chroot_;
    std::shared_ptr<BridgeUse> bridges_; ///< Outlives the links.
    std::shared_ptr<HostLinks> links_;
    std::shared_ptr<HostNics> nics_;
    Rollback teardown_;
};

} // namespace ct::internal
