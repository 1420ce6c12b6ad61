/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_ATTACH_H
#define LIBCT_ATTACH_H

/*
 * The streams of a container for other programs, by a unix socket of type SOCK_SEQPACKET; see libct_attach(3).
 *
 * To clients: packets of one byte, 2 for standard output (or a terminal) and 3 for standard error, and up to 8192 bytes
 * of it; at its end the last output, then the end of file. From clients: packets of bytes for the standard input.
 * They are served within libct_session_dispatch(), without a thread.
 */

#include "libct-streams.h"

#ifdef __cplusplus
extern "C" {
#endif

struct libct_attach_server;
typedef struct libct_attach_server *libct_attach_server_t;

/* What happens to a client that does not read. */
enum libct_slow_client LIBCT_ENUM {
    LIBCT_SLOW_DISCONNECT = 0, /* it is disconnected */
    LIBCT_SLOW_SKIP = 1,       /* it misses what comes until it has read */
    LIBCT_SLOW_WAIT = 2        /* no more output is read until it has: the container waits */
};

struct libct_attach_server_options {
    size_t struct_size;
    /*
     * Where the socket is made: absolute, in a directory that is there. The socket of a dead process is replaced; it is
     * removed at the end. NULL: with the container's record in the state directory, if there is one.
     */
    const char *path;
    int replace;                 /* also a living socket */
    int fd;                      /* in place of path: a bound socket, which is duplicated; 0: none */
    unsigned int mode;           /* of the socket; 0: 0600 */
    unsigned int max_clients;    /* further ones are disconnected at once; 0: 64 */
    uint64_t history_bytes;      /* so much of what was written before comes first */
    uint64_t queue_bytes;        /* what may wait for a client, from 64 KiB on; 0: 1 MiB */
    enum libct_slow_client slow; /* once that is full */
    int close_input;             /* not 0: the container's input is closed with that of the last client */
    uint64_t orphaned_bytes;     /* so much input is kept of clients that are gone; 0: 4 MiB */
    unsigned int linger_ms;      /* how long clients may read after the end of the container; 0: 10 s */
};

/*
 * Serves the present run of the container, or the next one. -LCTERR_BADCTSTATE if it is not attachable; -LCTERR_INVARG
 * for malformed options; -1 else, with errno EADDRINUSE if a living process serves the path.
 */
libct_attach_server_t libct_container_serve(ct_handler_t ct, const struct libct_attach_server_options *options);
/* Serves streams of the caller's, which may be those of any process. */
libct_attach_server_t libct_session_serve(libct_session_t s, const struct libct_attach_server_options *options);
/* Removes the socket and disconnects clients, which can still read what they were sent. The handle is gone. */
void libct_attach_server_close(libct_attach_server_t a);

/* 1 once the container has ended and all clients are gone, else 0. */
int libct_attach_server_finished(libct_attach_server_t a);

struct libct_attach_server_stats {
    size_t struct_size;
    uint64_t clients;              /* now */
    uint64_t accepted;             /* ever */
    uint64_t refused;              /* because of max_clients */
    uint64_t disconnected;         /* for being slow, or because of what they sent */
    uint64_t skipped_bytes;        /* by LIBCT_SLOW_SKIP */
    uint64_t orphaned_input_bytes; /* kept now */
    uint64_t lost_input_bytes;     /* that had no room there */
};
/* stats->struct_size has to be set. */
int libct_attach_server_get_stats(libct_attach_server_t a, struct libct_attach_server_stats *stats);
/* Others may come. */
int libct_attach_server_disconnect_clients(libct_attach_server_t a);

/*
 * For streams of the caller's only: -LCTERR_BADCTSTATE for those of a container
 */

/* Output for all clients; stream is 1 or 2. */
int libct_attach_server_write(libct_attach_server_t a, int stream, const void *bytes, size_t length);
/* 0 while a client is waited for (LIBCT_SLOW_WAIT), else 1. */
int libct_attach_server_takes_output(libct_attach_server_t a);
/* Where the bytes of clients go: a pipe, a socket or a terminal. It is duplicated, and made non-blocking. */
int libct_attach_server_set_input(libct_attach_server_t a, int fd);
/* The end, as if a container had ended. */
int libct_attach_server_finish(libct_attach_server_t a);

/*
 * More for libct-streams.h
 */

/* Not prepared any more for input and for those who attach. -LCTERR_BADCTSTATE not stopped. */
int libct_container_clear_attachable(ct_handler_t ct);
/* The terminal of the first process. -LCTERR_BADCTSTATE if it has none. */
int libct_container_resize_terminal(ct_handler_t ct, unsigned int rows, unsigned int columns);
/* As libct_container_close_input(). */
int libct_attachment_close_input(libct_attachment_t a);
/* 0 once on_end was due, else 1. */
int libct_attachment_attached(libct_attachment_t a);

struct libct_log_stats {
    size_t struct_size;
    uint64_t bytes; /* read from the container */
    uint64_t records;
    uint64_t dropped_bytes; /* by logs that could not take them */
    uint64_t dropped_records;
};
/* What was logged of the present or last run; stats->struct_size has to be set. */
int libct_container_log_stats(ct_handler_t ct, struct libct_log_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
