/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_MOUNTS_H
#define LIBCT_MOUNTS_H

/*
 * Mounts with all that there is to say of them, also in a running container; see libct_mounts(3).
 */

#include "libct.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For `flags`, beside CT_FS_*. */
#define LIBCT_MOUNT_NO_SYMLINKS 0x100 /* symbolic links in it are not followed */
#define LIBCT_MOUNT_NO_DIRECTORY_ATIME 0x200
#define LIBCT_MOUNT_COPY_UP 0x400   /* a tmpfs that starts with a copy of what its target holds */
#define LIBCT_MOUNT_ID_MAPPED 0x800 /* a bind whose files have other owners inside */

/* How mounting below it spreads to other mount namespaces. */
enum libct_propagation LIBCT_ENUM {
    LIBCT_PROPAGATION_DEFAULT = 0, /* binds: slave; file systems: private */
    LIBCT_PROPAGATION_PRIVATE = 1,
    LIBCT_PROPAGATION_SLAVE = 2,
    LIBCT_PROPAGATION_SHARED = 3,
    LIBCT_PROPAGATION_UNBINDABLE = 4
};

/* When reading a file changes its access time. */
enum libct_access_time LIBCT_ENUM {
    LIBCT_ATIME_DEFAULT = 0,
    LIBCT_ATIME_RELATIVE = 1,
    LIBCT_ATIME_STRICT = 2,
    LIBCT_ATIME_NEVER = 3
};

/* count ids from inside on are those from outside on. */
struct libct_id_range {
    unsigned int inside;
    unsigned int outside;
    unsigned int count;
};

struct libct_mount {
    size_t struct_size;
    const char *source;         /* of a bind: a path of the host */
    const char *target;         /* inside the root */
    const char *type;           /* of a file system; NULL: a bind */
    const char *const *options; /* of a file system, each "KEY" or "KEY=VALUE", and NULL */
    unsigned int flags;         /* CT_FS_RDONLY, REC, NOEXEC, NOSUID, NODEV and those above */
    enum libct_propagation propagation;
    enum libct_access_time access_time;
    const struct libct_id_range *uid_map; /* with LIBCT_MOUNT_ID_MAPPED; NULL: that of the user namespace */
    size_t uid_count;
    const struct libct_id_range *gid_map;
    size_t gid_count;
    /*
     * What runs before and after it, in the container's namespaces: commands, and then a function, which runs in a copy
     * of this process. What is not 0 lets the start fail.
     */
    const struct libct_cmd *before_commands;
    const struct libct_cmd *after_commands;
    int (*before)(void *user);
    int (*after)(void *user);
    void *user;
};

/*
 * Mounts that at each start, in the order of the calls. Needs CLONE_NEWNS; a relative source is looked for at the
 * start. -LCTERR_BADCTSTATE not stopped; -LCTERR_INVARG for NULL and other flags; -LCTERR_BADTYPE for an unknown
 * enumeration; what else is malformed lets the start fail.
 */
int libct_fs_add(ct_handler_t ct, const struct libct_mount *mount);
/* What programs expect: /proc, /sys, /dev and what belongs there, before any other mount. */
int libct_fs_add_default_mounts(ct_handler_t ct);
/* With bind not 0 /proc is the host's, which shows its processes, rather than a new one. */
int libct_fs_set_proc_mode(ct_handler_t ct, int bind);
/* null, zero, full, random, urandom and tty in /dev, and links. */
int libct_fs_add_default_devices(ct_handler_t ct);
/* What is at path inside cannot be read, or not be written. Needs CLONE_NEWNS, as all of these. */
int libct_fs_mask(ct_handler_t ct, const char *path);
int libct_fs_protect(ct_handler_t ct, const char *path);
/* Both for what /proc and /sys tell and take about the whole machine. */
int libct_fs_add_default_masks(ct_handler_t ct);
/* Of the root: with read_only not 0 nothing is written to it once everything is mounted. */
int libct_fs_set_root_options(ct_handler_t ct, int read_only, enum libct_propagation propagation);

/*
 * Mounts in the running container, until its end; without commands and functions. -LCTERR_BADCTSTATE if it does not
 * run; -LCTERR_INVARG and -LCTERR_BADTYPE as above; -1 else.
 */
int libct_fs_mount(ct_handler_t ct, const struct libct_mount *mount);
/* Unmounts what is mounted there, with all below it. -1 with errno EINVAL if nothing is. */
int libct_fs_unmount(ct_handler_t ct, const char *target);

#ifdef __cplusplus
}
#endif

#endif
