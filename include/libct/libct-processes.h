/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_PROCESSES_H
#define LIBCT_PROCESSES_H

/*
 * More of what processes are started with, and of what can be done to them; see libct_processes(3).
 */

#include "libct.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Everything that the C++ interface has in ct::ProcessSpec, as JSON by the names of its fields, in place of all that
 * was set before. What it leaves out is as that has it: other descriptors than the standard streams are closed, and
 * the user is the caller. The program is that of the call that starts it. -LCTERR_INVARG for a field that is unknown or
 * malformed.
 */
int libct_process_desc_set_spec(ct_process_desc_t p, const char *json);
/* Writes it to buf, at most size bytes with a 0 at the end, and returns its length. */
int libct_process_desc_get_spec(ct_process_desc_t p, char *buf, size_t size);

/* Absolute, inside; NULL: the root. */
int libct_process_desc_set_directory(ct_process_desc_t p, const char *path);
int libct_process_desc_set_umask(ct_process_desc_t p, unsigned int mask);
/* One more variable, or another value for it. -LCTERR_INVARG for NULL. */
int libct_process_desc_add_env(ct_process_desc_t p, const char *name, const char *value);
/*
 * Not 0: the first process is a tiny one of libct's own, which starts the program as its child, reaps orphans and hands
 * on signals. Needs CLONE_NEWPID; not for functions, and not for entering.
 */
int libct_process_desc_set_reaper(ct_process_desc_t p, int reaper);
/*
 * Descriptor target is source, or, if that is -1, the file path of the container. Beside the standard streams it has no
 * others then but these. -LCTERR_INVARG for neither.
 */
int libct_process_desc_add_fd(ct_process_desc_t p, int target, int source, const char *path);
/* -1000 to 1000 */
int libct_process_desc_set_oom_score(ct_process_desc_t p, int score);
/* Of <sys/personality.h>. */
int libct_process_desc_set_personality(ct_process_desc_t p, unsigned int personality);
/* A session keyring of that name, or, for "", a new one without a name; NULL: the caller's. */
int libct_process_desc_set_keyring(ct_process_desc_t p, const char *name);

/* Bits of `set`. */
#define LIBCT_SCHEDULING_NICE 0x1u
#define LIBCT_SCHEDULING_POLICY 0x2u
#define LIBCT_SCHEDULING_IO 0x4u
#define LIBCT_SCHEDULING_TIMER_SLACK 0x8u

enum libct_policy LIBCT_ENUM {
    LIBCT_POLICY_OTHER = 0,
    LIBCT_POLICY_BATCH = 1,
    LIBCT_POLICY_IDLE = 2,
    LIBCT_POLICY_FIFO = 3,
    LIBCT_POLICY_ROUND_ROBIN = 4,
    LIBCT_POLICY_DEADLINE = 5
};
enum libct_io_class LIBCT_ENUM {
    LIBCT_IO_REAL_TIME = 0,
    LIBCT_IO_BEST_EFFORT = 1,
    LIBCT_IO_IDLE = 2
};

/* Only what has its bit in `set` is set; CPUs are, unless there are none. */
struct libct_scheduling {
    size_t struct_size;
    unsigned int set;
    int nice;                 /* -20 to 19 */
    enum libct_policy policy; /* with the next five */
    int priority;             /* of the two real-time ones: 1 to 99 */
    uint64_t runtime_ns;      /* of LIBCT_POLICY_DEADLINE, as the next two */
    uint64_t deadline_ns;
    uint64_t period_ns; /* 0: the deadline */
    int reset_on_fork;
    enum libct_io_class io_class;
    int io_level; /* 0 to 7 */
    const unsigned int *cpus;
    size_t cpu_count;
    uint64_t timer_slack_ns;
};
/* In place of what was set before. -LCTERR_BADTYPE for an unknown policy or class. */
int libct_process_desc_set_scheduling(ct_process_desc_t p, const struct libct_scheduling *scheduling);

enum libct_memory_mode LIBCT_ENUM {
    LIBCT_MEMORY_DEFAULT = 0,
    LIBCT_MEMORY_PREFERRED = 1,
    LIBCT_MEMORY_BIND = 2,
    LIBCT_MEMORY_INTERLEAVE = 3,
    LIBCT_MEMORY_LOCAL = 4,
    LIBCT_MEMORY_PREFERRED_MANY = 5,
    LIBCT_MEMORY_WEIGHTED_INTERLEAVE = 6
};
/* See set_mempolicy(2). */
struct libct_memory_policy {
    size_t struct_size;
    enum libct_memory_mode mode;
    const unsigned int *nodes;
    size_t node_count;
    int static_nodes;
    int relative_nodes;
    int numa_balancing;
};
/* NULL: none. -LCTERR_BADTYPE for an unknown mode. */
int libct_process_desc_set_memory_policy(ct_process_desc_t p, const struct libct_memory_policy *policy);

/*
 * What libct_container_start() starts, and libct_container_save() keeps with the container; as
 * libct_container_spawn_execve(). -LCTERR_BADCTSTATE not stopped.
 */
int libct_container_set_process(ct_handler_t ct, ct_process_desc_t pr, const char *path, char **argv, char **env);
/* Starts that, also of a container that was opened. -LCTERR_BADCTSTATE without one; else as the spawn functions. */
ct_process_t libct_container_start(ct_handler_t ct);

/* Does nothing to one that has ended. -LCTERR_BADCTSTATE once it was waited for. */
int libct_process_signal(ct_process_t p, int sig);
/*
 * As libct_process_wait(), but for at most timeout_ms milliseconds (-1: no limit). Returns 1, or 0 if it has not ended
 * by then.
 */
int libct_process_wait_for(ct_process_t p, int timeout_ms, int *status);
/* A new descriptor, which the caller closes, that is readable once it has ended. -LCTERR_BADCTSTATE as above. */
int libct_process_pidfd(ct_process_t p);

/* To the first process. -LCTERR_BADCTSTATE not running, and not paused. */
int libct_container_signal(ct_handler_t ct, int sig);
/*
 * As libct_container_wait(), but for at most timeout_ms milliseconds (-1: no limit). Returns 1, or 0 if it has not
 * ended by then. -LCTERR_BADCTSTATE also for LIBCT_OPT_TASKLESS.
 */
int libct_container_wait_for(ct_handler_t ct, int timeout_ms);
/*
 * Sends a signal to the first process, and kills all that is left after grace_ms milliseconds; then waits for it. Also
 * a paused one. -LCTERR_BADCTSTATE stopped.
 */
int libct_container_stop(ct_handler_t ct, unsigned int grace_ms, int sig);
/*
 * As libct_container_pause() and libct_container_resume(), but with any group that can be frozen, and waiting for at
 * most timeout_ms milliseconds: -1 with errno ETIMEDOUT then. -LCTERR_BADCTSTATE without such a group.
 */
int libct_container_freeze(ct_handler_t ct, unsigned int timeout_ms);
int libct_container_thaw(ct_handler_t ct, unsigned int timeout_ms);
/* Lets it outlive the session, whatever that does with its containers. -LCTERR_BADCTSTATE if it does not run. */
int libct_container_detach(ct_handler_t ct);
/* As libct_container_remove(), and kills it if it runs. */
int libct_container_remove_forced(ct_handler_t ct);

#ifdef __cplusplus
}
#endif

#endif
