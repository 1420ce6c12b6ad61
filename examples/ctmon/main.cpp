// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "background.hpp"
#include "base/concat.hpp"
#include "base/sys.hpp"
#include "idle_loop.hpp"
#include "monitor.hpp"
#include "options.hpp"
#include "serve/client.hpp"
#include "serve/keeper.hpp"
#include "serve/server.hpp"

namespace ctmon {

namespace {

using ct::internal::concat;
using ct::internal::Loop;
using ct::internal::UniqueFd;

/// The signals that are meant for the container.
class Forwarded {
public:
    Forwarded(std::shared_ptr<Loop> loop, Monitor& monitor) : loop_(std::move(loop)) {
        sigset_t set;
        ::sigemptyset(&set);
        for (const int number : {SIGTERM, SIGINT, SIGQUIT}) ::sigaddset(&set, number);
        (void)::sigprocmask(SIG_BLOCK, &set, nullptr);
        signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
        watch_ = loop_->add(signals_.get(), EPOLLIN, [this, &monitor](std::uint32_t) {
            signalfd_siginfo info{};
            while (::read(signals_.get(), &info, sizeof info) == sizeof info)
                monitor.forward(static_cast<int>(info.ssi_signo));
        });
    }
    Forwarded(const Forwarded&) = delete;
    Forwarded& operator=(const Forwarded&) = delete;
    ~Forwarded() { loop_->remove(watch_); }

private:
    const std::shared_ptr<Loop> loop_;
    UniqueFd signals_;
    Loop::Id watch_ = 0;
};

void write_line(int fd, std::string text) {
    if (!text.ends_with('\n')) text += '\n';
    (void)!::write(fd, text.data(), text.size());
}

constexpr const char* ServeUsage = "usage: ctmon serve SOCKET\n"
                                   "One process for many containers: those of who calls ctmon with "
                                   "CTMON_SERVER=SOCKET in the environment.\n"
                                   "SIGHUP replaces it by the program as it is installed now, SIGTERM ends it "
                                   "with the last container; see ctmon(8).";

Streams open_log(const Options& options, const std::shared_ptr<ct::internal::ScratchPool>& scratches) {
    try {
        return Streams(options, scratches);
    } catch (const ct::Error& error) {
        throw Refused(concat("[conmon:e]: Failed to open log file: ", error.what()));
    }
}

int monitor(const Options& options, const Messages& messages) {
    const auto scratches = std::make_shared<ct::internal::ScratchPool>();
    Streams streams = open_log(options, scratches);
    Inherited inherited = take_inherited();
    become_robust();
    messages.debug(concat("monitor container ", options.cid));
    UniqueFd start = descriptor_from("_OCI_STARTPIPE");
    if (start) await_client(start.get());
    if (!options.sync) go_to_background(options, messages);
    ClientPipes pipes = open_client_pipes(options, std::move(start));
    if (!options.log.passthrough) drop_stdio();
    become_supervisor();

    const auto loop = std::make_shared<Loop>();
    Reaper reaper(loop);
    const auto monitored = std::make_shared<Monitor>(options, std::move(inherited), std::move(pipes),
                                                     std::move(streams), Shared{loop, reaper, scratches});
    const Forwarded forwarded(loop, *monitored);
    monitored->begin();
    if (options.log.passthrough) drop_stdio();
    for (IdleLoop idle(*loop, *scratches); !monitored->done();) idle.turn();
    return monitored->exit_status();
}

/// What begins with a word, and not with an option as the command lines of clients do. \returns the exit code
std::optional<int> run_command(const std::vector<std::string>& arguments, const std::string& program) {
    const std::string word = arguments.empty() ? "" : arguments.front();
    if (word == "at") return run_at(arguments);
    const std::string argument = arguments.size() == 2 ? arguments.back() : "";
    if (word == "serve") {
        if (argument == "--help" || argument == "-h") {
            write_line(STDOUT_FILENO, ServeUsage);
            return EXIT_SUCCESS;
        }
        if (argument.empty() || argument.starts_with('-')) throw Refused(ServeUsage);
        become_robust();
        close_foreign_descriptors();
        return Keeper(program, argument).run();
    }
    if (word == "serve-keeper") return Keeper(program, std::atoi(argument.c_str())).run();
    if (word == "serve-server") return Server(UniqueFd(std::atoi(argument.c_str()))).run();
    return std::nullopt;
}

/// Where this program is now, and will be when it was replaced.
std::string path_of_program() {
    std::array<char, PATH_MAX> path{};
    const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
    std::string text(path.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    constexpr std::string_view deleted = " (deleted)";
    if (text.ends_with(deleted)) text.resize(text.size() - deleted.size());
    return text;
}

int main(const std::vector<std::string>& arguments) {
    (void)::umask(022);
    try {
        if (const auto code = run_command(arguments, path_of_program())) return *code;
        const Request request = parse(arguments);
        if (request.answer) {
            write_line(STDOUT_FILENO, request.answer->text);
            return EXIT_SUCCESS;
        }
        const Messages messages(request.options);
        for (const std::string& warning : request.warnings) messages.warn(warning);
        if (const char* const server = std::getenv("CTMON_SERVER"); server != nullptr && *server != '\0') {
            return monitor_elsewhere(server, arguments, request.options, messages);
        }
        return monitor(request.options, messages);
    } catch (const Refused& refused) {
        write_line(STDERR_FILENO, refused.what());
    } catch (const std::exception& error) {
        write_line(STDERR_FILENO, concat("[conmon:e]: ", error.what()));
    }
    return EXIT_FAILURE;
}

} // namespace

} // namespace ctmon

int main(int argc, char** argv) {
    // Memory that was needed for a moment is given back at once.
    (void)::mallopt(M_MMAP_THRESHOLD, 64 * 1024);
    return ctmon::main({argv + (argc > 0 ? 1 : 0), argv + argc});
}
