/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_EVENTS_H
#define LIBCT_EVENTS_H

/*
 * What becomes of containers, told to functions; see libct_events(3).
 *
 * They are called by libct_session_dispatch() alone, on the thread that calls that, and get the pointer that was given
 * with them. Setting one takes the place of the one before; NULL sets none. They may be set in any state, and are told
 * what happens from then on. What they are handed is valid during the call. They may call everything but
 * libct_session_dispatch(), and may destroy their container or session; of a container that was destroyed they are told
 * nothing any more, except by another thread that is just doing so.
 *
 * In structs a bit of `known` says of each number whether anybody has counted it; it is 0 otherwise.
 */

#include "libct.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A descriptor that is readable whenever there is something to tell, for poll(2) and the like. It belongs to the
 * session, and is the same until that is closed. -LCTERR_INVARG for an invalid handle, -1 else.
 */
int libct_session_fd(libct_session_t s);
/*
 * Calls the functions for all that has happened. Before, it waits until anything has, but at most for timeout_ms
 * milliseconds: 0 does not wait, -1 sets no limit. A signal ends the waiting. Returns how many were called.
 */
int libct_session_dispatch(libct_session_t s, int timeout_ms);

/* Where a container is in its life, whether or not it was waited for. */
enum libct_phase LIBCT_ENUM {
    LIBCT_PHASE_STOPPED = 0,
    LIBCT_PHASE_STARTING = 1,
    LIBCT_PHASE_RUNNING = 2,
    LIBCT_PHASE_PAUSED = 3,
    LIBCT_PHASE_STOPPING = 4
};

/* Notices the end of the first process without waiting. Negative for an error. */
int libct_container_phase(ct_handler_t ct);

int libct_container_on_phase(ct_handler_t ct,
                             void (*cb)(ct_handler_t ct, enum libct_phase from, enum libct_phase to, void *user),
                             void *user);

/* The container was started. */
struct libct_start {
    size_t struct_size;
    int pid;             /* of the first process */
    uint64_t total_ns;   /* how long the call took that has started it */
    uint64_t prepare_ns; /* of that: on the host */
    uint64_t birth_ns;   /* until the new process was there */
    uint64_t set_up_ns;  /* until its program was executed, or its function runs */
};
int libct_container_on_start(ct_handler_t ct,
                             void (*cb)(ct_handler_t ct, const struct libct_start *start, void *user), void *user);
/* It was frozen, or goes on. Needs a group that can be frozen. */
int libct_container_on_frozen(ct_handler_t ct, void (*cb)(ct_handler_t ct, int frozen, void *user), void *user);

/* Bits of `known`. */
#define LIBCT_EXIT_OOM_KILLS 0x01u
#define LIBCT_EXIT_CPU_USER 0x02u
#define LIBCT_EXIT_CPU_SYSTEM 0x04u
#define LIBCT_EXIT_THROTTLED 0x08u
#define LIBCT_EXIT_PEAK_MEMORY 0x10u
#define LIBCT_EXIT_MAJOR_FAULTS 0x20u
#define LIBCT_EXIT_READ 0x40u
#define LIBCT_EXIT_WRITTEN 0x80u
#define LIBCT_EXIT_LOG 0x100u /* all log_* */

/*
 * How a run of a container went. Numbers are those of its control groups; without one, those of its first
 * process.
 */
struct libct_exit_record {
    size_t struct_size;
    uint64_t known;
    int pid;              /* of the first process */
    int status;           /* as waitpid(2) tells; -1: nobody knows */
    int64_t started_ns;   /* since 1970 */
    int64_t ended_ns;     /* since 1970 */
    uint64_t ran_ns;      /* by a clock that nobody sets */
    uint64_t start_ns;    /* how long the call took that has started it */
    uint64_t oom_kills;   /* processes that the kernel has killed for lack of memory */
    uint64_t cpu_user_ns;
    uint64_t cpu_system_ns;
    uint64_t throttled_ns;
    uint64_t peak_memory_bytes;
    uint64_t major_faults;
    uint64_t read_bytes;    /* from block devices */
    uint64_t written_bytes; /* to block devices */
    uint64_t log_bytes;     /* read of its output */
    uint64_t log_records;
    uint64_t log_dropped_bytes;
    uint64_t log_dropped_records;
    uint64_t monotonic_start_ns; /* by CLOCK_MONOTONIC, as the next */
    uint64_t monotonic_end_ns;
    uint64_t start_prepare_ns; /* of start_ns: on the host */
    uint64_t start_birth_ns;   /* until the new process was there */
    uint64_t start_set_up_ns;  /* until its program was executed */
};

/* The container has ended, and all its output was delivered. libct_container_wait() does not block then. */
int libct_container_on_exit(ct_handler_t ct,
                            void (*cb)(ct_handler_t ct, const struct libct_exit_record *record, void *user),
                            void *user);
/*
 * The record of the last run that has ended; record->struct_size has to be set. What groups have counted is in it only
 * if there is a function for libct_container_on_exit(). -LCTERR_NOTFOUND if no run has ended.
 */
int libct_container_exit_record(ct_handler_t ct, struct libct_exit_record *record);
/*
 * The same as a sentence, such as "exited with code 1 after 2.041 s". Writes at most size bytes, of which the last one
 * is 0, and returns how long the sentence is, as snprintf(3).
 */
int libct_container_describe_exit(ct_handler_t ct, char *buf, size_t size);
/* The same as JSON, as in the file of libct_container_set_exit_file(). */
int libct_container_exit_json(ct_handler_t ct, char *buf, size_t size);
/*
 * Has the record of each run that ends written to that file, as JSON: whole, or not at all. The path is absolute; NULL:
 * none.
 */
int libct_container_set_exit_file(ct_handler_t ct, const char *path);

/*
 * The container had no memory left: kills is how many processes the kernel has killed since the last time, all_kills in
 * this run. Needs the memory controller.
 */
int libct_container_on_oom(ct_handler_t ct,
                           void (*cb)(ct_handler_t ct, uint64_t kills, uint64_t all_kills, void *user), void *user);

enum libct_reached LIBCT_ENUM {
    LIBCT_REACHED_PIDS_MAX = 0,  /* fork(2) has failed because of it */
    LIBCT_REACHED_MEMORY_HIGH = 1 /* memory_high; version 2 of control groups */
};
/* A limit was met again; count is how often in this run. -LCTERR_BADTYPE for an unknown one. */
int libct_container_on_limit(ct_handler_t ct, enum libct_reached limit,
                             void (*cb)(ct_handler_t ct, enum libct_reached limit, uint64_t count, void *user),
                             void *user);

/* A process that has entered has ended; status is what waitpid(2) tells, or -1. */
int libct_container_on_process_exit(ct_handler_t ct, void (*cb)(ct_handler_t ct, int pid, int status, void *user),
                                    void *user);

enum libct_resource LIBCT_ENUM {
    LIBCT_RESOURCE_CPU = 0,
    LIBCT_RESOURCE_MEMORY = 1,
    LIBCT_RESOURCE_IO = 2
};
/*
 * Processes have waited stall_us microseconds within window_us (500 ms to 10 s) for it: any of them, or with full
 * not 0 all at the same time. Setting the same trigger again replaces its function. Needs a group of version 2: -1 with
 * errno EOPNOTSUPP, now or by the start.
 */
struct libct_pressure {
    size_t struct_size;
    enum libct_resource resource;
    int full;
    uint64_t stall_us;
    uint64_t window_us;
};
int libct_container_on_pressure(ct_handler_t ct, const struct libct_pressure *trigger,
                                void (*cb)(ct_handler_t ct, const struct libct_pressure *trigger, void *user),
                                void *user);

/* How one finds out whether a container does its work. */
struct libct_health_check {
    size_t struct_size;
    /*
     * A function that is called by libct_session_dispatch(), and so must not wait, or, if that is NULL, a program that
     * enters the container, as libct_container_enter_execv() has it. 0 is good.
     */
    int (*check)(ct_handler_t ct, void *user);
    ct_process_desc_t process;
    const char *path;
    char *const *argv;
    unsigned int interval_ms;     /* before the first check, and from the end of each to the next; 0: 30 s */
    unsigned int timeout_ms;      /* after which a program is killed, and has failed; 0: 30 s */
    unsigned int retries;         /* so many failures one after the other make it unhealthy; 0: 3 */
    unsigned int start_period_ms; /* in which failures do not count, unless a check was good before */
};
enum libct_health LIBCT_ENUM {
    LIBCT_HEALTH_STARTING = 0, /* nothing is known yet */
    LIBCT_HEALTH_HEALTHY = 1,
    LIBCT_HEALTH_UNHEALTHY = 2
};
struct libct_health_event {
    size_t struct_size;
    enum libct_health health;
    unsigned int failures; /* one after the other up to now */
    int status;            /* of the last check, if that was a program that ran, as waitpid(2) tells; else -1 */
    const char *reason;    /* how the last check failed, or "" */
};
/* The health has changed. -LCTERR_INVARG for a malformed check. Without a function: no check. */
int libct_container_on_health(ct_handler_t ct, const struct libct_health_check *check,
                              void (*cb)(ct_handler_t ct, const struct libct_health_event *event, void *user),
                              void *user);

#ifdef __cplusplus
}
#endif

#endif
