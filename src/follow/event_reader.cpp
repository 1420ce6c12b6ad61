// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <ct/event_reader.hpp>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include <ct/log_reader.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "follow/event_reader_core.hpp"
#include "monitor/event_fields.hpp"
#include "state/cleanup.hpp"
#include "state/event_file.hpp"

namespace ct {

namespace internal {

namespace {

constexpr std::size_t Piece = 64UL * 1024;
constexpr std::string_view Action = "follow events";

State state_of(Phase phase) {
    return phase == Phase::Idle ? State::Stopped : phase == Phase::Starting ? State::Starting : State::Running;
}

UniqueFd checked(int fd) {
    UniqueFd made(fd);
    if (!made) throw sys::error(errno, Stage::State, Action);
    return sys::above_stdio(std::move(made), Stage::State, Action);
}

} // namespace

EventReaderCore::EventReaderCore(const Store& store, EventReaderOptions options)
    : store_(store), options_(std::move(options)), file_(event_path(store)) {
    if (options_.follow) begin_to_follow();
    if (options_.history) {
        (void)file_.open_oldest();
    } else if (file_.open_newest()) {
        offset_ = static_cast<std::uint64_t>(file_.status().st_size);
    }
}

void EventReaderCore::poll_also(int fd) const {
    epoll_event event{};
    event.events = EPOLLIN;
    if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) throw sys::error(errno, Stage::State, Action);
}

void EventReaderCore::begin_to_follow() {
    poll_ = checked(::epoll_create1(EPOLL_CLOEXEC));
    watch_ = checked(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    poll_also(watch_.get());
    if (::inotify_add_watch(watch_.get(), concat("/proc/self/fd/", file_.directory()).c_str(),
                            IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
        throw sys::error(errno, Stage::State, Action);
    store_.watch_also(watch_.get(), ".");
    find_new();
    derived_.clear(); // what there is already is no change
}

void EventReaderCore::find_new() {
    for (const std::string& name : store_.names()) {
        if (known_.contains(name)) continue;
        const int watch = store_.watch_also(watch_.get(), name);
        if (watch < 0) continue; // it is gone again
        known_[name].watch = watch;
        look(name);
    }
}

void EventReaderCore::look(const std::string& name) {
    std::optional<StoredRecord> stored;
    try {
        stored = store_.read(name);
    } catch (const Error&) { // a damaged one tells nothing
        return;
    }
    Known& known = known_[name];
    const State now = stored ? state_of(stored->record.phase) : State::Stopped;
    if (stored) known.recorded = stored->record.records_events;
    if (!known.recorded && now != known.state) tell_change(name, known.state, now);
    known.state = now;
    if (stored) watch_process(known, stored->record);
}

void EventReaderCore::watch_process(Known& known, const Record& record) {
    if (record.phase != Phase::Running || known.init == record.init || record.viewpoint != store_.viewpoint()) return;
    known.init = record.init;
    known.process = open_if_alive(record.init);
    if (known.process) poll_also(known.process.get());
}

void EventReaderCore::tell_change(const std::string& name, State from, State to) {
    derived_.push_back(event_line(name, event_fields(StateEvent{name, from, to})));
}

void EventReaderCore::notice_ends() {
    std::vector<std::string> ended;
    for (auto& [name, known] : known_) {
        pollfd process{known.process.get(), POLLIN, 0};
        if (!known.process || ::poll(&process, 1, 0) <= 0) continue;
        known.process.reset(); // it stays readable
        ended.push_back(name);
    }
    for (const std::string& name : ended) {
        try {
            const auto stored = store_.read(name);
            if (!stored || stored->record.phase != Phase::Running) continue;
            // Its owner takes notice itself, as long as it is alive.
            UniqueFd owner = open_if_alive(stored->record.owner);
            if (owner) poll_also(owner.get());
            if (!owner) settle(store_, name);
            known_[name].process = std::move(owner);
        } catch (const Error& error) {
            store_.warn(error.what());
        }
    }
}

void EventReaderCore::notice_changes() {
    bool new_ones = false;
    std::vector<int> changed;
    std::vector<int> gone;
    alignas(inotify_event) std::array<char, 4096> events{};
    for (ssize_t size; (size = ::read(watch_.get(), events.data(), events.size())) > 0;) {
        for (const char* at = events.data(); at < events.data() + size;) {
            const auto* const event = reinterpret_cast<const inotify_event*>(at);
            at += sizeof *event + event->len;
            if ((event->mask & IN_Q_OVERFLOW) != 0) {
                new_ones = true;
                for (const auto& [name, known] : known_) changed.push_back(known.watch);
            }
            if ((event->mask & IN_ISDIR) != 0) new_ones = true;
            ((event->mask & IN_IGNORED) != 0 ? gone : changed).push_back(event->wd);
        }
    }
    std::ranges::sort(changed);
    std::ranges::sort(gone);
    std::vector<std::string> names;
    for (const auto& [name, known] : known_) {
        const bool removed = std::ranges::binary_search(gone, known.watch);
        if (removed || std::ranges::binary_search(changed, known.watch)) names.push_back(name);
    }
    for (const std::string& name : names) {
        look(name);
        if (!std::ranges::binary_search(gone, known_[name].watch)) continue;
        if (!known_[name].recorded && known_[name].state != State::Stopped)
            tell_change(name, known_[name].state, State::Stopped);
        known_.erase(name); // another of that name is found anew
        new_ones = true;
    }
    if (new_ones) find_new();
}

bool EventReaderCore::read_file() {
    if (!file_.is_open() && !file_.open_oldest()) return false;
    const std::size_t before = buffer_.size();
    buffer_.resize(before + Piece);
    const std::size_t count = file_.read(buffer_.data() + before, Piece, offset_);
    buffer_.resize(before + count);
    offset_ += count;
    if (count > 0) return true;
    if (complete_) {
        if (!file_.open_next()) return false;
        buffer_.clear(); // of a writer that was killed
        offset_ = 0;
        complete_ = false;
        return true;
    }
    complete_ = !file_.is_newest();
    return complete_;
}

void EventReaderCore::hand_on(std::string_view line, const RecordedEventHandler& handler) const {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    const auto text = [&](const char* key) -> std::string {
        const auto found = json.is_object() ? json.find(key) : json.end();
        return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
    };
    const std::string container = text("container");
    const std::string event = text("event");
    const auto time = parse_rfc3339(text("time"));
    if (!time || container.empty() || event.empty()) return; // of a writer that was killed
    const auto& names = options_.containers;
    if (!names.empty() && std::ranges::find(names, container) == names.end()) return;
    if (options_.since && *time < *options_.since) return;
    handler({.time = *time, .container = container, .event = event, .json = line});
}

void EventReaderCore::hand_on(const RecordedEventHandler& handler) {
    for (const std::string& line : std::exchange(derived_, {})) hand_on(line, handler);
    const std::size_t end = buffer_.rfind('\n');
    if (end == std::string::npos) return;
    const std::string lines = buffer_.substr(0, end + 1);
    buffer_.erase(0, end + 1);
    std::string_view rest = lines;
    while (!rest.empty()) {
        const std::size_t size = rest.find('\n');
        hand_on(rest.substr(0, size), handler);
        rest.remove_prefix(size + 1);
    }
}

bool EventReaderCore::read(const RecordedEventHandler& handler) {
    if (options_.follow) {
        notice_ends();
        notice_changes();
    }
    const bool more = read_file();
    hand_on(handler);
    return more;
}

} // namespace internal

EventReader::EventReader(std::unique_ptr<internal::EventReaderCore> core) noexcept : core_(std::move(core)) {}
EventReader::EventReader(EventReader&&) noexcept = default;
EventReader& EventReader::operator=(EventReader&&) noexcept = default;
EventReader::~EventReader() = default;

bool EventReader::read(const RecordedEventHandler& handler) {
    return core_->read(handler);
}

int EventReader::fd() const noexcept {
    return core_->fd();
}

} // namespace ct
