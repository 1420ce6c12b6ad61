/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "check.h"

static void tells_why_calls_failed(void)
{
    ct_handler_t ct = make_container();
    int ends[2];
    char text[4096] = "";
    CHECK_INT(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_INT(libct_container_wait(ct), -LCTERR_BADCTSTATE); /* nobody listens */
    libct_log_init(ends[1], LOG_MSG);
    CHECK_INT(libct_container_wait(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(read(ends[0], text, sizeof text), -1); /* an error is not that urgent */
    libct_log_init(ends[1], DEFAULT_LOGLEVEL);
    CHECK_INT(libct_container_wait(ct), -LCTERR_BADCTSTATE);
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    CHECK(strncmp(text, "Error (container.cpp:", 21) == 0);
    CHECK(strstr(text, "): the container is not running\n") != NULL);
    /* The sentence of what failed, with the error of the system call. */
    CHECK_INT(libct_fs_set_root(ct, "/no/such/root"), 0);
    errno = 0;
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(errno, ENOENT);
    memset(text, 0, sizeof text);
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    CHECK(strstr(text, "/no/such/root") != NULL && strstr(text, "No such file or directory") != NULL);
    /* What was given is not needed any more. */
    const int spare = dup(ends[1]);
    libct_log_init(spare, LOG_DEBUG);
    close(spare);
    CHECK_INT(libct_container_wait(ct), -LCTERR_BADCTSTATE);
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    libct_log_init(-1, LOG_DEBUG);
    CHECK_INT(libct_container_wait(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(read(ends[0], text, sizeof text), -1);
    close(ends[1]);
    CHECK_INT(read(ends[0], text, sizeof text), 0); /* its duplicate is closed, too */
}

static void writes_each_message_at_once(void)
{
    ct_handler_t ct = make_container();
    int ends[2];
    static char text[16384], path[3000];
    /* Each write is a packet. */
    CHECK_INT(pipe2(ends, O_CLOEXEC | O_NONBLOCK | O_DIRECT), 0);
    libct_log_init(ends[1], LOG_ERROR);
    /* A path that makes a message long. */
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    for (size_t i = 200; i < sizeof path - 1; i += 200)
        path[i] = '/';
    CHECK_INT(libct_fs_set_root(ct, path), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK(read(ends[0], text, sizeof text - 1) > 3000);
    CHECK(strstr(text, path) != NULL && text[strlen(text) - 1] == '\n');
    CHECK_INT(read(ends[0], text, sizeof text), -1);
    libct_log_init(-1, LOG_ERROR);
}

static void leaves_errno_alone(void)
{
    ct_handler_t ct = make_container();
    const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK(full >= 0);
    libct_log_init(full, LOG_DEBUG);
    errno = EXDEV;
    CHECK_INT(libct_container_wait(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(errno, EXDEV);
    libct_log_init(-1, LOG_DEBUG);
    close(full);
}

const struct test log_tests[] = {
    {"tells_why_calls_failed", tells_why_calls_failed},
    {"writes_each_message_at_once", writes_each_message_at_once},
    {"leaves_errno_alone", leaves_errno_alone},
    {NULL, NULL},
};
