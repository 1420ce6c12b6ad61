/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */

/* What may be called in which state, and which error comes first. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void end(ct_handler_t ct, ct_process_t init)
{
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
}

/* All that needs a container which is stopped. */
static void refuse_configuration(ct_handler_t ct)
{
    char text[] = "x", *argv[] = {text, NULL};
    struct ct_net_veth_arg pair = {text, text};
    CHECK_INT(libct_container_set_nsmask(ct, 0), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWCGROUP), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_nspath(ct, CLONE_NEWIPC, "/proc/self/ns/ipc"), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_nspath(ct, CLONE_NEWCGROUP, "/proc/self/ns/cgroup"), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_uname(ct, text, text), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_controller_add(ct, CTL_MEMORY), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_controller_add(ct, CT_NR_CONTROLLERS), -LCTERR_INVARG);
    CHECK_INT(libct_fs_set_root(ct, text), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_set_private(ct, CT_FS_SUBDIR, text), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_add_bind_mount(ct, text, text, 0), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_add_bind_mount(ct, text, text, CT_FS_REC), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_mount(ct, text, text, 0, text, NULL), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_add_mount_with_actions(ct, text, text, 0, text, NULL, NULL, NULL), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_del_bind_mount(ct, text), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_add_devnode(ct, text, S_IFCHR | 0600, 1, 3), -LCTERR_BADCTSTATE);
    CHECK_ERROR(libct_net_add(ct, CT_NET_VETH, &pair), -LCTERR_BADCTSTATE);
    CHECK_ERROR(libct_net_add(ct, CT_NET_NONE, NULL), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_net_del(ct, CT_NET_NONE, NULL), -LCTERR_BADCTSTATE);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_BADCTSTATE);
    CHECK_ERROR(libct_container_spawn_execv(ct, desc, text, argv), -LCTERR_BADCTSTATE);
    CHECK_ERROR(libct_container_spawn_execve(ct, desc, text, argv, argv), -LCTERR_BADCTSTATE);
}

/* All that needs a container which is running. */
static void refuse_what_needs_a_running_one(ct_handler_t ct)
{
    char text[] = "x", *argv[] = {text, NULL};
    CHECK_INT(libct_container_kill(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_wait(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_switch(ct), -LCTERR_BADCTSTATE);
    CHECK_ERROR(libct_container_enter_cb(ct, desc, end_at_once, NULL), -LCTERR_BADCTSTATE);
    CHECK_ERROR(libct_container_enter_execv(ct, desc, text, argv), -LCTERR_BADCTSTATE);
    CHECK_ERROR(libct_container_enter_execve(ct, desc, text, argv, argv), -LCTERR_BADCTSTATE);
}

static void refuse_what_does_not_fit(void)
{
    ct_handler_t ct = make_container();
    refuse_what_needs_a_running_one(ct);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    refuse_configuration(ct);
    end(ct, init);
    refuse_what_needs_a_running_one(ct);
    /* Names are for those who have a namespace for them, in whatever state. */
    CHECK_INT(libct_container_set_nsmask(ct, 0), 0);
    CHECK(libct_container_spawn_cb(ct, desc, stay, NULL) == init);
    CHECK_INT(libct_container_uname(ct, "x", NULL), -LCTERR_NONS);
    end(ct, init);
    if (mount_of_controller("freezer") == NULL)
        return;
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS), 0);
    CHECK_INT(libct_controller_add(ct, CTL_FREEZER), 0);
    CHECK(libct_container_spawn_cb(ct, desc, stay, NULL) == init);
    CHECK_INT(libct_container_pause(ct), 0);
    refuse_configuration(ct);
    refuse_what_needs_a_running_one(ct);
    CHECK_INT(libct_container_resume(ct), 0);
    end(ct, init);
}

static void check_the_pid_namespace_first(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWTIME), -LCTERR_NONS);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS | CLONE_NEWTIME), -LCTERR_NONS);
    CHECK_INT(libct_container_set_nspath(ct, CLONE_NEWUTS | CLONE_NEWIPC, "/proc/self/ns/uts"), -LCTERR_NONS);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_TASKLESS, NULL), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, NULL, NULL));
    /* Also before the state. */
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_nspath(ct, CLONE_NEWPID, "/proc/self/ns/pid"), -LCTERR_INVARG);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void take_some_settings_in_any_state(void)
{
    char host[] = "capih0", inside[] = "net0";
    struct ct_net_veth_arg pair = {host, inside};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS), 0);
    ct_net_t veth = libct_net_add(ct, CT_NET_VETH, &pair);
    CHECK_HANDLE(veth);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_AUTO_PROC_MOUNT, NULL), 0);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_CGROUP_SUBMOUNT, NULL), 0);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_NOSETSID, NULL), 0);
    CHECK_INT(libct_container_set_sysctl(ct, "net.ipv4.ip_forward", "1"), 0);
    CHECK_INT(libct_container_set_console_fd(ct, -1), 0);
    CHECK_INT(libct_userns_add_uid_map(ct, 0, 0, 1), 0);
    CHECK_INT(libct_userns_add_gid_map(ct, 0, 0, 1), 0);
    CHECK_INT(libct_net_dev_set_mtu(veth, 1300), 0);
    CHECK_INT(libct_net_dev_set_mac_addr(veth, "02:00:00:00:00:21"), 0);
    CHECK_INT(libct_net_dev_add_ip_addr(veth, "10.76.0.2/24"), 0);
    CHECK_INT(libct_net_dev_set_master(libct_net_dev_get_peer(veth), "capibr1"), 0);
    ct_net_route_t route = libct_net_route_add(ct);
    CHECK_HANDLE(route);
    CHECK_INT(libct_net_route_set_dst(route, "10.75.0.0/24"), 0);
    CHECK_INT(libct_net_route_set_src(route, "10.76.0.2"), 0);
    CHECK_INT(libct_net_route_set_dev(route, inside), 0);
    ct_net_route_nh_t hop = libct_net_route_add_nh(route);
    CHECK_HANDLE(hop);
    CHECK_INT(libct_net_route_nh_set_gw(hop, "10.76.0.1"), 0);
    CHECK_INT(libct_net_route_nh_set_dev(hop, inside), 0);
    end(ct, init);
    /* They belong to the container, and go with it. */
    libct_container_close(ct);
    CHECK_INT(libct_container_state(ct), CT_ERROR);
    CHECK_INT(libct_net_dev_set_mtu(veth, 1300), -LCTERR_INVARG);
    CHECK_INT(libct_net_route_set_dev(route, inside), -LCTERR_INVARG);
    CHECK_INT(libct_net_route_nh_set_dev(hop, inside), -LCTERR_INVARG);
    CHECK_INT(libct_process_get_pid(init), -LCTERR_INVARG);
}

static void load_from_any_state(void)
{
    ct_handler_t ct = make_container();
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    const pid_t first = libct_process_get_pid(init), second = fork_to_stay();
    /* If that fails everything is as it was. */
    CHECK_ERROR(libct_container_load(ct, 1 << 30), -1);
    CHECK_ERROR(libct_container_load(ct, 0), -1);
    CHECK_ERROR(libct_container_load(ct, -5), -1);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_INT(libct_process_get_pid(init), first);
    end(ct, init);
    CHECK(libct_container_spawn_cb(ct, desc, stay, NULL) == init);
    const pid_t third = libct_process_get_pid(init);
    CHECK(libct_container_load(ct, second) == init);
    CHECK_INT(libct_process_get_pid(init), second);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_INT(kill(third, 0), 0); /* what ran goes on */
    end(ct, init);
    CHECK_INT(waitpid(second, NULL, 0), second);
    CHECK_INT(kill(third, SIGKILL), 0);
    CHECK_INT(waitpid(third, NULL, 0), third);
    if (mount_of_controller("freezer") == NULL)
        return;
    CHECK_INT(libct_controller_add(ct, CTL_FREEZER), 0);
    CHECK(libct_container_spawn_cb(ct, desc, stay, NULL) == init);
    const pid_t paused = libct_process_get_pid(init);
    CHECK_INT(libct_container_pause(ct), 0);
    CHECK(libct_container_load(ct, paused) == init);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_INT(libct_container_resume(ct), 0);
    end(ct, init);
    CHECK_INT(waitpid(paused, NULL, 0), paused);
    /* One that is in no group of the container's. */
    const pid_t outside = fork_to_stay();
    char value[64];
    CHECK(libct_container_load(ct, outside) == init);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK(libct_container_pause(ct) < 0);
    CHECK(libct_controller_read(ct, CTL_FREEZER, "freezer.state", value, sizeof value) < 0);
    end(ct, init);
    CHECK_INT(waitpid(outside, NULL, 0), outside);
}

static void wait_for_who_is_no_child(void)
{
    int ends[2];
    pid_t pid = -1;
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    const pid_t parent = fork();
    if (parent == 0) {
        const pid_t child = fork_to_stay();
        CHECK_INT(write(ends[1], &child, sizeof child), sizeof child);
        waitpid(child, NULL, 0);
        _exit(0);
    }
    CHECK_INT(read(ends[0], &pid, sizeof pid), sizeof pid);
    ct_handler_t ct = make_container();
    ct_process_t init = libct_container_load(ct, pid);
    CHECK_HANDLE(init);
    end(ct, init);
    CHECK_INT(waitpid(parent, NULL, 0), parent);
}

static void interrupt(int signal)
{
    (void)signal;
}

static void wait_through_signals(void)
{
    struct sigaction action = {.sa_handler = interrupt};
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    ct_handler_t ct = make_container();
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    const pid_t parent = getpid(), first = libct_process_get_pid(init), helper = fork();
    if (helper == 0) {
        for (int i = 0; i < 100; ++i) {
            kill(parent, SIGUSR1);
            usleep(500);
        }
        kill(first, SIGKILL);
        _exit(0);
    }
    int status = 0;
    CHECK_INT(libct_process_wait(init, &status), 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(waitpid(helper, NULL, 0), helper);
}

const struct test state_tests[] = {
    {"refuse_what_does_not_fit", refuse_what_does_not_fit},
    {"check_the_pid_namespace_first", check_the_pid_namespace_first},
    {"take_some_settings_in_any_state", take_some_settings_in_any_state},
    {"load_from_any_state", load_from_any_state},
    {"wait_for_who_is_no_child", wait_for_who_is_no_child},
    {"wait_through_signals", wait_through_signals},
    {NULL, NULL},
};
