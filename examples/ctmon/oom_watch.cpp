// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "oom_watch.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdint>
#include <exception>
#include <utility>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ctmon {

using ct::Stage;
using ct::internal::concat;
using ct::internal::Loop;
using ct::internal::UniqueFd;
namespace sys = ct::internal::sys;

namespace {

constexpr std::string_view Root = "/sys/fs/cgroup";
constexpr std::string_view Watch = "watch for a lack of memory by";

/// Cuts \p text at the first \p separator. \returns what stands before it
std::string_view take_until(std::string_view& text, char separator) {
    const std::size_t end = std::min(text.find(separator), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return part;
}

bool lists(std::string_view controllers, std::string_view wanted) {
    while (!controllers.empty()) {
        if (take_until(controllers, ',') == wanted) return true;
    }
    return false;
}

std::uint64_t count_of(std::string_view events, std::string_view key) {
    while (!events.empty()) {
        std::string_view line = take_until(events, '\n');
        if (take_until(line, ' ') != key) continue;
        std::uint64_t count = 0;
        (void)std::from_chars(line.data(), line.data() + line.size(), count);
        return count;
    }
    return 0;
}

std::string read_memberships(pid_t pid) {
    const std::string path = concat("/proc/", pid, "/cgroup");
    const UniqueFd file = sys::open(path, O_RDONLY, Stage::Cgroup);
    std::string text;
    std::array<char, 1024> part; // NOLINT(cppcoreguidelines-pro-type-member-init): read() fills it
    for (;;) {
        const ssize_t size = ::read(file.get(), part.data(), part.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) throw sys::error(errno, Stage::Cgroup, "read", path);
        if (size == 0) return text;
        text.append(part.data(), static_cast<std::size_t>(size));
    }
}

MemoryGroup memory_group_of(pid_t pid) {
    struct statfs status {};
    const std::string root(Root);
    if (::statfs(root.c_str(), &status) < 0) throw sys::error(errno, Stage::Cgroup, "look at", root);
    std::optional<MemoryGroup> group = find_memory_group(read_memberships(pid), status.f_type == CGROUP2_SUPER_MAGIC);
    if (!group) throw sys::error(ENOENT, Stage::Cgroup, "find the memory group of process", std::to_string(pid));
    return *std::move(group);
}

UniqueFd open_in(const UniqueFd& directory, const std::string& where, const char* name, int flags) {
    UniqueFd fd(::openat(directory.get(), name, flags | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) throw sys::error(errno, Stage::Cgroup, Watch, concat(where, "/", name));
    return sys::above_stdio(std::move(fd), Stage::Cgroup, Watch);
}

} // namespace

std::optional<MemoryGroup> find_memory_group(std::string_view memberships, bool version_2, std::string_view root) {
    while (!memberships.empty()) {
        std::string_view path = take_until(memberships, '\n');
        const std::string_view hierarchy = take_until(path, ':');
        const std::string_view controllers = take_until(path, ':');
        const bool found = version_2 ? hierarchy == "0" && controllers.empty() : lists(controllers, "memory");
        if (!found) continue;
        // Above the root of our own cgroup namespace: there is no path to it.
        if (path == "/.." || path.starts_with("/../")) return std::nullopt;
        return MemoryGroup{concat(root, version_2 ? "" : "/memory", path), version_2};
    }
    return std::nullopt;
}

struct OomWatch::Impl : std::enable_shared_from_this<Impl> {
    Impl(std::vector<std::string> to_make, std::shared_ptr<Loop> its_loop, const Messages& its_messages)
        : files(std::move(to_make)), loop(std::move(its_loop)), messages(its_messages) {}
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;
    ~Impl() { stop(); }

    void try_start(const auto& find_group) {
        try {
            start(find_group());
        } catch (const std::exception& error) {
            messages.warn(error.what());
        }
    }
    void start(const MemoryGroup& group);
    void start_1(const std::string& where);
    void start_2(const std::string& where);
    void watch(UniqueFd fd);
    [[nodiscard]] bool watch_events();
    void watch_by_inotify(const std::string& path);
    void stop() noexcept {
        if (watched) loop->remove(*std::exchange(watched, std::nullopt));
    }

    void look();
    [[nodiscard]] bool happened_1();
    [[nodiscard]] bool happened_2();
    void make_files();

    const std::vector<std::string> files;
    const std::shared_ptr<Loop> loop;
    const Messages& messages;
    UniqueFd directory;
    UniqueFd notice; ///< The eventfd of version 1, or the inotify descriptor of version 2.
    UniqueFd events; ///< `memory.events` of version 2.
    std::optional<Loop::Id> watched;
    std::uint64_t ooms = 0; ///< As last seen.
    std::uint64_t kills = 0;
    std::uint64_t after_removal = 0; ///< Notices of version 1 that came when the group was gone.
    bool failure_told = false;
};

void OomWatch::Impl::start(const MemoryGroup& group) {
    directory = sys::open(group.directory, O_PATH | O_DIRECTORY, Stage::Cgroup);
    group.version_2 ? start_2(group.directory) : start_1(group.directory);
}

void OomWatch::Impl::watch(UniqueFd fd) {
    notice = sys::above_stdio(std::move(fd), Stage::Cgroup, Watch);
    watched = loop->add(notice.get(), EPOLLIN, [weak = weak_from_this()](std::uint32_t) {
        if (const auto self = weak.lock()) self->look();
    });
}

void OomWatch::Impl::start_1(const std::string& where) {
    UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) throw sys::error(errno, Stage::Cgroup, "make an eventfd");
    const UniqueFd oom = open_in(directory, where, "memory.oom_control", O_RDONLY);
    const UniqueFd registry = open_in(directory, where, "cgroup.event_control", O_WRONLY);
    const std::string text = concat(event.get(), ' ', oom.get());
    if (::write(registry.get(), text.data(), text.size()) < 0) {
        throw sys::error(errno, Stage::Cgroup, Watch, concat(where, "/cgroup.event_control"),
                         "a kernel with PREEMPT_RT has no such notices");
    }
    watch(std::move(event));
}

void OomWatch::Impl::start_2(const std::string& where) {
    const std::string path = concat(where, "/memory.events");
    events.reset(::openat(directory.get(), "memory.events", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!events && errno == ENOENT) {
        messages.debug(concat("there is no ", path, ": no lack of memory will be noticed"));
        return;
    }
    if (!events) throw sys::error(errno, Stage::Cgroup, Watch, path);
    events = sys::above_stdio(std::move(events), Stage::Cgroup, Watch);
    if (!watch_events()) watch_by_inotify(path);
    look(); // what happened before
}

bool OomWatch::Impl::watch_events() {
    try {
        watched = loop->add(events.get(), EPOLLPRI, [weak = weak_from_this()](std::uint32_t) {
            if (const auto self = weak.lock()) self->look();
        });
        return true;
    } catch (const ct::Error&) { // it cannot be polled
        return false;
    }
}

/// A user has only so many inotify descriptors, 128 by default.
void OomWatch::Impl::watch_by_inotify(const std::string& path) {
    UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!inotify) throw sys::error(errno, Stage::Cgroup, "make an inotify descriptor");
    // The file that is open, wherever its path leads by now.
    if (::inotify_add_watch(inotify.get(), concat("/proc/self/fd/", events.get()).c_str(), IN_MODIFY) < 0) {
        throw sys::error(errno, Stage::Cgroup, Watch, path);
    }
    watch(std::move(inotify));
}

void OomWatch::Impl::look() {
    const bool first = notice && !events && happened_1();
    const bool second = events && happened_2();
    if (first || second) make_files();
}

bool OomWatch::Impl::happened_1() {
    eventfd_t count = 0;
    if (::eventfd_read(notice.get(), &count) < 0) return false;
    if (::faccessat(directory.get(), "cgroup.event_control", F_OK, 0) == 0) return true;
    // There is one notice of the removal itself; an earlier one may have come along with it.
    after_removal += count;
    return after_removal > 1;
}

bool OomWatch::Impl::happened_2() {
    alignas(inotify_event) std::array<char, sizeof(inotify_event) + NAME_MAX + 1> notices; // NOLINT: read() fills it
    if (notice && ::read(notice.get(), notices.data(), notices.size()) < 0 && errno != EAGAIN && errno != EINTR) stop();
    std::array<char, 1024> text; // NOLINT(cppcoreguidelines-pro-type-member-init): pread() fills it
    const ssize_t size = ::pread(events.get(), text.data(), text.size(), 0);
    if (size <= 0) { // the group is gone, which would be told all the time
        stop();
        return false;
    }
    const std::string_view now(text.data(), static_cast<std::size_t>(size));
    const std::uint64_t ooms_now = count_of(now, "oom");
    const std::uint64_t kills_now = count_of(now, "oom_kill");
    const bool ooms_changed = ooms_now != std::exchange(ooms, ooms_now) && ooms_now != 0;
    const bool kills_changed = kills_now != std::exchange(kills, kills_now) && kills_now != 0;
    return ooms_changed || kills_changed;
}

void OomWatch::Impl::make_files() {
    for (const std::string& path : files) {
        // Neither through a link, nor what is there already.
        const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
        if (file) {
            messages.info(concat("the container was out of memory: made '", path, "'"));
        } else if (errno != EEXIST && !std::exchange(failure_told, true)) {
            messages.warn(sys::error(errno, Stage::Cgroup, "make", path).what());
        }
    }
}

OomWatch::OomWatch(pid_t container, std::vector<std::string> files, std::shared_ptr<Loop> loop,
                   const Messages& messages)
    : impl_(std::make_shared<Impl>(std::move(files), std::move(loop), messages)) {
    impl_->try_start([&] { return memory_group_of(container); });
}

OomWatch::OomWatch(const MemoryGroup& group, std::vector<std::string> files, std::shared_ptr<Loop> loop,
                   const Messages& messages)
    : impl_(std::make_shared<Impl>(std::move(files), std::move(loop), messages)) {
    impl_->try_start([&] { return group; });
}

OomWatch::~OomWatch() {
    impl_->stop();
}

void OomWatch::look() noexcept {
    try {
        impl_->look();
    } catch (const std::exception&) { // no memory for a message
        impl_->stop();
    }
}

} // namespace ctmon
