// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "processes.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <map>
#include <memory>
#include <set>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "launch/joins.hpp"

namespace ct::internal {

namespace {

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

std::optional<pid_t> number(std::string_view text) {
    pid_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// Calls \p look with the number of each process and a descriptor of its directory in /proc.
template <typename Look>
void for_each_process(Look look) {
    const std::unique_ptr<DIR, CloseDirectory> proc(::opendir("/proc"));
    if (!proc) throw sys::error(errno, Stage::Process, "list the processes in", "/proc");
    while (const dirent* const entry = ::readdir(proc.get())) {
        if (const auto pid = number(entry->d_name)) look(*pid, ::dirfd(proc.get()), std::string(entry->d_name));
    }
}

std::optional<ProcessLine> read_process_line(int proc, const std::string& name) {
    const UniqueFd file(::openat(proc, (name + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
    std::array<char, 512> text{}; // name and numbers up to the parent take less than 100
    const ssize_t length = file ? ::read(file.get(), text.data(), text.size()) : -1;
    if (length <= 0) return std::nullopt;
    return parse_process_line({text.data(), static_cast<std::size_t>(length)});
}

bool is_alive(const std::optional<ProcessLine>& line) {
    return line && line->state != 'Z' && line->state != 'X' && line->state != 'x';
}

/// Whether a namespace is \p wanted or below it; asked only once for each.
class Below {
public:
    explicit Below(int wanted) : wanted_(wanted) {}

    bool operator()(int proc, const std::string& name) {
        const std::string file = name + "/ns/pid";
        struct stat status {};
        if (::fstatat(proc, file.c_str(), &status, 0) < 0) return false;
        const auto [entry, unknown] = known_.try_emplace(status.st_ino, false);
        if (unknown) {
            UniqueFd found(::openat(proc, file.c_str(), O_RDONLY | O_CLOEXEC));
            while (found && !same_namespace(found.get(), wanted_)) found.reset(::ioctl(found.get(), NS_GET_PARENT));
            entry->second = static_cast<bool>(found);
        }
        return entry->second;
    }

private:
    int wanted_;
    std::map<ino_t, bool> known_;
};

} // namespace

std::optional<ProcessLine> parse_process_line(std::string_view text) {
    // "PID (NAME) STATE PARENT ...": nothing behind the name has a parenthesis.
    const std::size_t name_end = text.rfind(')');
    if (name_end == std::string_view::npos || text.size() < name_end + 5) return std::nullopt;
    const std::string_view rest = text.substr(name_end + 2);
    const auto parent = number(rest.substr(2, rest.find(' ', 2) - 2));
    if (rest[1] != ' ' || !parent) return std::nullopt;
    return ProcessLine{rest[0], *parent};
}

std::vector<pid_t> processes_in(int pid_namespace) {
    std::vector<pid_t> found;
    Below below(pid_namespace);
    for_each_process([&](pid_t pid, int proc, const std::string& name) {
        if (below(proc, name) && is_alive(read_process_line(proc, name))) found.push_back(pid);
    });
    std::sort(found.begin(), found.end());
    return found;
}

std::vector<pid_t> living(std::vector<pid_t> processes) {
    std::erase_if(processes, [](pid_t pid) { return !is_alive(read_process_line(AT_FDCWD, concat("/proc/", pid))); });
    return processes;
}

std::vector<pid_t> processes_below(const std::vector<pid_t>& roots) {
    std::multimap<pid_t, pid_t> children;
    std::set<pid_t> alive;
    for_each_process([&](pid_t pid, int proc, const std::string& name) {
        const auto line = read_process_line(proc, name);
        if (!line) return;
        children.emplace(line->parent, pid);
        if (is_alive(line)) alive.insert(pid);
    });
    std::set<pid_t> seen;
    std::vector<pid_t> open = roots;
    while (!open.empty()) {
        const pid_t pid = open.back();
        open.pop_back();
        if (!seen.insert(pid).second) continue;
        const auto [first, last] = children.equal_range(pid);
        for (auto child = first; child != last; ++child) open.push_back(child->second);
    }
    std::vector<pid_t> found;
    std::set_intersection(seen.begin(), seen.end(), alive.begin(), alive.end(), std::back_inserter(found));
    return found;
}

} // namespace ct::internal
