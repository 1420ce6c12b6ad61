/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_HOOKS_H
#define LIBCT_HOOKS_H

/*
 * Commands and functions at points in the life of a container; see libct_hooks(3).
 */

#include "libct-events.h"

#ifdef __cplusplus
extern "C" {
#endif

/* When a hook runs, as the OCI runtime specification calls it. The first two let a start fail. */
enum libct_hook_point LIBCT_ENUM {
    LIBCT_HOOK_CREATE_RUNTIME = 0,   /* on the host, when there are namespaces, groups and mounts, but no program yet */
    LIBCT_HOOK_CREATE_CONTAINER = 1, /* after that, in the container's namespaces; commands only */
    LIBCT_HOOK_POSTSTART = 2,        /* on the host, once the program was executed */
    LIBCT_HOOK_POSTSTOP = 3          /* on the host, when nothing of the container is left */
};

/*
 * Has each of the commands run then, with the container's state as a JSON object for its standard input. After
 * time_limit_ms milliseconds (0: 10 s) it is killed, and has failed. -LCTERR_BADCTSTATE not stopped; -LCTERR_BADTYPE
 * for an unknown point; -LCTERR_INVARG for NULL and what is malformed.
 */
int libct_container_add_hook(ct_handler_t ct, enum libct_hook_point point, const struct libct_cmd *commands,
                             unsigned int time_limit_ms);

struct libct_hook_event {
    size_t struct_size;
    enum libct_hook_point point;
    enum libct_phase phase;
    int pid; /* the container's process; -1 at LIBCT_HOOK_POSTSTOP */
};
/*
 * Has a function called then, in this process: before the start returns on its thread, and after the end on the one
 * that finds that out. It runs between the commands as they were added. Anything but 0 means that it has failed. It may
 * ask anything of the container, but neither wait for it, start nor stop it. It is not called any more once the
 * container's handle is gone. Errors are the same; -LCTERR_INVARG for LIBCT_HOOK_CREATE_CONTAINER, too.
 */
int libct_container_add_hook_cb(ct_handler_t ct, enum libct_hook_point point,
                                int (*cb)(ct_handler_t ct, const struct libct_hook_event *event, void *user),
                                void *user);
/* Forgets both kinds, but not the commands of mounts. -LCTERR_BADCTSTATE not stopped. */
int libct_container_clear_hooks(ct_handler_t ct);
/* A text that hooks read in the container's state. -LCTERR_BADCTSTATE not stopped; -LCTERR_INVARG for NULL. */
int libct_container_set_annotation(ct_handler_t ct, const char *key, const char *value);

#ifdef __cplusplus
}
#endif

#endif
