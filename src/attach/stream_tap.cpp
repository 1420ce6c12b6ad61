// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attach/stream_tap.hpp"

#include <cerrno>
#include <chrono>
#include <utility>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

void check_input(const std::shared_ptr<Input>& input, std::string_view action, const std::string& container) {
    if (input) return;
    throw Error(Errc::InvalidState, Stage::Stdio, concat("container '", container, "': ", action), {},
                "it has no input: it does not run, or was not made attachable, or has Stdio::Null");
}

std::size_t write_to(const std::shared_ptr<Input>& input, std::string_view bytes, const std::string& container) {
    check_input(input, "write to its input", container);
    if (const auto taken = input->write(bytes)) return *taken;
    throw sys::error(EPIPE, Stage::Stdio, concat("container '", container, "': write to its input"), {},
                     "it was closed");
}

StreamTap::StreamTap(std::string container, AttachOptions options, std::shared_ptr<AttachPoint> point)
    : container_(std::move(container)), options_(std::move(options)), point_(std::move(point)) {}

std::size_t StreamTap::write(std::string_view bytes) {
    const std::shared_ptr<Input> input = attached_ ? point_->input() : nullptr;
    const std::size_t taken = write_to(input, bytes, container_);
    if (taken < bytes.size() && options_.on_room && !waits_.exchange(true)) input->await_room(weak_from_this());
    return taken;
}

void StreamTap::close_input() {
    const std::shared_ptr<Input> input = attached_ ? point_->input() : nullptr;
    check_input(input, "close its input", container_);
    input->end();
}

void StreamTap::room() {
    if (waits_.exchange(false) && attached_) options_.on_room();
}

void StreamTap::catch_up() {
    for (const OutputPiece& piece : std::exchange(history_, {})) {
        if (!attached_ || !options_.on_output) return;
        options_.on_output({container_, piece.stream, std::chrono::system_clock::now(), piece.bytes});
    }
}

void StreamTap::output(SharedChunk& chunk) {
    catch_up();
    if (attached_ && options_.on_output) options_.on_output(chunk.chunk());
}

void StreamTap::end(bool calls_handlers) {
    if (calls_handlers) catch_up();
    if (attached_.exchange(false) && calls_handlers && options_.on_end) options_.on_end();
}

void StreamTap::detach() noexcept {
    if (attached_.exchange(false)) point_->remove(*this);
}

} // namespace ct::internal
