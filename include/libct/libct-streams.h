/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_STREAMS_H
#define LIBCT_STREAMS_H

/*
 * Output and input of containers: standard streams, logs, and attaching; see libct_streams(3).
 *
 * As soon as anything here asks for its output, the standard output and error of a container's first process are pipes
 * that the session reads, or its terminal is. Output moves within libct_session_dispatch(), and while
 * libct_container_wait() waits for that container; functions are called there, as those for events. When nobody does
 * either, the container waits as soon as its pipe is full. A session that lets its containers go on when it is closed
 * cannot read their output: open one with LIBCT_ON_CLOSE_KILL, or the start fails.
 */

#include "libct.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Standard streams
 */

enum libct_stdio LIBCT_ENUM {
    LIBCT_STDIO_INHERIT = 0, /* the caller's own */
    LIBCT_STDIO_NULL = 1,    /* /dev/null */
    LIBCT_STDIO_PIPE = 2,    /* a pipe; libct_process_stream() is the other end */
    LIBCT_STDIO_OUTPUT = 3   /* for standard error: where standard output goes */
};

/*
 * The process has these streams, and no other descriptors of the caller. Replaces libct_process_desc_set_fds(), and is
 * replaced by it. -LCTERR_BADTYPE for an unknown one.
 */
int libct_process_desc_set_stdio(ct_process_desc_t p, enum libct_stdio in, enum libct_stdio out, enum libct_stdio err);
/* A new terminal of that size as standard streams, and no other descriptors. -LCTERR_INVARG for a size of 0. */
int libct_process_desc_set_terminal(ct_process_desc_t p, unsigned int rows, unsigned int columns);
/*
 * The caller's end of a pipe of LIBCT_STDIO_PIPE, for stream 0, 1 or 2, or of the terminal for any of them. The caller
 * closes it. -LCTERR_NOTFOUND if there is none, or it was handed out already; -LCTERR_BADCTSTATE once the process was
 * waited for.
 */
int libct_process_stream(ct_process_t p, int stream);
/* -LCTERR_NOTFOUND without a terminal. */
int libct_process_resize_terminal(ct_process_t p, unsigned int rows, unsigned int columns);

/*
 * Logs
 */

struct libct_output {
    size_t struct_size;
    int stream;        /* 1: standard output, or a terminal; 2: standard error */
    int partial;       /* of a line: not 0 if it goes on in the next one of the same stream, or has no newline */
    int64_t time_ns;   /* when it was read, since 1970 */
    const char *bytes; /* any bytes; of a line: without the newline */
    size_t length;
};

/* What is read, as it comes. Set it before the start. */
int libct_container_on_output(ct_handler_t ct,
                              void (*cb)(ct_handler_t ct, const struct libct_output *chunk, void *user), void *user);
/* The same by lines. */
int libct_container_on_line(ct_handler_t ct, void (*cb)(ct_handler_t ct, const struct libct_output *line, void *user),
                            void *user);

enum libct_log_format LIBCT_ENUM {
    LIBCT_LOG_K8S = 0,  /* TIME STREAM F|P BYTES, as the Container Runtime Interface has it */
    LIBCT_LOG_JSON = 1, /* Docker's json-file */
    LIBCT_LOG_PLAIN = 2 /* the bytes as they are, of both streams */
};

struct libct_log_file {
    size_t struct_size;
    const char *path; /* absolute; its directory has to be there */
    enum libct_log_format format;
    unsigned int mode;         /* of a new file; 0: 0640 */
    uint64_t rotate_bytes;     /* a larger file is renamed to PATH.1 first; 0: no limit */
    unsigned int rotate_count; /* how many old files are kept; 0: one */
    int blocks;                /* the container waits while the file cannot be written, instead of losing records */
    uint64_t total_bytes;      /* of all that a run may write; 0: no limit */
    int local_time;            /* of LIBCT_LOG_K8S: time stamps of this process's time zone */
    const char *const *labels; /* of LIBCT_LOG_JSON: its "attrs", each "KEY=VALUE", and NULL */
    uint64_t backlog_bytes;    /* so much is kept while the file cannot be written; 0: 256 KiB */
};

/*
 * Logs the output of each later start to a file. There may be several logs. -LCTERR_BADCTSTATE not stopped;
 * -LCTERR_INVARG without a path; what else is wrong lets the start fail.
 */
int libct_container_add_log_file(ct_handler_t ct, const struct libct_log_file *file);
/* To systemd's journal, or the system log. tag: NULL is the container's name. */
int libct_container_add_log_journald(ct_handler_t ct, const char *tag);
int libct_container_add_log_syslog(ct_handler_t ct, const char *tag);

/* The same with all that there is to say. */
struct libct_log_service {
    size_t struct_size;
    const char *tag;           /* NULL: the container's name, as the next */
    const char *id;            /* of the journal: CONTAINER_ID_FULL */
    const char *const *labels; /* of the journal: more fields, each "NAME=VALUE", and NULL */
    const char *socket;        /* NULL: where the service is */
    unsigned int facility;     /* of the system log, from 1 to 23, see syslog(3); 0: LOG_USER, which is 1 */
    int blocks;                /* as in struct libct_log_file, and the next */
    uint64_t backlog_bytes;
};
/* -LCTERR_INVARG for a label that is none. */
int libct_container_add_log_journald_with(ct_handler_t ct, const struct libct_log_service *service);
int libct_container_add_log_syslog_with(ct_handler_t ct, const struct libct_log_service *service);

struct libct_log_options {
    size_t struct_size;
    uint64_t line_bytes;   /* longer lines come in pieces of that size, up to 1 MiB; 0: 16 KiB */
    unsigned int flush_ms; /* after which an unfinished line is delivered; 0: 50 */
    unsigned int grace_ms; /* for which output is awaited after the end of the first process */
};
/* For all logs, and for functions. -LCTERR_BADCTSTATE not stopped; -LCTERR_INVARG for other sizes. */
int libct_container_set_log_options(ct_handler_t ct, const struct libct_log_options *options);

/* A log of the caller's own. */
struct libct_log_sink {
    size_t struct_size;
    /* Takes count lines, in order. Not 0: it has failed, which libct_session_dispatch() then returns. */
    int (*write)(ct_handler_t ct, const struct libct_output *lines, size_t count, void *user);
    void (*reopen)(ct_handler_t ct, void *user); /* libct_container_reopen_log(); may be NULL */
    void (*finish)(ct_handler_t ct, void *user); /* a run has ended, and all was written; may be NULL */
    void *user;
};
int libct_container_add_log_sink(ct_handler_t ct, const struct libct_log_sink *sink);
/* No log any more, of any kind. -LCTERR_BADCTSTATE not stopped. */
int libct_container_clear_log(ct_handler_t ct);
/* Opens the files of logs anew, which somebody has renamed. */
int libct_container_reopen_log(ct_handler_t ct);

/*
 * Input, and those who attach
 */

/*
 * Prepares each later start: with input not 0 the session holds the standard input of the first process, unless its
 * descriptor says otherwise, and keeps history_bytes of its last output for those who attach. -LCTERR_BADCTSTATE not
 * stopped.
 */
int libct_container_set_attachable(ct_handler_t ct, int input, uint64_t history_bytes);
/*
 * Writes to the standard input of the first process, and never blocks. Returns how many bytes it took, from the first
 * on; -1 with errno EPIPE if it is closed. -LCTERR_BADCTSTATE if it does not run, or has no input.
 */
long libct_container_write_input(ct_handler_t ct, const void *bytes, size_t length);
/* The process reads the end of file after all that was written. */
int libct_container_close_input(ct_handler_t ct);

struct libct_attachment;
typedef struct libct_attachment *libct_attachment_t;

struct libct_attach_options {
    size_t struct_size;
    uint64_t history_bytes; /* so much of what was written before comes first */
    void (*on_output)(libct_attachment_t a, const struct libct_output *chunk, void *user); /* these three may be NULL */
    void (*on_room)(libct_attachment_t a, void *user); /* there is room again for input that was not taken */
    void (*on_end)(libct_attachment_t a, void *user);  /* the container has ended, and all its output was delivered */
    void *user;
};

/* Output from now on; any number may attach. -LCTERR_BADCTSTATE if the container was not prepared for it. */
libct_attachment_t libct_container_attach(ct_handler_t ct, const struct libct_attach_options *options);
/* As libct_container_write_input(). */
long libct_attachment_write(libct_attachment_t a, const void *bytes, size_t length);
/* Detaches, and the handle is gone; the container and its input stay as they are. */
void libct_attachment_close(libct_attachment_t a);

#ifdef __cplusplus
}
#endif

#endif
