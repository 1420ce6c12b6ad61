// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach/server.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/concat.hpp"
#include "base/split_path.hpp"
#include "base/sys.hpp"
#include "config/attach.hpp"

namespace ct::internal {

namespace {

constexpr int AcceptsPerTurn = 16;
constexpr int AllThatWait = 256; ///< And more.
constexpr int SendBuffer = 1024 * 1024;
constexpr std::chrono::milliseconds Pause{100};

} // namespace

AttachServerCore::AttachServerCore(AttachServerOptions options, std::shared_ptr<AttachPoint> point,
                                   std::shared_ptr<Loop> loop, std::shared_ptr<ScratchPool> scratches)
    : options_(std::move(options)), process_(::getpid()), owns_point_(!point),
      point_(point ? std::move(point) : std::make_shared<AttachPoint>()), loop_(std::move(loop)),
      scratches_(std::move(scratches)), limits_{options_.queue.count, options_.slow, options_.spill.count,
                                                options_.spill_directory.empty() ? split_path(options_.path).directory
                                                                                 : options_.spill_directory} {
    check_attach_server(options_);
    if (owns_point_) point_->begin_output(options_.history.count, nullptr);
}

AttachPoint& AttachServerCore::own_point(std::string_view action) const {
    if (owns_point_) return *point_;
    throw Error(Errc::InvalidState, Stage::Stdio, concat("attach server: ", action), {}, "it serves a container");
}

void AttachServerCore::open() {
    listener_ = std::make_shared<AttachListener>(options_);
    point_->add(shared_from_this(), 0);
    try {
        loop_->open_timer(); // there may be no descriptor left when pause() needs it
        listen();
    } catch (...) {
        close();
        throw;
    }
}

void AttachServerCore::listen() {
    const std::lock_guard lock(mutex_);
    if (!listener_) return;
    watch_ = loop_->add(listener_->fd(), EPOLLIN, [weak = weak_from_this()](std::uint32_t) {
        if (const auto self = weak.lock()) self->accept_some(AcceptsPerTurn);
    });
}

void AttachServerCore::accept_some(int most) {
    for (int count = 0; count < most; ++count)
        if (!accept_one()) return;
}

void AttachServerCore::before_output() noexcept {
    {
        const std::lock_guard lock(mutex_);
        if (watch_ == 0) return; // it has paused, or is at its end
        // An accept4(2) that gets nobody makes a socket all the same, and costs many times as much.
        pollfd waiting{listener_->fd(), POLLIN, 0};
        if (::poll(&waiting, 1, 0) <= 0) return;
    }
    try {
        accept_some(AllThatWait);
    } catch (const std::exception&) { // the output comes first; the loop tries again
    }
}

bool AttachServerCore::accept_one() {
    std::shared_ptr<AttachListener> listener;
    bool full = false;
    {
        const std::lock_guard lock(mutex_);
        listener = listener_;
        full = clients_.size() - orphans_ >= options_.max_clients;
    }
    if (!listener) return false;
    UniqueFd socket(::accept4(listener->fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) pause();
        return errno == ECONNABORTED || errno == EINTR;
    }
    if (full) {
        ++refused_;
        return true;
    }
    std::shared_ptr<AttachClient> client;
    try {
        socket = sys::above_stdio(std::move(socket), Stage::Stdio, "accept a client");
        (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &SendBuffer, sizeof SendBuffer); // as far as allowed
        client =
            std::make_shared<AttachClient>(std::move(socket), limits_, point_, weak_from_this(), loop_, scratches_);
        {
            const std::lock_guard lock(mutex_);
            clients_.emplace(client.get(), Entry{client});
            ++writers_;
        }
        point_->add(client, options_.history.count);
        client->start(); // after add(): nothing else may hold it and want the point meanwhile
    } catch (const Error&) {
        if (client) drop(*client, false);
        ++refused_; // no descriptor is left, or the kernel does not watch it
        return true;
    }
    ++accepted_;
    bool dropped = false;
    bool late = false;
    {
        const std::lock_guard lock(mutex_);
        dropped = !clients_.contains(client.get());
        late = ended_;
    }
    if (dropped) point_->remove(*client); // before add(), where there was nothing to remove
    client->catch_up();
    if (late) {
        client->end(false);
        linger();
    }
    return true;
}

void AttachServerCore::pause() {
    const std::lock_guard lock(mutex_);
    loop_->remove(std::exchange(watch_, 0));
    if (!listener_ || timer_ != 0) return;
    timer_ = loop_->add_timer(std::chrono::steady_clock::now() + Pause, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        {
            const std::lock_guard own(self->mutex_);
            self->timer_ = 0;
        }
        self->listen();
    });
}

void AttachServerCore::close_listener() noexcept {
    std::shared_ptr<AttachListener> closed;
    {
        const std::lock_guard lock(mutex_);
        loop_->remove(std::exchange(watch_, 0));
        loop_->remove(std::exchange(timer_, 0));
        closed.swap(listener_);
    }
    if (closed) closed->close(); // another thread may be about to accept one more
}

void AttachServerCore::drop(const AttachClient& client, bool expelled) noexcept {
    std::shared_ptr<AttachClient> dropped;
    {
        const std::lock_guard lock(mutex_);
        const auto found = clients_.find(&client);
        if (found == clients_.end()) return;
        dropped = std::move(found->second.client);
        if (found->second.writes) --writers_;
        if (found->second.orphaned) --orphans_;
        clients_.erase(found);
    }
    if (expelled) ++expelled_;
    point_->remove(*dropped);
    dropped->close();
}

void AttachServerCore::input_ended(const AttachClient& client) {
    {
        const std::lock_guard lock(mutex_);
        const auto found = clients_.find(&client);
        if (found == clients_.end() || !std::exchange(found->second.writes, false)) return;
        if (--writers_ > 0 || ended_) return;
    }
    if (options_.eof == ClientEof::CloseInput) point_->end_input();
}

void AttachServerCore::orphan(const AttachClient& client) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = clients_.find(&client);
    if (found == clients_.end()) return;
    if (!std::exchange(found->second.orphaned, true)) ++orphans_;
}

bool AttachServerCore::keep_input(std::size_t bytes) noexcept {
    const std::size_t most = options_.orphaned_input.count;
    const std::size_t before = orphaned_input_.fetch_add(bytes);
    if (bytes <= most && before <= most - bytes) return true;
    orphaned_input_ -= bytes;
    return false;
}

void AttachServerCore::end(bool) {
    // Who has connected by now reads an end of file, and no error.
    accept_some(AllThatWait);
    close_listener();
    Clients clients;
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        clients = clients_;
    }
    for (const auto& [key, entry] : clients) entry.client->end(false);
    linger();
}

void AttachServerCore::linger() {
    const std::lock_guard lock(mutex_);
    if (clients_.empty() || timer_ != 0) return;
    timer_ = loop_->add_timer(std::chrono::steady_clock::now() + options_.linger, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->expire();
    });
}

void AttachServerCore::expire() {
    {
        const std::lock_guard lock(mutex_);
        timer_ = 0;
    }
    Clients clients;
    {
        const std::lock_guard lock(mutex_);
        clients = clients_;
    }
    for (const auto& [key, entry] : clients)
        if (!entry.client->has_read()) drop(*entry.client, false);
    linger();
}

void AttachServerCore::disconnect_clients() noexcept {
    Clients clients;
    {
        const std::lock_guard lock(mutex_);
        clients.swap(clients_);
        writers_ = orphans_ = 0;
    }
    for (const auto& [key, entry] : clients) {
        point_->remove(*entry.client);
        entry.client->close();
    }
}

void AttachServerCore::close() noexcept {
    if (process_ != ::getpid()) return; // they are the other process's
    point_->remove(*this);
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    close_listener();
    disconnect_clients();
}

bool AttachServerCore::finished() const noexcept {
    const std::lock_guard lock(mutex_);
    return ended_ && clients_.empty();
}

AttachServerStats AttachServerCore::stats() const {
    AttachServerStats stats{.accepted = accepted_, .refused = refused_, .disconnected = expelled_};
    stats.skipped_bytes = skipped_bytes_;
    stats.spilled_bytes = spilled_bytes_;
    stats.orphaned_input = orphaned_input_;
    stats.lost_input = lost_input_;
    const std::lock_guard lock(mutex_);
    stats.clients = clients_.size() - orphans_;
    return stats;
}

} // namespace ct::internal
