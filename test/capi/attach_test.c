/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <fcntl.h>
#include <libct-attach.h>
#include <libct-events.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

static const char *const place = "/tmp/socket";

static struct libct_attach_server_stats stats_of(libct_attach_server_t server)
{
    struct libct_attach_server_stats stats = {.struct_size = sizeof stats};
    CHECK_INT(libct_attach_server_get_stats(server, &stats), 0);
    return stats;
}

/* Another program, as far as the server can see. */
static int connect_client(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", place);
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(fd >= 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* The next packet that the client gets, as text; "" at the end of the file. */
static const char *next_packet(int client)
{
    static char packet[8200];
    ssize_t length;
    while ((length = recv(client, packet, sizeof packet - 1, 0)) < 0) {
        CHECK_INT(errno, EAGAIN);
        CHECK(libct_session_dispatch(session, 0) >= 0);
    }
    packet[length] = '\0';
    return packet;
}

static void finish(libct_attach_server_t server)
{
    while (libct_attach_server_finished(server) == 0)
        CHECK(libct_session_dispatch(session, 0) >= 0);
    CHECK_INT(libct_attach_server_finished(server), 1);
    libct_attach_server_close(server);
    CHECK_INT(libct_attach_server_finished(server), -LCTERR_INVARG);
    CHECK(!exists(place));
}

static void refuses_what_is_wrong(void)
{
    struct libct_attach_server_options options = {.struct_size = sizeof options, .path = place};
    ct_handler_t ct = make_watched_container();
    CHECK_ERROR(libct_container_serve(ct, &options), -LCTERR_BADCTSTATE); /* not attachable */
    CHECK_INT(libct_container_set_attachable(ct, 1, 0), 0);
    CHECK_ERROR(libct_container_serve(ct, NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_serve(NULL, &options), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_serve((libct_session_t)(void *)ct, &options), -LCTERR_INVARG);
    options.struct_size = 3;
    CHECK_ERROR(libct_container_serve(ct, &options), -LCTERR_INVARG);
    options.struct_size = sizeof options;
    options.path = "relative";
    CHECK_ERROR(libct_container_serve(ct, &options), -LCTERR_INVARG);
    options.path = NULL; /* and there is no state directory */
    CHECK_ERROR(libct_container_serve(ct, &options), -LCTERR_INVARG);
    options.path = place;
    options.slow = (enum libct_slow_client)7;
    CHECK_ERROR(libct_container_serve(ct, &options), -LCTERR_INVARG);
    options.slow = LIBCT_SLOW_SKIP;
    options.queue_bytes = 1;
    CHECK_ERROR(libct_container_serve(ct, &options), -LCTERR_INVARG);
    options.queue_bytes = 0;
    options.path = "/tmp/missing/socket";
    CHECK_ERROR(libct_container_serve(ct, &options), -1);
    CHECK_INT(errno, ENOENT);
    CHECK_INT(libct_container_clear_attachable(ct), 0);
    options.path = place;
    CHECK_ERROR(libct_container_serve(ct, &options), -LCTERR_BADCTSTATE);
    libct_attach_server_close(NULL);
    libct_attach_server_close((libct_attach_server_t)(void *)ct); /* of another kind */
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    CHECK_INT(libct_attach_server_write(NULL, 1, "x", 1), -LCTERR_INVARG);
    CHECK_INT(libct_attach_server_get_stats(NULL, NULL), -LCTERR_INVARG);
}

static void serves_a_container(void)
{
    struct libct_attach_server_options options = {.struct_size = sizeof options, .path = place, .mode = 0640,
                                                  .history_bytes = 100, .max_clients = 2, .close_input = 1};
    struct stat status;
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_process_desc_set_stdio(desc, LIBCT_STDIO_INHERIT, LIBCT_STDIO_INHERIT, LIBCT_STDIO_NULL), 0);
    CHECK_INT(libct_container_set_attachable(ct, 1, 4096), 0);
    libct_attach_server_t server = libct_container_serve(ct, &options);
    CHECK_HANDLE(server);
    CHECK(stat(place, &status) == 0 && S_ISSOCK(status.st_mode) && (status.st_mode & 0777) == 0640);
    CHECK_ERROR(libct_container_serve(ct, &options), -1); /* this process lives */
    CHECK_INT(errno, EADDRINUSE);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, copy_input, NULL));
    CHECK_INT(libct_container_clear_attachable(ct), -LCTERR_BADCTSTATE);
    const int first = connect_client();
    CHECK_INT(send(first, "one,", 4, 0), 4);
    CHECK(strcmp(next_packet(first), "\2one,") == 0);
    const int second = connect_client();
    CHECK(strcmp(next_packet(second), "\2one,") == 0); /* which was written before */
    CHECK_INT(stats_of(server).clients, 2);
    CHECK(stats_of(server).accepted >= 2); /* who has found that it lives came, too */
    const int third = connect_client();
    CHECK_INT(next_packet(third)[0], '\0');
    CHECK_INT(stats_of(server).refused, 1);
    /* These are the container's streams. */
    CHECK_INT(libct_attach_server_write(server, 1, "x", 1), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_attach_server_set_input(server, 0), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_attach_server_finish(server), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_attach_server_finished(server), 0);
    CHECK_INT(send(second, "two", 3, 0), 3);
    CHECK(strcmp(next_packet(first), "\2two") == 0 && strcmp(next_packet(second), "\2two") == 0);
    /* With the last client's input the container's ends. */
    CHECK_INT(shutdown(first, SHUT_WR), 0);
    CHECK_INT(shutdown(second, SHUT_WR), 0);
    CHECK_INT(next_packet(first)[0], '\0');
    CHECK_INT(next_packet(second)[0], '\0');
    finish(server);
    CHECK_INT(libct_container_wait(ct), 0);
    struct libct_log_stats logged = {.struct_size = sizeof logged};
    CHECK_INT(libct_container_log_stats(ct, &logged), 0);
    CHECK_INT(logged.bytes, 7);
    CHECK_INT(libct_container_log_stats(ct, NULL), -LCTERR_INVARG);
    close(first);
    close(second);
    close(third);
}

static void serves_own_streams(void)
{
    struct libct_attach_server_options options = {.struct_size = sizeof options, .path = place};
    char bytes[16];
    int ends[2];
    (void)make_watched_container();
    libct_attach_server_t server = libct_session_serve(session, &options);
    CHECK_HANDLE(server);
    const int client = connect_client();
    while (stats_of(server).clients == 0)
        CHECK(libct_session_dispatch(session, 0) >= 0);
    CHECK_INT(libct_attach_server_write(server, 3, "x", 1), -LCTERR_INVARG);
    CHECK_INT(libct_attach_server_write(server, 1, NULL, 1), -LCTERR_INVARG);
    CHECK_INT(libct_attach_server_write(server, 1, "out", 3), 0);
    CHECK_INT(libct_attach_server_write(server, 2, "err", 3), 0);
    CHECK_INT(libct_attach_server_takes_output(server), 1);
    CHECK(strcmp(next_packet(client), "\2out") == 0 && strcmp(next_packet(client), "\3err") == 0);
    CHECK_INT(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    CHECK_INT(libct_attach_server_set_input(server, ends[1]), 0);
    CHECK_INT(libct_attach_server_set_input(server, -1), -1);
    CHECK_INT(send(client, "in", 2, 0), 2);
    while (read(ends[0], bytes, sizeof bytes) != 2)
        CHECK(libct_session_dispatch(session, 0) >= 0);
    CHECK(memcmp(bytes, "in", 2) == 0);
    CHECK_INT(libct_attach_server_disconnect_clients(server), 0);
    CHECK_INT(next_packet(client)[0], '\0');
    close(client);
    close(ends[0]);
    close(ends[1]);
    CHECK_INT(libct_attach_server_finish(server), 0);
    finish(server);
}

/* A server of a session that is closed has nobody to serve any more. */
static void outlives_its_session(void)
{
    struct libct_attach_server_options options = {.struct_size = sizeof options, .path = place};
    (void)make_watched_container();
    libct_attach_server_t server = libct_session_serve(session, &options);
    CHECK_HANDLE(server);
    libct_session_close(session);
    session = NULL;
    CHECK(!exists(place));
    struct libct_attach_server_stats stats = {.struct_size = sizeof stats};
    CHECK(libct_attach_server_get_stats(server, &stats) <= 0);
    CHECK(libct_attach_server_finished(server) >= 0);
    libct_attach_server_close(server);
}

static int terminal_ends;

static void on_terminal_end(libct_attachment_t a, void *user)
{
    (void)user;
    CHECK_INT(libct_attachment_attached(a), 0);
    ++terminal_ends;
}

static void is_told_of_streams(void)
{
    struct libct_attach_options options = {.struct_size = sizeof options, .on_end = on_terminal_end};
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_container_resize_terminal(ct, 10, 10), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_attachable(ct, 1, 0), 0);
    CHECK_INT(libct_process_desc_set_terminal(desc, 24, 80), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, copy_input, NULL));
    CHECK_INT(libct_container_resize_terminal(ct, 0, 10), -LCTERR_INVARG);
    CHECK_INT(libct_container_resize_terminal(ct, 30, 90), 0);
    libct_attachment_t attachment = libct_container_attach(ct, &options);
    CHECK_HANDLE(attachment);
    CHECK_INT(libct_attachment_attached(attachment), 1);
    CHECK_INT(libct_attachment_close_input(attachment), 0); /* its end-of-file character */
    while (terminal_ends == 0)
        CHECK(libct_session_dispatch(session, -1) >= 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_attachment_attached(attachment), 0);
    CHECK_INT(libct_attachment_close_input(attachment), -LCTERR_BADCTSTATE);
    libct_attachment_close(attachment);
    CHECK_INT(libct_attachment_attached(attachment), -LCTERR_INVARG);
    CHECK_INT(libct_attachment_close_input(NULL), -LCTERR_INVARG);
}

const struct test attach_tests[] = {
    {"refuses_what_is_wrong", refuses_what_is_wrong},
    {"serves_a_container", serves_a_container},
    {"serves_own_streams", serves_own_streams},
    {"outlives_its_session", outlives_its_session},
    {"is_told_of_streams", is_told_of_streams},
    {NULL, NULL},
};
