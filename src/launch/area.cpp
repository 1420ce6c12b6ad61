// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/area.hpp"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr std::size_t Page = 4096;
constexpr std::size_t StackSize = 16 * Page;
constexpr std::size_t ChildStack = Page; // guard pages at 0 and below the helper's stack
constexpr std::size_t HelperStack = ChildStack + StackSize + Page;
constexpr std::size_t HandshakeAt = HelperStack + StackSize;
constexpr std::size_t AreaSize = HandshakeAt + Page;
static_assert(sizeof(Handshake) <= Page);

constexpr std::size_t MostKept = 64;

UniqueFd open_host() {
    UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    if (!fd) throw sys::error(errno, Stage::Session, "open a pidfd");
    return sys::above_stdio(std::move(fd), Stage::Session, "duplicate a pidfd");
}

} // namespace

LaunchArea::LaunchArea(Sharing sharing) {
    sys::fault_point(Stage::Launch, "map memory for the child's stack");
    const int kind = sharing == Sharing::Threads ? MAP_PRIVATE : MAP_SHARED;
    void* const memory = ::mmap(nullptr, AreaSize, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw sys::error(errno, Stage::Launch, "map memory for the child's stack");
    memory_ = static_cast<std::byte*>(memory);
    if (::mprotect(memory_, Page, PROT_NONE) < 0 || ::mprotect(memory_ + HelperStack - Page, Page, PROT_NONE) < 0) {
        const int error = errno;
        ::munmap(memory_, AreaSize);
        throw sys::error(error, Stage::Launch, "protect the child's stack");
    }
}

LaunchArea::~LaunchArea() {
    ::munmap(memory_, AreaSize);
}

std::span<std::byte> LaunchArea::child_stack() const noexcept {
    return {memory_ + ChildStack, StackSize};
}

std::span<std::byte> LaunchArea::helper_stack() const noexcept {
    return {memory_ + HelperStack, StackSize};
}

Handshake& LaunchArea::handshake() const noexcept {
    return *reinterpret_cast<Handshake*>(memory_ + HandshakeAt);
}

AreaPool::AreaPool() : host_(open_host()) {}

std::unique_ptr<LaunchArea> AreaPool::take() {
    {
        const std::lock_guard lock(mutex_);
        if (!free_.empty()) {
            auto area = std::move(free_.back());
            free_.pop_back();
            return area;
        }
    }
    return std::make_unique<LaunchArea>(LaunchArea::Sharing::Threads);
}

void AreaPool::give_back(std::unique_ptr<LaunchArea> area) noexcept {
    const std::lock_guard lock(mutex_);
    if (free_.size() >= MostKept) return;
    try {
        free_.push_back(std::move(area));
    } catch (const std::bad_alloc&) {
        // Then it is unmapped instead.
    }
}

} // namespace ct::internal
