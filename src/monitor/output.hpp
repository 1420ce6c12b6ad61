// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <ct/attach.hpp>
#include <ct/log.hpp>

#include "attach/point.hpp"
#include "base/unique_fd.hpp"
#include "launch/exit_status.hpp"
#include "launch/streams.hpp"
#include "log/scratch.hpp"
#include "log/sink.hpp"
#include "monitor/loop.hpp"

namespace ct::internal {

/// The functions that get a container's output; may be exchanged at any time, from any thread.
class OutputHandlers {
public:
    void set(OutputHandler handler) { exchange(output_, std::move(handler)); }
    void set(RecordHandler handler) { exchange(record_, std::move(handler)); }
    [[nodiscard]] std::shared_ptr<const OutputHandler> output() const { return get(output_); }
    [[nodiscard]] std::shared_ptr<const RecordHandler> record() const { return get(record_); }
    [[nodiscard]] bool any() const { return output() != nullptr || record() != nullptr; }

private:
    template <typename Handler>
    void exchange(std::shared_ptr<const Handler>& present, Handler handler) {
        auto next = handler ? std::make_shared<const Handler>(std::move(handler)) : nullptr;
        const std::lock_guard lock(mutex_);
        present.swap(next); // the old one is released after the lock
    }
    template <typename Handler>
    std::shared_ptr<const Handler> get(const std::shared_ptr<const Handler>& present) const {
        const std::lock_guard lock(mutex_);
        return present;
    }

    mutable std::mutex mutex_;
    std::shared_ptr<const OutputHandler> output_;
    std::shared_ptr<const RecordHandler> record_;
};

/// By this, what is in a pipe can be looked at without being taken. Shared by outputs that are moved by one thread.
struct PipeView {
    /// \throws Error
    PipeView();
    UniqueFd read;
    UniqueFd write;
    UniqueFd null;
};

/// For a run to which others attach.
struct AttachedOutput {
    std::shared_ptr<AttachPoint> point;
    Attachable how;
};

/// The output of one run of a container, on its way to handlers, sinks and those who are attached; and, for these, its
/// input.
///
/// One thread at a time moves it: whoever dispatches, or waits for the container. Nothing is read ahead of the sinks:
/// what they have not got yet is in the pipe, or is the begin of a line. From the end of the first process on, what was
/// in the pipe then is read, and what others write until the grace is over.
class Output final : public Meanwhile, public std::enable_shared_from_this<Output> {
public:
    using Clock = std::chrono::steady_clock;

    /// Whether handlers may be called now.
    enum class Call { Handlers, SinksOnly };

    /// Opens the sinks. \throws Error; nothing is left then
    Output(std::string container, const Log& log, std::vector<std::shared_ptr<LogSink>> sinks,
           std::shared_ptr<const OutputHandlers> handlers, std::shared_ptr<ScratchPool> scratches,
           std::optional<AttachedOutput> attached = {});
    ~Output() override;

    /// Bytes are taken off pipes only once the sinks have got them: if this process is killed, another one that has
    /// copies of the descriptors finds them there. Set before connect().
    void read_safely(std::shared_ptr<const PipeView> view) { view_ = std::move(view); }
    /// Takes the host's ends of what is logged, and has \p loop watch them. May be called again for
    /// streams that come later; for the input, before started().
    void connect(HostEnds& ends, const std::shared_ptr<Loop>& loop);
    /// Whether connect() takes the host's end of the input, too.
    [[nodiscard]] bool takes_input() const noexcept { return attached_ && attached_->how.input; }
    /// What somebody else has read of a stream.
    void put(Stream stream, std::string_view bytes);
    /// The process is there: it may be given input.
    void started();
    /// What a stream is read from; -1 if nothing is.
    [[nodiscard]] int descriptor(Stream stream) const;
    /// Somebody else will go on with these streams. What can only be taken as a whole is delivered, such as unfinished
    /// lines of pipes that are not read safely.
    void hand_over();
    /// Has the loop tell the newly attached what was written before.
    void catch_up_soon();
    /// \param told  by the loop once all was delivered
    void when_done(std::function<void()> told);
    /// The start failed: nothing more is read, and the log files that were made for it are removed.
    void abandon() noexcept;

    /// The first process has ended. \returns whether all was delivered, and this object is done; if not, dispatching
    ///         or another call will get it there, as soon as until() has come or a descriptor is ready
    [[nodiscard]] bool end(Call call);
    /// The same at once, without handlers.
    void end_now() noexcept;

    void reopen();
    [[nodiscard]] LogStats stats() const;
    /// Whether this thread is just moving it, and runs a handler or a sink.
    [[nodiscard]] bool is_moved_here() const noexcept { return mover_ == std::this_thread::get_id(); }

    // As Meanwhile: for whoever waits for the container.
    [[nodiscard]] std::array<int, 2> descriptors() const override;
    [[nodiscard]] std::optional<TimePoint> until() const override;
    void run() override;

private:
    struct Source {
        Stream stream = Stream::Output;
        UniqueFd fd;
        bool terminal = false;
        std::size_t after_end = 0; ///< How much of what was written before the end may still be there.
        std::string line;          ///< Unfinished.
        TimePoint line_due{};
        Loop::Id watch = 0;
    };
    /// Holds the mutex, and remembers the thread.
    class Move;

    void open_source(Stream stream, UniqueFd fd, bool terminal);
    /// \returns how much there was, 0 at the end of it; none if there is nothing now
    std::optional<std::size_t> read(Source& source, Move& move);
    /// The bytes of \p source, with those of the unfinished line, which are in the pipe still if it is read safely.
    /// \returns how many; 0 at the end; negative with errno
    [[nodiscard]] ssize_t get(Source& source, char* text);
    /// Takes \p count bytes off a pipe that is read safely.
    void consume(const Source& source, std::size_t count) noexcept;
    [[nodiscard]] bool is_safe(const Source& source) const noexcept { return view_ && !source.terminal; }
    void deliver(Source& source, std::string_view text, std::size_t read, LogTime time, Move& move);
    void connect_attached(HostEnds& ends, const std::shared_ptr<Loop>& loop, bool first);
    template <typename Body>
    void tell_attached(Move& move, const Body& body);
    void catch_up();
    /// Those who are attached can take output again.
    void resume();
    /// Whether there is anybody who wants lines.
    [[nodiscard]] bool wants_lines() const;
    [[nodiscard]] bool calls_any_handler() const;
    void pass_on(const std::vector<LogRecord>& records, Move& move);
    void flush(Source& source, Move& move);
    void close(Source& source) noexcept;
    void begin_end(TimePoint deadline) noexcept;
    /// Flushes lines that have waited for long enough, and tries sinks again that have failed.
    void do_what_is_due(Move& move);
    bool advance_end(Move& move);
    void finish(Move& move);
    [[nodiscard]] bool blocked() const noexcept;
    [[nodiscard]] std::optional<TimePoint> next_due() const;
    /// Has the loop watch what is to be read, and call when something is due.
    void arm(Move& move) noexcept;
    void disarm() noexcept;
    void watch(Source& source, Loop& loop);
    void readable(Stream stream);
    void timer_fired();

    const std::string container_;
    const Log log_;
    const std::vector<std::shared_ptr<LogSink>> sinks_; ///< Of others.
    const std::shared_ptr<const OutputHandlers> handlers_;
    const std::shared_ptr<ScratchPool> scratches_;
    const std::optional<AttachedOutput> attached_;
    std::shared_ptr<const PipeView> view_;
    std::vector<std::unique_ptr<DeliveringSink>> targets_;
    std::weak_ptr<Loop> loop_;
    std::atomic<std::uint64_t> bytes_{0};
    std::atomic<std::uint64_t> records_{0};
    std::atomic<std::thread::id> mover_{};

    mutable std::recursive_mutex mutex_; ///< Guards what follows.
    std::array<Source, 2> sources_;
    std::shared_ptr<Input> input_;      ///< Until the process is there.
    std::optional<TimePoint> deadline_; ///< After the end of the first process.
    bool gives_up_ = false;             ///< On sinks that block.
    bool done_ = false;
    std::function<void()> when_done_;
    std::exception_ptr thrown_; ///< The first one of a handler or sink; until a call that may throw it.
    Loop::Id timer_ = 0;
    TimePoint timer_at_{};
};

} // namespace ct::internal
