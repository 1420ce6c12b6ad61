// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/processes.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string_view>

#include "base/concat.hpp"
#include "cgroup/control_file.hpp"

namespace ct::internal {

namespace {

void collect(const Group& group, std::vector<pid_t>& found) {
    std::istringstream pids(try_read_control(group, "cgroup.procs").value_or(""));
    for (pid_t pid = 0; pids >> pid;) {
        if (pid > 0) found.push_back(pid); // 0: of another pid namespace
    }
    const auto close = [](DIR* directory) { ::closedir(directory); };
    const int fd = ::openat(group.directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    const std::unique_ptr<DIR, decltype(close)> directory(::fdopendir(fd), close);
    while (const dirent* const entry = ::readdir(directory.get())) {
        const std::string name = entry->d_name;
        if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
        Group child{group.hierarchy, concat(group.path, "/", name), {}, {}, name};
        child.directory.reset(::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (child.directory) collect(child, found);
    }
}

} // namespace

std::vector<pid_t> processes_in(const Group& group) {
    std::vector<pid_t> found;
    collect(group, found);
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
}

} // namespace ct::internal
