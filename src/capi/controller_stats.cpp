// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What a container has used of single things.
#include <libct/libct-events.h>
#include <libct/libct-resources.h>

#include <ct/export.hpp>

#include "capi/container.hpp"
#include "capi/numbers.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

namespace {

libct_io_stats told_of(const IoStats& device) {
    libct_io_stats told{};
    told.struct_size = sizeof told;
    told.major = device.major;
    told.minor = device.minor;
    const Known known(told.known);
    known.tell(LIBCT_STATS_IO_READ, told.read_bytes, device.read);
    known.tell(LIBCT_STATS_IO_WRITTEN, told.written_bytes, device.written);
    known.tell(LIBCT_STATS_IO_DISCARDED, told.discarded_bytes, device.discarded);
    known.tell(LIBCT_STATS_IO_READS, told.reads, device.reads);
    known.tell(LIBCT_STATS_IO_WRITES, told.writes, device.writes);
    known.tell(LIBCT_STATS_IO_DISCARDS, told.discards, device.discards);
    return told;
}

libct_hugetlb_stats told_of(Bytes page, const HugetlbStats& pages) {
    libct_hugetlb_stats told{};
    told.struct_size = sizeof told;
    told.page_bytes = page.count;
    const Known known(told.known);
    known.tell(LIBCT_HUGETLB_CURRENT, told.current_bytes, pages.current);
    known.tell(LIBCT_HUGETLB_PEAK, told.peak_bytes, pages.peak);
    known.tell(LIBCT_HUGETLB_MAX, told.max_bytes, pages.max);
    known.tell(LIBCT_HUGETLB_FAILURES, told.failures, pages.failures);
    return told;
}

const Pressure& pressure_of(const Stats& stats, int resource) {
    switch (resource) {
    case LIBCT_RESOURCE_CPU: return stats.cpu_pressure;
    case LIBCT_RESOURCE_MEMORY: return stats.memory_pressure;
    case LIBCT_RESOURCE_IO: return stats.io_pressure;
    default: throw Failure(LCTERR_BADTYPE, "there is no such resource");
    }
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_container_io_stats(ct_handler_t ct, int (*cb)(const struct libct_io_stats*, void*), void* user) {
    return guard([&] {
        const auto container = get(ct);
        require(cb != nullptr, LCTERR_INVARG, "there is no function");
        const ct::Stats stats = container->stats();
        int result = 0;
        if (!stats.io) return result;
        for (const ct::IoStats& device : *stats.io) {
            const libct_io_stats told = told_of(device);
            result = cb(&told, user);
            if (result != 0) break;
        }
        return result;
    });
}

CT_EXPORT int libct_container_hugetlb_stats(ct_handler_t ct, int (*cb)(const struct libct_hugetlb_stats*, void*),
                                            void* user) {
    return guard([&] {
        const auto container = get(ct);
        require(cb != nullptr, LCTERR_INVARG, "there is no function");
        const ct::Stats stats = container->stats();
        int result = 0;
        for (const auto& [page, pages] : stats.hugetlb) {
            const libct_hugetlb_stats told = told_of(page, pages);
            result = cb(&told, user);
            if (result != 0) break;
        }
        return result;
    });
}

CT_EXPORT int libct_container_stall(ct_handler_t ct, int resource, int full, struct libct_stall* stall) {
    return guard([&] {
        const auto container = get(ct);
        (void)pressure_of({}, resource); // refuses others whatever the container is doing
        const ct::Stats stats = container->stats();
        const ct::Pressure& pressure = pressure_of(stats, resource);
        const auto& one = full != 0 ? pressure.full : pressure.some;
        require(one.has_value(), LCTERR_NOTFOUND, "nobody measures the pressure on this container");
        write_struct(stall, {.struct_size = sizeof(libct_stall),
                             .average_10 = one->average_10,
                             .average_60 = one->average_60,
                             .average_300 = one->average_300,
                             .total_us = static_cast<std::uint64_t>(one->total.count())});
    });
}

} // extern "C"
