// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-events.h>

#include <string>
#include <utility>

#include <ct/export.hpp>

#include "capi/container.hpp"
#include "capi/exit_record.hpp"
#include "capi/process_desc.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

namespace {

HealthCheck check_of(ct_handler_t ct, const libct_health_check& given, void* user) {
    HealthCheck check;
    if (given.check != nullptr) {
        check.check = [ct, user, function = given.check] { return function(ct, user) == 0; };
    } else {
        check.check = program(given.process, given.path, given.argv, nullptr);
    }
    if (given.interval_ms != 0) check.interval = std::chrono::milliseconds(given.interval_ms);
    if (given.timeout_ms != 0) check.timeout = std::chrono::milliseconds(given.timeout_ms);
    if (given.retries != 0) check.retries = given.retries;
    check.start_period = std::chrono::milliseconds(given.start_period_ms);
    return check;
}

static_assert(static_cast<int>(Health::Starting) == LIBCT_HEALTH_STARTING &&
              static_cast<int>(Health::Healthy) == LIBCT_HEALTH_HEALTHY &&
              static_cast<int>(Health::Unhealthy) == LIBCT_HEALTH_UNHEALTHY);

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" CT_EXPORT int libct_container_on_health(ct_handler_t ct, const struct libct_health_check* check,
                                                   void (*cb)(ct_handler_t, const struct libct_health_event*, void*),
                                                   void* user) {
    return guard([&] {
        const auto container = get(ct);
        ct::HealthCheck wanted;
        if (cb != nullptr) wanted = check_of(ct, read_struct(check), user);
        container->set_handler(
            "health",
            [=](ct::Container& core, bool set) {
                ct::HealthHandler handler;
                if (set) {
                    handler = [=](const ct::HealthEvent& event) {
                        const std::string reason(event.reason);
                        const libct_health_event told{.struct_size = sizeof told,
                                                      .health = static_cast<libct_health>(event.health),
                                                      .failures = event.failures,
                                                      .status = raw_status(event.last),
                                                      .reason = reason.c_str()};
                        cb(ct, &told, user);
                    };
                }
                core.on_health(wanted, std::move(handler));
            },
            cb != nullptr);
    });
}
