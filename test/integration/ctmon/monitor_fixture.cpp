// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor_fixture.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

/// \throws std::system_error
int checked(int result, const std::string& what) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), what);
    return result;
}

/// Waits until something can be read, or the other end is closed.
void await_input(int fd, const char* what) {
    pollfd entry{fd, POLLIN, 0};
    const auto limit = static_cast<int>(std::chrono::milliseconds(Patience).count());
    if (checked(::poll(&entry, 1, limit), what) == 0) throw std::runtime_error(std::string(what) + ": nothing came");
}

std::string read_some(int fd, std::size_t size, const char* what) {
    std::string text(size, '\0');
    await_input(fd, what);
    const ssize_t count = ::read(fd, text.data(), text.size());
    if (count < 0 && errno != ECONNRESET && errno != EIO) checked(-1, what);
    text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
    return text;
}

std::string read_to_end(UniqueFd& fd, const char* what) {
    std::string all;
    for (std::string part = "."; fd && !part.empty(); all += part) part = read_some(fd.get(), 65536, what);
    fd.reset();
    return all;
}

std::pair<UniqueFd, UniqueFd> make_pipe() {
    std::array<int, 2> ends{};
    checked(::pipe2(ends.data(), O_CLOEXEC), "pipe");
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// The end to read from, and the one to write to.
std::pair<UniqueFd, UniqueFd> make_ends(PipeKind kind) {
    std::array<int, 2> ends{};
    switch (kind) {
    case PipeKind::Pipe: return make_pipe();
    case PipeKind::SeqPacket:
    case PipeKind::Stream: {
        const int type = kind == PipeKind::Stream ? SOCK_STREAM : SOCK_SEQPACKET;
        checked(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()), "socketpair");
        return {UniqueFd(ends[0]), UniqueFd(ends[1])};
    }
    case PipeKind::Fifo: break;
    }
    const std::string path = fs::temp_directory_path() / ("libct-test-fifo-" + std::to_string(::getpid()));
    checked(::mkfifo(path.c_str(), 0600), path);
    UniqueFd read(checked(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC), path));
    UniqueFd write(checked(::open(path.c_str(), O_WRONLY | O_CLOEXEC), path));
    ::unlink(path.c_str());
    checked(::fcntl(read.get(), F_SETFL, 0), path);
    return {std::move(read), std::move(write)};
}

int exit_code(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::vector<char*> pointers(Words& words) {
    std::vector<char*> all;
    for (std::string& word : words) all.push_back(word.data());
    all.push_back(nullptr);
    return all;
}

/// In the child: gives each descriptor its number, lets all others close, and calls the monitor.
[[noreturn]] void call(const Launch& launch, Words words, Words environment, std::vector<std::pair<int, int>> fds) {
    constexpr int Aside = 200;
    for (auto& [number, fd] : fds) fd = ::fcntl(fd, F_DUPFD, Aside);
    ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    for (const auto& [number, fd] : fds) ::dup2(fd, number);
    if (::chdir(launch.directory.c_str()) == 0) {
        ::execve(words[0].c_str(), pointers(words).data(), pointers(environment).data());
    }
    ::_exit(126);
}

/// The files of a directory that is there.
Words names_in(const fs::path& directory) {
    Words names;
    for (const auto& entry : fs::directory_iterator(directory)) names.push_back(entry.path().filename());
    return names;
}

} // namespace

Channel Channel::to_us(PipeKind kind) {
    auto [read, write] = make_ends(kind);
    return {std::move(read), std::move(write), {}};
}

Channel Channel::to_it(PipeKind kind) {
    auto [read, write] = make_ends(kind);
    return {std::move(write), std::move(read), {}};
}

std::string Channel::line() {
    for (;;) {
        if (const std::size_t end = rest.find('\n'); end != std::string::npos) {
            const std::string first = rest.substr(0, end + 1);
            rest.erase(0, end + 1);
            return first;
        }
        const std::string part = read_some(ours.get(), 4096, "a report");
        if (part.empty()) return std::exchange(rest, {});
        rest += part;
    }
}

void Channel::release() const {
    checked(static_cast<int>(::write(ours.get(), "", 1)), "start pipe");
}

Launch& Launch::add(const Words& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return *this;
}

Launch& Launch::with(const char* variable, Channel& channel) {
    channels.emplace_back(variable, &channel);
    return *this;
}

Monitor::Monitor(Launch launch, const fs::path& root) {
    Words words{program_under_test()};
    words.insert(words.end(), launch.arguments.begin(), launch.arguments.end());
    Words environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "CT_FAKE=" + root.string(),
                      "TMPDIR=" + (root / "tmp").string()};
    environment.insert(environment.end(), launch.environment.begin(), launch.environment.end());
    if (launch.directory.empty()) launch.directory = root;
    auto fds = launch.fds;
    int next = 3;
    for (const auto& [number, fd] : fds) next = std::max(next, number + 1);
    for (const auto& [variable, channel] : launch.channels) {
        environment.push_back(variable + "=" + std::to_string(next));
        fds.emplace_back(next++, channel->theirs.get());
    }
    const UniqueFd null(checked(::open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null"));
    UniqueFd out;
    UniqueFd err;
    if (launch.out < 0) std::tie(out_, out) = make_pipe();
    if (launch.err < 0) std::tie(err_, err) = make_pipe();
    fds.emplace_back(0, launch.in < 0 ? null.get() : launch.in);
    fds.emplace_back(1, launch.out < 0 ? out.get() : launch.out);
    fds.emplace_back(2, launch.err < 0 ? err.get() : launch.err);
    pid_ = checked(::fork(), "fork");
    if (pid_ == 0) call(launch, std::move(words), std::move(environment), std::move(fds));
    for (const auto& [variable, channel] : launch.channels) channel->theirs.reset();
}

int Monitor::foreground() {
    if (!status_) status_ = ended(pid_);
    return *status_;
}

std::string Monitor::out() {
    return read_to_end(out_, "standard output of the monitor");
}

std::string Monitor::err() {
    return read_to_end(err_, "standard error of the monitor");
}

int Monitor::ended(pid_t pid) {
    int status = 0;
    if (!await([&] { return ::waitpid(pid, &status, WNOHANG) == pid; })) {
        throw std::runtime_error("process " + std::to_string(pid) + " does not end");
    }
    return exit_code(status);
}

Words without(Words arguments, const std::string& option) {
    const auto found = std::find(arguments.begin(), arguments.end(), option);
    if (found == arguments.end()) throw std::runtime_error(option + " is not there to be left out");
    const auto next = std::next(found);
    const bool has_value = next != arguments.end() && !next->starts_with("-");
    arguments.erase(found, has_value ? std::next(next) : next);
    return arguments;
}

AttachClient::AttachClient(const fs::path& directory)
    : fd_(checked(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket")) {
    const UniqueFd parent(checked(::open(directory.c_str(), O_PATH | O_CLOEXEC), directory));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(parent.get()) + "/attach";
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    int connected = -1;
    // The file is there a moment before the monitor listens.
    (void)await([&] {
        connected = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
        return connected == 0 || errno != ECONNREFUSED;
    });
    checked(connected, directory / "attach");
}

void AttachClient::send(std::string_view text) const {
    checked(static_cast<int>(::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL)), "send");
}

void AttachClient::end_input() const {
    checked(::shutdown(fd_.get(), SHUT_WR), "shutdown");
}

std::string AttachClient::packet() {
    return read_some(fd_.get(), 65536, "output for a client");
}

std::string AttachClient::rest_of(char stream) {
    std::string all;
    for (std::string part = packet(); !part.empty(); part = packet()) {
        if (part.front() == stream) all += part.substr(1);
    }
    return all;
}

std::string program_under_test() {
    const char* other = std::getenv("CT_MONITOR");
    return other != nullptr ? other : CT_MONITOR;
}

MonitorTest::MonitorTest() {
    std::string name = fs::temp_directory_path() / "libct-test-ctmon-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) checked(-1, name);
    root_ = name;
    for (fs::path* path : {&bundle_, &exits_, &persist_, &sockets_}) {
        *path = root_ / *path;
        fs::create_directory(*path);
    }
    log_ = root_ / log_;
    fs::create_directory(root_ / "tmp");
    make_fifo("start");
    container("");
}

MonitorTest::~MonitorTest() {
    kill_children();
    std::error_code ignored; // what is in the way is told by the test's own failure
    fs::remove_all(root_, ignored);
}

void MonitorTest::TearDown() {
    if (HasFailure()) return;
    EXPECT_TRUE(await([] { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; })) << "a process is left";
    EXPECT_THAT(names_in(root_ / "tmp"), ::testing::IsEmpty()) << "console sockets";
    EXPECT_THAT(names_in(sockets_), ::testing::IsEmpty()) << "links to bundles";
    EXPECT_THAT(names_in(bundle_), ::testing::Not(::testing::Contains("attach")));
    EXPECT_THAT(names_in(exits_), ::testing::Each(std::string(Cid))) << "temporary files";
    EXPECT_THAT(names_in(persist_), ::testing::Each(::testing::AnyOf("exit", "oom"))) << "temporary files";
}

std::string MonitorTest::runtime() {
    return CT_FAKE_RUNTIME;
}

void MonitorTest::script(const std::string& name, std::string_view commands) const {
    std::ofstream(root_ / name) << commands;
}

void MonitorTest::open_fifo(const std::string& name) const {
    const UniqueFd writer = open_writer(root_ / name);
}

void MonitorTest::make_fifo(const std::string& name) const {
    checked(::mkfifo((root_ / name).c_str(), 0600), name);
}

UniqueFd MonitorTest::open_writer(const fs::path& fifo) {
    UniqueFd writer;
    const bool open = await([&] {
        writer.reset(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
        return static_cast<bool>(writer);
    });
    if (!open) throw std::runtime_error(fifo.string() + ": nobody reads it");
    return writer;
}

Words MonitorTest::create(const std::string& log) const {
    Words words{"--api-version", "1", "-c", Cid, "-u", Cid, "-r", runtime(), "-b", bundle_};
    words.insert(words.end(), {"-p", root_ / "pidfile", "-n", "name", "--exit-dir", exits_, "--persist-dir", persist_});
    words.insert(words.end(), {"--full-attach", "-P", root_ / "monitor.pid"});
    words.insert(words.end(), {"-l", log.empty() ? "k8s-file:" + log_.string() : log});
    return words;
}

Words MonitorTest::exec() const {
    Words words = create();
    words.insert(words.end(), {"-e", "--exec-process-spec", root_ / "process.json"});
    return words;
}

std::string MonitorTest::report_of(const Words& arguments, PipeKind kind) {
    Channel sync = Channel::to_us(kind);
    Launch call;
    call.arguments = arguments;
    Monitor monitor = launch(call.with("_OCI_SYNCPIPE", sync));
    return sync.line();
}

int MonitorTest::completes(const Words& arguments) {
    const std::string report = report_of(arguments);
    if (report != "{\"data\": " + content(root_ / "pidfile") + "}\n") throw std::runtime_error("report: " + report);
    start();
    return monitor_ends();
}

pid_t MonitorTest::monitor_pid() const {
    return std::stoi(awaited(root_ / "monitor.pid"));
}

pid_t MonitorTest::container_pid() const {
    return std::stoi(awaited(root_ / "pidfile"));
}

std::string MonitorTest::awaited(const fs::path& path) const {
    if (!await([&] { return fs::exists(path); })) throw std::runtime_error(path.string() + " does not appear");
    return content(path);
}

Words MonitorTest::recorded(const std::string& key, const std::string& file) const {
    Words values;
    for (const std::string& line : lines(awaited(root_ / file))) {
        if (!line.starts_with(key + ":")) continue;
        const std::size_t begin = line.find_first_not_of(" \t", key.size() + 1);
        values.push_back(begin == std::string::npos ? "" : line.substr(begin));
    }
    return values;
}

std::string MonitorTest::recorded_one(const std::string& key, const std::string& file) const {
    const Words values = recorded(key, file);
    if (values.size() != 1) throw std::runtime_error(std::to_string(values.size()) + " records of " + key);
    return values.front();
}

std::vector<LogLine> MonitorTest::log_lines(const fs::path& path) {
    std::vector<LogLine> all;
    std::ifstream file(path, std::ios::binary);
    for (std::string line; std::getline(file, line);) {
        std::array<std::size_t, 3> blanks{};
        std::size_t from = 0;
        for (std::size_t& blank : blanks) {
            blank = line.find(' ', from);
            if (blank == std::string::npos) throw std::runtime_error("log: '" + line + "'");
            from = blank + 1;
        }
        all.push_back({line.substr(0, blanks[0]), line.substr(blanks[0] + 1, blanks[1] - blanks[0] - 1),
                       line.substr(blanks[1] + 1, blanks[2] - blanks[1] - 1), line.substr(from)});
    }
    return all;
}

std::string MonitorTest::logged(const std::string& stream) const {
    std::string all;
    for (const LogLine& line : log_lines()) {
        if (line.stream == stream) all += line.content + (line.tag == "F" ? "\n" : "");
    }
    return all;
}

void MonitorTest::control(std::string_view line, const std::string& fifo) const {
    const UniqueFd writer = open_writer(bundle_ / fifo);
    checked(static_cast<int>(::write(writer.get(), line.data(), line.size())), fifo);
}

void MonitorTest::kill_children() {
    const std::string list = "/proc/self/task/" + std::to_string(::getpid()) + "/children";
    // Each round makes the next generation our children.
    while (::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD) {
        std::ifstream pids(list);
        for (pid_t pid = 0; pids >> pid;) ::kill(pid, SIGKILL);
        ::waitpid(-1, nullptr, 0);
    }
}

} // namespace ct::test
