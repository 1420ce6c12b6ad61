// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "record.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ctrun {

namespace {

namespace fs = std::filesystem;

fs::path directory() {
    const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
    return fs::path(runtime != nullptr && *runtime != '\0' ? runtime : "/run") / "ctrun";
}

/// What a record says: lines `owner=PID START-TIME` and, once the container runs, `init=PID START-TIME`.
struct Content {
    ProcessId owner;
    ProcessId init;

    [[nodiscard]] bool alive() const { return owner.alive() || init.alive(); }
};

std::optional<Content> read(const fs::path& path) {
    std::ifstream file(path);
    if (!file) return std::nullopt;
    Content content;
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream fields(line.substr(line.find('=') + 1));
        ProcessId id;
        fields >> id.pid >> id.start_time;
        (line.starts_with("init=") ? content.init : content.owner) = id;
    }
    return content;
}

/// Whoever reads the file at any time sees the whole of the old or of the new content.
void replace(const fs::path& path, const Content& content) {
    const fs::path draft = path.parent_path() / ("." + path.filename().string() + ".new");
    std::ofstream file(draft, std::ios::trunc);
    file << "owner=" << content.owner.pid << ' ' << content.owner.start_time << '\n';
    if (content.init.pid > 0) file << "init=" << content.init.pid << ' ' << content.init.start_time << '\n';
    file.close();
    if (!file)
        throw std::runtime_error("cannot write '" + draft.string() + "'; XDG_RUNTIME_DIR can name another place");
    fs::rename(draft, path);
}

std::optional<RunningContainer> look_up(const std::string& name) {
    const auto content = read(directory() / name);
    if (!content || !content->init.alive()) return std::nullopt;
    return RunningContainer{.name = name, .init = content->init};
}

} // namespace

/// A lock on a file or directory, see flock(2), as long as it lives. None if the file is missing.
class Lock {
public:
    Lock(const fs::path& path, int operation) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        if (fd_ < 0 && errno == ENOENT) return;
        if (fd_ < 0 || ::flock(fd_, operation) < 0)
            throw std::system_error(errno, std::system_category(), "lock '" + path.string() + "'");
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() {
        if (fd_ >= 0) ::close(fd_);
    }

private:
    int fd_;
};

std::optional<ProcessId> ProcessId::of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    const std::string stat{std::istreambuf_iterator<char>(file), {}};
    // proc(5): field 22; the second is the program's name in parentheses, which may contain anything.
    const std::size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream fields(stat.substr(name_end + 1));
    std::string skipped;
    for (int field = 3; field < 22; ++field) fields >> skipped;
    ProcessId id{.pid = pid};
    if (!(fields >> id.start_time)) return std::nullopt;
    return id;
}

bool ProcessId::alive() const {
    return pid > 0 && of(pid) == *this;
}

std::optional<RunningContainer> find_container(const std::string& name) {
    if (name.empty() || name.find('/') != std::string::npos) return std::nullopt;
    { const Lock started(directory() / name, LOCK_SH); }
    return look_up(name);
}

std::vector<RunningContainer> list_containers() {
    std::vector<RunningContainer> containers;
    std::error_code absent;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory(), absent))
        if (auto container = look_up(entry.path().filename().string())) containers.push_back(*container);
    std::ranges::sort(containers, {}, &RunningContainer::name);
    return containers;
}

Record::Record(std::string name) : name_(std::move(name)), owner_(ProcessId::of(::getpid()).value_or(ProcessId{})) {
    const fs::path path = directory() / name_;
    if (::mkdir(path.parent_path().c_str(), 0700) < 0 && errno != EEXIST)
        throw std::system_error(errno, std::system_category(),
                                "make '" + path.parent_path().string() + "' (or name a place by XDG_RUNTIME_DIR)");
    const Lock others_wait(path.parent_path(), LOCK_EX);
    if (const auto content = read(path); content && content->alive())
        throw std::runtime_error("container '" + name_ + "' is running already");
    replace(path, {.owner = owner_, .init = {}});
    starting_ = std::make_unique<Lock>(path, LOCK_EX);
}

Record::~Record() {
    std::error_code ignored; // a record left behind does no harm: its processes are gone
    fs::remove(directory() / name_, ignored);
}

void Record::publish(pid_t init) {
    // Without an entry in /proc it has ended and been waited for.
    if (const auto id = ProcessId::of(init)) replace(directory() / name_, {.owner = owner_, .init = *id});
    starting_.reset();
}

} // namespace ctrun
