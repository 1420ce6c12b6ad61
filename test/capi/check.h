/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef CT_TEST_CAPI_CHECK_H
#define CT_TEST_CAPI_CHECK_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libct-log-levels.h>
#include <libct.h>

/*
 * Tests of the C interface. Each runs in a process of its own, with mount and network namespaces of its own and a
 * temporary directory for its working directory; what it leaves there is removed. A failed check ends it.
 */

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);     \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)

#define CHECK_INT(expression, expected)                                                                      \
    do {                                                                                                     \
        const long check_got = (long)(expression);                                                           \
        const long check_wanted = (long)(expected);                                                          \
        if (check_got != check_wanted) {                                                                     \
            fprintf(stderr, "%s:%d: %s is %ld, not %ld; the last error: %s\n", __FILE__, __LINE__,          \
                    #expression, check_got, check_wanted,                                                    \
                    libct_last_error() == NULL ? "" : libct_last_error()->message);                          \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

/* The number of an error handle. */
#define CHECK_ERROR(handle, expected)                    \
    do {                                                 \
        void *check_handle = (handle);                   \
        CHECK(libct_handle_is_err(check_handle));        \
        CHECK_INT(libct_handle_to_err(check_handle), expected); \
    } while (0)

#define CHECK_HANDLE(handle)                                                                              \
    do {                                                                                                  \
        void *check_handle = (handle);                                                                    \
        if (check_handle == NULL || libct_handle_is_err(check_handle)) {                                  \
            fprintf(stderr, "%s:%d: %s is the error %ld: %s\n", __FILE__, __LINE__, #handle,             \
                    libct_handle_to_err(check_handle),                                                    \
                    libct_last_error() == NULL ? "" : libct_last_error()->message);                       \
            exit(1);                                                                                      \
        }                                                                                                 \
    } while (0)

struct test {
    const char *name;
    void (*run)(void);
};

/* Ends the test: this machine can never do what it needs. */
_Noreturn void skip(const char *reason);

/* What most tests begin with. */
extern libct_session_t session;
extern ct_process_desc_t desc;
/* A name for a container, and so for control groups, that no other test has at this time. */
extern char name[32];
/* A session, a descriptor, and a container of that name. */
ct_handler_t make_container(void);
/* The same in a session that kills its containers in the end, as those whose output is read need it. */
ct_handler_t make_watched_container(void);

/* Makes a root directory "NAME" with bin/test_init, and dev, proc, etc; returns the name. */
const char *make_root(const char *path);
/* In the container of make_root() the program. */
#define TEST_INIT "/bin/test_init"
void write_file(const char *path, const char *text);
/* The text of a file, or "" if there is none; valid until the next call. */
const char *read_file(const char *path);
bool exists(const char *path);
/* Whether `kind` of /proc/PID/ns differs from this process's. */
bool has_own_namespace(int pid, const char *kind);
/* Where this host mounts the controller of cgroup version 1, or NULL. */
const char *mount_of_controller(const char *controller);

/* Runs a program of the root to its end, waits for the container, and returns what it wrote; checks that its status is
 * 0. */
const char *output_of(ct_handler_t ct, char *first, ...);
/* Starts a function, waits for its end and for the container, and returns its exit status. */
int status_of(ct_handler_t ct, int (*function)(void *), void *argument);
/* Functions: one that stays until it is killed, one that copies its input to its output, one that ends at once. */
int stay(void *argument);
int copy_input(void *argument);
int end_at_once(void *argument);
/* A child that is in no container, and stays. */
pid_t fork_to_stay(void);
/* Memory that a function in a container shares with the test, full of zeros. */
void *shared_memory(size_t size);

extern const struct test handle_tests[], session_tests[], namespace_tests[], start_tests[],
    desc_tests[], file_tests[], cgroup_tests[], net_tests[], log_tests[], fuzz_tests[],
    event_tests[], resource_tests[], stream_tests[], option_tests[], area_tests[], state_tests[], enter_tests[],
    attach_tests[], bad_handle_tests[], careless_tests[], health_tests[], hook_tests[], mount_tests[], pin_tests[], live_net_tests[],
    process_tests[], reader_tests[], security_tests[], group_tests[];

#endif
