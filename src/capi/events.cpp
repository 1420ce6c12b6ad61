// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-events.h>

#include <ct/export.hpp>

#include "capi/container.hpp"
#include "capi/exit_record.hpp"
#include "capi/numbers.hpp"
#include "capi/session.hpp"
#include "capi/structs.hpp"

using namespace ct::capi;

namespace {

int phase_of(ct::State state) {
    static_assert(static_cast<int>(ct::State::Stopped) == LIBCT_PHASE_STOPPED &&
                  static_cast<int>(ct::State::Starting) == LIBCT_PHASE_STARTING &&
                  static_cast<int>(ct::State::Running) == LIBCT_PHASE_RUNNING &&
                  static_cast<int>(ct::State::Paused) == LIBCT_PHASE_PAUSED &&
                  static_cast<int>(ct::State::Stopping) == LIBCT_PHASE_STOPPING);
    return static_cast<int>(state);
}

libct_phase phase(ct::State state) {
    return static_cast<libct_phase>(phase_of(state));
}

} // namespace

extern "C" {

CT_EXPORT int libct_session_fd(libct_session_t s) {
    return guard([&] { return get(s)->fd(); });
}

CT_EXPORT int libct_session_dispatch(libct_session_t s, int timeout_ms) {
    return guard([&] { return get(s)->dispatch(timeout_ms); });
}

CT_EXPORT int libct_container_phase(ct_handler_t ct) {
    return guard([&] { return phase_of(get(ct)->object().state()); });
}

CT_EXPORT int libct_container_on_phase(ct_handler_t ct,
                                       void (*cb)(ct_handler_t, enum libct_phase, enum libct_phase, void*),
                                       void* user) {
    return guard([&] {
        get(ct)->set_handler(
            "phase",
            [=](ct::Container& container, bool set) {
                ct::StateHandler handler;
                if (set)
                    handler = [=](const ct::StateEvent& event) { cb(ct, phase(event.from), phase(event.to), user); };
                container.on_state(std::move(handler));
            },
            cb != nullptr);
    });
}

CT_EXPORT int libct_container_on_start(ct_handler_t ct, void (*cb)(ct_handler_t, const struct libct_start*, void*),
                                       void* user) {
    return guard([&] {
        get(ct)->set_handler(
            "start",
            [=](ct::Container& container, bool set) {
                ct::StartHandler handler;
                if (set) {
                    handler = [=](const ct::StartEvent& event) {
                        const libct_start told{.struct_size = sizeof told,
                                               .pid = event.pid,
                                               .total_ns = number_of(event.times.total),
                                               .prepare_ns = number_of(event.times.prepare),
                                               .birth_ns = number_of(event.times.birth),
                                               .set_up_ns = number_of(event.times.set_up)};
                        cb(ct, &told, user);
                    };
                }
                container.on_start(std::move(handler));
            },
            cb != nullptr);
    });
}

CT_EXPORT int libct_container_on_frozen(ct_handler_t ct, void (*cb)(ct_handler_t, int, void*), void* user) {
    return guard([&] {
        get(ct)->set_handler(
            "frozen",
            [=](ct::Container& container, bool set) {
                ct::FrozenHandler handler;
                if (set) handler = [=](const ct::FrozenEvent& event) { cb(ct, event.frozen ? 1 : 0, user); };
                container.on_frozen(std::move(handler));
            },
            cb != nullptr);
    });
}

CT_EXPORT int libct_container_on_exit(ct_handler_t ct, void (*cb)(ct_handler_t, const struct libct_exit_record*, void*),
                                      void* user) {
    return guard([&] {
        get(ct)->set_handler(
            "exit",
            [=](ct::Container& container, bool set) {
                ct::ExitHandler handler;
                if (set) {
                    handler = [=](const ct::ExitEvent& event) {
                        const libct_exit_record record = exit_record_of(event.record);
                        cb(ct, &record, user);
                    };
                }
                container.on_exit(std::move(handler));
            },
            cb != nullptr);
    });
}

CT_EXPORT int libct_container_on_oom(ct_handler_t ct, void (*cb)(ct_handler_t, uint64_t, uint64_t, void*), void* user) {
    return guard([&] {
        get(ct)->set_handler(
            "oom",
            [=](ct::Container& container, bool set) {
                ct::OomHandler handler;
                if (set) handler = [=](const ct::OomEvent& event) { cb(ct, event.kills, event.all_kills, user); };
                container.on_oom(std::move(handler));
            },
            cb != nullptr);
    });
}

CT_EXPORT int libct_container_on_limit(ct_handler_t ct, enum libct_reached limit,
                                       void (*cb)(ct_handler_t, enum libct_reached, uint64_t, void*), void* user) {
    return guard([&] {
        const auto container = get(ct);
        const bool known = limit == LIBCT_REACHED_PIDS_MAX || limit == LIBCT_REACHED_MEMORY_HIGH;
        require(known, LCTERR_BADTYPE, "there is no such limit");
        const bool pids = limit == LIBCT_REACHED_PIDS_MAX;
        container->set_handler(
            pids ? "pids" : "memory",
            [=](ct::Container& core, bool set) {
                ct::LimitHandler handler;
                if (set) handler = [=](const ct::LimitEvent& event) { cb(ct, limit, event.count, user); };
                pids ? core.on_pids_limit(std::move(handler)) : core.on_memory_high(std::move(handler));
            },
            cb != nullptr);
    });
}

CT_EXPORT int libct_container_on_process_exit(ct_handler_t ct, void (*cb)(ct_handler_t, int, int, void*), void* user) {
    return guard([&] {
        get(ct)->set_handler(
            "process",
            [=](ct::Container& container, bool set) {
                ct::ProcessExitHandler handler;
                if (set) {
                    handler = [=](const ct::ProcessExitEvent& event) {
                        cb(ct, event.pid, raw_status(event.status), user);
                    };
                }
                container.on_process_exit(std::move(handler));
            },
            cb != nullptr);
    });
}

CT_EXPORT int libct_container_on_pressure(ct_handler_t ct, const struct libct_pressure* trigger,
                                          void (*cb)(ct_handler_t, const struct libct_pressure*, void*), void* user) {
    return guard([&] {
        const auto container = get(ct);
        libct_pressure given = read_struct(trigger);
        given.struct_size = sizeof given;
        const bool known = given.resource >= LIBCT_RESOURCE_CPU && given.resource <= LIBCT_RESOURCE_IO;
        require(known, LCTERR_BADTYPE, "there is no such resource");
        const ct::PressureTrigger wanted{.resource = static_cast<ct::Resource>(given.resource),
                                         .stall = std::chrono::microseconds(given.stall_us),
                                         .window = std::chrono::microseconds(given.window_us),
                                         .stalled = given.full != 0 ? ct::Stalled::Full : ct::Stalled::Some};
        const std::string what = "pressure " + std::to_string(given.resource) +
                                 (given.full != 0 ? " full " : " some ") + std::to_string(given.stall_us) + ' ' +
                                 std::to_string(given.window_us);
        container->set_handler(
            what,
            [=](ct::Container& core, bool set) {
                ct::PressureHandler handler;
                if (set) handler = [=](const ct::PressureEvent&) { cb(ct, &given, user); };
                core.on_pressure(wanted, std::move(handler));
            },
            cb != nullptr);
    });
}

} // extern "C"
