// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/start_thread.hpp"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "base/signals_blocked.hpp"
#include "base/sys.hpp"
#include "base/unique_fd.hpp"

namespace ct::internal {

/// Shared with the thread, which may live longer than the object.
struct StartThread::State {
    struct Job {
        const std::function<void()>& run;
        std::exception_ptr error = nullptr;
        bool done = false;
    };

    std::thread thread;
    std::mutex mutex; ///< Guards what follows.
    std::condition_variable changed;
    std::vector<Job*> jobs;
    bool closing = false;
    std::vector<std::weak_ptr<const UniqueFd>> watched; ///< pidfds
    std::vector<UniqueFd> awaited;                      ///< The thread ends after these processes.

    void work() {
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, [&] { return closing || !jobs.empty(); });
            if (jobs.empty()) break;
            Job& job = *jobs.front();
            jobs.erase(jobs.begin());
            lock.unlock();
            try {
                job.run();
            } catch (...) {
                job.error = std::current_exception();
            }
            lock.lock();
            job.done = true;
            changed.notify_all();
        }
        const std::vector<UniqueFd> last = std::move(awaited);
        lock.unlock();
        for (const UniqueFd& process : last) {
            pollfd fd{process.get(), POLLIN, 0};
            while (::poll(&fd, 1, -1) < 0 && errno == EINTR) {
            }
        }
    }

    /// Forgets processes that have ended.
    void sweep() {
        std::erase_if(watched, [](const std::weak_ptr<const UniqueFd>& process) {
            const auto pidfd = process.lock();
            pollfd fd{pidfd ? pidfd->get() : -1, POLLIN, 0};
            return !pidfd || ::poll(&fd, 1, 0) > 0;
        });
    }
};

StartThread::StartThread() : owner_(::getpid()), state_(std::make_shared<State>()) {
    const SignalsBlocked blocked; // inherited by the thread
    try {
        state_->thread = std::thread([state = state_] { state->work(); });
    } catch (const std::system_error& error) {
        throw sys::error(error.code().value(), Stage::Launch, "start the session's thread");
    }
    ::pthread_setname_np(state_->thread.native_handle(), "libct-start");
}

StartThread::~StartThread() {
    if (!usable()) {
        // In a copy of the process there is no thread to wait for, its locks are in an unknown state, and glibc may
        // have given its memory to another one.
        (void)new (std::nothrow) std::shared_ptr<State>(std::move(state_));
        return;
    }
    {
        const std::lock_guard lock(state_->mutex);
        state_->closing = true;
    }
    state_->changed.notify_all();
    if (state_->thread.joinable()) state_->thread.join();
}

bool StartThread::usable() const noexcept {
    return ::getpid() == owner_;
}

void StartThread::run(const std::function<void()>& job) {
    State::Job mine{job};
    std::unique_lock lock(state_->mutex);
    state_->jobs.push_back(&mine);
    state_->changed.notify_all();
    state_->changed.wait(lock, [&] { return mine.done; });
    if (mine.error) std::rethrow_exception(mine.error);
}

void StartThread::watch(std::weak_ptr<const UniqueFd> pidfd) {
    const std::lock_guard lock(state_->mutex);
    state_->sweep();
    state_->watched.push_back(std::move(pidfd));
}

void StartThread::outlive_object() noexcept {
    if (!usable() || !state_->thread.joinable()) return;
    const std::lock_guard lock(state_->mutex);
    state_->sweep();
    for (const auto& process : state_->watched) {
        const auto pidfd = process.lock();
        // Without a descriptor to spare the process gets its signal now.
        UniqueFd copy(pidfd ? ::fcntl(pidfd->get(), F_DUPFD_CLOEXEC, 3) : -1);
        if (copy) state_->awaited.push_back(std::move(copy));
    }
    if (!state_->awaited.empty()) state_->thread.detach();
}

} // namespace ct::internal
