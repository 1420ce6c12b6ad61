/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <fcntl.h>
#include <libct-namespaces.h>
#include <libct-network.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static ino_t inode_of(const char *path)
{
    struct stat status;
    CHECK_INT(stat(path, &status), 0);
    return status.st_ino;
}

static ino_t namespace_of(ct_process_t process, const char *kind)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/ns/%s", libct_process_get_pid(process), kind);
    return inode_of(path);
}

static void stop(ct_handler_t ct)
{
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void refuses_what_is_wrong(void)
{
    char buffer[8];
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_add_namespace(NULL, CLONE_NEWNS), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_namespace(ct, 1), -LCTERR_NONS);
    CHECK_INT(libct_container_add_namespace(ct, CLONE_NEWNS | CLONE_NEWPID), -LCTERR_NONS);
    CHECK_INT(libct_container_add_namespace(ct, CLONE_NEWNS), 0);
    CHECK_INT(libct_container_add_namespace(ct, CLONE_NEWNS), -LCTERR_BADARG);
    CHECK_INT(libct_container_join_fd(ct, CLONE_NEWNS, 0), -LCTERR_BADARG);
    CHECK_INT(libct_container_join_fd(ct, CLONE_NEWIPC, -1), -LCTERR_INVARG);
    CHECK_INT(libct_container_join_fd(ct, 5, 0), -LCTERR_NONS);
    CHECK_INT(libct_container_set_nspath(ct, CLONE_NEWUTS, "/proc/self/ns/uts"), 0);
    CHECK_INT(libct_container_add_namespace(ct, CLONE_NEWUTS), -LCTERR_BADARG);
    CHECK_INT(libct_container_join(ct, CLONE_NEWIPC, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_TASKLESS, NULL), 0);
    CHECK_INT(libct_container_add_namespace(ct, CLONE_NEWPID), -LCTERR_INVARG);
    CHECK_INT(libct_userns_set_setgroups(ct, (enum libct_setgroups)5), -LCTERR_BADTYPE);
    CHECK_INT(libct_userns_set_setgroups(ct, LIBCT_SETGROUPS_DENY), 0);
    CHECK_INT(libct_userns_map_root_to_caller(NULL), -LCTERR_INVARG);
    CHECK_INT(libct_userns_map_subordinate_ids(NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_time_offsets(NULL, 0, 0), -LCTERR_INVARG);
    CHECK_INT(libct_container_pin(ct, NULL, NULL, 1), -LCTERR_INVARG);
    CHECK_INT(libct_container_pin(ct, NULL, buffer, sizeof buffer), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_pin(ct, "relative", buffer, 0), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_unpin(ct, "/tmp/nothing"), 0);
    CHECK_INT(libct_container_namespace_fd(ct, CLONE_NEWNS), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_namespace_fd(ct, 3), -LCTERR_NONS);
    CHECK_INT(libct_net_pin(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_net_pin(ct, "capi"), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_net_unpin(NULL), -LCTERR_INVARG);
    CHECK_INT(libct_net_unpin("../x"), -LCTERR_INVARG);
    CHECK_INT(libct_net_named(NULL, buffer, sizeof buffer), -LCTERR_INVARG);
    CHECK_INT(libct_net_named("a/b", buffer, sizeof buffer), -LCTERR_INVARG);
    CHECK_INT(libct_net_named("capi", buffer, sizeof buffer), strlen("/run/netns/capi"));
    CHECK(strcmp(buffer, "/run/ne") == 0);
}

static int look_at_clock(void *argument)
{
    struct timespec now;
    const time_t *const before = argument;
    return clock_gettime(CLOCK_BOOTTIME, &now) == 0 && now.tv_sec >= *before + 1000000 ? 0 : 1;
}

static void makes_all_kinds(void)
{
    struct timespec now;
    CHECK_INT(clock_gettime(CLOCK_BOOTTIME, &now), 0);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_add_namespace(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_container_add_namespace(ct, CLONE_NEWCGROUP), 0);
    CHECK_INT(libct_container_add_namespace(ct, CLONE_NEWTIME), 0);
    CHECK_INT(libct_container_set_time_offsets(ct, 1000000000000000, 1000000000000000), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK(has_own_namespace(libct_process_get_pid(init), "pid"));
    CHECK(has_own_namespace(libct_process_get_pid(init), "cgroup"));
    CHECK(has_own_namespace(libct_process_get_pid(init), "time"));
    CHECK_INT(libct_container_add_namespace(ct, CLONE_NEWIPC), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_time_offsets(ct, 0, 0), -LCTERR_BADCTSTATE);
    stop(ct);
    CHECK_INT(status_of(ct, look_at_clock, &now.tv_sec), 0);
}

static int has_no_groups(void *argument)
{
    (void)argument;
    return getuid() == 0 && getgid() == 0 && strstr(read_file("/proc/self/setgroups"), "deny") != NULL ? 0 : 1;
}

static void maps_the_caller(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_add_namespace(ct, CLONE_NEWUSER), 0);
    CHECK_INT(libct_userns_map_root_to_caller(ct), 0);
    CHECK_INT(libct_userns_set_setgroups(ct, LIBCT_SETGROUPS_DENY), 0);
    CHECK_INT(status_of(ct, has_no_groups, NULL), 0);
    /* The files are those of the machine, of which the test has its own. */
    CHECK_INT(mkdir("etc", 0755), 0);
    CHECK_INT(mount("/etc", "etc", NULL, MS_BIND, NULL), 0);
    write_file("subuid", "root:100000:1000\n0:300000:10\n");
    write_file("nobody", "nobody:1:1\n");
    if (!exists("/etc/subuid") || !exists("/etc/subgid"))
        skip("there is no /etc/subuid that could be covered");
    ct_handler_t other = make_container();
    CHECK_INT(libct_container_add_namespace(other, CLONE_NEWUSER), 0);
    CHECK(mount("nobody", "/etc/subuid", NULL, MS_BIND, NULL) == 0);
    CHECK_INT(libct_userns_map_subordinate_ids(other), -1);
    CHECK_INT(errno, EOPNOTSUPP);
    CHECK(mount("subuid", "/etc/subuid", NULL, MS_BIND, NULL) == 0);
    CHECK(mount("subuid", "/etc/subgid", NULL, MS_BIND, NULL) == 0);
    CHECK_INT(libct_userns_map_subordinate_ids(other), 0);
    CHECK_INT(libct_container_add_namespace(other, CLONE_NEWPID), 0);
    ct_process_t init = libct_container_spawn_cb(other, desc, stay, NULL);
    CHECK_HANDLE(init);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/uid_map", libct_process_get_pid(init));
    CHECK(strstr(read_file(path), "100000") != NULL && strstr(read_file(path), "300000") != NULL);
    stop(other);
}

static void joins_others(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_namespace_fd(ct, 17), -LCTERR_NONS);
    const int uts = libct_container_namespace_fd(ct, CLONE_NEWUTS);
    CHECK(uts >= 0 && (fcntl(uts, F_GETFD) & FD_CLOEXEC) != 0);
    ct_handler_t other = libct_container_create(session, "capi-other");
    CHECK_HANDLE(other);
    CHECK_INT(libct_container_join(other, CLONE_NEWIPC, ct), 0);
    CHECK_INT(libct_container_join(other, CLONE_NEWIPC, ct), -LCTERR_BADARG);
    CHECK_INT(libct_container_join_fd(other, CLONE_NEWUTS, uts), 0);
    CHECK_INT(libct_container_add_namespace(other, CLONE_NEWPID), 0);
    ct_process_t second = libct_container_spawn_cb(other, desc, stay, NULL);
    CHECK_HANDLE(second);
    CHECK_INT(namespace_of(second, "ipc"), namespace_of(init, "ipc"));
    CHECK_INT(namespace_of(second, "uts"), namespace_of(init, "uts"));
    CHECK(namespace_of(second, "pid") != namespace_of(init, "pid"));
    CHECK_INT(libct_container_join(other, CLONE_NEWNET, ct), -LCTERR_BADCTSTATE);
    stop(other);
    stop(ct);
    close(uts);
    /* The other one has to run. */
    CHECK_ERROR(libct_container_spawn_cb(other, desc, stay, NULL), -1);
}

static void keeps_them(void)
{
    char place[64];
    ct_handler_t ct = make_container();
    CHECK_INT(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0); /* the machine's is left alone */
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    const ino_t ipc = namespace_of(init, "ipc"), net = namespace_of(init, "net");
    CHECK_INT(libct_container_pin(ct, "/tmp/pins", place, sizeof place), strlen("/tmp/pins"));
    CHECK(strcmp(place, "/tmp/pins") == 0);
    CHECK_INT(libct_container_pin(ct, "/tmp/pins", place, sizeof place), -1);
    CHECK_INT(errno, EEXIST);
    CHECK_INT(libct_net_pin(ct, "capi"), 0);
    CHECK_INT(libct_net_pin(ct, "capi"), -1);
    CHECK_INT(errno, EEXIST);
    stop(ct);
    CHECK_INT(inode_of("/tmp/pins/ipc"), ipc);
    CHECK_INT(libct_net_named("capi", place, sizeof place), strlen("/run/netns/capi"));
    CHECK_INT(inode_of(place), net);
    /* Another one joins them. */
    CHECK_INT(libct_container_set_nsmask(ct, 0), 0);
    CHECK_INT(libct_container_set_nspath(ct, CLONE_NEWIPC, "/tmp/pins/ipc"), 0);
    CHECK_INT(libct_container_set_nspath(ct, CLONE_NEWNET, place), 0);
    CHECK_INT(libct_container_add_namespace(ct, CLONE_NEWPID), 0);
    init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(namespace_of(init, "ipc"), ipc);
    CHECK_INT(namespace_of(init, "net"), net);
    stop(ct);
    CHECK_INT(libct_container_unpin(ct, "/tmp/pins"), 0);
    CHECK(!exists("/tmp/pins"));
    CHECK_INT(libct_net_unpin("capi"), 0);
    CHECK(!exists(place));
}

const struct test pin_tests[] = {
    {"refuses_what_is_wrong", refuses_what_is_wrong},
    {"makes_all_kinds", makes_all_kinds},
    {"maps_the_caller", maps_the_caller},
    {"joins_others", joins_others},
    {"keeps_them", keeps_them},
    {NULL, NULL},
};
