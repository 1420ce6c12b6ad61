// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <ct/attach.hpp>

#include "attach/point.hpp"

namespace ct::internal {

/// What an AttachStream stands for. Its handlers are called by whoever moves the output, one at a time.
class StreamTap final : public AttachTap, public std::enable_shared_from_this<StreamTap> {
public:
    StreamTap(std::string container, AttachOptions options, std::shared_ptr<AttachPoint> point);

    [[nodiscard]] std::size_t write(std::string_view bytes);
    void close_input();
    void detach() noexcept;
    [[nodiscard]] bool attached() const noexcept { return attached_; }

    void begin(std::vector<OutputPiece> history) override { history_ = std::move(history); }
    void output(SharedChunk& chunk) override;
    void catch_up() override;
    void end(bool calls_handlers) override;
    void room() override;
    [[nodiscard]] bool is_handler() const noexcept override { return true; }

private:
    [[nodiscard]] std::shared_ptr<Input> input(std::string_view action) const;

    const std::string container_;
    const AttachOptions options_;
    const std::shared_ptr<AttachPoint> point_;
    std::vector<OutputPiece> history_; ///< Not told yet.
    std::atomic<bool> attached_{true};
    std::atomic<bool> waits_{false}; ///< For room.
};

/// For `write_input` and the like. \param takes  null: none
[[nodiscard]] std::size_t write_to(const std::shared_ptr<Input>& input, std::string_view bytes,
                                   const std::string& container);
/// \throws Error with Errc::InvalidState if \p input is null
void check_input(const std::shared_ptr<Input>& input, std::string_view action, const std::string& container);

} // namespace ct::internal
