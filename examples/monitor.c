/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */

/*
 * monitor FILE COMMAND...: the C twin of monitor.cpp. Logs what a container writes to FILE, counts the lines, and tells
 * how it ended (to FILE.exit, too), within a loop of its own.
 */
#define _GNU_SOURCE
#include <libct-events.h>
#include <libct-resources.h>
#include <libct-streams.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct monitor {
    int lines;
    bool ended;
};

static void check(long result)
{
    if (result >= 0)
        return;
    fprintf(stderr, "monitor: %s\n", libct_last_error()->message);
    exit(1);
}

static void *checked(void *handle)
{
    check(libct_handle_is_err(handle) ? libct_handle_to_err(handle) : 0);
    return handle;
}

static void count(ct_handler_t ct, const struct libct_output *line, void *user)
{
    (void)ct;
    ((struct monitor *)user)->lines += !line->partial;
}

static void tell_oom(ct_handler_t ct, uint64_t kills, uint64_t all_kills, void *user)
{
    (void)ct;
    (void)all_kills;
    (void)user;
    printf("out of memory: %llu killed\n", (unsigned long long)kills);
}

static void tell_exit(ct_handler_t ct, const struct libct_exit_record *record, void *user)
{
    char sentence[256] = "";
    libct_container_describe_exit(ct, sentence, sizeof sentence);
    printf("It %s.\n", sentence);
    if ((record->known & LIBCT_EXIT_LOG) != 0)
        printf("%llu bytes\n", (unsigned long long)record->log_bytes);
    ((struct monitor *)user)->ended = true;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: monitor FILE COMMAND...\n");
        return 2;
    }
    char *path = realpath(argv[1], NULL); /* of a file that is there */
    if (path == NULL) {
        perror(argv[1]);
        return 1;
    }
    char exit_path[4096];
    snprintf(exit_path, sizeof exit_path, "%s.exit", path);
    struct monitor monitor = {0, false};
    const struct libct_session_options options = {.struct_size = sizeof options, .on_close = LIBCT_ON_CLOSE_KILL};
    const struct libct_log_file log = {
        .struct_size = sizeof log, .path = path, .rotate_bytes = 10 << 20, .rotate_count = 3};
    const struct libct_limits limits = {
        .struct_size = sizeof limits, .set = LIBCT_LIMIT_MEMORY_MAX, .memory_max_bytes = 256 << 20};

    libct_session_t session = checked(libct_session_open_with(&options));
    ct_handler_t box = checked(libct_container_create(session, "monitored-c"));
    ct_process_desc_t process = checked(libct_process_desc_create(session));
    check(libct_process_desc_set_stdio(process, LIBCT_STDIO_NULL, LIBCT_STDIO_INHERIT, LIBCT_STDIO_INHERIT));
    check(libct_container_set_limits(box, &limits));
    check(libct_container_add_log_file(box, &log));
    check(libct_container_on_line(box, count, &monitor));
    check(libct_container_set_exit_file(box, exit_path));
    check(libct_container_on_oom(box, tell_oom, &monitor));
    check(libct_container_on_exit(box, tell_exit, &monitor));

    checked(libct_container_spawn_execv(box, process, argv[2], argv + 2));
    while (!monitor.ended) {
        struct pollfd ready = {.fd = libct_session_fd(session), .events = POLLIN};
        poll(&ready, 1, -1); /* and whatever else the program waits for */
        check(libct_session_dispatch(session, 0));
    }
    check(libct_container_wait(box));
    printf("%d lines\n", monitor.lines);
    libct_session_close(session);
    libct_process_desc_destroy(process);
    free(path);
    return 0;
}
