// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The part of container_core.hpp about what a container has changed in its overlay.
#include "container_core.hpp"

#include <fcntl.h>

#include "area/dir_chain.hpp"
#include "base/sys.hpp"

namespace ct::internal {

std::optional<OverlayView> ContainerCore::overlay(std::string_view action) const {
    std::shared_ptr<const Spec> spec;
    std::shared_ptr<const UniqueFd> upper;
    bool foreign = false;
    {
        const std::lock_guard lock(mutex_);
        foreign = adopted_;
        spec = spec_;
        upper = upper_;
    }
    const auto* const area = spec->private_area ? std::get_if<OverlayArea>(&*spec->private_area) : nullptr;
    if (area == nullptr || !spec->root) {
        throw Error(Errc::InvalidState, Stage::Configure, action, {}, "its private area is no overlay");
    }
    if (area->upper.empty() && !upper && foreign) {
        throw Error(Errc::InvalidState, Stage::Configure, action, {},
                    "only the process that has started it knows the changes of its throw-away overlay");
    }
    if (area->upper.empty() && !upper) return std::nullopt;
    return open_overlay(*spec, upper ? upper->get() : -1);
}

std::vector<Change> ContainerCore::changes() const {
    return with_subject(subject(), [&] {
        const std::optional<OverlayView> view = overlay("list the changes");
        return view ? list_changes(*view) : std::vector<Change>{};
    });
}

void ContainerCore::commit(const std::string& directory) const {
    with_subject(subject(), [&] {
        const std::optional<OverlayView> view = overlay("commit the changes");
        if (!view) {
            throw Error(Errc::InvalidState, Stage::Configure, "commit the changes to", directory,
                        "it was never started, or its changes were discarded");
        }
        copy_upper(*view, directory);
    });
}

void ContainerCore::discard() {
    (void)life();
    {
        const std::lock_guard lock(mutex_);
        if (state_ != State::Stopped) throw wrong_state("discard the changes", "stopped", state_);
        state_ = State::Stopping; // nobody starts it meanwhile
    }
    // Nothing of this is told: the container was stopped all the time.
    const std::shared_ptr<ContainerCore> stopped(this, [](ContainerCore* core) {
        {
            const std::lock_guard lock(core->mutex_);
            core->state_ = State::Stopped;
        }
        core->changed_.notify_all();
    });
    with_subject(subject(), [&] {
        std::optional<OverlayView> view = overlay("discard the changes");
        if (!view) return;
        const auto& area = std::get<OverlayArea>(*spec_->private_area);
        if (area.upper.empty()) {
            std::shared_ptr<const UniqueFd> ended; // outlives the lock
            const std::lock_guard lock(mutex_);
            upper_.swap(ended);
            return;
        }
        const UniqueFd upper = sys::open(area.upper, O_RDONLY | O_DIRECTORY, Stage::Root, "open the upper directory");
        lock_upper(area, upper.get());
        remove_contents(upper.get(), area.upper);
    });
}

} // namespace ct::internal
