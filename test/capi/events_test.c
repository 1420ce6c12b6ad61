/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <libct-events.h>
#include <libct-resources.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int exits, phases, processes, oom;
static struct libct_exit_record last;
static char path_of_phases[16];

/* One at a time, until the count is reached; a test that waits in vain is ended by its alarm. */
static void dispatch_until(const int *count, int wanted)
{
    while (*count < wanted)
        CHECK(libct_session_dispatch(session, -1) >= 0);
}

static void on_exit_told(ct_handler_t ct, const struct libct_exit_record *record, void *user)
{
    CHECK(user == &exits);
    CHECK_INT(record->struct_size, sizeof *record);
    CHECK_INT(libct_container_phase(ct), LIBCT_PHASE_STOPPED);
    last = *record;
    ++exits;
}

static void on_phase_told(ct_handler_t ct, enum libct_phase from, enum libct_phase to, void *user)
{
    (void)ct;
    CHECK(from != to);
    CHECK(phases < 15);
    ((char *)user)[phases++] = (char)('0' + to);
}

static void tell_the_end(void)
{
    char text[256] = "", path[64], json[4096];
    struct libct_exit_record record = {.struct_size = sizeof record};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_phase(ct), LIBCT_PHASE_STOPPED);
    CHECK_INT(libct_container_exit_record(ct, &record), -LCTERR_NOTFOUND);
    CHECK_INT(libct_container_describe_exit(ct, text, sizeof text), -LCTERR_NOTFOUND);
    CHECK_INT(libct_container_on_exit(ct, on_exit_told, &exits), 0);
    CHECK_INT(libct_container_on_phase(ct, on_phase_told, path_of_phases), 0);
    CHECK_INT(libct_container_set_exit_file(ct, "relative"), -LCTERR_INVARG);
    snprintf(path, sizeof path, "/tmp/%s.exit", name);
    CHECK_INT(libct_container_set_exit_file(ct, path), 0);
    CHECK_INT(libct_session_dispatch(session, 0), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    const int pid = libct_process_get_pid(init);
    CHECK_INT(libct_container_phase(ct), LIBCT_PHASE_RUNNING);
    CHECK_INT(kill(pid, SIGTERM), 0);
    dispatch_until(&exits, 1);
    CHECK_INT(last.pid, pid);
    CHECK(WIFSIGNALED(last.status) && WTERMSIG(last.status) == SIGTERM);
    CHECK(last.ended_ns >= last.started_ns && last.started_ns > 0 && last.ran_ns > 0 && last.start_ns > 0);
    CHECK((last.known & LIBCT_EXIT_CPU_USER) != 0);
    CHECK((last.known & LIBCT_EXIT_LOG) == 0 && last.log_bytes == 0);
    while (phases < 4)
        CHECK(libct_session_dispatch(session, -1) >= 0);
    CHECK(strcmp(path_of_phases, "1240") == 0);
    /* The old state is the caller's: it changes when that waits. */
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_container_exit_record(ct, &record), 0);
    CHECK(memcmp(&record, &last, sizeof record) == 0);
    CHECK_INT(libct_container_exit_record(ct, NULL), -LCTERR_INVARG);
    /* A sentence as snprintf(3) gives it. */
    const int length = libct_container_describe_exit(ct, NULL, 0);
    CHECK(length > 20);
    CHECK_INT(libct_container_describe_exit(ct, text, sizeof text), length);
    CHECK_INT(strlen(text), length);
    CHECK(strstr(text, "signal 15") != NULL);
    CHECK_INT(libct_container_describe_exit(ct, text, 4), length);
    CHECK_INT(strlen(text), 3);
    CHECK_INT(libct_container_describe_exit(ct, NULL, 1), -LCTERR_INVARG);
    snprintf(json, sizeof json, "%s", read_file(path));
    CHECK(strstr(json, "\"pid\":") != NULL && json[strlen(json) - 1] == '\n');
    /* None any more: the next end is not told. */
    CHECK_INT(libct_container_on_exit(ct, NULL, NULL), 0);
    CHECK_INT(libct_container_on_phase(ct, NULL, NULL), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0);
    CHECK(libct_session_dispatch(session, 0) >= 0);
    CHECK_INT(exits, 1);
}

static void make_one_descriptor_readable(void)
{
    ct_handler_t ct = make_container();
    ct_handler_t twin = make_container(); /* which is kept elsewhere, and told by the same descriptor */
    const int fd = libct_session_fd(session);
    CHECK(fd >= 0);
    CHECK_INT(libct_session_fd(session), fd);
    ct_handler_t third = make_container();
    CHECK_INT(libct_container_on_exit(twin, on_exit_told, &exits), 0);
    CHECK_INT(libct_container_on_exit(third, on_exit_told, &exits), 0);
    CHECK_INT(libct_container_on_exit(ct, on_exit_told, &exits), 0);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (libct_session_dispatch(session, 0) > 0)
        ;
    CHECK_INT(poll(&ready, 1, 0), 0);
    ct_handler_t all[] = {ct, twin, third};
    for (int i = 0; i < 3; ++i) {
        CHECK_HANDLE(libct_container_spawn_cb(all[i], desc, end_at_once, NULL));
        while (exits == i) {
            CHECK_INT(poll(&ready, 1, -1), 1);
            CHECK(libct_session_dispatch(session, 0) >= 0);
        }
        CHECK_INT(libct_container_wait(all[i]), 0);
    }
    CHECK_INT(libct_session_fd(NULL), -LCTERR_INVARG);
    CHECK_INT(libct_session_dispatch(NULL, 0), -LCTERR_INVARG);
}

static void on_process_told(ct_handler_t ct, int pid, int status, void *user)
{
    (void)ct;
    CHECK_INT(pid, *(int *)user);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ++processes;
}

static void tell_who_has_entered(void)
{
    static int pid;
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_on_process_exit(ct, on_process_told, &pid), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    ct_process_t entered = libct_container_enter_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(entered);
    pid = libct_process_get_pid(entered);
    CHECK_INT(kill(pid, SIGKILL), 0);
    dispatch_until(&processes, 1);
    CHECK_INT(libct_process_wait(entered, NULL), 0);
    libct_process_destroy(entered);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void destroy_everything(ct_handler_t ct, const struct libct_exit_record *record, void *user)
{
    (void)record;
    libct_container_destroy(ct);
    CHECK_INT(libct_container_state(ct), CT_ERROR);
    libct_session_close(session);
    ++*(int *)user;
}

static void may_destroy_their_container_and_session(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_on_exit(ct, destroy_everything, &exits), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, end_at_once, NULL));
    dispatch_until(&exits, 1);
    CHECK_INT(libct_session_dispatch(session, 0), -LCTERR_INVARG);
    session = NULL;
    while (waitpid(-1, NULL, __WALL) > 0)
        ;
}

static void are_not_told_of_what_was_destroyed(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_on_exit(ct, on_exit_told, &exits), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    const int pid = libct_process_get_pid(init);
    libct_container_destroy(ct);
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    CHECK(libct_session_dispatch(session, 0) >= 0);
    CHECK_INT(exits, 0);
}

static void interrupt(int signal)
{
    (void)signal;
}

static void end_waiting_by_a_signal(void)
{
    make_container();
    /* It may come at any time, and comes again until it has come at the right one. */
    struct sigaction action = {.sa_handler = interrupt};
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    const pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        while (getppid() == parent) {
            kill(parent, SIGUSR1);
            usleep(1000);
        }
        _exit(0);
    }
    CHECK_INT(libct_session_dispatch(session, -1), 0);
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

static void on_oom_told(ct_handler_t ct, uint64_t kills, uint64_t all_kills, void *user)
{
    (void)ct;
    CHECK(all_kills >= kills);
    oom += (int)kills;
    CHECK(user == &oom);
}

static int take_memory(void *argument)
{
    (void)argument;
    for (;;) {
        char *memory = malloc(1 << 20);
        if (memory == NULL)
            return 1;
        memset(memory, 1, 1 << 20);
    }
}

static void tell_lack_of_memory(void)
{
    if (mount_of_controller("memory") == NULL)
        skip("this host has no memory controller of cgroup version 1");
    ct_handler_t ct = make_container();
    CHECK_INT(libct_controller_add(ct, CTL_MEMORY), 0);
    CHECK_INT(libct_controller_configure(ct, CTL_MEMORY, "memory.limit_in_bytes", "33554432"), 0);
    CHECK_INT(libct_container_on_oom(ct, on_oom_told, &oom), 0);
    CHECK_INT(libct_container_on_exit(ct, on_exit_told, &exits), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, take_memory, NULL));
    dispatch_until(&exits, 1);
    CHECK_INT(oom, 1); /* told before the end */
    CHECK(WIFSIGNALED(last.status) && WTERMSIG(last.status) == SIGKILL);
    CHECK((last.known & LIBCT_EXIT_OOM_KILLS) != 0 && last.oom_kills == 1);
    CHECK((last.known & LIBCT_EXIT_PEAK_MEMORY) != 0 && last.peak_memory_bytes > 1 << 24);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void on_limit_told(ct_handler_t ct, enum libct_reached limit, uint64_t count, void *user)
{
    (void)ct;
    CHECK_INT(limit, LIBCT_REACHED_PIDS_MAX);
    CHECK(count > 0);
    ++*(int *)user;
}

static void on_pressure_told(ct_handler_t ct, const struct libct_pressure *trigger, void *user)
{
    (void)ct;
    (void)trigger;
    (void)user;
}

static void have_limits_and_triggers(void)
{
    static int limits;
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_on_limit(ct, (enum libct_reached)9, on_limit_told, &limits), -LCTERR_BADTYPE);
    CHECK_INT(libct_container_on_limit(ct, LIBCT_REACHED_MEMORY_HIGH, on_limit_told, &limits), 0);
    CHECK_INT(libct_container_on_limit(ct, LIBCT_REACHED_PIDS_MAX, on_limit_told, &limits), 0);
    struct libct_pressure trigger = {.struct_size = sizeof trigger, .resource = (enum libct_resource)7};
    CHECK_INT(libct_container_on_pressure(ct, NULL, on_pressure_told, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_pressure(ct, &trigger, on_pressure_told, NULL), -LCTERR_BADTYPE);
    trigger.resource = LIBCT_RESOURCE_MEMORY;
    CHECK_INT(libct_container_on_pressure(ct, &trigger, on_pressure_told, NULL), -LCTERR_INVARG); /* no times */
    trigger.stall_us = 100000;
    trigger.window_us = 2000000;
    CHECK_INT(libct_container_on_pressure(ct, &trigger, on_pressure_told, NULL), 0);
    /* Without a group there is nothing to watch. */
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CGCREATE);
    CHECK_INT(libct_container_on_pressure(ct, &trigger, NULL, NULL), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0);
}

static int fork_five(void *argument)
{
    (void)argument;
    for (int i = 0; i < 5; ++i) {
        if (fork() == 0)
            stay(NULL);
    }
    return 0;
}

static uint64_t refused;

static void on_refused(ct_handler_t ct, enum libct_reached limit, uint64_t count, void *user)
{
    (void)ct;
    CHECK_INT(limit, LIBCT_REACHED_PIDS_MAX);
    CHECK(user == &refused && count > refused);
    refused = count;
}

static void tell_the_limit_of_processes(void)
{
    if (mount_of_controller("pids") == NULL)
        skip("this host has no pids controller of cgroup version 1");
    struct libct_limits limits = {.struct_size = sizeof limits, .set = LIBCT_LIMIT_PIDS_MAX, .pids_max = 2};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_container_set_limits(ct, &limits), 0);
    CHECK_INT(libct_container_on_limit(ct, LIBCT_REACHED_PIDS_MAX, on_refused, &refused), 0);
    CHECK_INT(libct_container_on_exit(ct, on_exit_told, &exits), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, fork_five, NULL));
    dispatch_until(&exits, 1);
    CHECK_INT(refused, 4);
    CHECK_INT(libct_container_wait(ct), 0);
}

static int highs;

static void on_high(ct_handler_t ct, enum libct_reached limit, uint64_t count, void *user)
{
    (void)ct;
    CHECK(limit == LIBCT_REACHED_MEMORY_HIGH && count > 0);
    ++*(int *)user;
}

static void tell_much_memory(void)
{
    if (strstr(read_file("/sys/fs/cgroup/cgroup.controllers"), "memory") == NULL)
        skip("this host has no memory controller of cgroup version 2");
    struct libct_limits limits = {.struct_size = sizeof limits, .set = LIBCT_LIMIT_MEMORY_HIGH,
                                  .memory_high_bytes = 8 << 20};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_container_set_limits(ct, &limits), 0);
    CHECK_INT(libct_container_on_limit(ct, LIBCT_REACHED_MEMORY_HIGH, on_high, &highs), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, take_memory, NULL));
    dispatch_until(&highs, 1);
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static int stalls;

static void on_stalled(ct_handler_t ct, const struct libct_pressure *trigger, void *user)
{
    (void)ct;
    CHECK_INT(trigger->struct_size, sizeof *trigger);
    CHECK(trigger->resource == LIBCT_RESOURCE_CPU && trigger->full == 0);
    CHECK(trigger->stall_us == 50000 && trigger->window_us == 2000000);
    ++*(int *)user;
}

/* Two that want the same CPU all the time. */
static int crowd(void *argument)
{
    cpu_set_t one;
    (void)argument;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0 || fork() < 0)
        return 1;
    for (;;)
        ;
}

static void tell_pressure(void)
{
    if (!exists("/proc/pressure/cpu"))
        skip("this kernel measures no pressure");
    if (!exists("/sys/fs/cgroup/unified/cgroup.procs") && !exists("/sys/fs/cgroup/cgroup.procs"))
        skip("this host has no cgroup version 2");
    const struct libct_pressure trigger = {.struct_size = sizeof trigger, .resource = LIBCT_RESOURCE_CPU,
                                           .stall_us = 50000, .window_us = 2000000};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_spec(ct, "{\"cgroup\":{\"own_group\":true}}"), 0);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_container_on_pressure(ct, &trigger, on_stalled, &stalls), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, crowd, NULL));
    dispatch_until(&stalls, 2);
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

const struct test event_tests[] = {
    {"tell_the_end", tell_the_end},
    {"make_one_descriptor_readable", make_one_descriptor_readable},
    {"tell_who_has_entered", tell_who_has_entered},
    {"may_destroy_their_container_and_session", may_destroy_their_container_and_session},
    {"are_not_told_of_what_was_destroyed", are_not_told_of_what_was_destroyed},
    {"end_waiting_by_a_signal", end_waiting_by_a_signal},
    {"tell_lack_of_memory", tell_lack_of_memory},
    {"have_limits_and_triggers", have_limits_and_triggers},
    {"tell_the_limit_of_processes", tell_the_limit_of_processes},
    {"tell_much_memory", tell_much_memory},
    {"tell_pressure", tell_pressure},
    {NULL, NULL},
};
