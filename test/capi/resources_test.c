/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <libct-events.h>
#include <libct-resources.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "check.h"

/* "MOUNT/NAME/FILE" of a controller of version 1. */
static const char *value(const char *controller, const char *file)
{
    static char path[512];
    const char *place = mount_of_controller(controller);
    if (place == NULL)
        skip("this host has not all controllers of cgroup version 1");
    snprintf(path, sizeof path, "%s/%s/%s", place, name, file);
    return read_file(path);
}

static void are_limited(void)
{
    (void)value("memory", "");
    struct libct_limits limits = {.struct_size = sizeof limits,
                                  .set = LIBCT_LIMIT_MEMORY_MAX | LIBCT_LIMIT_CPUS | LIBCT_LIMIT_CPU_PERIOD |
                                         LIBCT_LIMIT_PIDS_MAX,
                                  .memory_max_bytes = 64 << 20,
                                  .cpus_milli = 500,
                                  .cpu_period_us = 50000,
                                  .pids_max = 20,
                                  .cpuset_cpus = "0"};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_limits(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_update_limits(ct, &limits), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_limits(ct, &limits), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK(strcmp(value("memory", "memory.limit_in_bytes"), "67108864\n") == 0);
    CHECK(strcmp(value("cpu", "cpu.cfs_quota_us"), "25000\n") == 0);
    CHECK(strcmp(value("pids", "pids.max"), "20\n") == 0);
    CHECK(strcmp(value("cpuset", "cpuset.cpus"), "0\n") == 0);
    CHECK_INT(libct_container_set_limits(ct, &limits), -LCTERR_BADCTSTATE);
    /* Those that are not set stay. */
    struct libct_limits more = {.struct_size = sizeof more, .set = LIBCT_LIMIT_PIDS_MAX, .pids_max = LIBCT_UNLIMITED};
    CHECK_INT(libct_container_update_limits(ct, &more), 0);
    CHECK(strcmp(value("pids", "pids.max"), "max\n") == 0);
    CHECK(strcmp(value("memory", "memory.limit_in_bytes"), "67108864\n") == 0);
    /* The container has no such group. */
    struct libct_limits other = {.struct_size = sizeof other, .set = LIBCT_LIMIT_IO_WEIGHT, .io_weight = 50};
    CHECK_INT(libct_container_update_limits(ct, &other), -LCTERR_CGCONFIG);
    other.io_weight = 0;
    CHECK_INT(libct_container_update_limits(ct, &other), -LCTERR_INVARG);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    /* The next start has what was changed. */
    init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK(strcmp(value("pids", "pids.max"), "max\n") == 0);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static int make_null(void *argument)
{
    (void)argument;
    return mknod("null", S_IFCHR | 0666, makedev(1, 3)) == 0 ? 1 : 0;
}

static int make_zero(void *argument)
{
    (void)argument;
    return mknod("zero", S_IFCHR | 0666, makedev(1, 5)) == 0 ? 0 : 1;
}

static void say_which_devices(void)
{
    (void)value("devices", "");
    struct libct_device_rule rules[] = {
        {.allow = 0, .major = LIBCT_DEVICE_ANY, .minor = LIBCT_DEVICE_ANY,
         .access = LIBCT_DEVICE_READ | LIBCT_DEVICE_WRITE | LIBCT_DEVICE_MAKE},
        {.allow = 1, .type = S_IFCHR, .major = 1, .minor = 5,
         .access = LIBCT_DEVICE_READ | LIBCT_DEVICE_WRITE | LIBCT_DEVICE_MAKE},
    };
    struct libct_limits limits = {.struct_size = sizeof limits, .devices = rules, .device_count = 2};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_limits(ct, &limits), 0);
    CHECK_INT(status_of(ct, make_zero, NULL), 0);
    CHECK_INT(status_of(ct, make_null, NULL), 0);
    rules[0].type = S_IFREG;
    CHECK_INT(libct_container_set_limits(ct, &limits), -LCTERR_INVARG);
    limits.devices = NULL;
    CHECK_INT(libct_container_set_limits(ct, &limits), -LCTERR_INVARG);
}

static void are_refused_if_malformed(void)
{
    ct_handler_t ct = make_container();
    struct {
        struct libct_limits limits;
        char later[16];
    } newer = {.limits = {.struct_size = sizeof newer}};
    /* Of a later release, and of none. */
    CHECK_INT(libct_container_set_limits(ct, &newer.limits), 0);
    newer.later[3] = 1;
    CHECK_INT(libct_container_set_limits(ct, &newer.limits), -LCTERR_INVARG);
    newer.limits.struct_size = 0;
    CHECK_INT(libct_container_set_limits(ct, &newer.limits), -LCTERR_INVARG);
    newer.limits.struct_size = 1 << 20;
    CHECK_INT(libct_container_set_limits(ct, &newer.limits), -LCTERR_INVARG);
    /* Of an earlier one, which had only this. */
    newer.limits.struct_size = offsetof(struct libct_limits, memory_high_bytes);
    CHECK_INT(libct_container_set_limits(ct, &newer.limits), 0);
    newer.limits.struct_size = sizeof newer.limits;
    newer.limits.set = 1u << 20;
    CHECK_INT(libct_container_set_limits(ct, &newer.limits), -LCTERR_INVARG);
    newer.limits.set = LIBCT_LIMIT_MEMORY_MAX; /* of 0 */
    CHECK_INT(libct_container_set_limits(ct, &newer.limits), -LCTERR_INVARG);
    const struct libct_error *error = libct_last_error();
    CHECK(error != NULL && error->code == -LCTERR_INVARG && strstr(error->message, "memory") != NULL);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0);
}

static int told;

static void on_stats_told(ct_handler_t ct, const struct libct_stats *stats, uint64_t time_ns, void *user)
{
    (void)ct;
    CHECK_INT(stats->struct_size, sizeof *stats);
    CHECK((stats->known & LIBCT_STATS_PIDS_CURRENT) != 0 && stats->pids_current >= 1);
    CHECK(time_ns > *(uint64_t *)user);
    *(uint64_t *)user = time_ns;
    ++told;
}

static void are_measured(void)
{
    (void)value("pids", "");
    uint64_t time = 0;
    struct libct_stats stats = {.struct_size = sizeof stats};
    struct libct_limits limits = {.struct_size = sizeof limits,
                                  .set = LIBCT_LIMIT_PIDS_MAX | LIBCT_LIMIT_MEMORY_MAX,
                                  .memory_max_bytes = LIBCT_UNLIMITED,
                                  .pids_max = 7};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_stats(ct, &stats), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_limits(ct, &limits), 0);
    CHECK_INT(libct_container_on_stats(ct, 0, on_stats_told, &time), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_stats(ct, 1, on_stats_told, &time), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_stats(ct, &stats), 0);
    CHECK((stats.known & LIBCT_STATS_PIDS_MAX) != 0 && stats.pids_max == 7 && stats.pids_current == 1);
    CHECK((stats.known & LIBCT_STATS_MEMORY_CURRENT) != 0 && (stats.known & LIBCT_STATS_CPU_PERIODS) == 0);
    CHECK_INT(stats.cpu_periods, 0);
    CHECK_INT(libct_container_stats(ct, NULL), -LCTERR_INVARG);
    struct libct_stats none = {.struct_size = 0};
    CHECK_INT(libct_container_stats(ct, &none), -LCTERR_INVARG);
    /* An earlier caller's struct is filled as far as it goes. */
    struct libct_stats shorter = {.struct_size = offsetof(struct libct_stats, cpu_user_ns), .cpu_user_ns = 77};
    CHECK_INT(libct_container_stats(ct, &shorter), 0);
    CHECK_INT(shorter.cpu_user_ns, 77);
    CHECK_INT(shorter.struct_size, offsetof(struct libct_stats, cpu_user_ns));
    while (told < 3)
        CHECK(libct_session_dispatch(session, -1) >= 0);
    CHECK_INT(libct_container_on_stats(ct, 0, NULL, NULL), 0);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    /* Nobody counts what is in no group. */
    ct_handler_t other = make_container();
    init = libct_container_spawn_cb(other, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_stats(other, &stats), -LCTERR_INVARG);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(other), 0);
}

const struct test resource_tests[] = {
    {"are_limited", are_limited},
    {"say_which_devices", say_which_devices},
    {"are_refused_if_malformed", are_refused_if_malformed},
    {"are_measured", are_measured},
    {NULL, NULL},
};
