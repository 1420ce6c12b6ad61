/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_SECURITY_H
#define LIBCT_SECURITY_H

/*
 * What a process may do: capabilities, filters of system calls, and Landlock; see libct_security(3). These are set in
 * descriptors, and checked by the start. NULL is refused with -LCTERR_INVARG unless a comment says what it means.
 */

#include "libct.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * All five sets of capabilities are exactly these, by name ("CAP_NET_BIND_SERVICE", "net_raw", "ALL"), then NULL.
 * Instead of libct_process_desc_set_caps(). NULL: as if it had never been called.
 */
int libct_process_desc_set_capabilities(ct_process_desc_t p, const char *const *names);
/* Each set on its own; a list that is NULL is empty. */
struct libct_capability_sets {
    size_t struct_size;
    const char *const *bounding;
    const char *const *permitted;
    const char *const *effective;
    const char *const *inheritable;
    const char *const *ambient;
};
int libct_process_desc_set_capability_sets(ct_process_desc_t p, const struct libct_capability_sets *sets);
/* See PR_SET_NO_NEW_PRIVS in prctl(2). */
int libct_process_desc_set_no_new_privileges(ct_process_desc_t p, int set);
/* SECBIT_* of <linux/securebits.h>. */
int libct_process_desc_set_secure_bits(ct_process_desc_t p, unsigned int bits);

/*
 * Filters of system calls, see seccomp(2)
 */

enum libct_seccomp_action LIBCT_ENUM {
    LIBCT_SECCOMP_ALLOW = 0,
    LIBCT_SECCOMP_ERRNO = 1, /* the call fails with `error_number` */
    LIBCT_SECCOMP_KILL_PROCESS = 2,
    LIBCT_SECCOMP_KILL_THREAD = 3,
    LIBCT_SECCOMP_TRAP = 4,
    LIBCT_SECCOMP_LOG = 5,
    LIBCT_SECCOMP_NOTIFY = 6 /* libct_container_on_seccomp() decides */
};

#define LIBCT_SECCOMP_X86_64 0x1u
#define LIBCT_SECCOMP_X86 0x2u
#define LIBCT_SECCOMP_X32 0x4u
#define LIBCT_SECCOMP_AARCH64 0x8u
#define LIBCT_SECCOMP_ARM 0x10u

struct libct_seccomp {
    size_t struct_size;
    /* Not 0: the filter that ordinary programs do not notice. What follows does not count then, but for `log`. */
    int standard;
    enum libct_seccomp_action default_action; /* of calls for which there is no rule */
    int default_errno;
    unsigned int architectures; /* to which the rules apply beside the host's own: LIBCT_SECCOMP_X86 and so on */
    enum libct_seccomp_action foreign_action; /* of calls by others; unless foreign_errno is 0, it is that error */
    int foreign_errno;                        /* both 0: ENOSYS */
    int log;                                  /* the kernel logs every call that is neither allowed nor notified */
};
/* In place of the filter before, with its rules; NULL: none. -LCTERR_BADTYPE for an unknown action. */
int libct_process_desc_set_seccomp(ct_process_desc_t p, const struct libct_seccomp *filter);

enum libct_comparison LIBCT_ENUM {
    LIBCT_EQUAL = 0,
    LIBCT_NOT_EQUAL = 1,
    LIBCT_LESS = 2,
    LIBCT_LESS_OR_EQUAL = 3,
    LIBCT_GREATER = 4,
    LIBCT_GREATER_OR_EQUAL = 5,
    LIBCT_MASKED_EQUAL = 6 /* (argument & mask) == value */
};
struct libct_seccomp_condition {
    unsigned int argument; /* 0 to 5 */
    enum libct_comparison comparison;
    uint64_t value;
    uint64_t mask;
};
struct libct_seccomp_rule {
    size_t struct_size;
    const char *const *system_calls; /* by name, then NULL; "@known" stands for all */
    enum libct_seccomp_action action;
    int error_number;
    int first; /* before the rules that are there; the first one that matches a call decides */
    const struct libct_seccomp_condition *conditions; /* all of them have to hold */
    size_t condition_count;
};
/* -LCTERR_NOTFOUND without a filter; -LCTERR_BADTYPE for an unknown action or comparison. */
int libct_process_desc_add_seccomp_rule(ct_process_desc_t p, const struct libct_seccomp_rule *rule);
/* 1 if rules may name it, else 0. */
int libct_is_system_call(const char *name);

struct libct_notice;
typedef struct libct_notice *libct_notice_t;

/* A call whose caller waits for the answer. */
struct libct_seccomp_call {
    size_t struct_size;
    libct_notice_t notice;     /* for the functions below, during the call */
    int pid;                   /* of the calling thread, or 0 */
    unsigned int architecture; /* LIBCT_SECCOMP_X86_64 and so on */
    int number;
    const char *name; /* or "" */
    uint64_t arguments[6];
};
enum libct_seccomp_answer LIBCT_ENUM {
    LIBCT_ANSWER_FAIL = 0,    /* with the errno in *value, which is ENOSYS at first */
    LIBCT_ANSWER_RETURN = 1,  /* the call is not made, and returns *value */
    LIBCT_ANSWER_CONTINUE = 2 /* the kernel makes it. No way to allow by what memory holds: that may change. */
};
/*
 * Answers what filters of this container report with LIBCT_SECCOMP_NOTIFY, within libct_session_dispatch(). Without a
 * function, as by default, these calls fail with ENOSYS. In any state.
 */
int libct_container_on_seccomp(ct_handler_t ct,
                               enum libct_seccomp_answer (*cb)(ct_handler_t ct, const struct libct_seccomp_call *call,
                                                               int64_t *value, void *user),
                               void *user);
/* 1 if the caller still waits, else 0. */
int libct_notice_valid(libct_notice_t n);
/*
 * Up to size bytes of its memory; returns how many. -1 with errno ESRCH if the caller is gone, EFAULT if nothing is
 * mapped there.
 */
long libct_notice_read(libct_notice_t n, uint64_t address, void *buf, size_t size);
/* The text there; returns its length. -1 with errno ENAMETOOLONG if it does not fit in size bytes with its NUL. */
long libct_notice_read_string(libct_notice_t n, uint64_t address, char *buf, size_t size);
/* Gives the caller a duplicate of fd, as target, or with -1 as the lowest free one. Returns its number there. */
int libct_notice_add_fd(libct_notice_t n, int fd, int target, int close_on_exec);

/*
 * Landlock, see landlock(7)
 */

#define LIBCT_LANDLOCK_READ 1u
#define LIBCT_LANDLOCK_WRITE 2u
#define LIBCT_LANDLOCK_EXECUTE 4u

struct libct_landlock_path {
    const char *path; /* absolute, inside */
    unsigned int access;
};
struct libct_landlock {
    size_t struct_size;
    const struct libct_landlock_path *paths; /* none: files are not restricted */
    size_t path_count;
    int restrict_bind; /* to these TCP ports */
    const uint16_t *bind_ports;
    size_t bind_count;
    int restrict_connect; /* to these */
    const uint16_t *connect_ports;
    size_t connect_count;
    int scope_abstract_sockets;
    int scope_signals;
};
/* NULL: none. */
int libct_process_desc_set_landlock(ct_process_desc_t p, const struct libct_landlock *landlock);

#ifdef __cplusplus
}
#endif

#endif
