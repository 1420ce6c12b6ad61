// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/once_polls.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/sys.hpp"

namespace ct::internal {

namespace {

constexpr unsigned ContextSize = 128; ///< Polls in one context.
constexpr std::string_view Action = "watch a descriptor by IOCB_CMD_POLL";

Error failed(int error) {
    if (error == ENOSYS || error == EINVAL) {
        return {Errc::Unsupported, Stage::Session, Action, {}, "io_submit(2) cannot poll: it needs CONFIG_AIO"};
    }
    return sys::error(error, Stage::Session, Action, {}, error == EAGAIN ? "see /proc/sys/fs/aio-max-nr" : "");
}

} // namespace

std::shared_ptr<OncePolls> OncePolls::make(Loop& loop) {
    UniqueFd completed(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!completed) throw sys::error(errno, Stage::Session, "make an eventfd");
    auto polls = std::make_shared<OncePolls>(sys::above_stdio(std::move(completed), Stage::Session, "make an eventfd"));
    polls->open_context();
    // The loop has this object to its end.
    (void)loop.add(polls->completed_.get(), EPOLLIN, [weak = std::weak_ptr(polls)](std::uint32_t) {
        if (const auto self = weak.lock()) self->look();
    });
    return polls;
}

OncePolls::~OncePolls() {
    for (const aio_context_t context : contexts_) (void)::syscall(SYS_io_destroy, context);
}

void OncePolls::open_context() {
    aio_context_t context = 0;
    if (::syscall(SYS_io_setup, ContextSize, &context) < 0) throw failed(errno);
    contexts_.push_back(context);
}

void OncePolls::submit(Poll& poll) {
    iocb* request = &poll.request;
    const auto try_submit = [&] {
        poll.context = contexts_.back();
        return ::syscall(SYS_io_submit, poll.context, 1, &request) == 1;
    };
    if (try_submit()) return;
    if (errno == EAGAIN) { // it is full
        open_context();
        if (try_submit()) return;
    }
    throw failed(errno);
}

OncePolls::Id OncePolls::add(int fd, Callback callback) {
    const std::lock_guard lock(mutex_);
    const Id id = ++last_;
    const auto added = polls_.emplace(id, std::make_shared<Poll>()).first;
    Poll& poll = *added->second;
    poll.callback = std::move(callback);
    poll.request.aio_data = id;
    poll.request.aio_lio_opcode = IOCB_CMD_POLL;
    poll.request.aio_fildes = static_cast<std::uint32_t>(fd);
    poll.request.aio_buf = POLLPRI;
    poll.request.aio_flags = IOCB_FLAG_RESFD;
    poll.request.aio_resfd = static_cast<std::uint32_t>(completed_.get());
    try {
        submit(poll);
    } catch (...) {
        polls_.erase(added);
        throw;
    }
    return id;
}

void OncePolls::remove(Id id) noexcept {
    std::shared_ptr<Poll> removed; // what its callback holds may call back: released after the lock
    const std::lock_guard lock(mutex_);
    const auto found = polls_.find(id);
    if (found == polls_.end()) return;
    removed = std::move(found->second);
    polls_.erase(found);
    io_event unused{};
    // What it completes with is told as all others are, and found to be of nobody.
    (void)::syscall(SYS_io_cancel, removed->context, &removed->request, &unused);
}

void OncePolls::look() {
    eventfd_t count = 0;
    (void)::eventfd_read(completed_.get(), &count);
    std::vector<aio_context_t> contexts;
    {
        const std::lock_guard lock(mutex_);
        contexts = contexts_;
    }
    std::exception_ptr thrown;
    for (const aio_context_t context : contexts) {
        std::array<io_event, 16> events{};
        timespec at_once{};
        const long ready = ::syscall(SYS_io_getevents, context, 0, events.size(), events.data(), &at_once);
        // The others have their turn first.
        if (ready == static_cast<long>(events.size())) (void)::eventfd_write(completed_.get(), 1);
        for (long i = 0; i < ready; ++i) {
            try {
                told(events.at(static_cast<std::size_t>(i)));
            } catch (...) {
                if (!thrown) thrown = std::current_exception(); // those that were taken have to be told
            }
        }
    }
    if (thrown) std::rethrow_exception(thrown);
}

void OncePolls::told(const io_event& event) {
    std::shared_ptr<Poll> poll;
    bool gone = event.res < 0 || (event.res & POLLERR) != 0;
    {
        const std::lock_guard lock(mutex_);
        const auto found = polls_.find(event.data);
        if (found == polls_.end()) return;
        poll = found->second;
        try {
            if (!gone) submit(*poll);
        } catch (const Error&) {
            gone = true; // its file was closed by the kernel, with the group
        }
        if (gone) polls_.erase(found);
    }
    poll->callback(gone);
}

} // namespace ct::internal
