// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "background.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "exit_files.hpp"

namespace ctmon {

using ct::internal::concat;
using ct::internal::UniqueFd;

namespace {

constexpr const char* OomScoreAdj = "/proc/self/oom_score_adj";
constexpr std::string_view LastToBeKilled = "-1000";

[[noreturn]] void refuse(std::string_view text) {
    throw Refused(concat("[conmon:e]: ", text));
}

[[noreturn]] void end_at_once(int) {
    ::_exit(EXIT_FAILURE);
}

} // namespace

UniqueFd descriptor_from(const char* name) {
    const char* const text = std::getenv(name);
    if (text == nullptr || *text == '\0') return {};
    int fd = -1;
    const char* const end = text + std::strlen(text);
    const auto [rest, error] = std::from_chars(text, end, fd);
    if (error != std::errc() || rest != end || fd < 0)
        refuse(concat("Failed to parse ", name, ": '", text, "' is no number"));
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) refuse(concat(name, "=", text, ": ", ::strerrordesc_np(errno)));
    return UniqueFd(fd);
}

void await_client(int start) {
    std::array<char, 8192> ignored{};
    ssize_t size = 0;
    do size = ::read(start, ignored.data(), ignored.size());
    while (size < 0 && errno == EINTR);
    if (size < 0) refuse(concat("start-pipe read failed: ", ::strerrordesc_np(errno)));
}

Inherited take_inherited() {
    Inherited inherited;
    for (char** entry = environ; *entry != nullptr; ++entry) inherited.environment.emplace_back(*entry);
    const UniqueFd file(::open(OomScoreAdj, O_RDONLY | O_CLOEXEC));
    std::array<char, 16> text{};
    const ssize_t size = file ? ::read(file.get(), text.data(), text.size()) : 0;
    inherited.oom_score_adj.assign(text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    struct sigaction action {};
    inherited.sigpipe_ignored = ::sigaction(SIGPIPE, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
    (void)::sigprocmask(SIG_BLOCK, nullptr, &inherited.blocked_signals);
    return inherited;
}

void become_robust() {
    const UniqueFd file(::open(OomScoreAdj, O_WRONLY | O_CLOEXEC));
    (void)!::write(file.get(), LastToBeKilled.data(), LastToBeKilled.size()); // takes a privilege
    (void)::signal(SIGPIPE, SIG_IGN);
    (void)::signal(SIGXFSZ, SIG_IGN); // a log that may not grow is no reason to end
    (void)::signal(SIGTERM, end_at_once);
}

void go_to_background(const Options& options, const Messages& messages) {
    // The monitor does nothing before its pid file is there.
    std::array<int, 2> ends{-1, -1};
    const bool piped = !options.conmon_pidfile.empty() && ::pipe2(ends.data(), O_CLOEXEC) == 0;
    UniqueFd told(ends[0]);
    UniqueFd tell(ends[1]);
    const pid_t pid = ::fork();
    if (pid < 0) refuse(concat("Failed to fork: ", ::strerrordesc_np(errno)));
    if (pid == 0) {
        tell.reset();
        char byte = 0;
        if (piped && ::read(told.get(), &byte, 1) != 1) ::_exit(EXIT_FAILURE);
        return;
    }
    try {
        if (!options.conmon_pidfile.empty()) replace_file(options.conmon_pidfile, std::to_string(pid));
    } catch (const std::exception& error) {
        messages.error(error.what());
        (void)::kill(pid, SIGKILL);
        (void)::waitpid(pid, nullptr, 0);
        ::_exit(EXIT_FAILURE);
    }
    if (piped) (void)!::write(tell.get(), "", 1);
    ::_exit(EXIT_SUCCESS);
}

ClientPipes open_client_pipes(const Options& options, UniqueFd start) {
    ClientPipes pipes;
    pipes.sync = ReportPipe(descriptor_from("_OCI_SYNCPIPE"));
    if (!options.exec_attach) return pipes;
    UniqueFd attach = descriptor_from("_OCI_ATTACHPIPE");
    if (!attach) refuse("--attach specified but _OCI_ATTACHPIPE was not");
    pipes.attach = ReportPipe(std::move(attach));
    pipes.start = std::move(start);
    return pipes;
}

void drop_stdio() {
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return;
    for (int target = 0; target < 3; ++target) (void)::dup2(null, target);
    if (null > 2) ::close(null);
}

void become_supervisor() {
    (void)::setsid(); // fails for the leader of a process group, which is as good
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) refuse(concat("become a subreaper: ", ::strerrordesc_np(errno)));
}

void close_foreign_descriptors() noexcept {
    // All that are ours are close-on-exec.
    DIR* const directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return;
    while (const dirent* const entry = ::readdir(directory)) {
        const int fd = std::atoi(entry->d_name);
        if (fd > 2 && (::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) ::close(fd);
    }
    ::closedir(directory);
}

} // namespace ctmon
