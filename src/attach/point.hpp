// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <ct/log.hpp>

#include "attach/history.hpp"
#include "attach/input.hpp"

namespace ct::internal {

/// A chunk of output, and one copy of it for all who cannot pass it on at once.
class SharedChunk {
public:
    explicit SharedChunk(const OutputChunk& chunk) : chunk_(chunk) {}
    [[nodiscard]] const OutputChunk& chunk() const noexcept { return chunk_; }
    [[nodiscard]] const std::shared_ptr<const std::string>& copy() {
        if (!copy_) copy_ = std::make_shared<const std::string>(chunk_.bytes);
        return copy_;
    }

private:
    const OutputChunk& chunk_;
    std::shared_ptr<const std::string> copy_;
};

/// One who is attached: gets the output of a run.
class AttachTap : public Input::Waiter {
public:
    /// What was written before; only stores it.
    virtual void begin(std::vector<OutputPiece> history) = 0;
    /// There is output: who comes now gets it, too.
    virtual void before_output() noexcept {}
    virtual void output(SharedChunk& chunk) = 0;
    /// All was delivered. \param calls_handlers  whether a function of the host's may be told
    virtual void end(bool calls_handlers) = 0;
    /// Hands over what is still stored.
    virtual void catch_up() {}
    /// Whether it calls a function of the host's, which must not happen at any time.
    [[nodiscard]] virtual bool is_handler() const noexcept { return false; }
};

/// Where those who attach to a container find its streams: those of the present run, else of the next one.
class AttachPoint {
public:
    AttachPoint() = default;
    AttachPoint(const AttachPoint&) = delete;
    AttachPoint& operator=(const AttachPoint&) = delete;

    enum class Call { Handlers, NoHandlers };

    /// From now on there may be output. \param resume  called when nobody blocks any more
    void begin_output(std::size_t history, std::function<void()> resume);
    /// From now on input is taken. \param input  null: it is thrown away
    void begin_input(std::shared_ptr<Input> input);
    /// The start failed: those who are attached wait for the next one.
    void abandon() noexcept;
    /// Throws the first exception of a handler, once all have got it.
    void output(const OutputChunk& chunk, Call call);
    void catch_up(Call call);
    void end(Call call);

    void add(const std::shared_ptr<AttachTap>& tap, std::size_t history);
    void remove(const AttachTap& tap) noexcept;
    [[nodiscard]] bool has_handlers() const;

    /// Null before begin_input(), after the end, and without input.
    [[nodiscard]] std::shared_ptr<Input> input() const;
    /// \returns how much of \p bytes was taken; if not all, \p waiter is told when to go on
    [[nodiscard]] std::size_t write(std::string_view bytes, const std::shared_ptr<Input::Waiter>& waiter);
    /// Ends the input, also one that has not begun yet.
    void end_input();
    /// \param told  each time that has happened; set before there are clients
    void when_input_ends(std::function<void()> told) { input_ended_ = std::move(told); }

    /// No more output should come for now.
    [[nodiscard]] bool blocked() const noexcept { return blocking_ > 0; }
    void block() noexcept { ++blocking_; }
    void unblock();

private:
    using Taps = std::vector<std::shared_ptr<AttachTap>>;

    [[nodiscard]] std::shared_ptr<const Taps> taps() const;
    template <typename Body>
    void tell(const Taps& taps, Call call, const Body& body);

    std::function<void()> input_ended_;
    std::atomic<int> blocking_{0};
    mutable std::mutex mutex_; ///< Guards what follows; not held while others are called.
    std::shared_ptr<const Taps> taps_ = std::make_shared<const Taps>();
    History history_;
    std::function<void()> resume_;
    std::shared_ptr<Input> input_;
    bool takes_input_ = false;
    bool input_ends_ = false; ///< As soon as it begins.
};

} // namespace ct::internal
