// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/concat.hpp"
#include "base/subject.hpp"
#include "base/sys.hpp"
#include "config/validate.hpp"
#include "container_core.hpp"
#include "launch/launch.hpp"
#include "launch/mount_trees.hpp"

/// Mounting in a running container.
namespace ct::internal {

/// A moment in which the container runs.
struct ContainerCore::Visit {
    std::shared_ptr<ProcessCore> init; ///< Keeps the target's pidfd open.
    std::shared_ptr<const Joins> held; ///< Likewise, if there is no first process.
    EnterTarget target{};
    std::shared_ptr<const Spec> spec;
    UniqueFd lock; ///< Shares the lock of the container's files.
    UniqueFd root; ///< The root as it is seen inside, to remove what a failed mount has created.
};

ContainerCore::Visit ContainerCore::visit(std::string_view action, const std::string& target) {
    Visit visit;
    visit.init = running_init(action);
    {
        const std::lock_guard lock(mutex_);
        if (init_ != visit.init || state_ != State::Running) throw wrong_state(action, "running", state_);
        visit.target = enter_target_;
        visit.held = held_;
        if (held_) visit.target.held = held_->list();
        visit.spec = spec_;
        if (host_side_.files_root() >= 0) {
            visit.lock = sys::duplicate(host_side_.files_root(), Stage::Mounts, "duplicate a lock");
        }
    }
    if ((visit.target.namespaces & CLONE_NEWNS) == 0) {
        throw Error(Errc::InvalidState, Stage::Mounts, concat(subject(), ": ", action), target,
                    "it has no mount namespace of its own");
    }
    if (!visit.init) return visit; // what a failed mount has created stays then
    visit.root =
        UniqueFd(::open(concat("/proc/", visit.init->pid(), "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    // It is that of this process only if the process is still there.
    if (::syscall(SYS_pidfd_send_signal, visit.target.pidfd, 0, nullptr, 0) < 0) visit.root.reset();
    return visit;
}

void ContainerCore::mount(const Mount& mount) {
    const Visit visit = this->visit("mount", mount.target);
    with_subject(subject(), [&] {
        check_mount(mount);
        Spec spec = *visit.spec;
        spec.mounts = {mount};
        if (auto found = mount_violations(spec); !found.empty()) throw Error::invalid_config("mount", std::move(found));
        ProcessSpec nothing;
        nothing.stdio = {Stdio::Null, Stdio::Null, Stdio::Null};
        Streams streams(nothing, session_->low_fds);
        IdMaps maps(*visit.spec, session_->areas);
        // What the source means is decided on the host, not by the container.
        if (mount.type.empty()) streams.lend_tree({mount.target, 0}, prepare_tree(mount, maps));
        Plan plan;
        compile_mount(plan, *visit.spec, visit.target, mount, streams.layout(), HostFacts::detect());
        std::vector<FilesRoot> created_in;
        if (visit.root && visit.lock) created_in.push_back({"/", visit.root.get(), visit.lock.get()});
        (void)launch({plan, -1, nullptr, nullptr, created_in}, session_->areas);
    });
}

void ContainerCore::unmount(const std::string& target) {
    const Visit visit = this->visit("unmount", target);
    with_subject(subject(), [&] {
        check_inner_path("unmount target", target);
        Plan plan;
        compile_unmount(plan, *visit.spec, visit.target, target, HostFacts::detect());
        (void)launch({plan, -1, nullptr}, session_->areas);
    });
}

} // namespace ct::internal
