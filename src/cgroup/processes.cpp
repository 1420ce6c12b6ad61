// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/processes.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string>

#include "cgroup/control_file.hpp"
#include "cgroup/walk.hpp"

namespace ct::internal {

namespace {

class Members : public GroupVisitor {
public:
    void visit(int directory) override {
        std::string text;
        int error = read_control_at(directory, "cgroup.procs", text);
        // A group of threads only. What is below its domain is listed there, but the topmost may be one itself.
        if (error == EOPNOTSUPP) error = read_control_at(directory, "cgroup.threads", text);
        if (error != 0) return;
        const char* at = text.data();
        const char* const end = at + text.size();
        while (at < end) {
            pid_t pid = 0;
            at = std::from_chars(at, end, pid).ptr + 1;
            if (pid > 0) pids.push_back(pid); // 0: of another pid namespace
        }
    }

    std::vector<pid_t> pids;
};

} // namespace

std::vector<pid_t> processes_in(const Group& group) {
    Members members;
    walk_groups(group.directory.get(), members);
    std::sort(members.pids.begin(), members.pids.end());
    members.pids.erase(std::unique(members.pids.begin(), members.pids.end()), members.pids.end());
    return std::move(members.pids);
}

std::vector<pid_t> processes_in(const Groups& groups) {
    const Group* group = groups.unified();
    if (group == nullptr) group = groups.find(Controller::Freezer);
    return processes_in(group != nullptr ? *group : groups.all().front());
}

} // namespace ct::internal
