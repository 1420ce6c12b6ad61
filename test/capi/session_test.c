/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void open_locally(void)
{
    libct_session_t opened = libct_session_open(NULL);
    CHECK_HANDLE(opened);
    libct_session_close(opened);
    opened = libct_session_open("local");
    CHECK_HANDLE(opened);
    libct_session_close(opened);
    CHECK_ERROR(libct_session_open(""), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_open("unix:///run/x"), -LCTERR_INVARG);
}

static void name_containers(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    ct_handler_t closed = libct_container_create(session, name);
    CHECK_HANDLE(closed);
    libct_container_close(closed);
    CHECK_INT(libct_container_state(closed), CT_ERROR);
    CHECK_ERROR(libct_container_create(session, NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_create(session, ""), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_create(session, "../x"), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_create(session, ".."), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_open(session, NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_open(session, name), -1);
    /* Several may have one name. */
    ct_handler_t twin = libct_container_create(session, name);
    CHECK_HANDLE(twin);
    CHECK(twin != ct);
    CHECK_INT(status_of(twin, end_at_once, NULL), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0);
}

static void leave_running_containers_alone(void)
{
    ct_handler_t ct = make_container();
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    const int pid = libct_process_get_pid(init);
    CHECK(pid > 0);
    libct_container_destroy(ct);
    CHECK_INT(kill(pid, 0), 0);
    CHECK_INT(waitpid(pid, NULL, WNOHANG), 0);
    /* The container's own handle of it is gone, and the name is free. */
    CHECK_INT(libct_process_wait(init, NULL), -LCTERR_INVARG);
    ct_handler_t second = make_container();
    ct_process_t other = libct_container_spawn_cb(second, desc, stay, NULL);
    CHECK_HANDLE(other);
    const int other_pid = libct_process_get_pid(other);
    libct_session_close(session);
    session = NULL;
    CHECK_INT(waitpid(other_pid, NULL, WNOHANG), 0);
    int status = 0;
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(kill(other_pid, SIGKILL), 0);
    CHECK_INT(waitpid(other_pid, &status, 0), other_pid);
}

static void keep_entered_processes(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS | CLONE_NEWUTS), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    const int init_pid = libct_process_get_pid(init);
    ct_process_t entered = libct_container_enter_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(entered);
    CHECK_INT(kill(libct_process_get_pid(entered), SIGKILL), 0);
    libct_container_destroy(ct);
    int status = 0;
    CHECK_INT(libct_process_wait(entered, &status), 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_INT(libct_process_wait(entered, &status), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_process_get_pid(entered), -1);
    libct_process_destroy(entered);
    CHECK_INT(libct_process_wait(entered, &status), -LCTERR_INVARG);
    CHECK_INT(kill(init_pid, SIGKILL), 0);
    CHECK_INT(waitpid(init_pid, &status, 0), init_pid);
}

const struct test session_tests[] = {
    {"open_locally", open_locally},
    {"name_containers", name_containers},
    {"leave_running_containers_alone", leave_running_containers_alone},
    {"keep_entered_processes", keep_entered_processes},
    {NULL, NULL},
};
