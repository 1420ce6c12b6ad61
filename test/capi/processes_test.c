/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <fcntl.h>
#include <libct-events.h>
#include <libct-processes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void refuse_what_is_wrong(void)
{
    char buffer[8];
    struct libct_scheduling scheduling = {.struct_size = sizeof scheduling};
    struct libct_memory_policy policy = {.struct_size = sizeof policy};
    (void)make_container();
    CHECK_INT(libct_process_desc_set_spec(desc, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_spec(desc, "{\"umask\": \"x\"}"), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_spec(desc, "{\"nonsense\": 1}"), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_get_spec(desc, NULL, 1), -LCTERR_INVARG);
    CHECK(libct_process_desc_get_spec(desc, buffer, sizeof buffer) > 8);
    CHECK_INT(strlen(buffer), 7);
    CHECK_INT(libct_process_desc_add_env(desc, NULL, "x"), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_add_env(desc, "x", NULL), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_add_fd(desc, 5, -1, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_add_fd(desc, 5, 0, "/dev/null"), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_scheduling(desc, NULL), -LCTERR_INVARG);
    scheduling.set = 0x10;
    CHECK_INT(libct_process_desc_set_scheduling(desc, &scheduling), -LCTERR_INVARG);
    scheduling.set = LIBCT_SCHEDULING_POLICY;
    scheduling.policy = (enum libct_policy)9;
    CHECK_INT(libct_process_desc_set_scheduling(desc, &scheduling), -LCTERR_BADTYPE);
    scheduling.set = LIBCT_SCHEDULING_IO;
    scheduling.io_class = (enum libct_io_class)9;
    CHECK_INT(libct_process_desc_set_scheduling(desc, &scheduling), -LCTERR_BADTYPE);
    scheduling.set = 0;
    scheduling.cpu_count = 1;
    CHECK_INT(libct_process_desc_set_scheduling(desc, &scheduling), -LCTERR_INVARG);
    policy.mode = (enum libct_memory_mode)9;
    CHECK_INT(libct_process_desc_set_memory_policy(desc, &policy), -LCTERR_BADTYPE);
    policy.mode = LIBCT_MEMORY_BIND;
    policy.node_count = 1;
    CHECK_INT(libct_process_desc_set_memory_policy(desc, &policy), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_memory_policy(desc, NULL), 0);
}

static int check_attributes(void *argument)
{
    (void)argument;
    struct stat status;
    const mode_t mask = umask(0);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CHECK_INT(mask, 027);
    CHECK_INT(sched_getaffinity(0, sizeof cpus, &cpus), 0);
    CHECK(CPU_COUNT(&cpus) == 1 && CPU_ISSET(0, &cpus));
    CHECK_INT(getpriority(PRIO_PROCESS, 0), 7);
    CHECK_INT(sched_getscheduler(0), SCHED_BATCH);
    CHECK_INT(atoi(read_file("/proc/self/oom_score_adj")), 321);
    CHECK((personality(0xffffffff) & ADDR_NO_RANDOMIZE) != 0);
    CHECK(strcmp(getenv("ADDED"), "value") == 0);
    CHECK(fstat(7, &status) == 0 && S_ISCHR(status.st_mode));
    CHECK(fstat(9, &status) == 0 && S_ISFIFO(status.st_mode));
    CHECK(fcntl(8, F_GETFD) == -1 && errno == EBADF);
    return 0;
}

static void have_attributes(void)
{
    static const unsigned int cpus[] = {0};
    struct libct_scheduling scheduling = {.struct_size = sizeof scheduling, .nice = 7, .cpus = cpus, .cpu_count = 1,
                                          .set = LIBCT_SCHEDULING_NICE | LIBCT_SCHEDULING_POLICY |
                                                 LIBCT_SCHEDULING_IO | LIBCT_SCHEDULING_TIMER_SLACK,
                                          .policy = LIBCT_POLICY_BATCH, .io_class = LIBCT_IO_BEST_EFFORT,
                                          .io_level = 6, .timer_slack_ns = 100000};
    int ends[2];
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_process_desc_set_umask(desc, 027), 0);
    CHECK_INT(libct_process_desc_set_scheduling(desc, &scheduling), 0);
    CHECK_INT(libct_process_desc_set_oom_score(desc, 321), 0);
    CHECK_INT(libct_process_desc_set_personality(desc, ADDR_NO_RANDOMIZE), 0);
    CHECK_INT(libct_process_desc_set_keyring(desc, ""), 0);
    CHECK_INT(libct_process_desc_set_keyring(desc, NULL), 0);
    CHECK_INT(libct_process_desc_add_env(desc, "ADDED", "other"), 0);
    CHECK_INT(libct_process_desc_add_env(desc, "ADDED", "value"), 0);
    CHECK_INT(libct_process_desc_add_fd(desc, 7, -1, "/dev/null"), 0);
    CHECK_INT(libct_process_desc_add_fd(desc, 9, ends[0], NULL), 0);
    CHECK_INT(status_of(ct, check_attributes, NULL), 0);
    close(ends[0]);
    close(ends[1]);
    /* What is malformed lets the start fail. */
    CHECK_INT(libct_process_desc_set_oom_score(desc, 5000), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
}

static void are_described_as_json(void)
{
    char text[4096];
    struct libct_memory_policy policy = {.struct_size = sizeof policy, .mode = LIBCT_MEMORY_LOCAL};
    make_root("root");
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS | CLONE_NEWPID), 0);
    CHECK_INT(libct_fs_set_root(ct, "root"), 0);
    CHECK_INT(libct_process_desc_set_spec(desc, "{\"user\":{\"uid\":5,\"gid\":6,\"groups\":[7]},"
                                                "\"environment\":[\"A=1\"]}"), 0);
    CHECK_INT(libct_process_desc_set_directory(desc, "/etc"), 0);
    CHECK_INT(libct_process_desc_set_memory_policy(desc, &policy), 0);
    const char *output = output_of(ct, "ids", NULL);
    CHECK(strstr(output, "5") != NULL && strstr(output, "6") != NULL && strstr(output, "7") != NULL);
    CHECK(strcmp(output_of(ct, "env", NULL), "A=1\n") == 0);
    /* Setters go on from there. */
    CHECK_INT(libct_process_desc_setgid(desc, 8), 0);
    CHECK(libct_process_desc_get_spec(desc, text, sizeof text) > 0);
    CHECK(strstr(text, "\"uid\":5") != NULL && strstr(text, "\"gid\":8") != NULL);
    CHECK(strstr(text, "\"/etc\"") != NULL && strstr(text, "A=1") != NULL);
    CHECK_INT(libct_process_desc_set_spec(desc, text), 0);
    char again[4096];
    CHECK(libct_process_desc_get_spec(desc, again, sizeof again) > 0);
    CHECK(strcmp(text, again) == 0);
}

static void are_reaped(void)
{
    char *argv[] = {TEST_INIT, "pause", NULL};
    char path[64];
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS | CLONE_NEWPID), 0);
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(libct_process_desc_set_reaper(desc, 1), 0);
    ct_process_t init = libct_container_spawn_execv(ct, desc, TEST_INIT, argv);
    CHECK_HANDLE(init);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", libct_process_get_pid(init), libct_process_get_pid(init));
    CHECK(atoi(read_file(path)) > 0); /* the program is its child */
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    /* Not for functions. */
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
}

static int wait_for_signal(void *argument)
{
    sigset_t set;
    int number = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *(volatile int *)argument = 1;
    CHECK_INT(sigwait(&set, &number), 0);
    return number;
}

static void await(volatile int *ready)
{
    while (*ready == 0)
        sched_yield();
    *ready = 0;
}

static void are_waited_for_with_a_limit(void)
{
    volatile int *ready = shared_memory(sizeof *ready);
    int status = -2;
    ct_handler_t ct = make_container();
    ct_process_t init = libct_container_spawn_cb(ct, desc, wait_for_signal, (void *)ready);
    CHECK_HANDLE(init);
    await(ready);
    CHECK_INT(libct_process_wait_for(init, 0, &status), 0);
    CHECK_INT(libct_container_wait_for(ct, 1), 0);
    CHECK_INT(status, -2);
    const int fd = libct_process_pidfd(init);
    CHECK(fd >= 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    CHECK_INT(poll(&ended, 1, 0), 0);
    CHECK_INT(libct_process_signal(init, SIGUSR1), 0);
    CHECK_INT(poll(&ended, 1, -1), 1);
    close(fd);
    CHECK_INT(libct_process_wait_for(init, -1, &status), 1);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == SIGUSR1);
    CHECK_INT(libct_process_wait_for(init, 0, &status), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_process_signal(init, SIGUSR1), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_process_pidfd(init), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_wait_for(ct, -1), 1);
    CHECK_INT(libct_container_wait_for(ct, -1), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_signal(ct, SIGUSR1), -LCTERR_BADCTSTATE);
    /* The same with the container alone. */
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, wait_for_signal, (void *)ready));
    await(ready);
    CHECK_INT(libct_container_signal(ct, SIGTERM), 0);
    CHECK_INT(libct_container_wait_for(ct, 100000), 1);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
}

static void are_stopped(void)
{
    volatile int *ready = shared_memory(sizeof *ready);
    struct libct_exit_record record = {.struct_size = sizeof record};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_stop(ct, 0, SIGTERM), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_freeze(ct, 1000), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_thaw(ct, 1000), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_detach(ct), -LCTERR_BADCTSTATE);
    ct_process_t init = libct_container_spawn_cb(ct, desc, wait_for_signal, (void *)ready);
    CHECK_HANDLE(init);
    await(ready);
    CHECK_INT(libct_container_freeze(ct, 1000), -LCTERR_BADCTSTATE); /* it has no group */
    CHECK_INT(libct_container_stop(ct, 100000, SIGTERM), 0);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    CHECK_INT(libct_container_exit_record(ct, &record), 0);
    CHECK(WIFEXITED(record.status) && WEXITSTATUS(record.status) == SIGTERM);
    CHECK_INT(libct_process_get_pid(init), -1);
    /* One that is frozen, and takes no notice. */
    CHECK_INT(libct_container_set_spec(ct, "{\"namespaces\":{\"pid\":{\"new\":{}}},"
                                           "\"cgroup\":{\"own_group\":true}}"), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    CHECK_INT(libct_container_freeze(ct, 100000), 0);
    CHECK_INT(libct_container_state(ct), CT_PAUSED);
    CHECK_INT(libct_container_wait_for(ct, 0), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_thaw(ct, 100000), 0);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_INT(libct_container_freeze(ct, 100000), 0);
    CHECK_INT(libct_container_stop(ct, 1, SIGTERM), 0);
    CHECK_INT(libct_container_exit_record(ct, &record), 0);
    CHECK(WIFSIGNALED(record.status) && WTERMSIG(record.status) == SIGKILL);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_NOSETSID, NULL), 0);
}

static void are_left_or_removed(void)
{
    const struct libct_session_options options = {.struct_size = sizeof options, .on_close = LIBCT_ON_CLOSE_KILL,
                                                  .state_directory = "/tmp/state"};
    session = libct_session_open_with(&options);
    CHECK_HANDLE(session);
    desc = libct_process_desc_create(session);
    ct_handler_t ct = libct_container_create(session, name);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    const int pid = libct_process_get_pid(init);
    CHECK_INT(libct_container_detach(ct), 0);
    libct_session_close(session);
    CHECK_INT(waitpid(pid, NULL, WNOHANG), 0); /* it goes on */
    session = libct_session_open_with(&options);
    CHECK_HANDLE(session);
    ct = libct_container_open(session, name);
    CHECK_HANDLE(ct);
    CHECK_INT(libct_container_remove(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_remove_forced(ct), 0);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    CHECK_ERROR(libct_container_open(session, name), -LCTERR_NOTFOUND);
    CHECK(waitpid(pid, NULL, __WALL) == pid || errno == ECHILD);
}

static void are_kept_with_the_container(void)
{
    char *argv[] = {"sh", "-c", "exit $CODE", NULL}, *env[] = {"CODE=9", "PATH=/bin:/usr/bin", NULL}, text[4096];
    struct libct_exit_record record = {.struct_size = sizeof record};
    const struct libct_session_options options = {.struct_size = sizeof options, .on_close = LIBCT_ON_CLOSE_KILL,
                                                  .state_directory = "/tmp/state"};
    session = libct_session_open_with(&options);
    CHECK_HANDLE(session);
    desc = libct_process_desc_create(session);
    CHECK_INT(libct_process_desc_set_spec(desc, "{}"), 0);
    ct_handler_t ct = libct_container_create(session, name);
    CHECK_ERROR(libct_container_start(NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_start(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_process(NULL, desc, "sh", argv, env), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_process(ct, NULL, "sh", argv, env), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_process(ct, desc, NULL, argv, env), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_process(ct, desc, "sh", argv, env), 0);
    CHECK_INT(libct_container_exit_json(ct, text, sizeof text), -LCTERR_NOTFOUND);
    CHECK_INT(libct_container_save(ct), 0);
    libct_session_close(session);
    session = libct_session_open_with(&options);
    CHECK_HANDLE(session);
    ct = libct_container_open(session, name);
    CHECK_HANDLE(ct);
    CHECK_HANDLE(libct_container_start(ct));
    CHECK_INT(libct_container_set_process(ct, desc, "sh", argv, env), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_container_exit_record(ct, &record), 0);
    CHECK(WIFEXITED(record.status) && WEXITSTATUS(record.status) == 9);
    CHECK_INT(libct_container_exit_json(ct, text, sizeof text), strlen(text));
    CHECK(text[0] == '{' && strstr(text, name) != NULL);
    CHECK_INT(libct_container_exit_json(NULL, text, sizeof text), -LCTERR_INVARG);
    CHECK_INT(libct_container_remove(ct), 0);
}

const struct test process_tests[] = {
    {"refuse_what_is_wrong", refuse_what_is_wrong},
    {"have_attributes", have_attributes},
    {"are_described_as_json", are_described_as_json},
    {"are_reaped", are_reaped},
    {"are_waited_for_with_a_limit", are_waited_for_with_a_limit},
    {"are_stopped", are_stopped},
    {"are_left_or_removed", are_left_or_removed},
    {"are_kept_with_the_container", are_kept_with_the_container},
    {NULL, NULL},
};
