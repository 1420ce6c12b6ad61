// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "serve_fixture.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

std::vector<pid_t> children_of(pid_t pid) {
    std::ifstream list("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
    std::vector<pid_t> all;
    for (pid_t child = 0; list >> child;) all.push_back(child);
    return all;
}

std::string command_line(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

} // namespace

Box::Box(fs::path root, std::string id) : root_(std::move(root)), id_(std::move(id)) {
    for (const char* const name : {"bundle", "exits", "persist", "tmp"}) fs::create_directories(root_ / name);
    if (::mkfifo((root_ / "start").c_str(), 0600) < 0) throw std::runtime_error("cannot make a fifo in " + id_);
    container("");
}

void Box::script(const std::string& name, std::string_view commands) const {
    std::ofstream(root_ / name) << commands;
}

void Box::start() const {
    UniqueFd writer;
    const bool open = await([&] {
        writer.reset(::open(path("start").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
        return static_cast<bool>(writer);
    });
    if (!open) throw std::runtime_error(id_ + " does not wait to be started");
}

Words Box::create() const {
    Words words{"--api-version", "1", "-c", id_, "-u", id_, "-r", CT_FAKE_RUNTIME, "-b", bundle()};
    words.insert(words.end(), {"-p", path("pidfile"), "-n", "name", "--exit-dir", path("exits")});
    words.insert(words.end(), {"--persist-dir", path("persist"), "--full-attach", "-P", path("monitor.pid")});
    words.insert(words.end(), {"-l", "k8s-file:" + path("log").string()});
    return words;
}

Words Box::exec() const {
    Words words = create();
    words.insert(words.end(), {"-e", "--exec-process-spec", path("process.json")});
    return words;
}

std::string Box::awaited(const std::string& name) const {
    if (!await([&] { return fs::exists(path(name)); })) throw std::runtime_error(name + " does not appear in " + id_);
    return content(path(name));
}

std::string Box::logged() const {
    std::string all;
    for (const std::string& line : lines(content(path("log")))) {
        const std::size_t stream = line.find(" stdout ");
        if (stream == std::string::npos) continue;
        const std::size_t tag = stream + 8;
        all += line.substr(tag + 2) + (line[tag] == 'F' ? "\n" : "");
    }
    return all;
}

std::vector<int> Box::numbered_lines(std::size_t count) const {
    std::vector<int> found(count);
    for (const std::string& line : lines(logged())) {
        const std::size_t number = std::stoul(line);
        if (number < count) ++found[number];
    }
    return found;
}

ServeTest::ServeTest() {
    std::string name = fs::temp_directory_path() / "libct-test-serve-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    root_ = name;
    fs::create_directory(root_ / "tmp"); // of the server, for console sockets
    serve();
}

ServeTest::~ServeTest() {
    kill_children();
    std::error_code ignored; // what is in the way is told by the test's own failure
    fs::remove_all(root_, ignored);
}

void ServeTest::TearDown() {
    if (HasFailure()) return;
    if (keeper_) {
        ::kill(keeper(), SIGTERM);
        EXPECT_EQ(keeper_ends(), 0);
    }
    EXPECT_TRUE(await([] { return ::waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD; })) << "a process is left";
    EXPECT_FALSE(fs::exists(socket()));
}

void ServeTest::serve() {
    const UniqueFd messages(::open((root_ / "messages").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    Launch launch{.arguments = {"serve", socket()}, .out = messages.get(), .err = messages.get()};
    keeper_ = std::make_unique<Monitor>(launch, root_);
    if (!await([&] { return at({"list"}).status == 0; })) throw std::runtime_error("the server does not answer");
}

pid_t ServeTest::server() const {
    return server_after(0);
}

pid_t ServeTest::server_after(pid_t before) const {
    pid_t found = 0;
    const bool there = await([&] {
        for (const pid_t pid : children_of(keeper())) {
            if (pid != before && command_line(pid).find("serve-server") != std::string::npos) found = pid;
        }
        return found != 0;
    });
    if (!there) throw std::runtime_error("there is no server");
    return found;
}

int ServeTest::keeper_ends() {
    const int status = keeper_->foreground();
    keeper_.reset();
    return status;
}

Call ServeTest::call(const Box& box, Words arguments, PipeKind kind) const {
    return call(box, Launch{.arguments = std::move(arguments)}, kind);
}

Call ServeTest::call(const Box& box, Launch launch, PipeKind kind) const {
    auto sync = std::make_unique<Channel>(Channel::to_us(kind));
    launch.environment.push_back("CTMON_SERVER=" + socket().string());
    launch.with("_OCI_SYNCPIPE", *sync);
    return {std::move(sync), Monitor(std::move(launch), box.path(""))};
}

void ServeTest::create(const Box& box, const Words& more) const {
    Words words = box.create();
    words.insert(words.end(), more.begin(), more.end());
    Call made = call(box, words);
    ASSERT_EQ(made.client.foreground(), 0) << made.client.err();
    const std::string report = made.report(); // the pid file is complete by then
    EXPECT_EQ(report, "{\"data\": " + content(box.path("pidfile")) + "}\n");
}

Monitor ServeTest::launch_at(Words words, Launch launch) const {
    launch.arguments = {"at", socket()};
    launch.add(words);
    return Monitor(std::move(launch), root_);
}

Told ServeTest::at(Words words) const {
    Monitor client = launch_at(std::move(words));
    Told told;
    told.out = client.out();
    told.err = client.err();
    told.status = client.foreground();
    return told;
}

Words ServeTest::list() const {
    const Told told = at({"list"});
    if (told.status != 0) throw std::runtime_error(told.err);
    Words all = lines(told.out);
    all.erase(all.begin()); // the heading
    return all;
}

void ServeTest::expect_empty() const {
    EXPECT_TRUE(await([&] { return list().empty(); }));
}

std::size_t ServeTest::descriptors(pid_t pid) {
    const fs::directory_iterator all("/proc/" + std::to_string(pid) + "/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

void ServeTest::kill_children() {
    // Each round makes the next generation our children.
    while (::waitpid(-1, nullptr, WNOHANG) >= 0 || errno != ECHILD) {
        for (const pid_t pid : children_of(::getpid())) ::kill(pid, SIGKILL);
        ::waitpid(-1, nullptr, 0);
    }
}

} // namespace ct::test
