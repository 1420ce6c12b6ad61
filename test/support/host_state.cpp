// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "host_state.hpp"

#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace ct::test {

namespace {

namespace fs = std::filesystem;
using Facts = std::map<std::string, std::string>;

std::string link_target(const fs::path& path) {
    std::error_code error;
    const fs::path target = fs::read_symlink(path, error);
    return error ? error.message() : target.string();
}

void add_fds(Facts& facts) {
    const std::string own = "/proc/" + std::to_string(::getpid()) + "/fd"; // of the iteration itself
    for (const fs::directory_entry& entry : fs::directory_iterator{"/proc/self/fd"}) {
        const std::string name = entry.path().filename();
        const std::string target = link_target(entry.path());
        if (target == own) continue;
        const int fd = std::stoi(name);
        std::ostringstream text;
        text << target << " flags " << std::oct << ::fcntl(fd, F_GETFL) << " descriptor flags " << ::fcntl(fd, F_GETFD);
        facts["fd " + name] = text.str();
    }
}

void add_mounts(Facts& facts) {
    std::ifstream mounts{"/proc/self/mountinfo"};
    for (std::string line; std::getline(mounts, line);) facts["mount " + line] = "";
}

void add_links(Facts& facts) {
    struct if_nameindex* links = ::if_nameindex();
    if (links == nullptr) return;
    for (const struct if_nameindex* link = links; link->if_index != 0; ++link)
        facts["link " + std::string{link->if_name}] = std::to_string(link->if_index);
    ::if_freenameindex(links);
}

/// Of all hierarchies, the groups that tests use: those with a name that tells so.
void add_cgroups(Facts& facts) {
    std::ifstream mounts{"/proc/self/mountinfo"};
    for (std::string line; std::getline(mounts, line);) {
        if (line.find(" - cgroup") == std::string::npos) continue;
        std::istringstream fields{line};
        std::string path;
        for (int i = 0; i < 5; ++i) fields >> path;
        path += "/libct-test-" + std::to_string(::getpid());
        std::error_code error;
        if (!fs::exists(path, error)) continue;
        facts["cgroup " + path] = "";
        for (fs::recursive_directory_iterator at{path, error}, end; at != end; at.increment(error)) {
            if (at->is_directory(error)) facts["cgroup " + at->path().string()] = "";
        }
    }
}

/// Zombies and children with another exit signal than SIGCHLD too.
void add_children(Facts& facts) {
    const std::string self = std::to_string(::getpid());
    for (const fs::directory_entry& entry : fs::directory_iterator{"/proc"}) {
        const std::string pid = entry.path().filename();
        if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
        std::ostringstream text;
        text << std::ifstream{entry.path() / "stat"}.rdbuf(); // fails quietly if the process is gone by now
        const std::string stat = text.str();
        const std::size_t end = stat.rfind(')'); // the name before it may contain anything
        if (end == std::string::npos) continue;
        std::istringstream rest{stat.substr(end + 1)};
        std::string state;
        std::string parent;
        rest >> state >> parent;
        if (parent == self) facts["child " + pid] = stat.substr(0, end + 1) + " " + state;
    }
}

void add_signals(Facts& facts) {
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction action {};
        if (::sigaction(number, nullptr, &action) != 0) continue;
        std::ostringstream text;
        text << "handler " << reinterpret_cast<void*>(action.sa_handler);
        if (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN) text << " flags " << action.sa_flags;
        facts["signal " + std::to_string(number)] = text.str();
    }
}

/// The lines of /proc/thread-self/status that say who this thread is and what it may do.
void add_status(Facts& facts) {
    std::ifstream status{"/proc/thread-self/status"};
    for (std::string line; std::getline(status, line);) {
        for (const char* name : {"Uid:", "Gid:", "Groups:", "SigBlk:", "SigIgn:", "Cap", "NoNewPrivs:", "Seccomp:"}) {
            if (line.starts_with(name)) facts["status " + line] = "";
        }
    }
    for (const fs::directory_entry& entry : fs::directory_iterator{"/proc/thread-self/ns"})
        facts["namespace " + entry.path().filename().string()] = link_target(entry.path());
}

void add_process(Facts& facts) {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    facts["umask"] = std::to_string(mask);
    facts["cwd"] = link_target("/proc/thread-self/cwd");
    facts["root"] = link_target("/proc/thread-self/root");
    facts["dumpable"] = std::to_string(::prctl(PR_GET_DUMPABLE));
    int value = 0;
    ::prctl(PR_GET_CHILD_SUBREAPER, &value);
    facts["subreaper"] = std::to_string(value);
    value = 0;
    ::prctl(PR_GET_PDEATHSIG, &value);
    facts["parent death signal"] = std::to_string(value);
    facts["keep capabilities"] = std::to_string(::prctl(PR_GET_KEEPCAPS));
    facts["secure bits"] = std::to_string(::prctl(PR_GET_SECUREBITS));
    facts["session"] = std::to_string(::getsid(0)) + " group " + std::to_string(::getpgrp());
    facts["threads"] = std::to_string(thread_count());
    for (char** entry = environ; *entry != nullptr; ++entry) facts["environment " + std::string{*entry}] = "";
    for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
        struct rlimit limit {};
        if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) == 0)
            facts["limit " + std::to_string(resource)] =
                std::to_string(limit.rlim_cur) + " " + std::to_string(limit.rlim_max);
    }
}

} // namespace

HostState HostState::capture() {
    HostState state;
    add_fds(state.facts_);
    add_mounts(state.facts_);
    add_links(state.facts_);
    add_cgroups(state.facts_);
    add_children(state.facts_);
    add_signals(state.facts_);
    add_status(state.facts_);
    add_process(state.facts_);
    return state;
}

std::string HostState::difference(const HostState& after) const {
    std::string text;
    const auto list = [&text](char sign, const Facts& facts, const Facts& others) {
        for (const auto& [name, value] : facts) {
            const auto other = others.find(name);
            if (other == others.end() || other->second != value)
                text += std::string{sign} + " " + name + (value.empty() ? "" : ": " + value) + "\n";
        }
    };
    list('-', facts_, after.facts_);
    list('+', after.facts_, facts_);
    return text;
}

int thread_count() {
    int count = 0;
    for ([[maybe_unused]] const fs::directory_entry& entry : fs::directory_iterator{"/proc/self/task"}) ++count;
    return count;
}

bool settle_threads(int count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (thread_count() > count) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        ::sched_yield();
    }
    return true;
}

} // namespace ct::test
