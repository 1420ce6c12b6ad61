// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// How fast output gets into a k8s-file on a tmpfs, beside conmon: the same producer, turn by turn.
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

struct Place {
    fs::path directory;
    std::string self;
    std::size_t bytes;
    std::size_t line;

    [[nodiscard]] std::vector<std::string> producer() const {
        return {self, "produce", std::to_string(bytes), std::to_string(line), directory / "usage"};
    }
    [[nodiscard]] fs::path log() const { return directory / "log"; }
    [[nodiscard]] Result result(Clock::time_point begin, double cpu_time) const {
        const std::chrono::duration<double> wall = Clock::now() - begin;
        Result result{wall.count(), cpu_time, static_cast<double>(fs::file_size(log()))};
        fs::remove(log());
        return result;
    }
};

Result run_libct(const Place& place) {
    ct::Session session;
    ct::Container box = session.create("bench").set_log({.targets = {ct::LogFile{.path = place.log()}}});
    rusage before{};
    rusage after{};
    ::getrusage(RUSAGE_SELF, &before);
    const auto begin = Clock::now();
    box.start({.argv = place.producer()});
    while (box.running()) session.dispatch_for(std::chrono::seconds(10));
    ::getrusage(RUSAGE_SELF, &after);
    return place.result(begin, cpu(after) - cpu(before));
}

Result run_conmon(const Place& place) {
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
    const auto begin = Clock::now();
    const pid_t child = ::fork();
    if (child == 0) {
        ::execlp("conmon", "conmon", "--sync", "-c", "bench", "-u", "bench", "-n", "bench", "-r", runtime.c_str(), "-b",
                 place.directory.c_str(), "-p", pid_file.c_str(), "-l", log.c_str(), "--socket-dir-path",
                 place.directory.c_str(), "--no-sync-log", nullptr);
        ::_exit(127);
    }
    int status = 0;
    rusage usage{};
    if (::wait4(child, &status, 0, &usage) != child || status == 127 << 8) {
        std::fputs("conmon does not run\n", stderr);
        std::exit(77);
    }
    return place.result(begin, cpu(usage) - noted(place.directory / "usage"));
}

Result median(std::vector<Result> results) {
    const auto middle = results.begin() + static_cast<std::ptrdiff_t>(results.size() / 2);
    std::nth_element(results.begin(), middle, results.end(),
                     [](const Result& a, const Result& b) { return a.wall < b.wall; });
    return *middle;
}

void compare(const char* what, const Place& place, std::size_t turns) {
    std::vector<Result> ours;
    std::vector<Result> theirs;
    for (std::size_t turn = 0; turn < turns; ++turn) {
        ours.push_back(run_libct(place));
        theirs.push_back(run_conmon(place));
    }
    const auto bytes = static_cast<double>(place.bytes);
    const auto show = [&](const char* name, const Result& result) {
        std::printf("%-16s %-7s %8.0f MB/s %8.3f ns of CPU per byte  (%.0f MB on disk)\n", what, name,
                    bytes / result.wall / 1e6, result.cpu * 1e9 / bytes, result.size / 1e6);
    };
    const Result our = median(ours);
    const Result their = median(theirs);
    show("libct", our);
    show("conmon", their);
    std::printf("%-16s ratio   %8.2f x speed %8.2f x CPU\n", what, their.wall / our.wall, our.cpu / their.cpu);
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
    for (const auto& [what, line] : {std::pair{"100-byte lines", 100UL}, std::pair{"unbroken", 0UL}}) {
        compare(what, {directory, fs::read_symlink("/proc/self/exe"), bytes, line}, turns);
    }
    fs::remove_all(directory);
}
