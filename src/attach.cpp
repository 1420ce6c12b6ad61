// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <utility>

#include <ct/attach.hpp>
#include <ct/container.hpp>
#include <ct/session.hpp>

#include "attach/server.hpp"
#include "attach/stream_tap.hpp"
#include "base/sys.hpp"
#include "container_core.hpp"
#include "session_core.hpp"

namespace ct {

using internal::AttachPoint;
using internal::AttachServerCore;

AttachStream::AttachStream() noexcept = default;
AttachStream::AttachStream(std::shared_ptr<internal::StreamTap> tap) noexcept : tap_(std::move(tap)) {}
AttachStream::AttachStream(AttachStream&& other) noexcept = default;

AttachStream& AttachStream::operator=(AttachStream&& other) noexcept {
    if (this == &other) return *this;
    detach();
    tap_ = std::move(other.tap_);
    return *this;
}

AttachStream::~AttachStream() {
    detach();
}

std::size_t AttachStream::write(std::string_view bytes) {
    if (tap_) return tap_->write(bytes);
    return internal::write_to(nullptr, bytes, {});
}

void AttachStream::close_input() {
    if (tap_) return tap_->close_input();
    internal::check_input(nullptr, "close its input", {});
}

void AttachStream::detach() noexcept {
    if (tap_) tap_->detach();
}

bool AttachStream::attached() const noexcept {
    return tap_ && tap_->attached();
}

AttachServer::AttachServer(const Container& container, AttachServerOptions options)
    : core_(container.core_->serve(std::move(options))) {}

AttachServer::AttachServer(Session& session, AttachServerOptions options)
    : core_(session.core_->serve(std::move(options))) {}

AttachServer::AttachServer(AttachServer&& other) noexcept = default;

AttachServer& AttachServer::operator=(AttachServer&& other) noexcept {
    if (this == &other) return *this;
    if (core_) core_->close();
    core_ = std::move(other.core_);
    return *this;
}

AttachServer::~AttachServer() {
    if (core_) core_->close();
}

bool AttachServer::finished() const noexcept {
    return core_->finished();
}

AttachServerStats AttachServer::stats() const {
    return core_->stats();
}

void AttachServer::disconnect_clients() noexcept {
    core_->disconnect_clients();
}

void AttachServer::write(Stream stream, std::string_view bytes) {
    core_->own_point("write").output(
        {.container = {}, .stream = stream, .time = std::chrono::system_clock::now(), .bytes = bytes},
        AttachPoint::Call::NoHandlers);
}

bool AttachServer::takes_output() const noexcept {
    return !core_->point()->blocked();
}

void AttachServer::set_input(int fd) {
    AttachPoint& point = core_->own_point("set the input");
    point.begin_input(std::make_shared<internal::Input>(
        internal::sys::duplicate(fd, Stage::Stdio, "duplicate the input"), core_->loop()));
}

void AttachServer::finish() {
    core_->own_point("finish").end(AttachPoint::Call::NoHandlers);
}

} // namespace ct
