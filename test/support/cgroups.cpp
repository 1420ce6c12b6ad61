// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroups.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <new>

#include "cgroup/hierarchies.hpp"
#include "fixture.hpp"

namespace ct::test {

SharedCounter::SharedCounter() {
    void* const memory = ::mmap(nullptr, sizeof *number_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    number_ = new (memory) std::atomic<std::uint64_t>(0);
}

SharedCounter::~SharedCounter() {
    ::munmap(number_, sizeof *number_);
}

bool SharedCounter::moves() const {
    const std::uint64_t before = value();
    const auto begin = std::chrono::steady_clock::now();
    while (value() == before) {
        if (std::chrono::steady_clock::now() - begin > Patience) return false;
        ::sched_yield();
    }
    return true;
}

bool SharedCounter::moves_soon() const {
    const std::uint64_t before = value();
    for (int i = 0; i < 20; ++i) ::sched_yield();
    return value() != before;
}

int fork_bomb(SharedCounter& counter) {
    for (;;) {
        if (::fork() == 0) {
            // Every other one ends at once, so that forking never ends.
            if (counter.value() % 2 == 0) ::_exit(0);
        }
        counter.add();
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
    }
}

std::string own_group_path(const Container& container) {
    const internal::Hierarchies hierarchies = internal::Hierarchies::detect();
    const auto* const unified = hierarchies.unified();
    const auto* const hierarchy = unified != nullptr ? unified : hierarchies.find(Controller::Freezer);
    return hierarchy->mount_point + cgroup_parent() + "/" + container.name();
}

bool has_version_1(Controller controller) {
    const internal::Hierarchies hierarchies = internal::Hierarchies::detect();
    const auto* const hierarchy = hierarchies.find(controller);
    return hierarchy != nullptr && hierarchy->version == 1;
}

void hide_version_2() {
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    for (;;) {
        const internal::Hierarchies hierarchies = internal::Hierarchies::detect();
        const auto* const unified = hierarchies.unified();
        if (unified == nullptr) return;
        ASSERT_EQ(::umount2(unified->mount_point.c_str(), MNT_DETACH), 0);
    }
}

} // namespace ct::test
