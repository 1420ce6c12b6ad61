// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// How fast output gets into a k8s-file on a tmpfs, beside conmon: the same producer, turn by
// turn; of one container, and of 64 that one loop serves, or 64 conmons.
//
//     ct_log_bench [MEGABYTES [TURNS]]
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <ct/ct.hpp>

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double cpu(const rusage& usage) {
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Writes \p bytes in lines of \p line bytes, or without any newline, and notes what CPU time that has taken.
int produce(std::size_t bytes, std::size_t line, const char* usage_file) {
    std::string block(65536 / std::max<std::size_t>(line, 1) * std::max<std::size_t>(line, 1), 'x');
    if (line > 0)
        for (std::size_t at = line - 1; at < block.size(); at += line) block[at] = '\n';
    while (bytes > 0) {
        const ssize_t written = ::write(1, block.data(), std::min(bytes, block.size()));
        if (written <= 0) return 1;
        bytes -= static_cast<std::size_t>(written);
    }
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    std::ofstream(usage_file) << cpu(usage);
    return 0;
}

struct Result {
    double wall = 0;
    double cpu = 0;
    double size = 0;
};

double noted(const fs::path& file) {
    double value = 0;
    std::ifstream(file) >> value;
    return value;
}

/// One container's directory, and what it writes.
struct Place {
    fs::path directory;
    std::string self;
    std::size_t bytes;
    std::size_t line;

    [[nodiscard]] std::vector<std::string> producer() const {
        return {self, "produce", std::to_string(bytes), std::to_string(line), directory / "usage"};
    }
    [[nodiscard]] fs::path log() const { return directory / "log"; }
};

/// All of them write at the same time.
using Places = std::vector<Place>;

Result result(const Places& places, Clock::time_point begin, double cpu_time) {
    const std::chrono::duration<double> wall = Clock::now() - begin;
    Result result{wall.count(), cpu_time, 0};
    for (const Place& place : places) {
        result.size += static_cast<double>(fs::file_size(place.log()));
        fs::remove(place.log());
    }
    return result;
}

Result run_libct(const Places& places) {
    ct::Session session;
    std::size_t running = places.size();
    std::vector<ct::Container> boxes;
    for (const Place& place : places) {
        boxes.push_back(session.create("bench" + std::to_string(boxes.size())));
        boxes.back().set_log({.targets = {ct::LogFile{.path = place.log()}}});
        boxes.back().on_exit([&](const ct::ExitEvent&) { --running; });
    }
    rusage before{};
    rusage after{};
    ::getrusage(RUSAGE_SELF, &before);
    const auto begin = Clock::now();
    for (std::size_t i = 0; i < places.size(); ++i) boxes[i].start({.argv = places[i].producer()});
    while (running > 0) session.dispatch_for(std::chrono::seconds(10));
    ::getrusage(RUSAGE_SELF, &after);
    return result(places, begin, cpu(after) - cpu(before));
}

pid_t start_conmon(const Place& place) {
    const fs::path runtime = place.directory / "runtime";
    std::string command;
    for (const std::string& word : place.producer()) command += " '" + word + "'";
    std::ofstream(runtime)
        << "#!/bin/sh\n"
           "while [ $# -gt 0 ]; do [ \"$1\" = --pid-file ] && file=$2; [ \"$1\" = create ] && run=1; "
           "shift; done\n"
           "[ -n \"$run\" ] || exit 0\n"
        << command << " &\nprintf %s $! >\"$file\"\n";
    fs::permissions(runtime, fs::perms::owner_all);
    const std::string log = "k8s-file:" + place.log().string();
    const std::string pid_file = place.directory / "pid";
    const pid_t child = ::fork();
    if (child == 0) {
        ::execlp("conmon", "conmon", "--sync", "-c", "bench", "-u", "bench", "-n", "bench", "-r", runtime.c_str(), "-b",
                 place.directory.c_str(), "-p", pid_file.c_str(), "-l", log.c_str(), "--socket-dir-path",
                 place.directory.c_str(), "--no-sync-log", nullptr);
        ::_exit(127);
    }
    return child;
}

Result run_conmon(const Places& places) {
    const auto begin = Clock::now();
    std::vector<pid_t> children;
    for (const Place& place : places) children.push_back(start_conmon(place));
    double cpu_time = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
        int status = 0;
        rusage usage{};
        if (::wait4(children[i], &status, 0, &usage) != children[i] || status == 127 << 8) {
            std::fputs("conmon does not run\n", stderr);
            std::exit(77);
        }
        cpu_time += cpu(usage) - noted(places[i].directory / "usage");
    }
    return result(places, begin, cpu_time);
}

Result median(std::vector<Result> results) {
    const auto middle = results.begin() + static_cast<std::ptrdiff_t>(results.size() / 2);
    std::nth_element(results.begin(), middle, results.end(),
                     [](const Result& a, const Result& b) { return a.wall < b.wall; });
    return *middle;
}

void compare(const std::string& what, const Places& places, std::size_t turns) {
    std::vector<Result> ours;
    std::vector<Result> theirs;
    double bytes = 0;
    for (const Place& place : places) {
        fs::create_directories(place.directory);
        bytes += static_cast<double>(place.bytes);
    }
    for (std::size_t turn = 0; turn < turns; ++turn) {
        ours.push_back(run_libct(places));
        theirs.push_back(run_conmon(places));
    }
    const auto show = [&](const char* name, const Result& result) {
        std::printf("%-24s %-7s %8.0f MB/s %8.3f ns of CPU per byte  (%.0f MB on disk)\n", what.c_str(), name,
                    bytes / result.wall / 1e6, result.cpu * 1e9 / bytes, result.size / 1e6);
    };
    const Result our = median(ours);
    const Result their = median(theirs);
    show("libct", our);
    show("conmon", their);
    std::printf("%-24s ratio   %8.2f x speed %8.2f x CPU\n", what.c_str(), their.wall / our.wall, our.cpu / their.cpu);
}

} // namespace

int main(int argc, char** argv) {
    if (argc == 5 && std::strcmp(argv[1], "produce") == 0) {
        return produce(std::stoul(argv[2]), std::stoul(argv[3]), argv[4]);
    }
    const std::size_t bytes = (argc > 1 ? std::stoul(argv[1]) : 512) * 1'000'000;
    const std::size_t turns = argc > 2 ? std::stoul(argv[2]) : 5;
    std::string directory = "/dev/shm/ct-log-bench-XXXXXX";
    if (::mkdtemp(directory.data()) == nullptr) return 1;
    const std::string self = fs::read_symlink("/proc/self/exe");
    constexpr std::size_t many = 64;
    for (const auto& [what, line] : {std::pair{"100-byte lines", 100UL}, std::pair{"unbroken", 0UL}}) {
        compare(what, {{directory, self, bytes, line}}, turns);
        Places places;
        for (std::size_t i = 0; i < many; ++i) {
            places.push_back({fs::path(directory) / std::to_string(i), self, bytes / many, line});
        }
        compare(std::string(what) + ", 64 at once", places, turns);
    }
    fs::remove_all(directory);
}
