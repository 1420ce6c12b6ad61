// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What a monitor costs a container, beside another one that understands the same command line, turn by turn. Ends with
// 1 if the first one is not as much better as the design owes.
//
//     ct_monitor_bench MONITOR OTHER [MEGABYTES [TURNS]]
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "monitored.hpp"

namespace {

using ct::bench::Job;
using ct::bench::Monitored;
using Seconds = std::chrono::duration<double>;

/// Of two monitors, with what was measured turn by turn.
struct Pair {
    std::vector<double> subject;
    std::vector<double> baseline;
};

struct Owed {
    enum Kind { AtMost, RatioAtMost, RatioAtLeast } kind;
    double bound;
};

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// How many digits of \p value after the point tell something.
int digits(double value) {
    if (value == std::floor(value) || value >= 100) return 0;
    return value >= 10 ? 1 : 3;
}

/// Prints one line for each comparison; test/bench/chart reads them.
class Table {
public:
    Table() { std::printf("%-52s %9s %9s %7s  %s\n", "what", "ctmon", "conmon", "ratio", "owed"); }

    void add(const char* what, const Pair& pair, Owed owed) {
        std::vector<double> ratios;
        for (std::size_t i = 0; i < pair.subject.size(); ++i) ratios.push_back(pair.subject[i] / pair.baseline[i]);
        const double subject = median(pair.subject);
        const double ratio = median(ratios);
        const double baseline = median(pair.baseline);
        std::printf("%-52s %9.*f %9.*f ", what, digits(subject), subject, digits(baseline), baseline);
        if (owed.kind == Owed::AtMost) {
            std::printf("%7s  %s %g", "", "at most", owed.bound);
        } else {
            std::printf("%7.3f  %s %.2f", ratio, owed.kind == Owed::RatioAtMost ? "<=" : ">=", owed.bound);
        }
        const double compared = owed.kind == Owed::AtMost ? subject : ratio;
        // What is not a number is not kept, either.
        const bool kept = owed.kind == Owed::RatioAtLeast ? compared >= owed.bound : compared <= owed.bound;
        std::printf("%s\n", kept ? "" : "  NOT KEPT");
        std::fflush(stdout);
        all_kept_ = all_kept_ && kept;
    }

    [[nodiscard]] bool all_kept() const noexcept { return all_kept_; }

private:
    bool all_kept_ = true;
};

/// The two monitors take turns; each comes first as often as the other.
void take_turns(std::size_t turns, const std::array<std::string, 2>& monitors,
                const std::function<void(const std::string& monitor, bool is_subject)>& measure) {
    for (std::size_t turn = 0; turn < turns; ++turn) {
        for (const std::size_t i : {turn % 2, 1 - turn % 2}) measure(monitors.at(i), i == 0);
    }
}

/// The number after \p name in a file such as /proc/PID/status.
double field(pid_t pid, const char* file, const std::string& name) {
    std::ifstream stream("/proc/" + std::to_string(pid) + "/" + file);
    for (std::string line; std::getline(stream, line);)
        if (line.starts_with(name + ":")) return std::strtod(line.c_str() + name.size() + 1, nullptr);
    throw std::runtime_error("no " + name + " in /proc/PID/" + file);
}

/// What monitors are like that have been busy before, and are idle now.
struct Idle {
    Pair dirty, pss, threads, wake_ups;

    void measure(const std::string& monitor, bool subject, std::size_t count) {
        using namespace std::chrono_literals;
        std::vector<std::unique_ptr<Monitored>> all;
        for (std::size_t i = 0; i < count; ++i) {
            all.push_back(
                std::make_unique<Monitored>(monitor, "k8s-file", Job{.bytes = 1000 * 1000, .line = 100, .stay = true}));
            all.back()->go();
        }
        std::this_thread::sleep_for(3s); // what is done a little later is done then
        const pid_t pid = all.front()->monitor();
        const double before = field(pid, "status", "voluntary_ctxt_switches");
        std::this_thread::sleep_for(5s);
        const auto add = [subject](Pair& pair, double value) {
            (subject ? pair.subject : pair.baseline).push_back(value);
        };
        add(wake_ups, field(pid, "status", "voluntary_ctxt_switches") - before);
        add(threads, field(pid, "status", "Threads"));
        add(dirty, field(pid, "smaps_rollup", "Private_Dirty"));
        double sum = 0;
        for (const auto& one : all) sum += field(one->monitor(), "smaps_rollup", "Pss");
        add(pss, sum / static_cast<double>(count));
    }
};

void compare_idle(Table& table, const std::array<std::string, 2>& monitors) {
    Idle one;
    take_turns(3, monitors, [&](const auto& monitor, bool subject) { one.measure(monitor, subject, 1); });
    table.add("idle: private dirty memory, kB", one.dirty, {Owed::AtMost, 200});
    table.add("idle: share of memory (PSS) of one, kB", one.pss, {Owed::RatioAtMost, 0.5});
    Idle fifty;
    take_turns(3, monitors, [&](const auto& monitor, bool subject) { fifty.measure(monitor, subject, 50); });
    table.add("idle: share of memory (PSS) of each of 50, kB", fifty.pss, {Owed::RatioAtMost, 0.5});
    table.add("idle: threads", one.threads, {Owed::AtMost, 1});
    table.add("idle: wake-ups within 5 s", one.wake_ups, {Owed::AtMost, 0});
}

void compare_start(Table& table, const std::array<std::string, 2>& monitors) {
    Pair times;
    constexpr std::size_t WarmUp = 10;
    constexpr std::size_t Starts = 200;
    std::size_t turn = 0;
    take_turns(WarmUp + Starts, monitors, [&](const auto& monitor, bool subject) {
        Monitored box(monitor, "k8s-file", {});
        box.go();
        box.await_exit();
        box.await_end();
        if (turn++ < 2 * WarmUp) return;
        (subject ? times.subject : times.baseline).push_back(Seconds(box.start_time()).count() * 1e6);
    });
    table.add("start: up to the report of the pid, us", times, {Owed::RatioAtMost, 1});
}

void compare_log(Table& table, const std::array<std::string, 2>& monitors, const char* what, const Job& job,
                 std::size_t turns) {
    Pair speed;
    Pair cpu;
    const auto bytes = static_cast<double>(job.bytes);
    take_turns(turns, monitors, [&](const auto& monitor, bool subject) {
        Monitored box(monitor, "k8s-file", job);
        const auto begin = box.go();
        const Seconds took = box.await_exit() - begin;
        const Seconds used = box.await_end();
        if (std::filesystem::file_size(box.log()) < job.bytes) throw std::runtime_error(monitor + " has lost output");
        (subject ? speed.subject : speed.baseline).push_back(bytes / took.count() / 1e6);
        (subject ? cpu.subject : cpu.baseline).push_back(used.count() / bytes * 1e9);
    });
    table.add((std::string("k8s-file, ") + what + ": MB/s").c_str(), speed, {Owed::RatioAtLeast, 1.2});
    table.add((std::string("k8s-file, ") + what + ": CPU ns per byte").c_str(), cpu, {Owed::RatioAtMost, 1});
}

/// Reads packets up to the end of file. \returns 0 if so many bytes came
int consume(int fd, std::size_t bytes) {
    std::array<char, 8193> packet{};
    for (;;) {
        const ssize_t size = ::read(fd, packet.data(), packet.size());
        if (size <= 0) return bytes == 0 ? 0 : 1;
        bytes -= static_cast<std::size_t>(size) - 1;
    }
}

/// A client in a process of its own, already connected.
pid_t attach(const Monitored& box, std::size_t bytes) {
    const ct::internal::UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    box.attach_socket().string().copy(address.sun_path, sizeof address.sun_path - 1);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        throw std::runtime_error("cannot connect to " + box.attach_socket().string());
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ct::bench::move_to_other_cpu();
    ::_exit(consume(fd.get(), bytes));
}

void compare_attach(Table& table, const std::array<std::string, 2>& monitors, const std::string& driver,
                    std::size_t bytes, std::size_t turns) {
    Pair speed;
    take_turns(turns, monitors, [&](const auto& monitor, bool subject) {
        Monitored box(monitor, driver, {.bytes = bytes});
        const pid_t client = attach(box, bytes);
        // One that is connected is accepted as soon as the monitor sees it.
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        const auto begin = box.go();
        box.await_exit();
        int status = -1;
        const bool good = ::waitpid(client, &status, 0) == client && status == 0;
        const Seconds took = Monitored::Clock::now() - begin; // up to the exit file and the client's end of file
        box.await_end();
        if (!good) throw std::runtime_error(monitor + " has lost output on the way to a client");
        (subject ? speed.subject : speed.baseline).push_back(static_cast<double>(bytes) / took.count() / 1e6);
    });
    table.add(("attached, log " + driver + ": MB/s").c_str(), speed, {Owed::RatioAtLeast, 1.5});
}

/// A program that was just made is still dirty in the page cache, and would count as dirty memory of its process.
void write_back(const std::string& program) {
    const ct::internal::UniqueFd fd(::open(program.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) < 0) throw std::runtime_error("cannot open " + program);
}

int run(const std::array<std::string, 2>& monitors, std::size_t bytes, std::size_t turns) {
    for (const std::string& monitor : monitors) write_back(monitor);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ct::bench::move_to_monitors_cpu();
    Table table;
    compare_idle(table, monitors);
    compare_start(table, monitors);
    compare_log(table, monitors, "lines of 100 bytes", {.bytes = bytes, .line = 100}, turns);
    compare_log(table, monitors, "unbroken", {.bytes = bytes}, turns);
    compare_attach(table, monitors, "none", bytes, turns);
    compare_attach(table, monitors, "k8s-file", bytes, turns);
    return table.all_kept() ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fputs("usage: ct_monitor_bench MONITOR OTHER [MEGABYTES [TURNS]]\n", stderr);
        return 2;
    }
    const std::size_t megabytes = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 200;
    const std::size_t turns = argc > 4 ? std::strtoul(argv[4], nullptr, 10) : 15;
    try {
        return run({argv[1], argv[2]}, megabytes * 1000 * 1000, turns);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
