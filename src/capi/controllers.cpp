// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include <ct/export.hpp>
#include <libct/libct-resources.h>

#include "capi/container.hpp"
#include "capi/guard.hpp"
#include "capi/structs.hpp"

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

Controller controller_named(const char* name) {
    require(name != nullptr, LCTERR_INVARG, "the controller has no name");
    for (int i = 0; i <= static_cast<int>(Controller::Misc); ++i) {
        const auto controller = static_cast<Controller>(i);
        if (to_string(controller) == name) return controller;
    }
    throw Failure(LCTERR_INVARG, "there is no such controller");
}

// What follows asks for the controller after it has looked at the handle.

template <typename Find>
int add(ct_handler_t ct, const Find& find) {
    return guard([&] {
        const auto container = get(ct);
        const Controller controller = find();
        container->configure([&](Config& config) {
            auto& list = config.controllers;
            if (std::find(list.begin(), list.end(), controller) == list.end()) list.push_back(controller);
        });
    });
}

template <typename Find>
int configure(ct_handler_t ct, const char* param, const char* value, const Find& find) {
    return guard([&] {
        const auto container = get(ct);
        require(param != nullptr && value != nullptr, LCTERR_INVARG, "an argument is NULL");
        ControllerValue wanted{find(), param, value};
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

template <typename Find>
int read(ct_handler_t ct, const char* param, void* buffer, std::size_t size, const Find& find) {
    return guard([&] {
        const auto container = get(ct);
        require(param != nullptr && (buffer != nullptr || size == 0), LCTERR_INVARG, "an argument is NULL");
        return container->read(find(), param, buffer, size);
    });
}

} // namespace

std::string Container::group_path(Controller controller) {
    const std::lock_guard lock(mutex_);
    if (state_ != CT_STOPPED || starting_) return with_codes([&] { return container_.cgroup_path(controller); });
    // That of the next start: the library knows what it will need.
    Spec spec = container_.spec();
    spec.cgroup = config_.spec().cgroup;
    container_.set_spec(std::move(spec));
    return with_codes([&] { return container_.cgroup_path(controller); });
}

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_controller_add(ct_handler_t ct, enum ct_controller ctype) {
    return add(ct, [&] { return controller_of(ctype); });
}

CT_EXPORT int libct_controller_add_named(ct_handler_t ct, const char* controller) {
    return add(ct, [&] { return controller_named(controller); });
}

CT_EXPORT int libct_controller_configure(ct_handler_t ct, enum ct_controller ctype, const char* param,
                                         const char* value) {
    return configure(ct, param, value, [&] { return controller_of(ctype); });
}

CT_EXPORT int libct_controller_configure_named(ct_handler_t ct, const char* controller, const char* param,
                                               const char* value) {
    return configure(ct, param, value, [&] { return controller_named(controller); });
}

CT_EXPORT int libct_controller_read(ct_handler_t ct, enum ct_controller ctype, const char* param, void* buf,
                                    size_t len) {
    return read(ct, param, buf, len, [&] { return controller_of(ctype); });
}

CT_EXPORT int libct_controller_read_named(ct_handler_t ct, const char* controller, const char* param, void* buf,
                                          size_t len) {
    return read(ct, param, buf, len, [&] { return controller_named(controller); });
}

CT_EXPORT int libct_controller_path(ct_handler_t ct, const char* controller, char* buf, size_t size) {
    return guard([&] { return write_text(get(ct)->group_path(controller_named(controller)), buf, size); });
}

CT_EXPORT int libct_container_set_cgroup_options(ct_handler_t ct, const struct libct_cgroup_options* options) {
    return guard([&] {
        static_assert(static_cast<int>(ct::CgroupMount::ReadOnly) == LIBCT_CGROUP_MOUNT_READ_ONLY &&
                      static_cast<int>(ct::CgroupMount::Writable) == LIBCT_CGROUP_MOUNT_WRITABLE);
        const auto container = get(ct);
        const libct_cgroup_options given = read_struct(options);
        const bool known = given.mount >= LIBCT_CGROUP_MOUNT_NONE && given.mount <= LIBCT_CGROUP_MOUNT_WRITABLE;
        require(known, LCTERR_BADTYPE, "there is no such way to mount groups");
        container->configure([&](Config& config) {
            ct::Cgroup& cgroup = config.base.cgroup;
            cgroup.own_group = given.own_group != 0;
            cgroup.limits_after_set_up = given.limits_after_set_up != 0;
            cgroup.born_frozen = given.born_frozen != 0;
            cgroup.mount = static_cast<ct::CgroupMount>(given.mount);
        });
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
