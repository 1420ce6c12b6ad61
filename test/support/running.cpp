// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The part of fixture.hpp that runs processes and looks at what they did.
#include "fixture.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <sstream>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ct::test {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

int milliseconds_until(Clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    return left.count() > 0 ? static_cast<int>(left.count()) : 0;
}

/// Reads once; false at the end of file.
bool read_some(int fd, std::string& text) {
    std::array<char, 4096> buffer;
    const ssize_t length = ::read(fd, buffer.data(), buffer.size());
    if (length > 0) text.append(buffer.data(), static_cast<std::size_t>(length));
    return length > 0 || (length < 0 && errno == EINTR);
}

void read_to_end(std::array<pollfd, 2> fds, std::array<std::string*, 2> texts) {
    const Clock::time_point deadline = Clock::now() + Patience;
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (::poll(fds.data(), fds.size(), milliseconds_until(deadline)) == 0) {
            ADD_FAILURE() << "the output did not end";
            return;
        }
        for (std::size_t i = 0; i < fds.size(); ++i)
            if (fds[i].fd >= 0 && fds[i].revents != 0 && !read_some(fds[i].fd, *texts[i])) fds[i].fd = -1;
    }
}

ProcessSpec with_pipes(ProcessSpec spec) {
    if (spec.stdio.out == Stdio::Inherit) spec.stdio.out = Stdio::Pipe;
    if (spec.stdio.err == Stdio::Inherit) spec.stdio.err = Stdio::Pipe;
    return spec;
}

Finished finish_run(Container& container, const Process& process) {
    Finished finished = finish(process);
    const std::optional<ExitStatus> status = container.wait_for(Patience);
    EXPECT_TRUE(status.has_value()) << "the container did not stop";
    if (status) {
        EXPECT_EQ(status->describe(), finished.status.describe());
    }
    return finished;
}

template <typename IsExpected>
::testing::AssertionResult fails_as(const std::function<void()>& action, IsExpected is_expected,
                                    std::initializer_list<std::string_view> parts) {
    try {
        action();
    } catch (const Error& error) {
        if (!is_expected(error.code()))
            return ::testing::AssertionFailure() << "wrong code " << error.code() << ": " << error.what();
        for (const std::string_view part : parts)
            if (const auto result = contains(error.what(), part); !result) return result;
        return ::testing::AssertionSuccess();
    }
    return ::testing::AssertionFailure() << "nothing was thrown";
}

} // namespace

Finished finish(const Process& process) {
    Finished finished;
    std::array<pollfd, 2> fds{pollfd{process.stream(1), POLLIN, 0}, pollfd{process.stream(2), POLLIN, 0}};
    read_to_end(fds, {&finished.out, &finished.err});
    if (const std::optional<ExitStatus> status = process.wait_for(Patience)) {
        finished.status = *status;
    } else {
        ADD_FAILURE() << "the process did not end";
        process.kill();
        finished.status = process.wait();
    }
    return finished;
}

Finished run(Container& container, ProcessSpec spec) {
    return finish_run(container, container.start(with_pipes(std::move(spec))));
}

Finished run(Container& container, ProcessSpec spec, std::function<int()> main) {
    return finish_run(container, container.start(with_pipes(std::move(spec)), std::move(main)));
}

Finished run_entered(Container& container, ProcessSpec spec) {
    return finish(container.enter(with_pipes(std::move(spec))));
}

Finished run_entered(Container& container, ProcessSpec spec, std::function<int()> main) {
    return finish(container.enter(with_pipes(std::move(spec)), std::move(main)));
}

Process start_ready(Container& container, ProcessSpec spec) {
    spec.stdio.out = Stdio::Pipe;
    Process process = container.start(std::move(spec));
    EXPECT_EQ(read_line(process.stream(1)), "ready");
    return process;
}

std::string read_line(int fd) {
    const Clock::time_point deadline = Clock::now() + Patience;
    std::string line;
    for (;;) {
        pollfd poll_fd{fd, POLLIN, 0};
        const int ready = ::poll(&poll_fd, 1, milliseconds_until(deadline));
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) {
            ADD_FAILURE() << "no whole line came, only: " << line;
            return line;
        }
        char character = 0;
        if (::read(fd, &character, 1) != 1 || character == '\n') return line;
        if (character != '\r') line += character;
    }
}

bool reaches_end(int fd) {
    const Clock::time_point deadline = Clock::now() + Patience;
    for (std::string ignored;;) {
        pollfd poll_fd{fd, POLLIN, 0};
        if (::poll(&poll_fd, 1, milliseconds_until(deadline)) == 0) return false;
        if (!read_some(fd, ignored)) return true;
    }
}

std::vector<std::string> lines(std::string_view text) {
    std::vector<std::string> result;
    std::istringstream stream{std::string{text}};
    for (std::string line; std::getline(stream, line);) result.push_back(line);
    return result;
}

std::string content(const fs::path& path) {
    // Not std::ifstream, which leaves the descriptor open to programs that other threads execute meanwhile.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    std::string text;
    while (fd >= 0 && read_some(fd, text)) {
    }
    ::close(fd);
    return text;
}

std::string map_of(pid_t pid, const std::string& file) {
    std::istringstream stream{content("/proc/" + std::to_string(pid) + "/" + file)};
    std::string text;
    for (std::string inside, outside, count; stream >> inside >> outside >> count;)
        text += inside + " " + outside + " " + count + "\n";
    return text;
}

std::string namespace_of(pid_t pid, Namespace kind) {
    const std::string path = "/proc/" + std::to_string(pid) + "/ns/" + std::string{to_string(kind)};
    std::error_code error;
    const fs::path target = fs::read_symlink(path, error);
    return error ? path + ": " + error.message() : target.string();
}

std::string tree(const fs::path& dir) {
    std::vector<std::string> entries;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator{dir}) {
        struct stat status {};
        ::lstat(entry.path().c_str(), &status);
        std::ostringstream line;
        line << entry.path().string() << ' ' << std::oct << status.st_mode << ' ' << std::dec << status.st_ino << '\n';
        entries.push_back(line.str());
    }
    std::sort(entries.begin(), entries.end());
    std::string text;
    for (const std::string& entry : entries) text += entry;
    return text;
}

::testing::AssertionResult contains(std::string_view text, std::string_view part) {
    if (text.find(part) != std::string_view::npos) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << '"' << text << "\" does not contain \"" << part << '"';
}

::testing::AssertionResult exited(const ExitStatus& status, int code) {
    if (status.kind == ExitStatus::Kind::Exited && status.value == code) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << status.describe() << ", not exited with code " << code;
}

::testing::AssertionResult signaled(const ExitStatus& status, int number) {
    if (status.kind == ExitStatus::Kind::Signaled && status.value == number) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << status.describe() << ", not killed by signal " << number;
}

::testing::AssertionResult succeeded(const Finished& finished) {
    if (finished.status.success()) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << finished.status.describe() << ": " << finished.out << finished.err;
}

::testing::AssertionResult fails(const std::function<void()>& action, std::errc code,
                                 std::initializer_list<std::string_view> parts) {
    return fails_as(
        action, [code](const std::error_code& actual) { return actual == code; }, parts);
}

::testing::AssertionResult fails(const std::function<void()>& action, Errc code,
                                 std::initializer_list<std::string_view> parts) {
    return fails_as(
        action, [code](const std::error_code& actual) { return actual == code; }, parts);
}

::testing::AssertionResult passes_in_child(const std::function<void()>& body) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        try {
            body();
        } catch (const std::exception& error) {
            ADD_FAILURE() << error.what();
        }
        std::fflush(nullptr);
        ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = -1;
    if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0)
        return ::testing::AssertionFailure() << "the child failed, wait status " << status;
    return ::testing::AssertionSuccess();
}

} // namespace ct::test
