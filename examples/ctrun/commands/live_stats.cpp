// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "live_stats.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <system_error>

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../quantities.hpp"
#include "../table.hpp"
#include "commands.hpp"

namespace ctrun {

namespace {

using Clock = std::chrono::steady_clock;

struct Traffic {
    ct::Bytes received;
    ct::Bytes sent;
};

/// What a container has used up to one moment.
struct Sample {
    Clock::time_point time;
    ct::Stats stats;
    std::optional<Traffic> traffic = {}; ///< None if it has the host's network.
};

/// Without the loopback device. None if the network cannot be looked at.
std::optional<Traffic> traffic(ct::Container& container) {
    const auto namespaces = container.spec().namespaces;
    if (!namespaces.contains(ct::Namespace::Net)) return std::nullopt;
    try {
        Traffic all{};
        for (const ct::LinkState& link : container.network().links) {
            if (link.name == "lo") continue;
            all.received.count += link.received.bytes;
            all.sent.count += link.sent.bytes;
        }
        return all;
    } catch (const ct::Error&) {
        return std::nullopt;
    }
}

/// Of one CPU, since the sample before.
std::optional<double> cpu_percent(const Sample& now, const Sample* before) {
    if (before == nullptr || !now.stats.cpu.usage || !before->stats.cpu.usage) return std::nullopt;
    const std::chrono::duration<double> used = *now.stats.cpu.usage - *before->stats.cpu.usage;
    const std::chrono::duration<double> passed = now.time - before->time;
    return passed.count() > 0 ? std::optional(100 * std::max(0.0, used.count()) / passed.count()) : std::nullopt;
}

class LiveStats {
public:
    explicit LiveStats(const StatsCommand& command)
        : command_(command), session_(open_session()), on_terminal_(::isatty(STDOUT_FILENO) == 1) {}

    /// \returns false once there is nothing more to show
    bool show();

private:
    void take_samples();
    void add(const std::string& name);
    void print_table() const;
    void print_json_line() const;

    const StatsCommand& command_;
    ct::Session session_;
    const bool on_terminal_;
    bool first_ = true;
    std::set<std::string> ended_;
    std::map<std::string, Sample> before_;
    std::map<std::string, Sample> now_;
};

void LiveStats::add(const std::string& name) {
    try {
        ct::Container container = session_.open(name);
        Sample sample{.time = Clock::now(), .stats = container.stats()};
        sample.traffic = traffic(container);
        now_.emplace(name, std::move(sample));
    } catch (const ct::Error&) {
        if (first_) throw; // it could never be shown
        ended_.insert(name);
    }
}

void LiveStats::take_samples() {
    before_ = std::exchange(now_, {});
    ended_.clear();
    if (!command_.names.empty()) {
        for (const std::string& name : command_.names) add(name);
        return;
    }
    first_ = false;
    for (const std::string& name : names_with_stats(session_)) add(name);
    ended_.clear();
}

bool LiveStats::show() {
    take_samples();
    command_.json ? print_json_line() : print_table();
    first_ = false;
    return command_.names.empty() || !now_.empty();
}

void LiveStats::print_json_line() const {
    Json list = Json::array();
    for (const auto& [name, sample] : now_) {
        const auto before = before_.find(name);
        const auto cpu = cpu_percent(sample, before == before_.end() ? nullptr : &before->second);
        Json json = stats_to_json(name, sample.stats);
        json["cpu_percent"] = cpu ? Json(*cpu) : Json();
        json["network"] = sample.traffic
                              ? Json{{"received", sample.traffic->received.count}, {"sent", sample.traffic->sent.count}}
                              : Json();
        list.push_back(std::move(json));
    }
    std::cout << list.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
}

void LiveStats::print_table() const {
    Table table({"NAME", "CPU", "MEMORY", "MAX", "PIDS", "NET-IN", "NET-OUT", "READ", "WRITTEN"});
    for (const auto& [name, sample] : now_) {
        const auto before = before_.find(name);
        const ct::Stats& stats = sample.stats;
        const auto bytes = [&](ct::Bytes Traffic::*part) {
            return sample.traffic ? std::optional((*sample.traffic).*part) : std::nullopt;
        };
        table.add({name, percent(cpu_percent(sample, before == before_.end() ? nullptr : &before->second)),
                   text(stats.memory.current), text(stats.memory.max), text(stats.pids.current),
                   text(bytes(&Traffic::received)), text(bytes(&Traffic::sent)),
                   text(sum(stats.io, &ct::IoStats::read)), text(sum(stats.io, &ct::IoStats::written))});
    }
    for (const std::string& name : ended_) table.add({name, "ended"});
    if (!on_terminal_) {
        table.print(std::cout);
        return;
    }
    winsize size{};
    const bool has_size = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0;
    std::stringstream lines;
    table.print(lines);
    std::cout << (first_ ? "\x1b[H\x1b[2J" : "\x1b[H");
    // A line that is too long would take two.
    for (std::string line; std::getline(lines, line);)
        std::cout << (has_size ? line.substr(0, size.ws_col) : line) << "\x1b[K\r\n";
    std::cout << "\x1b[J";
}

/// \returns false if nobody looks at what is printed any more
bool wait_for(std::chrono::milliseconds time) {
    const auto end = Clock::now() + time;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
        pollfd out{STDOUT_FILENO, 0, 0};
        const int ready = ::poll(&out, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1'000'000'000)));
        if (ready == 0) return true;
        if (ready > 0) return false;
        if (errno != EINTR) throw std::system_error(errno, std::system_category(), "poll");
    }
}

} // namespace

std::vector<std::string> names_with_stats(ct::Session& session) {
    std::vector<std::string> names;
    for (const ct::ContainerInfo& info : session.containers()) {
        if (info.state != ct::State::Running && info.state != ct::State::Paused) continue;
        try {
            (void)session.open(info.name).stats();
            names.push_back(info.name);
        } catch (const ct::Error&) { // it has just ended, or has none
        }
    }
    return names;
}

int print_live(const StatsCommand& command) {
    LiveStats live(command);
    for (;;) {
        const bool more = live.show();
        std::cout.flush();
        if (!std::cout) throw std::system_error(EPIPE, std::system_category(), "write");
        if (!more || !wait_for(command.interval.value_or(std::chrono::seconds(1)))) return 0;
    }
}

} // namespace ctrun
