/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_READERS_H
#define LIBCT_READERS_H

/*
 * The containers of all programs that share a state directory: what there is, what they have logged, and what becomes
 * of them; see libct_readers(3).
 */

#include "libct-events.h"
#include "libct-streams.h"

#ifdef __cplusplus
extern "C" {
#endif

struct libct_container_info {
    size_t struct_size;
    const char *name;
    enum libct_phase phase;
    int pid;                    /* of the first process, if it is alive; else -1 */
    int owner;                  /* the process whose session has started or made it; -1 if that is gone */
    int own;                    /* it is this session's */
    int saved;                  /* libct_container_save() */
    int detached;               /* it goes on when its session is closed */
    const char *const *command; /* of the present or last run, then NULL */
    int64_t created_ns;         /* since 1970; 0: nobody knows, as the next */
    int64_t started_ns;
    int has_ended;             /* any run has */
    int status;                /* of the last one that has, as waitpid(2) tells; else -1 */
    const char *attach_socket; /* where an attach server serves it, or "" */
};
/*
 * Hands those of this session and all others of its state directory, by name, to a function, until that returns
 * something other than 0, and returns that. What is handed is valid during the call.
 */
int libct_session_containers(libct_session_t s, int (*cb)(const struct libct_container_info *info, void *user),
                             void *user);
/* The same of one. info->struct_size has to be set; its text is valid until the next call in this thread. */
int libct_container_get_info(ct_handler_t ct, struct libct_container_info *info);
/* The session's own container of that name. -LCTERR_NOTFOUND if there is none with a handle. */
ct_handler_t libct_session_find(libct_session_t s, const char *name);
/* Where programs of this user find each other's containers by default; as snprintf(3). */
int libct_default_state_directory(char *buf, size_t size);

enum libct_next LIBCT_ENUM {
    LIBCT_NEXT_MORE = 0,    /* read again */
    LIBCT_NEXT_NOTHING = 1, /* all was read up to now: wait for the descriptor */
    LIBCT_NEXT_END = 2,     /* all was read, and nothing will follow */
    LIBCT_NEXT_ORPHANED = 3 /* the same, but the container may go on: who has logged it is gone */
};

struct libct_log_reader;
typedef struct libct_log_reader *libct_log_reader_t;

struct libct_log_reader_options {
    size_t struct_size;
    int64_t since_ns; /* only what was logged then or later; 0: all */
    int has_tail;     /* only the last `tail` lines of what there is at first */
    uint64_t tail;
    int follow; /* libct_log_reader_fd() tells when there is more */
};
/*
 * What was logged of the output of a container of the state directory. options may be NULL. -LCTERR_NOTFOUND;
 * -LCTERR_BADCTSTATE if its output is not logged; -LCTERR_INVARG for options that this log does not have.
 */
libct_log_reader_t libct_session_read_log(libct_session_t s, const char *container,
                                          const struct libct_log_reader_options *options);
/* What was logged to a file, as libct_container_add_log_file() has it. */
libct_log_reader_t libct_log_file_read(const struct libct_log_file *file,
                                       const struct libct_log_reader_options *options);
/* What was logged of a container to the journal. -1 with errno EOPNOTSUPP without one. */
libct_log_reader_t libct_log_journal_read(const char *container, const struct libct_log_reader_options *options);
/* Hands some of the next lines to a function. Returns one of enum libct_next. */
int libct_log_reader_read(libct_log_reader_t r, void (*cb)(const struct libct_output *line, void *user), void *user);
/* Readable when there may be more. It belongs to the reader. -LCTERR_BADCTSTATE without `follow`. */
int libct_log_reader_fd(libct_log_reader_t r);
void libct_log_reader_close(libct_log_reader_t r);

struct libct_event_reader;
typedef struct libct_event_reader *libct_event_reader_t;

struct libct_event_reader_options {
    size_t struct_size;
    const char *const *containers; /* their names, then NULL; NULL: all */
    int64_t since_ns;              /* 0: all */
    int only_new;                  /* nothing of what was recorded before */
    int follow;                    /* libct_event_reader_fd() tells when there is more */
};
/* As the next; valid during the call. */
struct libct_recorded_event {
    size_t struct_size;
    int64_t time_ns; /* since 1970 */
    const char *container;
    const char *event; /* "state", "start", "exit", "oom" and so on */
    const char *json;  /* all of it */
};
/*
 * What sessions with `record_events` have recorded of containers in the state directory. options may be NULL. The
 * reader is closed before the session. -LCTERR_BADCTSTATE without a state directory.
 */
libct_event_reader_t libct_session_read_events(libct_session_t s, const struct libct_event_reader_options *options);
/* Hands the next events to a function. Returns 1 if there may be more at once, else 0. */
int libct_event_reader_read(libct_event_reader_t r, void (*cb)(const struct libct_recorded_event *event, void *user),
                            void *user);
/* As libct_log_reader_fd(). */
int libct_event_reader_fd(libct_event_reader_t r);
void libct_event_reader_close(libct_event_reader_t r);

#ifdef __cplusplus
}
#endif

#endif
