/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_NAMESPACES_H
#define LIBCT_NAMESPACES_H

/*
 * Namespaces of all kinds, joining and keeping them; see libct_namespaces(3). A kind is one of CLONE_NEWIPC, NEWNET,
 * NEWNS, NEWPID, NEWUTS, NEWUSER, NEWCGROUP and NEWTIME; -LCTERR_NONS for anything else.
 */

#include "libct.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * In addition to those of libct_container_set_nsmask() one is made, or one is joined at each start: the one that fd
 * refers to, which has to stay open, or the one that another container of the session has then. -LCTERR_BADCTSTATE not
 * stopped; -LCTERR_BADARG if that kind is set already; -LCTERR_INVARG CLONE_NEWPID with LIBCT_OPT_TASKLESS.
 */
int libct_container_add_namespace(ct_handler_t ct, int kind);
int libct_container_join_fd(ct_handler_t ct, int kind, int fd);
int libct_container_join(ct_handler_t ct, int kind, ct_handler_t other);

/* By what clocks differ inside, with CLONE_NEWTIME. -LCTERR_BADCTSTATE not stopped. */
int libct_container_set_time_offsets(ct_handler_t ct, int64_t monotonic_ns, int64_t boottime_ns);

/* Append to the maps of the new user namespace: user and group 0 are the caller's. -LCTERR_BADCTSTATE not stopped. */
int libct_userns_map_root_to_caller(ct_handler_t ct);
/*
 * The same, and above what /etc/subuid and /etc/subgid give to the caller. -1 with errno EOPNOTSUPP if that is nothing.
 */
int libct_userns_map_subordinate_ids(ct_handler_t ct);
/* Whether setgroups(2) works inside. */
enum libct_setgroups LIBCT_ENUM {
    LIBCT_SETGROUPS_AUTO = 0, /* unless the kernel demands that it does not */
    LIBCT_SETGROUPS_ALLOW = 1,
    LIBCT_SETGROUPS_DENY = 2
};
/* -LCTERR_BADTYPE for an unknown one; -LCTERR_BADCTSTATE not stopped. */
int libct_userns_set_setgroups(ct_handler_t ct, enum libct_setgroups policy);

/*
 * Gives each namespace that the running container has of its own a name on the host, DIRECTORY/KIND, which stays until
 * libct_container_unpin(), whatever ends meanwhile. directory is made by the call; NULL: /run/libct-ns/NAME. Writes it
 * to buf as snprintf(3), and returns its length. -LCTERR_BADCTSTATE if it does not run; -1 else, with errno EEXIST if
 * it is there.
 */
int libct_container_pin(ct_handler_t ct, const char *directory, char *buf, size_t size);
/* In any state. Nothing happens if there is nothing. */
int libct_container_unpin(ct_handler_t ct, const char *directory);
/* A new descriptor, which the caller closes, of the namespace that the running container is in. Errors as above. */
int libct_container_namespace_fd(ct_handler_t ct, int kind);

#ifdef __cplusplus
}
#endif

#endif
