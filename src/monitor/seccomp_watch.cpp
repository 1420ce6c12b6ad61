// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/seccomp_watch.hpp"

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <vector>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

/// Room for what a kernel may write that is newer than the headers.
template <typename Message>
class Room {
public:
    explicit Room(std::size_t size) : memory_(std::max(size, sizeof(Message)) / sizeof(std::uint64_t) + 1) {}
    [[nodiscard]] Message& operator*() noexcept { return *reinterpret_cast<Message*>(memory_.data()); }

private:
    std::vector<std::uint64_t> memory_;
};

seccomp_notif_sizes message_sizes() {
    static const seccomp_notif_sizes sizes = [] {
        seccomp_notif_sizes found{};
        ::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &found);
        return found;
    }();
    return sizes;
}

/// The caller may have been killed meanwhile: nobody needs the answer then.
void answer(int listener, std::uint64_t id, const SeccompReply& reply) {
    Room<seccomp_notif_resp> room(message_sizes().seccomp_notif_resp);
    seccomp_notif_resp& response = *room;
    response.id = id;
    switch (reply.kind) {
    case SeccompReply::Kind::Continue: response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE; break;
    case SeccompReply::Kind::Return: response.val = reply.value; break;
    case SeccompReply::Kind::Fail: response.error = static_cast<std::int32_t>(-reply.value); break;
    }
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) < 0 && errno != ENOENT && errno != EINTR) {
        throw sys::error(errno, Stage::Seccomp, "answer a system call");
    }
}

void check(const SeccompReply& reply) {
    constexpr int most = 4095; // MAX_ERRNO
    if (reply.kind == SeccompReply::Kind::Fail && (reply.value < 1 || reply.value > most)) {
        throw Error::invalid_config("answer a system call", {concat("errno ", reply.value, " is not 1 to ", most)});
    }
}

void serve(int listener, const FindSeccompHandler& find_handler) {
    Room<seccomp_notif> room(message_sizes().seccomp_notif);
    seccomp_notif& call = *room;
    // ENOENT: the caller has been killed meanwhile. EINTR: the next dispatch tries again.
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) {
        if (errno == ENOENT || errno == EINTR) return;
        throw sys::error(errno, Stage::Seccomp, "receive a system call");
    }
    try {
        const auto handler = find_handler();
        SeccompReply reply;
        if (handler != nullptr) reply = (*handler)(SeccompNotice(ReceivedNotice{listener, call}));
        check(reply);
        answer(listener, call.id, reply);
    } catch (const Error& error) {
        // A bad address, or a caller that is gone, is the caller's fault, not the handler's: as the kernel answers.
        const int number = error.code().value();
        const bool callers = error.stage() == Stage::Seccomp && (number == EFAULT || number == ESRCH);
        answer(listener, call.id, SeccompReply::fail(callers ? number : EIO));
        if (!callers) throw;
    } catch (...) {
        answer(listener, call.id, SeccompReply::fail(EIO));
        throw;
    }
}

} // namespace

void watch_listener(Loop& loop, UniqueFd listener, FindSeccompHandler find_handler) {
    struct Watched {
        UniqueFd listener;
        FindSeccompHandler find_handler;
        std::atomic<Loop::Id> id{0};
    };
    auto watched = std::make_shared<Watched>();
    watched->listener = std::move(listener);
    watched->find_handler = std::move(find_handler);
    watched->id = loop.add(watched->listener.get(), EPOLLIN, [&loop, watched](std::uint32_t events) {
        if ((events & EPOLLIN) != 0) {
            serve(watched->listener.get(), watched->find_handler);
        } else {
            loop.remove(watched->id); // the last process is gone
        }
    });
}

} // namespace ct::internal
