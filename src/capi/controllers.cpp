// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include <ct/export.hpp>

#include "capi/container.hpp"
#include "capi/guard.hpp"

namespace ct::capi {

namespace {

Controller controller_of(int number) {
    switch (number) {
    case CTL_BLKIO: return Controller::Io;
    case CTL_CPU: return Controller::Cpu;
    case CTL_CPUACCT: return Controller::Cpuacct;
    case CTL_CPUSET: return Controller::Cpuset;
    case CTL_DEVICES: return Controller::Devices;
    case CTL_FREEZER: return Controller::Freezer;
    case CTL_HUGETLB: return Controller::Hugetlb;
    case CTL_MEMORY: return Controller::Memory;
    case CTL_NETCLS: return Controller::NetCls;
    default: throw Failure(LCTERR_INVARG, "there is no such controller");
    }
}

void remember(Config& config, ControllerValue value) {
    const auto present = std::find_if(config.values.begin(), config.values.end(), [&](const ControllerValue& one) {
        return one.controller == value.controller && one.file == value.file;
    });
    if (present == config.values.end()) {
        config.values.push_back(std::move(value));
    } else {
        present->value = std::move(value.value);
    }
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_controller_add(ct_handler_t ct, enum ct_controller ctype) {
    return guard([&] {
        const auto container = get(ct);
        const ct::Controller controller = controller_of(ctype);
        container->configure([&](Config& config) {
            auto& list = config.controllers;
            if (std::find(list.begin(), list.end(), controller) == list.end()) list.push_back(controller);
        });
    });
}

CT_EXPORT int libct_controller_configure(ct_handler_t ct, enum ct_controller ctype, const char* param,
                                         const char* value) {
    return guard([&] {
        const auto container = get(ct);
        require(param != nullptr && value != nullptr, LCTERR_INVARG, "an argument is NULL");
        ct::ControllerValue wanted{controller_of(ctype), param, value};
        const bool now = container->change([&](Config& config, ct_state state) {
            const auto& list = config.controllers;
            require(std::find(list.begin(), list.end(), wanted.controller) != list.end(), LCTERR_NOTFOUND,
                    "the container does not have the controller");
            if (state != CT_RUNNING) remember(config, wanted);
            return state == CT_RUNNING;
        });
        if (now) container->write_now(wanted);
    });
}

CT_EXPORT int libct_controller_read(ct_handler_t ct, enum ct_controller ctype, const char* param, void* buf,
                                    size_t len) {
    return guard([&] {
        const auto container = get(ct);
        require(param != nullptr && (buf != nullptr || len == 0), LCTERR_INVARG, "an argument is NULL");
        return container->read(controller_of(ctype), param, buf, len);
    });
}

CT_EXPORT struct libct_processes* libct_container_processes(ct_handler_t ct) {
    return guard_handle([&] {
        const std::vector<pid_t> pids = get(ct)->processes();
        // With malloc(3), since that is what the caller may look for in libct_processes_free().
        void* const memory = std::malloc(sizeof(libct_processes) + pids.size() * sizeof(int));
        if (memory == nullptr) throw std::bad_alloc();
        auto* const list = static_cast<libct_processes*>(memory);
        list->nproc = static_cast<int>(pids.size());
        if (!pids.empty()) std::memcpy(list->array, pids.data(), pids.size() * sizeof(int));
        return list;
    });
}

CT_EXPORT void libct_processes_free(struct libct_processes* p) {
    if (libct_handle_is_err(p) == 0) std::free(p);
}

} // extern "C"
