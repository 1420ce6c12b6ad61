// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "groups.hpp"

#include <ct/ct.hpp>

#include <sched.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <stdexcept>

#include "floor.hpp"

namespace ct::bench {

Groups Groups::find() {
    constexpr Controller order[] = {Controller::Pids,    Controller::Cpu,     Controller::Freezer, Controller::Io,
                                    Controller::Cpuacct, Controller::Devices, Controller::Cpuset,  Controller::Memory};
    std::map<std::string, std::string> details;
    for (const HostFeature& feature : Session().capabilities()) {
        if (feature.available) details[feature.name] = feature.detail;
    }
    Groups groups;
    for (const Controller controller : order) {
        const std::string& detail = details["cgroup." + std::string(to_string(controller))];
        const std::string prefix = "version 1 at ";
        if (detail.compare(0, prefix.size(), prefix) != 0) continue;
        groups.controllers.push_back(controller);
        groups.places.push_back(detail.substr(prefix.size()));
    }
    groups.unified = details["cgroup.delegation"];
    return groups;
}

Groups Groups::first(std::size_t count) const {
    const auto end = static_cast<std::ptrdiff_t>(count);
    return {{controllers.begin(), controllers.begin() + end}, {places.begin(), places.begin() + end}, {}};
}

Groups Groups::only_unified() const {
    return {{}, {}, unified};
}

Host::Action start_in_groups(const Bundle& bundle, const Groups& groups) {
    struct Libct {
        Session session;
        Container container = session.create("ct-bench-" + std::to_string(getpid()));
    };
    const auto libct = std::make_shared<Libct>();
    libct->container.add_namespace(Namespace::Pid)
        .set_cgroup({.own_group = !groups.unified.empty(), .controllers = groups.controllers});
    grow({});
    return [libct, process = ProcessSpec{.argv = {bundle.root() + "/true"}}] {
        libct->container.start(process);
        if (!libct->container.wait().success()) throw std::runtime_error("the program did not succeed");
    };
}

Host::Action start_in_groups_with_floor(const Bundle& bundle, const Groups& groups) {
    struct Floor {
        std::vector<std::string> paths;
        std::vector<const char*> pointers;
        std::string unified;
        std::string program;
        const char* argv[2] = {nullptr, nullptr};
        floor::Container container;
        floor::Stack stack;
    };
    const auto floor = std::make_shared<Floor>();
    const std::string name = "/ct-floor-" + std::to_string(getpid());
    for (const std::string& place : groups.places) floor->paths.push_back(place + name);
    for (const std::string& path : floor->paths) floor->pointers.push_back(path.c_str());
    floor->pointers.push_back(nullptr);
    floor->unified = groups.unified + name;
    floor->program = bundle.root() + "/true";
    floor->argv[0] = floor->program.c_str();
    floor->container.namespaces = CLONE_NEWPID;
    floor->container.argv = floor->argv;
    floor->container.groups = floor->pointers.data();
    if (!groups.unified.empty()) floor->container.group = floor->unified.c_str();
    grow({});
    return [floor] {
        floor::wait(floor::start(floor->container, floor->stack));
        floor::remove_groups(floor->container);
    };
}

} // namespace ct::bench
