// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach/client.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <ct/error.hpp>

#include "attach/server.hpp"

namespace ct::internal {

namespace {

constexpr std::size_t PacketSize = 8192;        ///< More is lost to clients: they have room for that.
constexpr std::size_t InputSize = 256UL * 1024; ///< Of a packet.
constexpr std::size_t PacketsAtOnce = 32;
constexpr int Rounds = 4;              ///< A turn is no longer than that.
constexpr std::size_t EntryCost = 128; ///< Of an entry in the queue, beside its bytes.

char id_of(Stream stream) {
    return stream == Stream::Error ? 3 : 2;
}

} // namespace

AttachClient::AttachClient(UniqueFd socket, Limits limits, std::shared_ptr<AttachPoint> point,
                           std::weak_ptr<AttachServerCore> server, std::shared_ptr<Loop> loop,
                           std::shared_ptr<ScratchPool> scratches)
    : limits_(limits), point_(std::move(point)), server_(std::move(server)), loop_(std::move(loop)),
      scratches_(std::move(scratches)), socket_(std::move(socket)) {}

void AttachClient::start() {
    const std::lock_guard lock(mutex_);
    watched_ = EPOLLIN;
    watch_ = loop_->add(socket_.get(), watched_, callback());
}

Loop::Callback AttachClient::callback() {
    return [weak = weak_from_this()](std::uint32_t events) {
        if (const auto self = weak.lock()) self->ready(events);
    };
}

void AttachClient::carry_out(const Todo& todo) {
    if (todo.unblock) point_->unblock();
    const auto server = server_.lock();
    if (!server) return;
    if (todo.input_ended) server->input_ended(*this);
    if (todo.gone) server->drop(*this, todo.expelled);
}

void AttachClient::begin(std::vector<OutputPiece> history) {
    const std::lock_guard lock(mutex_);
    for (OutputPiece& piece : history) {
        auto owner = std::make_shared<const std::string>(std::move(piece.bytes));
        queue_.push_back({id_of(piece.stream), *owner, owner});
        history_ += owner->size() + EntryCost;
    }
    queued_ = history_;
}

void AttachClient::output(SharedChunk& chunk) {
    Todo todo;
    {
        const std::lock_guard lock(mutex_);
        if (!socket_ || hung_up_ || ending_) return;
        queue_.push_back({id_of(chunk.chunk().stream), chunk.chunk().bytes, nullptr});
        queued_ += chunk.chunk().bytes.size() + EntryCost;
        flush(todo);
        if (!queue_.empty() && !queue_.back().owner) {
            Queued& last = queue_.back();
            const std::size_t sent = chunk.chunk().bytes.size() - last.left.size();
            last.owner = chunk.copy();
            last.left = std::string_view(*last.owner).substr(sent);
            limit_queue(todo);
        }
        watch(todo);
    }
    carry_out(todo);
}

void AttachClient::limit_queue(Todo& todo) {
    if (queued_ <= limits_.queue + history_) return;
    switch (limits_.slow) {
    case SlowClient::Disconnect: todo.gone = todo.expelled = true; break;
    case SlowClient::Skip:
        if (const auto server = server_.lock()) server->count_skipped(queue_.back().left.size());
        queued_ -= queue_.back().left.size() + EntryCost;
        queue_.pop_back();
        break;
    case SlowClient::Wait:
        if (!std::exchange(blocks_, true)) point_->block();
        break;
    }
}

void AttachClient::flush(Todo& todo) {
    for (int round = 0; round < Rounds && !queue_.empty(); ++round) {
        std::array<mmsghdr, PacketsAtOnce> messages{};
        std::array<std::array<iovec, 2>, PacketsAtOnce> parts{};
        unsigned count = 0;
        for (auto entry = queue_.begin(); entry != queue_.end() && count < PacketsAtOnce; ++entry) {
            for (std::size_t at = 0; at < entry->left.size() && count < PacketsAtOnce; at += PacketSize, ++count) {
                const std::string_view part = entry->left.substr(at, PacketSize);
                parts[count] = {iovec{&entry->id, 1}, iovec{const_cast<char*>(part.data()), part.size()}};
                messages[count].msg_hdr.msg_iov = parts[count].data();
                messages[count].msg_hdr.msg_iovlen = 2;
            }
        }
        const int sent = ::sendmmsg(socket_.get(), messages.data(), count, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM) {
            hung_up_ = true;
            forget_queue(todo);
        }
        if (sent > 0) pop(static_cast<std::size_t>(sent));
        if (sent < static_cast<int>(count)) break;
    }
    if (queued_ <= (limits_.queue + history_) / 2 && std::exchange(blocks_, false)) todo.unblock = true;
}

void AttachClient::pop(std::size_t packets) noexcept {
    for (; packets > 0; --packets) {
        Queued& first = queue_.front();
        const std::size_t size = std::min(first.left.size(), PacketSize);
        first.left.remove_prefix(size);
        queued_ -= size;
        if (!first.left.empty()) continue;
        queued_ -= EntryCost;
        queue_.pop_front();
    }
    if (queue_.empty()) history_ = 0;
}

void AttachClient::forget_queue(Todo& todo) noexcept {
    queue_.clear();
    queued_ = 0;
    if (std::exchange(blocks_, false)) todo.unblock = true;
}

void AttachClient::catch_up() {
    Todo todo;
    {
        const std::lock_guard lock(mutex_);
        if (!socket_) return;
        flush(todo);
        watch(todo);
    }
    carry_out(todo);
}

void AttachClient::ready(std::uint32_t events) {
    Todo todo;
    {
        const std::lock_guard lock(mutex_);
        if (!socket_) return;
        if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
            hung_up_ = true;
            forget_queue(todo);
        }
        if ((events & EPOLLOUT) != 0) flush(todo);
        if (reads_ && rest_.empty() && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(todo);
        watch(todo);
    }
    carry_out(todo);
}

void AttachClient::receive(Todo& todo) {
    ScratchPool::Lease scratch(*scratches_);
    scratch->reserve(InputSize);
    // No room for control messages: descriptors that are sent along are closed by the kernel.
    const ssize_t got = ::recv(socket_.get(), scratch->bytes.get(), InputSize, MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) { // the end, or an empty packet
        reads_ = false;
        todo.input_ended = true;
        (void)::shutdown(socket_.get(), SHUT_RD);
        return;
    }
    const auto size = static_cast<std::size_t>(got); // of the packet
    if (size > InputSize) {
        todo.gone = todo.expelled = true;
    } else {
        take_input({scratch->bytes.get(), size});
    }
}

void AttachClient::take_input(std::string_view packet) {
    const std::size_t taken = point_->write(packet, shared_from_this());
    rest_.assign(packet.substr(taken));
}

void AttachClient::room() {
    Todo todo;
    {
        const std::lock_guard lock(mutex_);
        if (!socket_ || rest_.empty()) return;
        const std::string packet = std::exchange(rest_, {});
        take_input(packet);
        watch(todo);
    }
    carry_out(todo);
}

void AttachClient::watch(Todo& todo) {
    if (!socket_) return;
    if (hung_up_ && (!reads_ || ending_)) todo.gone = true;
    if (ending_ && queue_.empty()) todo.gone = true;
    if (todo.gone) {
        todo.input_ended = todo.input_ended || std::exchange(reads_, false);
        return;
    }
    const bool waits_for_room = reads_ && !rest_.empty();
    std::uint32_t wanted = 0;
    if (reads_ && !waits_for_room) wanted |= EPOLLIN;
    if (!queue_.empty()) wanted |= EPOLLOUT;
    if (hung_up_ && waits_for_room) { // that it has hung up would be reported all the time
        loop_->remove(std::exchange(watch_, 0));
        return;
    }
    if (watch_ == 0) {
        try {
            watch_ = loop_->add(socket_.get(), wanted, callback());
        } catch (const Error&) { // it cannot be served any more
            todo.gone = todo.expelled = true;
        }
    } else if (wanted != watched_) {
        loop_->modify(watch_, wanted);
    }
    watched_ = wanted;
}

void AttachClient::end(bool) {
    Todo todo;
    {
        const std::lock_guard lock(mutex_);
        if (!socket_) return;
        ending_ = true;
        reads_ = false;
        rest_.clear();
        (void)::shutdown(socket_.get(), SHUT_RD);
        flush(todo);
        watch(todo);
    }
    carry_out(todo);
}

void AttachClient::close() noexcept {
    Todo todo;
    {
        const std::lock_guard lock(mutex_);
        if (!socket_) return;
        loop_->remove(std::exchange(watch_, 0));
        forget_queue(todo);
        rest_.clear();
        // What is not read when the socket is closed makes the peer's next read fail, before it has got all output.
        (void)::shutdown(socket_.get(), SHUT_RD);
        char nothing = 0;
        while (::recv(socket_.get(), &nothing, 1, MSG_DONTWAIT | MSG_TRUNC) > 0) {
        }
        socket_.reset();
    }
    if (todo.unblock) point_->unblock();
}

} // namespace ct::internal
