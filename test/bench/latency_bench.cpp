// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// How soon the owner of a container knows: from the last thing that its program does to the callback of its end, and
// from its write(2) to the callback of that line. Beside what a hand-written loop gets of a process of its own, by
// pidfd, pipe and epoll, turn by turn.
//
//     ct_latency_bench [TURNS]
#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <ct/ct.hpp>

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock; // CLOCK_MONOTONIC
using Latencies = std::vector<std::int64_t>;

std::int64_t now() {
    return Clock::now().time_since_epoch().count();
}

void print(const char* what, Latencies latencies) {
    std::ranges::sort(latencies);
    const auto microseconds = [&](std::size_t percent) {
        return static_cast<double>(latencies.at((latencies.size() - 1) * percent / 100)) / 1e3;
    };
    std::printf("%-48s p50 %7.1f us   p99 %7.1f us\n", what, microseconds(50), microseconds(99));
}

/// The file in which a program tells when it ended.
class Stamp {
public:
    Stamp() : fd_(::mkstemp(path_.data())) {}
    Stamp(const Stamp&) = delete;
    Stamp& operator=(const Stamp&) = delete;
    ~Stamp() {
        ::close(fd_);
        fs::remove(path_);
    }
    [[nodiscard]] std::vector<std::string> program() const { return {CT_BENCH_STAMP, "exit", path_}; }
    [[nodiscard]] std::int64_t time() const {
        std::int64_t value = 0;
        if (::pread(fd_, &value, sizeof value, 0) != sizeof value) throw std::runtime_error("no time was told");
        return value;
    }

private:
    std::string path_ = "/dev/shm/ct-latency-XXXXXX";
    int fd_;
};

int epoll_of(int fd) {
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN;
    ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    return epoll;
}

/// Starts \p argv in new \p namespaces, with its standard output in \p out, if that is not -1.
pid_t spawn(const std::vector<std::string>& argv, int namespaces = 0, int out = -1) {
    std::vector<char*> words;
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    const auto pid = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD | namespaces, nullptr, nullptr, nullptr, nullptr));
    if (pid != 0) return pid;
    if (out >= 0) ::dup2(out, 1);
    ::execv(words.front(), words.data());
    ::_exit(127);
}

std::int64_t end_by_hand(const Stamp& stamp, int namespaces) {
    const pid_t pid = spawn(stamp.program(), namespaces);
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    const int epoll = epoll_of(pidfd);
    epoll_event event{};
    ::epoll_wait(epoll, &event, 1, -1);
    siginfo_t info{};
    ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED);
    const std::int64_t told = now();
    ::close(epoll);
    ::close(pidfd);
    return told - stamp.time();
}

std::int64_t end_by_libct(const Stamp& stamp, const std::function<void(ct::Container&)>& configure) {
    ct::Session session;
    ct::Container box = session.create("latency");
    configure(box);
    std::int64_t told = 0;
    box.on_exit([&](const ct::ExitEvent&) { told = now(); });
    box.start({.argv = stamp.program()});
    while (told == 0) session.dispatch_for(std::chrono::seconds(10));
    return told - stamp.time();
}

/// One way to run the program, and how late its end was told each time.
struct Kind {
    const char* what;
    std::function<std::int64_t(const Stamp&)> end;
    Latencies latencies = {};
};

Kind libct(const char* what, std::function<void(ct::Container&)> configure) {
    return {what, [configure = std::move(configure)](const Stamp& stamp) { return end_by_libct(stamp, configure); }};
}

void compare_ends(std::size_t turns) {
    using enum ct::Namespace;
    constexpr int five = CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS | CLONE_NEWCGROUP;
    std::vector<Kind> kinds{
        libct("end, libct", [](ct::Container&) {}),
        {"end, by hand: pidfd and epoll", [](const Stamp& stamp) { return end_by_hand(stamp, 0); }},
        libct("end, libct, a log", [](ct::Container& box) { box.on_log([](const ct::LogRecord&) {}); }),
        libct("end, libct, limits",
              [](ct::Container& box) { box.set_limits({.memory_max = 64 * ct::MiB, .pids_max = 10}); }),
        libct("end, libct, five namespaces",
              [](ct::Container& box) {
                  box.add_namespaces({Pid, Uts, Ipc, Mount, Cgroup});
              }),
        {"end, by hand, five namespaces", [](const Stamp& stamp) { return end_by_hand(stamp, five); }},
    };
    const Stamp stamp;
    for (std::size_t turn = 0; turn < turns; ++turn)
        for (Kind& kind : kinds) kind.latencies.push_back(kind.end(stamp));
    for (Kind& kind : kinds) print(kind.what, std::move(kind.latencies));
}

std::vector<std::string> writer(std::size_t lines) {
    return {CT_BENCH_STAMP, "lines", std::to_string(lines)};
}

void note(std::string_view line, Latencies& latencies) {
    const std::int64_t told = now();
    std::int64_t written = 0;
    std::from_chars(line.data(), line.data() + line.size(), written);
    latencies.push_back(told - written);
}

void lines_by_libct(std::size_t lines, Latencies& latencies) {
    ct::Session session;
    ct::Container box = session.create("latency");
    box.on_log([&](const ct::LogRecord& record) { note(record.bytes, latencies); });
    box.start({.argv = writer(lines)});
    while (box.running()) session.dispatch_for(std::chrono::seconds(10));
}

void lines_by_hand(std::size_t lines, Latencies& latencies) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    const pid_t pid = spawn(writer(lines), 0, ends[1]);
    ::close(ends[1]);
    const int epoll = epoll_of(ends[0]);
    std::array<char, 4096> text{};
    for (;;) {
        epoll_event event{};
        ::epoll_wait(epoll, &event, 1, -1);
        const ssize_t size = ::read(ends[0], text.data(), text.size());
        if (size <= 0) break;
        note({text.data(), static_cast<std::size_t>(size)}, latencies);
    }
    ::waitpid(pid, nullptr, 0);
    ::close(epoll);
    ::close(ends[0]);
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t turns = argc > 1 ? std::stoul(argv[1]) : 500;
    compare_ends(turns);
    Latencies libct;
    Latencies floor;
    constexpr int parts = 10;
    for (int part = 0; part < parts; ++part) {
        lines_by_libct(turns, libct);
        lines_by_hand(turns, floor);
    }
    print("line, libct", std::move(libct));
    print("line, by hand: pipe and epoll", std::move(floor));
}
