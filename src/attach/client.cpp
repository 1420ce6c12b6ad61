// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach/client.hpp"

#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "attach/server.hpp"

namespace ct::internal {

namespace {

constexpr std::size_t PacketSize = 8192;        ///< More is lost to clients: they have room for that.
constexpr std::size_t InputSize = 256UL * 1024; ///< Of a packet.
constexpr std::size_t PacketsAtOnce = 32;
constexpr std::size_t SpillBlock = 256UL * 1024; ///< Read from the file at a time.
constexpr int Rounds = 4;                        ///< A turn is no longer than that.
constexpr std::size_t EntryCost = 128;           ///< Of an entry in the queue, beside its bytes.

char id_of(Stream stream) {
    return stream == Stream::Error ? 3 : 2;
}

} // namespace

AttachClient::AttachClient(UniqueFd socket, Limits limits, std::shared_ptr<AttachPoint> point,
                           std::weak_ptr<AttachServerCore> server, std::shared_ptr<Loop> loop,
                           std::shared_ptr<ScratchPool> scratches)
    : limits_(std::move(limits)), point_(std::move(point)), server_(std::move(server)), loop_(std::move(loop)),
      scratches_(std::move(scratches)), socket_(std::move(socket)), spill_(limits_.spill_directory, limits_.spill),
      watched_(EPOLLIN) {}

void AttachClient::start() {
    const std::lock_guard lock(mutex_);
    if (socket_) watch_ = loop_->add(socket_.get(), watched_, callback()); // else output has had it dropped
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
    if (todo.orphaned) server->orphan(*this);
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
        const char id = id_of(chunk.chunk().stream);
        const std::string_view bytes = chunk.chunk().bytes;
        if (spill_.empty()) {
            queue_.push_back({id, bytes, nullptr});
            queued_ += bytes.size() + EntryCost;
        } else {
            spill(id, bytes, todo);
        }
        flush(todo);
        const auto borrows = [&] { return !queue_.empty() && !queue_.back().owner; };
        if (borrows()) limit_queue(todo);
        if (borrows()) {
            Queued& last = queue_.back();
            const std::size_t sent = bytes.size() - last.left.size();
            last.owner = chunk.copy();
            last.left = std::string_view(*last.owner).substr(sent);
        }
        watch(todo);
    }
    carry_out(todo);
}

void AttachClient::limit_queue(Todo& todo) {
    if (queued_ <= limits_.queue + history_) return;
    switch (limits_.slow) {
    case SlowClient::Disconnect: todo.gone = todo.expelled = true; return;
    case SlowClient::Wait:
        if (!std::exchange(blocks_, true)) point_->block();
        return;
    case SlowClient::Spill: spill(queue_.back().id, queue_.back().left, todo); break;
    case SlowClient::Skip:
        if (const auto server = server_.lock()) server->count_skipped(queue_.back().left.size());
        break;
    }
    queued_ -= queue_.back().left.size() + EntryCost;
    queue_.pop_back();
}

void AttachClient::spill(char id, std::string_view bytes, Todo& todo) {
    if (!spill_.append(id, bytes)) {
        todo.gone = todo.expelled = true;
    } else if (const auto server = server_.lock()) {
        server->count_spilled(bytes.size());
    }
}

bool AttachClient::refill(Todo& todo) {
    if (spill_.empty()) return false;
    const auto block = spill_.take(std::min(limits_.queue, SpillBlock));
    if (!block) todo.gone = todo.expelled = true;
    if (!block) return false;
    for (const SpillFile::Piece& piece : block->pieces) {
        queue_.push_back({piece.id, piece.bytes, block->bytes});
        queued_ += piece.bytes.size() + EntryCost;
    }
    return true;
}

void AttachClient::flush(Todo& todo) {
    for (int round = 0; round < Rounds && (!queue_.empty() || refill(todo)); ++round) {
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
        if (sent > 0) packets_ += static_cast<unsigned>(sent);
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
    spill_.clear();
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
        gone_ = gone_ || (events & EPOLLHUP) != 0;
        if ((events & EPOLLOUT) != 0) flush(todo);
        if (reads_ && input_.empty() && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
            while (receive(todo) && gone_) continue; // no more will come than there is
        }
        if (gone_ && reads_ && !input_.empty()) orphan(todo);
        watch(todo);
    }
    carry_out(todo);
}

std::optional<std::size_t> AttachClient::next_packet(Scratch& scratch) {
    scratch.reserve(InputSize);
    ssize_t got = 0;
    // No room for control messages: descriptors that are sent along are closed by the kernel. ECONNRESET says, once,
    // that the peer is gone without having read everything; what it has sent before is still there.
    do got = ::recv(socket_.get(), scratch.bytes.get(), InputSize, MSG_DONTWAIT | MSG_TRUNC);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got < 0 && errno == EAGAIN) return std::nullopt;
    return got < 0 ? 0 : static_cast<std::size_t>(got);
}

bool AttachClient::receive(Todo& todo) {
    ScratchPool::Lease scratch(*scratches_);
    const auto size = next_packet(*scratch);
    if (!size) return false;
    if (*size == 0) { // the end, or an empty packet
        reads_ = false;
        todo.input_ended = true;
        (void)::shutdown(socket_.get(), SHUT_RD);
        return false;
    }
    if (*size > InputSize) {
        todo.gone = todo.expelled = true;
        return false;
    }
    const std::string_view packet(scratch->bytes.get(), *size);
    const std::size_t taken = point_->write(packet, shared_from_this());
    if (taken < *size) input_.emplace_back(packet.substr(taken));
    return input_.empty();
}

void AttachClient::orphan(Todo& todo) {
    const auto server = server_.lock();
    if (!server) return;
    todo.orphaned = true;
    bool fits = true; // once one does not, no later one does: nothing is missing in the midst
    const auto keep = [&](const char* bytes, std::size_t size) {
        fits = fits && size <= InputSize && server->keep_input(size + EntryCost);
        if (!fits) return server->count_lost(size);
        kept_ += size + EntryCost;
        input_.emplace_back(bytes, size);
    };
    const std::string rest = std::exchange(input_, {}).front();
    keep(rest.data(), rest.size());
    ScratchPool::Lease scratch(*scratches_);
    while (const std::size_t size = next_packet(*scratch).value_or(0)) keep(scratch->bytes.get(), size);
    loop_->remove(std::exchange(watch_, 0));
    socket_.reset();
}

void AttachClient::pass_on_input() {
    while (!input_.empty()) {
        std::string& packet = input_.front();
        const std::size_t taken = point_->write(packet, shared_from_this());
        const bool whole = taken == packet.size();
        if (kept_ > 0) release(taken + (whole ? EntryCost : 0));
        if (whole) {
            input_.pop_front();
        } else {
            packet.erase(0, taken);
            break;
        }
    }
}

void AttachClient::release(std::size_t bytes) noexcept {
    kept_ -= bytes;
    if (const auto server = server_.lock()) server->release_input(bytes);
}

void AttachClient::room() {
    Todo todo;
    {
        const std::lock_guard lock(mutex_);
        if (input_.empty()) return;
        pass_on_input();
        watch(todo);
    }
    carry_out(todo);
}

void AttachClient::watch(Todo& todo) {
    if (!socket_) {
        if (gone_ && input_.empty() && std::exchange(reads_, false)) todo.input_ended = todo.gone = true;
        return;
    }
    if (hung_up_ && (!reads_ || ending_)) todo.gone = true;
    if (ending_ && sent_all()) todo.gone = true;
    if (todo.gone) {
        todo.input_ended = todo.input_ended || std::exchange(reads_, false);
        return;
    }
    std::uint32_t wanted = 0;
    if (reads_ && input_.empty()) wanted |= EPOLLIN;
    if (!sent_all()) wanted |= EPOLLOUT;
    if (wanted != watched_) loop_->modify(watch_, wanted);
    watched_ = wanted;
}

void AttachClient::end(bool) {
    Todo todo;
    bool look = false;
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
        reads_ = false;
        input_.clear();
        if (socket_) {
            (void)::shutdown(socket_.get(), SHUT_RD);
            flush(todo);
            watch(todo);
            look = !todo.gone;
        } else {
            todo.gone = true;
        }
    }
    if (look) (void)has_read(); // what counts is what it reads from now on
    carry_out(todo);
}

bool AttachClient::has_read() noexcept {
    const std::lock_guard lock(mutex_);
    int unread = 0;
    (void)::ioctl(socket_.get(), SIOCOUTQ, &unread);
    const std::pair now{packets_, unread};
    return std::exchange(seen_, now) != now;
}

void AttachClient::close() noexcept {
    Todo todo;
    {
        const std::lock_guard lock(mutex_);
        input_.clear();
        release(kept_);
        if (!socket_) return;
        loop_->remove(std::exchange(watch_, 0));
        forget_queue(todo);
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
