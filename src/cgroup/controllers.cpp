// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>

#include <ct/cgroup.hpp>

#include "cgroup/controllers.hpp"

namespace ct {

std::string_view to_string(Controller controller) noexcept {
    switch (controller) {
    case Controller::Cpu: return "cpu";
    case Controller::Cpuacct: return "cpuacct";
    case Controller::Cpuset: return "cpuset";
    case Controller::Memory: return "memory";
    case Controller::Pids: return "pids";
    case Controller::Io: return "io";
    case Controller::Devices: return "devices";
    case Controller::Freezer: return "freezer";
    case Controller::Hugetlb: return "hugetlb";
    case Controller::NetCls: return "net_cls";
    case Controller::NetPrio: return "net_prio";
    case Controller::PerfEvent: return "perf_event";
    case Controller::Rdma: return "rdma";
    case Controller::Misc: return "misc";
    }
    return "unknown";
}

namespace internal {

std::optional<Controller> controller_of(std::string_view name) noexcept {
    if (name == "blkio") return Controller::Io;
    for (const Controller controller : AllControllers) {
        if (to_string(controller) == name) return controller;
    }
    return std::nullopt;
}

std::string_view kernel_name(Controller controller) noexcept {
    return controller == Controller::Io ? "blkio" : to_string(controller);
}

namespace {

void add(std::vector<Controller>& list, Controller controller) {
    if (std::find(list.begin(), list.end(), controller) == list.end()) list.push_back(controller);
}

} // namespace

std::vector<Controller> controllers_of(const Limits& limits) {
    std::vector<Controller> list;
    const auto add_if = [&](bool wanted, Controller controller) {
        if (wanted) list.push_back(controller);
    };
    add_if(limits.cpus || limits.cpu_period || limits.cpu_weight || limits.cpu_idle, Controller::Cpu);
    add_if(limits.cpuset_cpus || limits.cpuset_mems, Controller::Cpuset);
    add_if(limits.memory_max || limits.memory_high || limits.memory_low || limits.memory_min || limits.swap_max ||
               limits.oom_group,
           Controller::Memory);
    add_if(limits.pids_max.has_value(), Controller::Pids);
    add_if(limits.io_weight || !limits.io.empty(), Controller::Io);
    add_if(limits.devices.has_value(), Controller::Devices);
    add_if(!limits.hugetlb.empty(), Controller::Hugetlb);
    add_if(limits.net_class.has_value(), Controller::NetCls);
    add_if(!limits.net_priority.empty(), Controller::NetPrio);
    return list;
}

std::vector<Controller> needed_controllers(const Cgroup& cgroup) {
    std::vector<Controller> list;
    for (const Controller controller : cgroup.controllers) add(list, controller);
    for (const Controller controller : controllers_of(cgroup.limits)) add(list, controller);
    for (const ControllerValue& value : cgroup.values) add(list, value.controller);
    if (cgroup.born_frozen) add(list, Controller::Freezer);
    return list;
}

bool uses_groups(const Cgroup& cgroup) {
    Cgroup none;
    none.use_existing = cgroup.use_existing; // asks for none
    return cgroup != none;
}

} // namespace internal

} // namespace ct
