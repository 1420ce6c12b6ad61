// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "switch_to.hpp"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/concat.hpp"
#include "base/rollback.hpp"
#include "base/sys.hpp"
#include "launch/joins.hpp"
#include "plan/namespace_flags.hpp"

namespace ct::internal {

namespace {

/// The file of the thread's own namespace that setns(2) of that kind changes.
std::string own_file(Namespace kind) {
    const bool for_children = kind == Namespace::Pid;
    return concat("/proc/thread-self/ns/", to_string(kind), for_children ? "_for_children" : "");
}

bool has_other_threads() {
    struct stat status {};
    // One link for each thread, besides "." and "..".
    return ::stat("/proc/self/task", &status) == 0 && status.st_nlink > 3;
}

void check_threads(const std::vector<NamespaceJoin>& joins) {
    for (const NamespaceJoin& join : joins) {
        if (join.kind != Namespace::User && join.kind != Namespace::Time) continue;
        if (!has_other_threads()) return;
        throw sys::error(EINVAL, Stage::Enter, concat("join ", to_string(join.kind), " namespace"), join.name,
                         "a process with more than one thread cannot enter a namespace of that kind");
    }
}

/// The thread's place before the switch.
class Place {
public:
    Place()
        : root_(sys::open("/", O_PATH | O_DIRECTORY, Stage::Enter)),
          directory_(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

    void restore() const noexcept {
        // Who may not change the root cannot have joined a mount namespace, which would have changed it.
        if (::fchdir(root_.get()) == 0) (void)!::chroot(".");
        if (directory_) (void)!::fchdir(directory_.get());
    }

private:
    UniqueFd root_;
    UniqueFd directory_; ///< May have been removed.
};

} // namespace

void switch_thread(const std::vector<NamespaceJoin>& joins, int root) {
    // Those in which the thread is already are left alone: the user namespace could not be joined again.
    std::vector<NamespaceJoin> wanted;
    std::vector<UniqueFd> before;
    for (const NamespaceJoin& join : joins) {
        UniqueFd own = sys::open(own_file(join.kind), O_RDONLY, Stage::Enter);
        if (same_namespace(own.get(), join.fd)) continue;
        wanted.push_back(join);
        before.push_back(std::move(own));
    }
    check_threads(wanted);
    // Root and working directory belong to all threads together so far, and a mount namespace changes both.
    if (::unshare(CLONE_FS) < 0) throw sys::error(errno, Stage::Enter, "leave the shared working directory");
    const Place place;

    std::size_t joined = 0;
    const auto give_up = [&](std::string_view action, const std::string& path) {
        const int error = errno;
        bool back = true;
        while (joined > 0) {
            --joined;
            const auto kind = static_cast<int>(namespace_flag(wanted[joined].kind));
            if (::setns(before[joined].get(), kind) < 0) back = false;
        }
        if (back) place.restore();
        std::string_view hint;
        if (!back) {
            hint = "the thread has entered a user namespace, and cannot go back";
        } else if (error == EPERM) {
            hint = "needs CAP_SYS_ADMIN in the user namespace that owns it, and CAP_SYS_CHROOT for another root";
        }
        return sys::error(error, Stage::Enter, action, path, hint);
    };
    for (const NamespaceJoin& join : wanted) {
        if (::setns(join.fd, static_cast<int>(namespace_flag(join.kind))) < 0) {
            throw give_up(concat("join ", to_string(join.kind), " namespace"), join.name);
        }
        ++joined;
    }
    if (root >= 0 && (::fchdir(root) < 0 || ::chroot(".") < 0)) throw give_up("change to the container's root", {});
}

} // namespace ct::internal
