/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* "MOUNT/NAME/FILE" of a controller of version 1. */
static const char *group_file(const char *controller, const char *file)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s/%s", mount_of_controller(controller), name, file);
    return path;
}

static void need_version_1(void)
{
    if (mount_of_controller("memory") == NULL || mount_of_controller("freezer") == NULL)
        skip("this host has no memory and freezer controllers of cgroup version 1");
}

static bool lists_pid(const char *text, int pid)
{
    char line[16];
    snprintf(line, sizeof line, "%d\n", pid);
    return strstr(text, line) != NULL;
}

static void are_configured(void)
{
    need_version_1();
    char text[64] = "";
    ct_handler_t ct = make_container();
    CHECK_INT(libct_controller_add(ct, CT_NR_CONTROLLERS), -LCTERR_INVARG);
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, "memory.limit_in_bytes", "1"), -LCTERR_NOTFOUND);
    CHECK_INT(libct_controller_add(ct, CTL_MEMORY), 0);
    CHECK_INT(libct_controller_add(ct, CTL_MEMORY), 0);
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, NULL, "1"), -LCTERR_INVARG);
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, "memory.limit_in_bytes", NULL), -LCTERR_INVARG);
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, "memory.limit_in_bytes", "1"), 0);
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, "memory.limit_in_bytes", "67108864"), 0);
    CHECK_INT(libct_controller_read(ct, CTL_MEMORY, "memory.limit_in_bytes", text, sizeof text), -LCTERR_BADCTSTATE);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK(strcmp(read_file(group_file("memory", "memory.limit_in_bytes")), "67108864\n") == 0);
    CHECK(lists_pid(read_file(group_file("memory", "tasks")), libct_process_get_pid(init)));
    CHECK_INT(libct_controller_add(ct, CTL_CPU), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_controller_read(ct, CTL_MEMORY, NULL, text, sizeof text), -LCTERR_INVARG);
    CHECK_INT(libct_controller_read(ct, CTL_MEMORY, "memory.limit_in_bytes", text, sizeof text), 9);
    CHECK(strncmp(text, "67108864\n", 9) == 0);
    CHECK_INT(libct_controller_read(ct, CTL_MEMORY, "memory.limit_in_bytes", text, 3), 3);
    CHECK_INT(libct_controller_read(ct, CTL_MEMORY, "memory.missing", text, sizeof text), -1);
    /* Now, and for this run. */
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, "memory.limit_in_bytes", "33554432"), 0);
    CHECK(strcmp(read_file(group_file("memory", "memory.limit_in_bytes")), "33554432\n") == 0);
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, "memory.limit_in_bytes", "nonsense"), -LCTERR_CGCONFIG);
    ct_process_t entered = libct_container_enter_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(entered);
    CHECK(lists_pid(read_file(group_file("memory", "tasks")), libct_process_get_pid(entered)));
    CHECK_INT(kill(libct_process_get_pid(entered), SIGKILL), 0);
    CHECK_INT(libct_process_wait(entered, NULL), 0);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_process_wait(init, NULL), 0);
    CHECK(libct_controller_read(ct, CTL_MEMORY, "memory.max_usage_in_bytes", text, sizeof text) > 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK(!exists(group_file("memory", "")));
}

static void are_configured_for_later_starts(void)
{
    need_version_1();
    ct_handler_t ct = make_container();
    CHECK_INT(libct_controller_add(ct, CTL_MEMORY), 0);
    CHECK_INT(libct_controller_add(ct, CTL_FREEZER), 0);
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, "memory.limit_in_bytes", "67108864"), 0);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    /* What is written to a running one is for that run ... */
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, "memory.limit_in_bytes", "33554432"), 0);
    CHECK(strcmp(read_file(group_file("memory", "memory.limit_in_bytes")), "33554432\n") == 0);
    CHECK_INT(libct_container_pause(ct), 0);
    /* ... and what is told to a paused one for the next. */
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, "memory.swappiness", "17"), 0);
    CHECK(strcmp(read_file(group_file("memory", "memory.swappiness")), "17\n") != 0);
    CHECK_INT(libct_container_resume(ct), 0);
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    CHECK(strcmp(read_file(group_file("memory", "memory.limit_in_bytes")), "67108864\n") == 0);
    CHECK(strcmp(read_file(group_file("memory", "memory.swappiness")), "17\n") == 0);
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void use_their_own_groups(void)
{
    need_version_1();
    char text[64] = "";
    ct_handler_t ct = make_container();
    CHECK_INT(libct_controller_add(ct, CTL_MEMORY), 0);
    /* A group of somebody else's is left alone while there are processes in it. */
    CHECK_INT(mkdir(group_file("memory", ""), 0755), 0);
    const pid_t other = fork_to_stay();
    char pid[16];
    snprintf(pid, sizeof pid, "%d", other);
    write_file(group_file("memory", "tasks"), pid);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, stay, NULL), -LCTERR_CGCREATE);
    CHECK_INT(kill(other, SIGKILL), 0);
    CHECK_INT(waitpid(other, NULL, 0), other);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    /* One that it does not have has no files, unless it is mounted together with one that it has. */
    CHECK_INT(libct_controller_read(ct, CTL_FREEZER, "freezer.state", text, sizeof text), -1);
    CHECK_INT(libct_controller_read(ct, CT_NR_CONTROLLERS, "freezer.state", text, sizeof text), -LCTERR_INVARG);
    CHECK_INT(libct_controller_configure(ct, CTL_FREEZER, "freezer.state", "THAWED"), -LCTERR_NOTFOUND);
    struct libct_processes *list = libct_container_processes(ct);
    CHECK_HANDLE(list);
    CHECK_INT(list->nproc, 1);
    CHECK_INT(kill(libct_processes_get(list, 0), SIGKILL), 0);
    libct_processes_free(list);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK(!exists(group_file("memory", "")));
}

static void let_nobody_into_a_cpuset_without_cpus(void)
{
    if (mount_of_controller("cpuset") == NULL)
        skip("this host has no cpuset controller of cgroup version 1");
    ct_handler_t ct = make_container();
    CHECK_INT(libct_controller_add(ct, CTL_CPUSET), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0); /* it has those of the group above */
    CHECK_INT(libct_controller_configure(ct, CTL_CPUSET, "cpuset.cpus", "\n"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CGATTACH);
    CHECK(!exists(group_file("cpuset", "")));
    CHECK_INT(libct_controller_configure(ct, CTL_CPUSET, "cpuset.cpus", "0"), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0);
}

static void let_a_start_fail(void)
{
    need_version_1();
    ct_handler_t ct = make_container();
    CHECK_INT(libct_controller_add(ct, CTL_MEMORY), 0);
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, "memory.limit_in_bytes", "nonsense"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CGCONFIG);
    CHECK(!exists(group_file("memory", "")));
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, "memory.limit_in_bytes", "-1"), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0);
    if (mount_of_controller("net_cls") == NULL && mount_of_controller("hugetlb") == NULL) {
        CHECK_INT(libct_controller_add(ct, CTL_NETCLS), 0);
        CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CGCREATE);
        CHECK(!exists(group_file("memory", "")));
    }
}

static void are_frozen(void)
{
    need_version_1();
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_pause(ct), -EINVAL);
    CHECK_INT(libct_container_resume(ct), -EINVAL);
    CHECK_INT(libct_controller_add(ct, CTL_FREEZER), 0);
    CHECK_INT(libct_container_pause(ct), -1);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    CHECK_INT(libct_container_pause(ct), 0);
    CHECK_INT(libct_container_state(ct), CT_PAUSED);
    CHECK(strcmp(read_file(group_file("freezer", "freezer.state")), "FROZEN\n") == 0);
    CHECK_INT(libct_container_pause(ct), 0);
    CHECK_INT(libct_container_kill(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_wait(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_switch(ct), -LCTERR_BADCTSTATE);
    CHECK_ERROR(libct_container_enter_cb(ct, desc, end_at_once, NULL), -LCTERR_BADCTSTATE);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_BADCTSTATE);
    char text[16] = "";
    CHECK_INT(libct_controller_read(ct, CTL_FREEZER, "freezer.state", text, sizeof text), 7);
    CHECK_INT(libct_container_resume(ct), 0);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK(strcmp(read_file(group_file("freezer", "freezer.state")), "THAWED\n") == 0);
    CHECK_INT(libct_container_resume(ct), 0);
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static int fork_and_stay(void *argument)
{
    for (int i = 0; i < 9; ++i) {
        if (fork() == 0)
            stay(NULL);
    }
    *(volatile int *)argument = 1;
    return stay(NULL);
}

static void list_processes(void)
{
    need_version_1();
    volatile int *ready = shared_memory(sizeof *ready);
    ct_handler_t ct = make_container();
    CHECK_ERROR(libct_container_processes(ct), -LCTERR_INVARG);
    CHECK_INT(libct_controller_add(ct, CTL_FREEZER), 0);
    CHECK_ERROR(libct_container_processes(ct), -1);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, fork_and_stay, (void *)ready);
    CHECK_HANDLE(init);
    while (*ready == 0)
        sched_yield();
    struct libct_processes *list = libct_container_processes(ct);
    CHECK_HANDLE(list);
    CHECK_INT(list->nproc, 10);
    int found = 0;
    for (int i = 0; i < list->nproc; ++i)
        found += libct_processes_get(list, i) == libct_process_get_pid(init);
    CHECK_INT(found, 1);
    libct_processes_free(list);
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

/* Without the right to mount the hierarchy there is none. */
static void need_a_hierarchy_to_be_killable(void)
{
    need_version_1();
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct own[2], fewer[2];
    const bool was_there = exists("/sys/fs/cgroup/.libct");
    while (umount2("/sys/fs/cgroup/.libct", MNT_DETACH) == 0)
        continue;
    ct_handler_t ct = make_container();
    CHECK_INT(syscall(SYS_capget, &header, own), 0);
    memcpy(fewer, own, sizeof fewer);
    fewer[0].effective &= ~(1u << CAP_SYS_ADMIN);
    CHECK_INT(syscall(SYS_capset, &header, fewer), 0);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_KILLABLE, NULL), -LCTERR_CGCREATE);
    CHECK_INT(syscall(SYS_capset, &header, own), 0);
    CHECK(exists("/sys/fs/cgroup/.libct") == was_there);
    /* It is as if it had not been asked for. */
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_kill(ct), -1);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void can_be_looked_at(void)
{
    need_version_1();
    char path[300];
    struct stat status;
    umask(022);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_controller_add(ct, CTL_FREEZER), 0);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    snprintf(path, sizeof path, "%s/%s", mount_of_controller("freezer"), name);
    CHECK(stat(path, &status) == 0 && S_ISDIR(status.st_mode));
    CHECK_INT(status.st_mode & 0777, 0755);
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void kill_without_a_pid_namespace(void)
{
    need_version_1();
    char path[128];
    volatile int *ready = shared_memory(sizeof *ready);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_kill(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_KILLABLE, NULL), 0);
    CHECK(strstr(read_file("/proc/mounts"), " /sys/fs/cgroup/.libct cgroup ") != NULL);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_KILLABLE, NULL), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, fork_and_stay, (void *)ready);
    CHECK_HANDLE(init);
    while (*ready == 0)
        sched_yield();
    snprintf(path, sizeof path, "/sys/fs/cgroup/.libct/%s/tasks", name);
    CHECK_INT(atoi(read_file(path)), libct_process_get_pid(init));
    struct libct_processes *list = libct_container_processes(ct);
    CHECK_HANDLE(list);
    CHECK_INT(list->nproc, 10);
    libct_processes_free(list);
    CHECK_INT(libct_container_kill(ct), 0);
    int status = 0;
    CHECK_INT(libct_process_wait(init, &status), 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_INT(libct_container_kill(ct), 0); /* there is nobody left */
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK(!exists(path));
    /* With a pid namespace there is no such group. */
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK(libct_container_spawn_cb(ct, desc, stay, NULL) == init);
    CHECK(!exists(path));
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static int use_groups(void *argument)
{
    (void)argument;
    char state[16] = "";
    if (mkdir("/cg/freezer/sub", 0755) != 0)
        return 1;
    const int fd = open("/cg/freezer/sub/freezer.state", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, state, sizeof state - 1) != 7 || strcmp(state, "THAWED\n") != 0)
        return 2;
    if (rmdir("/cg/freezer/sub") != 0 || !exists("/cg/memory/memory.limit_in_bytes"))
        return 3;
    return exists("/cg/cpuset") ? 4 : 0;
}

static int find_path(void *argument)
{
    return exists(argument) ? 0 : 1;
}

static void are_mounted_inside(void)
{
    need_version_1();
    ct_handler_t ct = make_container();
    CHECK_INT(libct_controller_add(ct, CTL_FREEZER), 0);
    CHECK_INT(libct_controller_add(ct, CTL_MEMORY), 0);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_CGROUP_SUBMOUNT, (char[]){"/cg"}), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0); /* nothing without a root */
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS), 0);
    CHECK_INT(status_of(ct, use_groups, NULL), 0);
    /* Without an argument where everybody looks for them. */
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_CGROUP_SUBMOUNT, NULL), 0);
    CHECK_INT(status_of(ct, find_path, (char[]){"/sys/fs/cgroup/freezer/freezer.state"}), 0);
    CHECK_INT(status_of(ct, find_path, (char[]){"/cg/freezer/freezer.state"}), 1);
}

static void are_found_by_load(void)
{
    need_version_1();
    ct_handler_t first = make_container();
    CHECK_INT(libct_controller_add(first, CTL_FREEZER), 0);
    CHECK_INT(libct_container_set_nsmask(first, CLONE_NEWPID), 0);
    ct_process_t init = libct_container_spawn_cb(first, desc, stay, NULL);
    CHECK_HANDLE(init);
    const int pid = libct_process_get_pid(init);
    ct_handler_t second = make_container();
    CHECK_INT(libct_controller_add(second, CTL_FREEZER), 0);
    CHECK_INT(libct_container_set_nsmask(second, CLONE_NEWPID), 0);
    CHECK_HANDLE(libct_container_load(second, pid));
    CHECK_INT(libct_container_pause(second), 0);
    CHECK(strcmp(read_file(group_file("freezer", "freezer.state")), "FROZEN\n") == 0);
    CHECK_INT(libct_container_resume(second), 0);
    CHECK_INT(libct_container_kill(second), 0);
    CHECK_INT(libct_container_wait(first), 0);
    CHECK_INT(libct_container_wait(second), 0);
}

const struct test cgroup_tests[] = {
    {"are_configured", are_configured},
    {"are_configured_for_later_starts", are_configured_for_later_starts},
    {"use_their_own_groups", use_their_own_groups},
    {"let_nobody_into_a_cpuset_without_cpus", let_nobody_into_a_cpuset_without_cpus},
    {"let_a_start_fail", let_a_start_fail},
    {"are_frozen", are_frozen},
    {"list_processes", list_processes},
    {"need_a_hierarchy_to_be_killable", need_a_hierarchy_to_be_killable},
    {"can_be_looked_at", can_be_looked_at},
    {"kill_without_a_pid_namespace", kill_without_a_pid_namespace},
    {"are_mounted_inside", are_mounted_inside},
    {"are_found_by_load", are_found_by_load},
    {NULL, NULL},
};
