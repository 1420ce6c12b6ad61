// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "attached_fixture.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <system_error>

#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace ct::test {

namespace fs = std::filesystem;

Words operator+(Words first, const Words& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

void AttachedTest::begin(const Words& arguments, const std::vector<std::pair<int, int>>& fds) {
    Channel sync = Channel::to_us();
    Launch words = call(arguments);
    words.fds = fds;
    Monitor monitor = launch(words.with("_OCI_SYNCPIPE", sync));
    ASSERT_EQ(monitor.foreground(), 0) << monitor.err();
    const std::string report = sync.line();
    ASSERT_TRUE(report.starts_with("{\"data\": ")) << report << status_of(monitor_pid(), "State");
    ASSERT_EQ(report, "{\"data\": " + std::to_string(container_pid()) + "}\n");
}

Launch AttachedTest::call(const Words& arguments, const std::string& directory) {
    Launch launch;
    launch.arguments = arguments;
    launch.directory = directory;
    return launch;
}

AttachClient AttachedTest::attach(const fs::path& directory) const {
    const pid_t monitor = monitor_pid();
    const std::set<std::string> before = fds(monitor, "socket:");
    AttachClient client(directory);
    const timeval limit{std::chrono::seconds(Patience).count(), 0};
    ::setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const bool accepted = await([&] {
        std::set<std::string> more = fds(monitor, "socket:");
        return std::any_of(more.begin(), more.end(), [&](const std::string& fd) { return !before.contains(fd); });
    });
    EXPECT_TRUE(accepted) << "by the monitor";
    return client;
}

std::set<std::string> AttachedTest::fds(pid_t pid, std::string_view prefix) {
    std::set<std::string> all;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
        const std::string what = fs::read_symlink(entry.path(), gone).string();
        if (!gone && what.starts_with(prefix)) all.insert(what);
    }
    return all;
}

std::string AttachedTest::status_of(pid_t pid, const std::string& field) {
    for (const std::string& line : lines(content("/proc/" + std::to_string(pid) + "/status"))) {
        if (line.starts_with(field + ":\t")) return line.substr(field.size() + 2);
    }
    return {};
}

bool AttachedTest::alive(pid_t pid) {
    const std::string state = status_of(pid, "State");
    return !state.empty() && state.front() != 'Z' && state.front() != 'X';
}

std::string numbered_lines(std::size_t count, std::size_t length) {
    std::string all;
    all.reserve(count * (length + 1));
    for (std::size_t i = 0; i < count; ++i) {
        std::string line = std::to_string(i);
        line.insert(0, 7 - line.size(), '0');
        all += line.append(length - line.size(), '.') + "\n";
    }
    return all;
}

Happenings::Happenings(const std::vector<fs::path>& directories) : fd_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
    for (const fs::path& path : directories) {
        const int watch = ::inotify_add_watch(fd_.get(), path.c_str(), IN_CREATE | IN_MOVED_TO | IN_DELETE);
        if (watch < 0) throw std::system_error(errno, std::generic_category(), path);
    }
}

Words Happenings::so_far() const {
    Words all;
    alignas(inotify_event) std::array<char, 65536> buffer{};
    for (ssize_t size = 0; (size = ::read(fd_.get(), buffer.data(), buffer.size())) > 0;) {
        for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
            inotify_event event{};
            std::memcpy(&event, buffer.data() + at, sizeof event);
            const char* name = buffer.data() + at + sizeof event;
            all.push_back(((event.mask & IN_DELETE) != 0 ? "-" : "+") + std::string(event.len > 0 ? name : ""));
            at += sizeof event + event.len;
        }
    }
    return all;
}

} // namespace ct::test
