/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */

/* run ROOT COMMAND...: the C twin of run.cpp. */
#define _GNU_SOURCE
#include <libct.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

static void check(long result)
{
    if (result >= 0)
        return;
    const struct libct_error *error = libct_last_error();
    fprintf(stderr, "run: %s\n", error->message);
    exit(125);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: run ROOT COMMAND [ARGUMENT]...\n");
        return 125;
    }
    libct_session_t session = libct_session_open_local();
    if (libct_handle_is_err(session))
        check(libct_handle_to_err(session));
    ct_handler_t container = libct_container_create(session, "first");
    ct_process_desc_t process = libct_process_desc_create(session);
    /* What has no setter has a field in the specification. */
    check(libct_container_set_spec(container, "{\"default_mounts\": true}"));
    check(libct_container_set_nsmask(container, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC));
    check(libct_container_uname(container, "first", NULL));
    check(libct_fs_set_root(container, argv[1]));

    ct_process_t init = libct_container_spawn_execv(container, process, argv[2], argv + 2);
    if (libct_handle_is_err(init))
        check(libct_handle_to_err(init));
    int status = 0;
    check(libct_process_wait(init, &status));
    check(libct_container_wait(container));
    libct_process_desc_destroy(process);
    libct_container_destroy(container);
    libct_session_close(session);
    if (WIFEXITED(status))
        printf("The command exited with code %d.\n", WEXITSTATUS(status));
    else
        printf("The command was killed by signal %d.\n", WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
