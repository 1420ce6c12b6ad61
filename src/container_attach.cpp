// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach/foreign_terminal.hpp"
#include "attach/server.hpp"
#include "attach/stream_tap.hpp"
#include "base/concat.hpp"
#include "base/subject.hpp"
#include "config/attach.hpp"
#include "container_core.hpp"

/// The part of a container that concerns its input, and those who attach.
namespace ct {
namespace internal {

void ContainerCore::set_attachable(std::optional<Attachable> attachable) {
    if (attachable) with_subject(subject(), [&] { check_attachable(*attachable); });
    (void)life();
    std::unique_lock lock(mutex_);
    check_stopped(lock, "change what can be attached");
    attachable_ = attachable;
    if (attachable && !attach_point_) attach_point_ = std::make_shared<AttachPoint>();
}

std::optional<Attachable> ContainerCore::attachable() const {
    const std::lock_guard lock(mutex_);
    return attachable_;
}

std::shared_ptr<AttachPoint> ContainerCore::attach_point() const {
    const std::lock_guard lock(mutex_);
    return attachable_ && !adopted_ ? attach_point_ : nullptr;
}

std::shared_ptr<AttachPoint> ContainerCore::attach_point(std::string_view action) const {
    if (auto point = attach_point()) return point;
    throw Error(Errc::InvalidState, Stage::Stdio, concat(subject(), ": ", action), {},
                "it is not attachable, see set_attachable(), or another process has started it");
}

std::size_t ContainerCore::write_input(std::string_view bytes) {
    const auto point = attach_point();
    return write_to(point ? point->input() : nullptr, bytes, name_);
}

void ContainerCore::close_input() {
    const auto point = attach_point();
    const auto input = point ? point->input() : nullptr;
    check_input(input, "close its input", name_);
    input->end();
}

std::shared_ptr<StreamTap> ContainerCore::attach(AttachOptions options) {
    const auto point = attach_point("attach");
    const std::size_t history = options.history.count;
    auto tap = std::make_shared<StreamTap>(name_, std::move(options), point);
    point->add(tap, history);
    // What was written before is told as everything else: by whoever moves the output, and not from here.
    if (const auto output = this->output(); output && history > 0) output->catch_up_soon();
    return tap;
}

std::shared_ptr<AttachServerCore> ContainerCore::serve(AttachServerOptions options) {
    const auto point = attach_point("serve those who attach");
    if (options.path.empty() && options.fd < 0 && registration_)
        options.path = concat(session_->store->path_of(name_), '/', AttachSocket);
    const std::string path = options.path;
    return with_subject(subject(), [&] {
        auto server = session_->serve(std::move(options), point);
        bool runs = false;
        {
            const std::lock_guard lock(mutex_);
            attach_socket_ = path;
            runs = state_ == State::Running;
        }
        if (runs && registration_) registration_->set_attach_socket(path);
        return server;
    });
}

std::string ContainerCore::attach_socket() const {
    const std::lock_guard lock(mutex_);
    return attachable_ ? attach_socket_ : std::string();
}

void ContainerCore::resize_terminal(TerminalSize size) {
    const std::shared_ptr<ProcessCore> process = init();
    bool foreign = false;
    {
        const std::lock_guard lock(mutex_);
        foreign = adopted_;
    }
    if (foreign) {
        with_subject(subject(), [&] { resize_terminal_of(process->pid(), process->pidfd(), size); });
    } else {
        Process(process).resize_terminal(size);
    }
}

} // namespace internal

Container& Container::set_attachable(Attachable attachable) {
    core_->set_attachable(attachable);
    return *this;
}

Container& Container::clear_attachable() {
    core_->set_attachable(std::nullopt);
    return *this;
}

std::optional<Attachable> Container::attachable() const {
    return core_->attachable();
}

std::size_t Container::write_input(std::string_view bytes) {
    return core_->write_input(bytes);
}

void Container::close_input() {
    core_->close_input();
}

void Container::resize_terminal(TerminalSize size) {
    core_->resize_terminal(size);
}

AttachStream Container::attach(AttachOptions options) {
    return AttachStream(core_->attach(std::move(options)));
}

} // namespace ct
