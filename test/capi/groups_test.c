/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <libct-events.h>
#include <libct-processes.h>
#include <libct-resources.h>
#include <sched.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static int on_io(const struct libct_io_stats *device, void *user)
{
    CHECK_INT(device->struct_size, sizeof *device);
    CHECK(device->major + device->minor > 0);
    return *(int *)user;
}

static int on_pages(const struct libct_hugetlb_stats *pages, void *user)
{
    CHECK_INT(pages->struct_size, sizeof *pages);
    CHECK(pages->page_bytes >= 65536);
    return *(int *)user;
}

static void stop(ct_handler_t ct)
{
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void refuse_what_is_wrong(void)
{
    int user = 0;
    char buffer[8];
    struct libct_device_rule rules[2];
    struct libct_limits limits = {.struct_size = sizeof limits};
    struct libct_cgroup_options options = {.struct_size = sizeof options};
    struct libct_stall stall = {.struct_size = sizeof stall};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_controller_add_named(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_controller_add_named(ct, "nonsense"), -LCTERR_INVARG);
    CHECK_INT(libct_controller_configure_named(ct, "nonsense", "a", "b"), -LCTERR_INVARG);
    CHECK_INT(libct_controller_configure_named(ct, "pids", "pids.max", "1"), -LCTERR_NOTFOUND);
    CHECK_INT(libct_controller_configure_named(ct, "pids", NULL, "1"), -LCTERR_INVARG);
    CHECK_INT(libct_controller_read_named(ct, "pids", "pids.max", buffer, 8), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_controller_path(ct, NULL, buffer, 8), -LCTERR_INVARG);
    CHECK_INT(libct_controller_path(ct, "memory", buffer, 8), -LCTERR_BADCTSTATE); /* it has none */
    CHECK_INT(libct_container_set_cgroup_options(ct, NULL), -LCTERR_INVARG);
    options.mount = (enum libct_cgroup_mount)7;
    CHECK_INT(libct_container_set_cgroup_options(ct, &options), -LCTERR_BADTYPE);
    CHECK_INT(libct_default_device_rules(NULL, 1), -LCTERR_INVARG);
    const int count = libct_default_device_rules(NULL, 0);
    CHECK(count > 2);
    rules[1].allow = 9;
    CHECK_INT(libct_default_device_rules(rules, 1), count);
    CHECK((rules[0].allow == 0 || rules[0].allow == 1) && rules[1].allow == 9);
    limits.io_weight_count = 1;
    CHECK_INT(libct_container_set_limits(ct, &limits), -LCTERR_INVARG);
    limits.io_weight_count = 0;
    limits.hugetlb_count = 1;
    CHECK_INT(libct_container_set_limits(ct, &limits), -LCTERR_INVARG);
    limits.hugetlb_count = 0;
    const struct libct_net_priority priority = {.priority = 1};
    limits.net_priorities = &priority;
    limits.net_priority_count = 1;
    CHECK_INT(libct_container_set_limits(ct, &limits), -LCTERR_INVARG);
    CHECK_INT(libct_container_io_stats(ct, on_io, &user), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_io_stats(ct, NULL, &user), -LCTERR_INVARG);
    CHECK_INT(libct_container_hugetlb_stats(ct, on_pages, &user), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_hugetlb_stats(ct, NULL, &user), -LCTERR_INVARG);
    CHECK_INT(libct_container_stall(ct, 9, 0, &stall), -LCTERR_BADTYPE);
    CHECK_INT(libct_container_stall(ct, LIBCT_RESOURCE_CPU, 0, &stall), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    CHECK_INT(libct_container_stall(ct, LIBCT_RESOURCE_CPU, 0, &stall), -LCTERR_INVARG); /* no groups */
    CHECK_INT(libct_controller_add_named(ct, "pids"), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_cgroup_options(ct, &options), -LCTERR_BADTYPE);
    options.mount = LIBCT_CGROUP_MOUNT_NONE;
    CHECK_INT(libct_container_set_cgroup_options(ct, &options), -LCTERR_BADCTSTATE);
    stop(ct);
}

static void have_controllers_by_name(void)
{
    char path[256], before[256], text[64], file[300];
    if (mount_of_controller("pids") == NULL)
        skip("this host has no pids controller of cgroup version 1");
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_controller_add_named(ct, "pids"), 0);
    CHECK_INT(libct_controller_add_named(ct, "pids"), 0);
    CHECK_INT(libct_controller_configure_named(ct, "pids", "pids.max", "77"), 0);
    CHECK(libct_controller_path(ct, "pids", before, sizeof before) > 0);
    CHECK(!exists(before));
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    CHECK_INT(libct_controller_path(ct, "pids", path, sizeof path), strlen(path));
    CHECK(strcmp(path, before) == 0 && strstr(path, name) != NULL && exists(path));
    snprintf(file, sizeof file, "%s/pids.max", path);
    CHECK(strcmp(read_file(file), "77\n") == 0);
    CHECK_INT(libct_controller_read_named(ct, "pids", "pids.max", text, sizeof text), 3);
    CHECK_INT(libct_controller_configure_named(ct, "pids", "pids.max", "78"), 0);
    CHECK(strcmp(read_file(file), "78\n") == 0);
    CHECK_INT(libct_controller_path(ct, "memory", path, sizeof path), -LCTERR_BADCTSTATE);
    stop(ct);
    CHECK(!exists(before));
}

static void are_born_frozen(void)
{
    volatile int *ran = shared_memory(sizeof *ran);
    const struct libct_cgroup_options options = {.struct_size = sizeof options, .own_group = 1, .born_frozen = 1};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_container_set_cgroup_options(ct, &options), 0);
    char *argv[] = {"touch", "/tmp/ran", NULL};
    ct_process_t init = libct_container_spawn_execv(ct, desc, argv[0], argv);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_state(ct), CT_PAUSED);
    CHECK_INT(libct_container_phase(ct), LIBCT_PHASE_PAUSED);
    CHECK_INT(libct_container_wait(ct), -LCTERR_BADCTSTATE);
    CHECK(!exists("/tmp/ran") && *ran == 0);
    struct libct_stall stall = {.struct_size = sizeof stall};
    const int result = libct_container_stall(ct, LIBCT_RESOURCE_CPU, 0, &stall);
    CHECK(result == -LCTERR_NOTFOUND || (result == 0 && stall.average_10 >= 0 && stall.average_10 <= 100));
    CHECK_INT(libct_container_thaw(ct, 100000), 0);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK(exists("/tmp/ran"));
}

static void are_mounted_inside(void)
{
    const struct libct_cgroup_options options = {.struct_size = sizeof options, .own_group = 1,
                                                 .mount = LIBCT_CGROUP_MOUNT_READ_ONLY};
    make_root("root");
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS | CLONE_NEWPID), 0);
    CHECK_INT(libct_fs_set_root(ct, "root"), 0);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_AUTO_PROC_MOUNT, NULL), 0);
    CHECK_INT(libct_container_set_cgroup_options(ct, &options), 0);
    CHECK(strstr(output_of(ct, "cat", "/proc/mounts", NULL), " /sys/fs/cgroup") != NULL);
}

/* What only some hosts can limit: the field of the struct gets there all the same. */
static void take_rare_limits(void)
{
    const struct libct_io_weight weight = {.major = 8, .minor = 0, .weight = 0};
    const struct libct_hugetlb_limit hugetlb = {.page_bytes = 2 << 20, .max_bytes = 4 << 20};
    const struct libct_net_priority priority = {.interface_name = "lo", .priority = 5};
    struct libct_limits limits = {.struct_size = sizeof limits, .io_weights = &weight, .io_weight_count = 1};
    char spec[4096];
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_limits(ct, &limits), -LCTERR_INVARG); /* a weight is 1 to 10000 */
    const struct libct_io_weight good = {.major = 8, .minor = 0, .weight = 300};
    const struct libct_io_limit io = {.major = 8, .minor = 0, .reads_per_second = 5};
    limits = (struct libct_limits){.struct_size = sizeof limits, .set = LIBCT_LIMIT_NET_CLASS, .net_class = 0x10001,
                                   .io = &io, .io_count = 1, .io_weights = &good, .io_weight_count = 1,
                                   .hugetlb = &hugetlb, .hugetlb_count = 1, .net_priorities = &priority,
                                   .net_priority_count = 1};
    CHECK_INT(libct_container_set_limits(ct, &limits), 0);
    CHECK(libct_container_get_spec(ct, spec, sizeof spec) < (int)sizeof spec);
    CHECK(strstr(spec, "\"net_class\":65537") != NULL && strstr(spec, "300") != NULL && strstr(spec, "\"lo\"") != NULL);
    CHECK(strstr(spec, "2097152") != NULL && strstr(spec, "4194304") != NULL);
}

static int write_a_file(void *argument)
{
    (void)argument;
    write_file("/tmp/written", "x");
    return stay(NULL);
}

static void tell_of_single_things(void)
{
    int user = 0;
    struct libct_stats stats = {.struct_size = sizeof stats};
    if (mount_of_controller("memory") == NULL || mount_of_controller("blkio") == NULL)
        skip("this host has no memory and blkio controllers of cgroup version 1");
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_controller_add_named(ct, "memory"), 0);
    CHECK_INT(libct_controller_add_named(ct, "io"), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, write_a_file, NULL));
    while (!exists("/tmp/written"))
        sched_yield();
    CHECK_INT(libct_container_io_stats(ct, on_io, &user), 0);
    CHECK_INT(libct_container_hugetlb_stats(ct, on_pages, &user), 0);
    CHECK_INT(libct_container_stats(ct, &stats), 0);
    CHECK((stats.known & LIBCT_STATS_MEMORY_MAX_EVENTS) != 0 && (stats.known & LIBCT_STATS_MEMORY_LOW_EVENTS) == 0);
    stop(ct);
}

const struct test group_tests[] = {
    {"refuse_what_is_wrong", refuse_what_is_wrong},
    {"have_controllers_by_name", have_controllers_by_name},
    {"are_born_frozen", are_born_frozen},
    {"are_mounted_inside", are_mounted_inside},
    {"take_rare_limits", take_rare_limits},
    {"tell_of_single_things", tell_of_single_things},
    {NULL, NULL},
};
