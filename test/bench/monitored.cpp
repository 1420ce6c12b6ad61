// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitored.hpp"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <vector>

namespace ct::bench {
namespace {

namespace fs = std::filesystem;
using internal::UniqueFd;
using std::chrono::nanoseconds;

constexpr const char* Id = "0123456789abcdef";
constexpr int SyncPipe = 3;

[[noreturn]] void throw_errno(const std::string& what) {
    throw std::system_error(errno, std::system_category(), what);
}

/// The first and the last of the CPUs that this process was given.
std::pair<std::size_t, std::size_t> cpus() {
    static const auto found = [] {
        cpu_set_t allowed;
        if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) throw_errno("sched_getaffinity");
        std::size_t first = 0;
        while (!CPU_ISSET(first, &allowed)) ++first;
        std::size_t last = CPU_SETSIZE - 1;
        while (!CPU_ISSET(last, &allowed)) --last;
        return std::pair{first, last};
    }();
    return found;
}

void move_to(std::size_t cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (::sched_setaffinity(0, sizeof set, &set) != 0) throw_errno("sched_setaffinity");
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

std::string content(const fs::path& file) {
    std::string text;
    std::getline(std::ifstream(file), text, '\0');
    return text;
}

/// The number in a report such as `{"data": 123}`, or -1.
pid_t reported_pid(const std::string& report) {
    const auto at = report.find_first_of("-0123456789");
    return at == std::string::npos ? -1 : static_cast<pid_t>(std::strtol(report.c_str() + at, nullptr, 10));
}

pid_t spawn(std::vector<std::string> arguments, std::vector<std::string> environment, int sync) {
    for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, sync, SyncPipe);
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, arguments.front().c_str(), &actions, nullptr, pointers(arguments).data(),
                                    pointers(environment).data());
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw std::system_error(error, std::system_category(), arguments.front());
    return pid;
}

} // namespace

void move_to_monitors_cpu() {
    move_to(cpus().second);
}

void move_to_other_cpu() {
    move_to(cpus().first);
}

Monitored::Monitored(const std::string& monitor, const std::string& driver, const Job& job) {
    // A tmpfs: no disk is measured.
    std::string directory = "/dev/shm/ct-monitor-bench-XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr) throw_errno("mkdtemp");
    directory_ = directory;
    try {
        start(monitor, driver, job);
    } catch (...) {
        end();
        throw;
    }
}

Monitored::~Monitored() {
    end();
}

void Monitored::start(const std::string& monitor, const std::string& driver, const Job& job) {
    const auto in_directory = [this](const char* name) { return (directory_ / name).string(); };
    fs::create_directory(directory_ / "exits");
    if (::mkfifo(in_directory("gate").c_str(), 0600) < 0) throw_errno("mkfifo");
    exits_.reset(::inotify_init1(IN_CLOEXEC));
    if (::inotify_add_watch(exits_.get(), in_directory("exits").c_str(), IN_MOVED_TO) < 0)
        throw_errno("inotify_add_watch");
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) throw_errno("pipe2");
    const UniqueFd report_end(ends[0]);
    UniqueFd monitors_end(ends[1]);

    // In podman's order.
    std::vector<std::string> arguments{monitor,
                                       "--api-version",
                                       "1",
                                       "-c",
                                       Id,
                                       "-u",
                                       Id,
                                       "-r",
                                       CT_BENCH_BOX,
                                       "-b",
                                       directory_,
                                       "-p",
                                       in_directory("pid"),
                                       "-n",
                                       "bench",
                                       "--exit-dir",
                                       in_directory("exits"),
                                       "--full-attach",
                                       "-l",
                                       driver == "none" ? driver : driver + ":" + log().string(),
                                       "--log-level",
                                       "error",
                                       "-i",
                                       "--conmon-pidfile",
                                       in_directory("monitor-pid")};
    std::vector<std::string> environment{
        "_OCI_SYNCPIPE=" + std::to_string(SyncPipe), "CT_BENCH_GATE=" + in_directory("gate"),
        "CT_BENCH_BYTES=" + std::to_string(job.bytes), "CT_BENCH_LINE=" + std::to_string(job.line),
        "CT_BENCH_CPU=" + std::to_string(cpus().first)};
    if (job.stay) environment.emplace_back("CT_BENCH_STAY=1");

    const auto begin = Clock::now();
    const pid_t foreground = spawn(std::move(arguments), std::move(environment), monitors_end.get());
    monitors_end.reset();
    std::array<char, 4096> buffer{};
    const ssize_t size = ::read(report_end.get(), buffer.data(), buffer.size());
    start_time_ = Clock::now() - begin;

    int status = 0;
    if (::waitpid(foreground, &status, 0) == foreground && status == 0)
        monitor_ = std::atoi(content(directory_ / "monitor-pid").c_str());
    const std::string report(buffer.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
    container_ = reported_pid(report);
    if (monitor_ <= 0 || container_ <= 0) throw std::runtime_error(monitor + " does not start a container: " + report);
}

void Monitored::end() noexcept {
    if (monitor_ > 0) {
        if (container_ > 0) ::kill(container_, SIGKILL);
        ::waitpid(monitor_, nullptr, 0);
    }
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
}

Monitored::Clock::time_point Monitored::go() {
    cpu_before_ = cpu_time();
    // Until the container opens it, too.
    const UniqueFd gate(::open((directory_ / "gate").c_str(), O_WRONLY | O_CLOEXEC));
    if (!gate) throw_errno("open the gate");
    return Clock::now();
}

Monitored::Clock::time_point Monitored::await_exit() {
    // One event is enough: only the exit file is moved to there.
    alignas(inotify_event) std::array<char, 4096> events{};
    if (::read(exits_.get(), events.data(), events.size()) <= 0) throw_errno("wait for the exit file");
    const auto now = Clock::now();
    const std::string code = content(directory_ / "exits" / Id);
    if (code != "0") throw std::runtime_error("the container has exited with code " + code);
    return now;
}

nanoseconds Monitored::await_end() {
    siginfo_t info{};
    // It stays a zombie meanwhile, which still has its clock.
    if (::waitid(P_PID, static_cast<id_t>(monitor_), &info, WEXITED | WNOWAIT) < 0) throw_errno("wait for the monitor");
    const nanoseconds used = cpu_time() - cpu_before_;
    ::waitpid(monitor_, nullptr, 0);
    monitor_ = 0;
    return used;
}

/// Of the monitor's own process.
nanoseconds Monitored::cpu_time() const {
    clockid_t clock{};
    timespec time{};
    if (const int error = ::clock_getcpuclockid(monitor_, &clock); error != 0)
        throw std::system_error(error, std::system_category(), "clock_getcpuclockid");
    if (::clock_gettime(clock, &time) < 0) throw_errno("clock_gettime");
    return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

} // namespace ct::bench
