// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/sys.hpp"
#include "log/split.hpp"

namespace ct::internal {

namespace {

constexpr std::size_t ReadSize = 256UL * 1024;
constexpr int PipeSize = 256 * 1024;                  ///< A writer gets that far ahead of a host that is busy.
constexpr std::size_t MostOfTerminal = 1024UL * 1024; ///< More than a terminal holds.
constexpr std::size_t MostRecords = 1024;             ///< Of one call of a sink.
constexpr std::chrono::seconds CatchUp{2};            ///< At the end, of a sink that is behind.
/// How often one who waits for the container, and does not dispatch, tries those who are attached.
constexpr std::chrono::milliseconds RetryAttached{20};

} // namespace

PipeView::PipeView() : null(sys::open("/dev/null", O_WRONLY, Stage::Stdio)) {
    sys::Pipe pipe = sys::pipe(Stage::Stdio);
    read = std::move(pipe.read);
    write = std::move(pipe.write);
    (void)::fcntl(write.get(), F_SETPIPE_SZ, PipeSize);
}

class Output::Move {
public:
    Move(Output& output, std::unique_lock<std::recursive_mutex> lock, Call call)
        : lock_(std::move(lock)), output_(output), before_(output.mover_), call_(call) {
        output_.mover_ = std::this_thread::get_id();
    }
    Move(const Move&) = delete;
    Move& operator=(const Move&) = delete;
    ~Move() { output_.mover_ = before_; }

    [[nodiscard]] bool calls_handlers() const noexcept { return call_ == Call::Handlers; }
    /// Runs \p body, which may throw; what is left to do comes first.
    template <typename Body>
    void guard(Body body) noexcept {
        try {
            body();
        } catch (...) {
            if (!output_.thrown_) output_.thrown_ = std::current_exception();
        }
    }
    void rethrow() {
        if (output_.thrown_) std::rethrow_exception(std::exchange(output_.thrown_, nullptr));
    }

private:
    std::unique_lock<std::recursive_mutex> lock_;
    Output& output_;
    const std::thread::id before_;
    const Call call_;
};

Output::Output(std::string container, const Log& log, std::vector<std::shared_ptr<LogSink>> sinks,
               std::shared_ptr<const OutputHandlers> handlers, std::shared_ptr<ScratchPool> scratches,
               std::optional<AttachedOutput> attached)
    : container_(std::move(container)), log_(log), sinks_(std::move(sinks)), handlers_(std::move(handlers)),
      scratches_(std::move(scratches)), attached_(std::move(attached)) {
    try {
        for (const LogTarget& target : log_.targets) targets_.push_back(open_sink(target, container_, scratches_));
    } catch (...) {
        abandon();
        throw;
    }
}

Output::~Output() {
    disarm();
}

void Output::abandon() noexcept {
    const std::lock_guard lock(mutex_);
    for (Source& source : sources_) close(source);
    if (attached_) attached_->point->abandon();
    input_.reset();
    done_ = true;
    disarm();
    for (const auto& target : targets_) target->abandon();
}

void Output::connect(HostEnds& ends, const std::shared_ptr<Loop>& loop) {
    Move move(*this, std::unique_lock(mutex_), Call::SinksOnly);
    if (done_) return;
    const bool first = loop_.expired();
    loop_ = loop;
    if (attached_) connect_attached(ends, loop, first);
    if (ends.terminal) {
        open_source(Stream::Output, sys::duplicate(ends.terminal.get(), Stage::Stdio, "duplicate the terminal"), true);
    }
    for (const Stream stream : {Stream::Output, Stream::Error}) {
        UniqueFd& end = ends.pipes.at(static_cast<std::size_t>(stream));
        if (end) open_source(stream, std::move(end), false);
    }
    for (Source& source : sources_)
        if (source.fd && source.watch == 0 && !blocked()) watch(source, *loop);
}

void Output::connect_attached(HostEnds& ends, const std::shared_ptr<Loop>& loop, bool first) {
    const auto resume = [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->resume();
    };
    if (first) attached_->point->begin_output(attached_->how.history.count, resume);
    if (!attached_->how.input) return;
    UniqueFd end = std::move(ends.pipes[0]);
    if (ends.terminal) end = sys::duplicate(ends.terminal.get(), Stage::Stdio, "duplicate the terminal");
    if (end) input_ = std::make_shared<Input>(std::move(end), loop);
}

void Output::put(Stream stream, std::string_view bytes) {
    if (bytes.empty()) return;
    Move move(*this, std::unique_lock(mutex_), Call::Handlers);
    Source& source = sources_.at(stream == Stream::Error ? 1 : 0);
    source.stream = stream;
    bytes_ += bytes.size();
    deliver(source, source.line + std::string(bytes), bytes.size(), std::chrono::system_clock::now(), move);
    arm(move);
    move.rethrow();
}

int Output::descriptor(Stream stream) const {
    const std::lock_guard lock(mutex_);
    return sources_.at(stream == Stream::Error ? 1 : 0).fd.get();
}

void Output::hand_over() {
    Move move(*this, std::unique_lock(mutex_), Call::Handlers);
    if (done_) return;
    disarm();
    for (Source& source : sources_)
        if (!is_safe(source)) flush(source, move);
    for (const auto& target : targets_) move.guard([&] { target->finish(); });
    done_ = true;
}

void Output::started() {
    if (attached_) attached_->point->begin_input(std::exchange(input_, nullptr));
}

template <typename Body>
void Output::tell_attached(Move& move, const Body& body) {
    if (!attached_) return;
    using For = AttachPoint::Call;
    move.guard([&] { body(*attached_->point, move.calls_handlers() ? For::Handlers : For::NoHandlers); });
}

void Output::catch_up_soon() {
    const auto loop = loop_.lock();
    if (!loop) return;
    loop->add_timer(Clock::now(), [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->catch_up();
    });
}

void Output::catch_up() {
    Move move(*this, std::unique_lock(mutex_), Call::Handlers);
    if (!done_) tell_attached(move, [](AttachPoint& point, auto call) { point.catch_up(call); });
    move.rethrow();
}

void Output::resume() {
    Move move(*this, std::unique_lock(mutex_), Call::SinksOnly);
    if (!done_) arm(move);
}

void Output::open_source(Stream stream, UniqueFd fd, bool terminal) {
    Source& source = sources_.at(stream == Stream::Error ? 1 : 0);
    source.stream = stream;
    source.terminal = terminal;
    if (!terminal) {
        // The other end of a terminal is the caller's, too: what is set for it, is set for both.
        if (::fcntl(fd.get(), F_SETFL, O_NONBLOCK) < 0) throw sys::error(errno, Stage::Stdio, "set up a pipe");
        // EPERM: this user has too many; it works as it is. No more may be in it than can be looked at.
        (void)::fcntl(fd.get(), F_SETPIPE_SZ, view_ ? ::fcntl(view_->write.get(), F_GETPIPE_SZ) : PipeSize);
    }
    source.fd = std::move(fd);
}

bool Output::blocked() const noexcept {
    if (gives_up_) return false;
    if (attached_ && attached_->point->blocked()) return true;
    return std::ranges::any_of(targets_, [](const auto& target) { return target->blocks(); });
}

std::optional<std::size_t> Output::read(Source& source, Move& move) {
    if (source.terminal) {
        pollfd look{source.fd.get(), POLLIN, 0};
        if (::poll(&look, 1, 0) <= 0) return std::nullopt;
    }
    ScratchPool::Lease scratch(*scratches_);
    const std::size_t before = source.line.size();
    scratch->reserve(log_.line_size.count + ReadSize);
    char* const text = scratch->bytes.get();
    const ssize_t size = get(source, text);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
    if (size <= 0) { // the end; for a terminal that is EIO
        flush(source, move);
        close(source);
        return 0;
    }
    const std::size_t read = static_cast<std::size_t>(size) - before;
    source.after_end -= std::min(source.after_end, read);
    bytes_ += read;
    deliver(source, {text, before + read}, read, std::chrono::system_clock::now(), move);
    consume(source, before + read - source.line.size());
    return read;
}

ssize_t Output::get(Source& source, char* text) {
    const std::size_t before = source.line.size();
    if (!is_safe(source)) {
        std::memcpy(text, source.line.data(), before);
        const ssize_t size = ::read(source.fd.get(), text + before, ReadSize);
        return size <= 0 ? size : size + static_cast<ssize_t>(before);
    }
    for (;;) {
        const ssize_t seen = ::tee(source.fd.get(), view_->write.get(), ReadSize, SPLICE_F_NONBLOCK);
        if (seen <= 0) return seen;
        for (ssize_t got = 0; got < seen;) {
            const ssize_t size = ::read(view_->read.get(), text + got, static_cast<std::size_t>(seen - got));
            if (size < 0 && errno != EINTR) return size; // never: it was just put there
            got += std::max<ssize_t>(size, 0);
        }
        if (seen > static_cast<ssize_t>(before)) return seen;
        pollfd look{source.fd.get(), POLLIN, 0};
        int left = 0;
        if (::poll(&look, 1, 0) <= 0 || (look.revents & POLLHUP) == 0) {
            errno = EAGAIN;
            return -1;
        }
        // Nobody can finish the line any more, unless that has just been done.
        if (::ioctl(source.fd.get(), FIONREAD, &left) < 0 || left <= seen) return 0;
    }
}

void Output::consume(const Source& source, std::size_t count) noexcept {
    while (is_safe(source) && source.fd && count > 0) {
        const ssize_t taken = ::splice(source.fd.get(), nullptr, view_->null.get(), nullptr, count, SPLICE_F_NONBLOCK);
        if (taken < 0 && errno == EINTR) continue;
        if (taken <= 0) return; // somebody else has read it
        count -= static_cast<std::size_t>(taken);
    }
}

void Output::deliver(Source& source, std::string_view text, std::size_t read, LogTime time, Move& move) {
    const OutputChunk chunk{container_, source.stream, time, text.substr(text.size() - read)};
    if (const auto handler = handlers_->output(); handler && move.calls_handlers()) {
        move.guard([&] { (*handler)(chunk); });
    }
    tell_attached(move, [&](AttachPoint& point, auto call) { point.output(chunk, call); });
    if (source.line.empty() && !wants_lines()) return;
    ScratchPool::Lease scratch(*scratches_);
    std::vector<LogRecord>& records = scratch->records;
    const LogRecord model{.container = container_, .stream = source.stream, .time = time, .bytes = {}};
    std::size_t used = 0;
    do {
        records.clear();
        used += split_lines(text.substr(used), log_.line_size.count, model, MostRecords, records);
        pass_on(records, move);
    } while (records.size() == MostRecords);
    source.line.assign(text.substr(used));
    if (!source.line.empty()) source.line_due = Clock::now() + log_.flush_after;
}

bool Output::wants_lines() const {
    return !targets_.empty() || !sinks_.empty() || handlers_->record() != nullptr;
}

bool Output::calls_any_handler() const {
    return handlers_->any() || (attached_ && attached_->point->has_handlers());
}

void Output::pass_on(const std::vector<LogRecord>& records, Move& move) {
    if (records.empty()) return;
    records_ += records.size();
    for (const auto& target : targets_) move.guard([&] { target->write(records); });
    for (const auto& sink : sinks_) move.guard([&] { sink->write(records); });
    const auto handler = handlers_->record();
    if (!handler || !move.calls_handlers()) return;
    for (const LogRecord& record : records) move.guard([&] { (*handler)(record); });
}

void Output::flush(Source& source, Move& move) {
    if (source.line.empty()) return;
    const std::string line = std::exchange(source.line, {});
    pass_on({{.container = container_,
              .stream = source.stream,
              .time = std::chrono::system_clock::now(),
              .bytes = line,
              .partial = true}},
            move);
    consume(source, line.size());
}

void Output::close(Source& source) noexcept {
    if (const auto loop = loop_.lock()) loop->remove(source.watch);
    source.watch = 0;
    source.fd.reset();
}

void Output::do_what_is_due(Move& move) {
    const auto now = Clock::now();
    for (const auto& target : targets_) move.guard([&] { target->retry(now); });
    for (Source& source : sources_) {
        if (blocked()) return;
        if (source.line.empty() || source.line_due > now) continue;
        // Who was late to come here finds the rest of the line in the pipe.
        if (!source.fd || !read(source, move)) flush(source, move);
    }
}

std::optional<Output::TimePoint> Output::next_due() const {
    std::optional<TimePoint> due;
    const auto consider = [&](const std::optional<TimePoint>& time) {
        if (time && (!due || *time < *due)) due = time;
    };
    if (done_) return due;
    if (deadline_ && Clock::now() < *deadline_) consider(deadline_); // then only sinks are waited for
    for (const auto& target : targets_) consider(target->next_try());
    if (blocked()) return due;
    for (const Source& source : sources_)
        if (!source.line.empty()) consider(source.line_due);
    return due;
}

void Output::arm(Move& move) noexcept {
    const auto loop = loop_.lock();
    if (!loop) return;
    move.guard([&] {
        const bool reads = !blocked();
        for (Source& source : sources_) {
            if (reads == (source.watch != 0) || !source.fd) continue;
            if (reads) {
                watch(source, *loop);
            } else {
                loop->remove(std::exchange(source.watch, 0)); // it would report a hang-up all the time
            }
        }
        const auto due = next_due();
        // One that is set for a time before is left alone: lines become finished all the time.
        if (!due || (timer_ != 0 && timer_at_ <= *due)) return;
        if (timer_ != 0) loop->remove(std::exchange(timer_, 0));
        timer_at_ = *due;
        timer_ = loop->add_timer(*due, [self = shared_from_this()] { self->timer_fired(); });
    });
}

void Output::disarm() noexcept {
    const auto loop = loop_.lock();
    if (!loop) return;
    for (Source& source : sources_) loop->remove(std::exchange(source.watch, 0));
    loop->remove(std::exchange(timer_, 0));
}

void Output::watch(Source& source, Loop& loop) {
    // What is left in a pipe would be told all the time.
    source.watch = loop.add(source.fd.get(), is_safe(source) ? EPOLLIN | EPOLLET : EPOLLIN,
                            [self = shared_from_this(), stream = source.stream](auto) { self->readable(stream); });
}

void Output::readable(Stream stream) {
    Move move(*this, std::unique_lock(mutex_), Call::Handlers);
    Source& source = sources_.at(stream == Stream::Error ? 1 : 0);
    const bool had_some = source.fd && !blocked() && read(source, move);
    if (const auto loop = loop_.lock(); had_some && loop && is_safe(source))
        loop->modify(source.watch, EPOLLIN | EPOLLET);
    if (deadline_) (void)advance_end(move);
    if (!done_) arm(move);
    move.rethrow();
}

void Output::timer_fired() {
    Move move(*this, std::unique_lock(mutex_), Call::Handlers);
    timer_ = 0;
    if (done_) return;
    do_what_is_due(move);
    if (deadline_) (void)advance_end(move);
    if (!done_) arm(move);
    move.rethrow();
}

void Output::begin_end(TimePoint deadline) noexcept {
    deadline_ = deadline;
    for (Source& source : sources_) {
        const int size = source.fd && !source.terminal ? ::fcntl(source.fd.get(), F_GETPIPE_SZ) : -1;
        source.after_end = size > 0 ? static_cast<std::size_t>(size) : MostOfTerminal;
    }
}

bool Output::end(Call call) {
    if (is_moved_here()) return false; // a handler has to return first
    std::unique_lock lock(mutex_, std::defer_lock);
    if (call == Call::Handlers) {
        lock.lock();
    } else if (!lock.try_lock()) {
        return false;
    }
    Move move(*this, std::move(lock), call);
    if (done_) return true;
    if (!deadline_) begin_end(Clock::now() + log_.grace);
    if (move.calls_handlers() || !calls_any_handler()) (void)advance_end(move);
    if (!done_) arm(move);
    if (move.calls_handlers()) move.rethrow();
    return done_;
}

bool Output::advance_end(Move& move) {
    const auto over = [&] { return Clock::now() >= *deadline_; };
    do_what_is_due(move);
    bool awaited = false;
    for (Source& source : sources_) {
        // Who goes on writing within the grace does not keep us here for all of it.
        std::size_t left = source.after_end + ReadSize;
        while (source.fd && !blocked() && left > 0 && (source.after_end > 0 || !over())) {
            const auto size = read(source, move);
            if (!size) source.after_end = 0;
            if (!size) break;
            left -= std::min(left, *size);
        }
        awaited = awaited || source.fd;
    }
    if (!over() && (awaited || blocked())) return false;
    const bool behind = std::ranges::any_of(targets_, [](const auto& target) { return target->is_behind(); });
    if (behind && !gives_up_ && Clock::now() < *deadline_ + CatchUp) return false;
    if (blocked()) {
        gives_up_ = true;
        return advance_end(move);
    }
    finish(move);
    return true;
}

void Output::finish(Move& move) {
    for (Source& source : sources_) {
        flush(source, move);
        close(source);
    }
    for (const auto& target : targets_) move.guard([&] { target->finish(); });
    for (const auto& sink : sinks_) move.guard([&] { sink->finish(); });
    tell_attached(move, [](AttachPoint& point, auto call) { point.end(call); });
    done_ = true;
    disarm();
    const auto loop = loop_.lock();
    if (when_done_ && loop) loop->add_timer(Clock::now(), std::exchange(when_done_, nullptr));
}

void Output::when_done(std::function<void()> told) {
    const std::lock_guard lock(mutex_);
    if (!done_) when_done_ = std::move(told);
}

void Output::end_now() noexcept {
    Move move(*this, std::unique_lock(mutex_), Call::SinksOnly);
    if (done_) return;
    gives_up_ = true;
    begin_end(Clock::now());
    (void)advance_end(move);
}

void Output::reopen() {
    Move move(*this, std::unique_lock(mutex_), Call::SinksOnly);
    if (done_) return;
    for (const auto& target : targets_) move.guard([&] { target->reopen(); });
    for (const auto& sink : sinks_) move.guard([&] { sink->reopen(); });
    move.rethrow();
}

LogStats Output::stats() const {
    LogStats stats{.bytes = bytes_, .records = records_};
    for (const auto& target : targets_) {
        stats.dropped_bytes += target->dropped_bytes();
        stats.dropped_records += target->dropped_records();
    }
    return stats;
}

std::array<int, 2> Output::descriptors() const {
    const std::lock_guard lock(mutex_);
    const bool reads = !blocked();
    return {reads ? sources_[0].fd.get() : -1, reads ? sources_[1].fd.get() : -1};
}

std::optional<Output::TimePoint> Output::until() const {
    const std::lock_guard lock(mutex_);
    auto due = next_due();
    if (!done_ && attached_ && attached_->point->blocked()) {
        const TimePoint retry = Clock::now() + RetryAttached;
        due = due ? std::min(*due, retry) : retry;
    }
    return due;
}

void Output::run() {
    Move move(*this, std::unique_lock(mutex_), Call::Handlers);
    if (done_) return;
    if (attached_ && attached_->point->blocked()) {
        tell_attached(move, [](AttachPoint& point, auto call) { point.catch_up(call); });
    }
    do_what_is_due(move);
    for (Source& source : sources_)
        if (source.fd && !blocked()) (void)read(source, move);
    if (deadline_) (void)advance_end(move);
    if (!done_) arm(move);
    move.rethrow();
}

} // namespace ct::internal
