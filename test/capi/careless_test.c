/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */

/* What callers do without thinking, or at the same time. */
#include <errno.h>
#include <libct-events.h>
#include <libct-hooks.h>
#include <libct-mounts.h>
#include <libct-readers.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void pass_empty_texts(void)
{
    char empty[] = "", *argv[] = {(char[]){"/bin/true"}, NULL};
    struct libct_cmd command = {.path = empty, .argv = argv};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_set_root(ct, ""), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_user(desc, ""), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_lsm_label(desc, ""), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_hook(ct, LIBCT_HOOK_POSTSTOP, &command, 0), -LCTERR_INVARG);
    errno = 0;
    CHECK_ERROR(libct_container_spawn_execv(ct, desc, "", argv), -1);
    CHECK_INT(errno, ENOENT);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
}

static void look_for_an_errno(void)
{
    ct_handler_t ct = make_container();
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    errno = 0;
    CHECK_INT(libct_container_kill(ct), -1); /* neither a pid namespace nor killable */
    CHECK_INT(errno, EINVAL);
    char text[8];
    CHECK_INT(libct_controller_read(ct, CTL_MEMORY, "../x", text, sizeof text), -LCTERR_INVARG);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void give_half_a_struct(void)
{
    struct libct_mount mount = {.struct_size = offsetof(struct libct_mount, target) + 3, .target = "/mnt"};
    CHECK_INT(libct_fs_add(make_container(), &mount), -LCTERR_INVARG);
}

static void *dispatch(void *result)
{
    *(atomic_int *)result = libct_session_dispatch(session, -1);
    return NULL;
}

static void close_what_another_thread_waits_for(void)
{
    static atomic_int result = 1;
    pthread_t thread;
    (void)make_container();
    CHECK_INT(pthread_create(&thread, NULL, dispatch, &result), 0);
    usleep(20000); /* It may wait by then, or begin later: both end. */
    libct_session_close(session);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(result, -LCTERR_INVARG);
    session = NULL;
}

static int destroy_it(ct_handler_t ct, const struct libct_hook_event *event, void *pid)
{
    *(pid_t *)pid = event->pid;
    libct_container_destroy(ct);
    return 0;
}

static void destroy_what_starts(void)
{
    pid_t pid = -1;
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_container_add_hook_cb(ct, LIBCT_HOOK_CREATE_RUNTIME, destroy_it, &pid), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, stay, NULL), -LCTERR_INVARG);
    /* What is destroyed goes on, and its name is free. */
    CHECK(pid > 0);
    CHECK_INT(kill(pid, 0), 0);
    CHECK_INT(status_of(make_container(), end_at_once, NULL), 0);
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

static atomic_int done;

static void *ask(void *ct)
{
    while (!done) {
        (void)libct_container_phase(ct);
        (void)libct_container_kill(ct);
        (void)libct_container_pause(ct);
        struct libct_processes *list = libct_container_processes(ct);
        if (!libct_handle_is_err(list))
            libct_processes_free(list);
    }
    return NULL;
}

static void load_while_another_thread_asks(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_KILLABLE, NULL), 0);
    pid_t pids[32];
    pthread_t thread;
    for (int i = 0; i < 32; ++i)
        pids[i] = fork_to_stay();
    CHECK_INT(pthread_create(&thread, NULL, ask, ct), 0);
    for (int i = 0; i < 32; ++i)
        CHECK_HANDLE(libct_container_load(ct, pids[i]));
    done = 1;
    CHECK_INT(pthread_join(thread, NULL), 0);
    for (int i = 0; i < 32; ++i) {
        CHECK_INT(kill(pids[i], SIGKILL), 0);
        CHECK_INT(waitpid(pids[i], NULL, 0), pids[i]);
    }
}

static int refused;

static void read_again(const struct libct_recorded_event *event, void *reader)
{
    (void)event;
    if (libct_event_reader_read(*(libct_event_reader_t *)reader, read_again, reader) == -LCTERR_BADCTSTATE)
        ++refused;
}

static void use_two_handles_and_a_reader_twice(void)
{
    const struct libct_session_options options = {.struct_size = sizeof options, .on_close = LIBCT_ON_CLOSE_KILL,
                                                  .state_directory = "/tmp/state", .record_events = 1};
    session = libct_session_open_with(&options);
    CHECK_HANDLE(session);
    desc = libct_process_desc_create(session);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_container_save(ct), 0);
    ct_handler_t other = libct_container_open(session, name);
    CHECK_HANDLE(other);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    const pid_t pid = libct_process_get_pid(init);
    libct_container_destroy(other);
    libct_event_reader_t reader = libct_session_read_events(session, NULL);
    CHECK_HANDLE(reader);
    CHECK(libct_event_reader_read(reader, read_again, &reader) >= 0);
    CHECK(refused > 0);
    libct_event_reader_close(reader);
    libct_session_close(session);
    session = NULL;
    CHECK(kill(pid, 0) != 0); /* killed with its session, though another handle of it was destroyed */
}

const struct test careless_tests[] = {
    {"pass_empty_texts", pass_empty_texts},
    {"look_for_an_errno", look_for_an_errno},
    {"give_half_a_struct", give_half_a_struct},
    {"close_what_another_thread_waits_for", close_what_another_thread_waits_for},
    {"destroy_what_starts", destroy_what_starts},
    {"load_while_another_thread_asks", load_while_another_thread_asks},
    {"use_two_handles_and_a_reader_twice", use_two_handles_and_a_reader_twice},
    {NULL, NULL},
};
