/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_H
#define LIBCT_H

/*
 * The C interface of libct; see libct_session(3) and its kin.
 *
 * Errors. A function that returns int returns 0 (or a count) if all went well, else a negative number: -LCTERR_* of
 * libct-errors.h, or -1 with errno set. One that returns a handle returns an error handle instead, which
 * libct_handle_is_err() recognises and libct_handle_to_err() translates. What has failed is undone.
 *
 * Handles. A handle that is NULL, an error, of another kind, or of something that is gone is refused with
 * -LCTERR_INVARG; functions without a result do nothing then. A handle is gone with libct_session_close(),
 * libct_container_destroy(), libct_process_destroy() and libct_process_desc_destroy(); its value is not used again.
 *
 * Ownership. Strings, arrays and lists that are given are copied. What is returned is a handle, except for
 * struct libct_processes.
 *
 * Threads. Any thread may call any function. Calls on one container exclude each other, except that
 * libct_container_wait(), libct_process_wait() and the functions that start processes do not hold up the others while
 * they block. A process that was made by fork(2) must not use the handles of its parent. Functions that are called back
 * return: no pthread_exit(), no longjmp(); a thread is not cancelled in a call.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libct-errors.h"

/* In C++, too, any number may be passed. */
#ifdef __cplusplus
#define LIBCT_ENUM : int
#else
#define LIBCT_ENUM
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that is loaded, such as "0.1.0". */
const char *libct_version(void);

/*
 * Errors
 */

/* Why a call has failed. */
struct libct_error {
    size_t struct_size;
    int code;            /* what the call has returned, or the number of the error handle */
    int error_number;    /* errno, or 0 */
    const char *stage;   /* what the library was doing: "mounts", "network" and the like */
    const char *path;    /* the file concerned, or "" */
    const char *message; /* a whole sentence */
};
/* The last failure in this thread, or NULL; valid until the next one there. */
const struct libct_error *libct_last_error(void);

/* The error handle of a negative number. */
void *libct_err_to_handle(long err);
/* The number of an error handle; means nothing for others. */
long libct_handle_to_err(void *h);
/* 1 for an error handle, else 0: also for NULL. */
int libct_handle_is_err(void *h);

/*
 * Sessions
 *
 * A session has the containers that a program makes. It has no thread and no descriptor to watch.
 */

struct libct_session;
typedef struct libct_session *libct_session_t;

/* A local session, for NULL or "local". -LCTERR_INVARG for any other address. */
libct_session_t libct_session_open(const char *url);
libct_session_t libct_session_open_local(void);

/* What becomes of running containers when their session is closed. */
enum libct_on_close LIBCT_ENUM {
    LIBCT_ON_CLOSE_DETACH = 0, /* they go on */
    LIBCT_ON_CLOSE_KILL = 1    /* they are killed and waited for */
};
enum libct_property_type LIBCT_ENUM {
    LIBCT_PROPERTY_NUMBER = 0,
    LIBCT_PROPERTY_BOOLEAN = 1, /* `number` is 0 or not */
    LIBCT_PROPERTY_TEXT = 2
};
/* Of a scope of systemd, see systemd.resource-control(5). */
struct libct_systemd_property {
    const char *name;
    enum libct_property_type type;
    uint64_t number;
    const char *text;
};
struct libct_session_options {
    size_t struct_size; /* here and elsewhere: sizeof of the struct; what is left 0 has its default */
    /*
     * An absolute path, made if it is missing: a record of each container is kept there, by which programs
     * find it, see libct_container_open(). Names are unique there. NULL: no records.
     */
    const char *state_directory;
    const char *network_directory; /* where what is known of bridges is recorded; NULL: the library's own place */
    const char *cgroup_parent;     /* the group in which containers have theirs; NULL: the root */
    enum libct_on_close on_close;
    void (*log)(unsigned int level, const char *text, void *user); /* LOG_WARN and so on; must not call libct */
    void *user;
    int record_events; /* what becomes of the containers is recorded in the state directory, see libct_readers(3) */
    int own_thread;    /* processes are made by a thread of the session's own, whose end their signal tells */
    int systemd;       /* groups are made by systemd, as scopes; cgroup_parent is the name of a slice then */
    const struct libct_systemd_property *systemd_properties; /* of each scope */
    size_t systemd_property_count;
};
/* A local session with options. -LCTERR_INVARG for malformed ones. */
libct_session_t libct_session_open_with(const struct libct_session_options *options);

/* Something that containers can use if the host offers it. */
struct libct_feature {
    size_t struct_size;
    const char *name;   /* such as "namespace.user" */
    int available;      /* to this process */
    const char *detail; /* what there is of it, or why it is missing */
    const char *remedy; /* how to get it, if it is missing */
};
/*
 * Hands what this host offers to a function, one by one, until that returns something other than 0, and returns that.
 * It is found out by trying, which takes some milliseconds.
 */
int libct_session_features(libct_session_t s, int (*cb)(const struct libct_feature *feature, void *user), void *user);

/* Closes its containers, as libct_container_close() does: those that run go on, unless its options say otherwise.
 * libct_session_dispatch() of other threads ends with -LCTERR_INVARG. */
void libct_session_close(libct_session_t s);

/*
 * Containers
 *
 * A container is stopped when it is made. While it is stopped it is configured, which touches nothing on the host;
 * then it is spawned, any number of times.
 */

struct ct_handler;
typedef struct ct_handler *ct_handler_t;
struct ct_process_desc;
typedef struct ct_process_desc *ct_process_desc_t;
struct ct_process;
typedef struct ct_process *ct_process_t;

enum ct_state LIBCT_ENUM {
    CT_ERROR = -1,
    CT_STOPPED = 0,
    CT_RUNNING = 1,
    CT_PAUSED = 2
};

/*
 * A new container. The name, by which its control groups are called, is 1 to 64 of A-Z a-z 0-9 _ . - and does not start
 * with . or -. -LCTERR_INVARG for another one, or NULL. Several containers may have the same name; one of them at a
 * time can have groups.
 */
ct_handler_t libct_container_create(libct_session_t s, const char *name);
/*
 * A container that any program has recorded in the session's state directory: a running one, or one that was saved. It
 * has its configuration, and what ran is not killed by closing this session. -LCTERR_INVARG without a name;
 * -LCTERR_NOTFOUND if there is none; -1 else, also for a session without a state directory.
 */
ct_handler_t libct_container_open(libct_session_t s, const char *name);
/*
 * Keeps the stopped container in the state directory, until libct_container_remove(). Functions, descriptors and the
 * like cannot be kept: -1.
 */
int libct_container_save(ct_handler_t ct);
/* It ceases to be recorded, and cannot be started any more; the handle stays. -LCTERR_BADCTSTATE not stopped. */
int libct_container_remove(ct_handler_t ct);
/*
 * The whole configuration as JSON, in place of all that was set before but functions and logs: everything that the C++
 * interface has in ct::Spec, by the names of its fields. Setters add to it. -LCTERR_BADCTSTATE not stopped;
 * -LCTERR_INVARG for a field that is unknown or malformed.
 */
int libct_container_set_spec(ct_handler_t ct, const char *json);
/* Writes the configuration to buf as JSON, at most size bytes with a 0 at the end, and returns its length. */
int libct_container_get_spec(ct_handler_t ct, char *buf, size_t size);
/* These two are the same: the handle is gone, with those that the container owns. A running container goes on. */
void libct_container_close(ct_handler_t ct);
void libct_container_destroy(ct_handler_t ct);
/*
 * What the calls before have made of it: one whose first process has ended is CT_RUNNING until libct_container_wait().
 * CT_ERROR for an invalid handle.
 */
enum ct_state libct_container_state(ct_handler_t ct);

/*
 * Which namespaces are made at each start: CLONE_NEWIPC, NEWNET, NEWNS, NEWPID, NEWUTS and NEWUSER of <sched.h>, in
 * place of those before. Without CLONE_NEWUTS names, and without CLONE_NEWNET devices and routes that were set before
 * are dropped.
 * -LCTERR_INVARG CLONE_NEWPID with LIBCT_OPT_TASKLESS; -LCTERR_BADCTSTATE not stopped; -LCTERR_NONS another bit;
 * -LCTERR_BADARG one that libct_container_set_nspath() has set.
 */
int libct_container_set_nsmask(ct_handler_t ct, unsigned long nsmask);
/*
 * Joins the namespace of that kind whose file is path at each start. Errors as before; -LCTERR_BADARG for a kind that
 * is set already.
 */
int libct_container_set_nspath(ct_handler_t ct, int ns, const char *path);
/*
 * A kernel parameter of one of the container's namespaces, such as "net.ipv4.ip_forward", set at each start. Others,
 * which are the whole machine's, let the start fail.
 */
int libct_container_set_sysctl(ct_handler_t ct, const char *name, const char *val);
/*
 * Host and domain name; NULL takes a name away. -LCTERR_NONS without CLONE_NEWUTS; -LCTERR_BADCTSTATE not stopped.
 */
int libct_container_uname(ct_handler_t ct, const char *host, const char *domain);

/* A new /proc inside, if there is a pid namespace or a root; needs CLONE_NEWNS then. */
#define LIBCT_OPT_AUTO_PROC_MOUNT 1
/*
 * With a root: a tmpfs on the directory that is the argument (NULL: "/sys/fs/cgroup") with a directory for each of the
 * container's controllers, in which its group is mounted, writable. Needs CLONE_NEWNS.
 */
#define LIBCT_OPT_CGROUP_SUBMOUNT 2
/*
 * libct_container_kill() works without a pid namespace: the container has a group in a hierarchy of its own, called
 * "libct", which is mounted now on /sys/fs/cgroup/.libct unless it is mounted anywhere, and stays. -LCTERR_CGCREATE if
 * that fails. A host that has only version 2 of control groups needs none.
 */
#define LIBCT_OPT_KILLABLE 3
/* The first process does not become the leader of a new session. */
#define LIBCT_OPT_NOSETSID 4
/* -LCTERR_BADTYPE */
#define LIBCT_OPT_SYSTEMD 5
/*
 * The namespaces outlive the first process: until libct_container_wait() or libct_container_kill() one can enter and
 * switch to them. -LCTERR_INVARG with CLONE_NEWPID.
 */
#define LIBCT_OPT_TASKLESS 6
/* args is for LIBCT_OPT_CGROUP_SUBMOUNT alone. -LCTERR_BADTYPE for an unknown option. In any state. */
int libct_container_set_option(ct_handler_t ct, int opt, void *args);

/* For fds: /dev/console. */
#define LIBCT_CONSOLE_FD (-2)
/*
 * The terminal that becomes the controlling one of the first process; LIBCT_CONSOLE_FD is the host's /dev/console, -1
 * none. It has to stay open until the start, and does not become a standard stream.
 */
int libct_container_set_console_fd(ct_handler_t ct, int fd);

/*
 * Append count ids to a map of the new user namespace: from first on inside, they are those from lower_first on
 * outside. Checked at the start. In any state.
 */
int libct_userns_add_uid_map(ct_handler_t ct, unsigned int first, unsigned int lower_first, unsigned int count);
int libct_userns_add_gid_map(ct_handler_t ct, unsigned int first, unsigned int lower_first, unsigned int count);

/*
 * Start the container, with a function that runs in a copy of this process, as after fork(2), and whose result is the
 * exit status, or with a program that is looked for along PATH. They return once that runs. argv and env end with NULL;
 * without env the environment is that of the descriptor, or the caller's. A function that is NULL ends at once with 0,
 * and nothing of the descriptor applies.
 *
 * The handle of the first process is the container's, and the same at every start.
 * -LCTERR_BADCTSTATE not stopped; -LCTERR_CANTMOUNT, -LCTERR_CGCREATE, -LCTERR_CGCONFIG, -LCTERR_CGATTACH; -1 for all
 * else, such as a program that is not there. The container is stopped then, and nothing is left.
 */
ct_process_t libct_container_spawn_cb(ct_handler_t ct, ct_process_desc_t pr, int (*cb)(void *), void *arg);
ct_process_t libct_container_spawn_execv(ct_handler_t ct, ct_process_desc_t pr, const char *path, char **argv);
ct_process_t libct_container_spawn_execve(ct_handler_t ct, ct_process_desc_t pr, const char *path, char **argv,
                                          char **env);
/*
 * Start one more process in the running container, which the caller has to wait for and to destroy; it may outlive the
 * container's handle. -LCTERR_BADCTSTATE not running; -1 for all else.
 */
ct_process_t libct_container_enter_cb(ct_handler_t ct, ct_process_desc_t pr, int (*cb)(void *), void *arg);
ct_process_t libct_container_enter_execv(ct_handler_t ct, ct_process_desc_t pr, const char *path, char **argv);
ct_process_t libct_container_enter_execve(ct_handler_t ct, ct_process_desc_t pr, const char *path, char **argv,
                                          char **env);
/*
 * Takes a running process for the container's first one, whatever the state was. The configuration has to be the one
 * that it was started with; of the control groups those count that have the process in them. -1 if there is none.
 */
ct_process_t libct_container_load(ct_handler_t ct, pid_t pid);
/*
 * Kills all processes of the container, without waiting. -LCTERR_BADCTSTATE not running; -1 with neither CLONE_NEWPID
 * nor LIBCT_OPT_KILLABLE.
 */
int libct_container_kill(ct_handler_t ct);
/*
 * Blocks until the first process has ended, and takes down what the container has on the host, with what is left in its
 * control groups. -LCTERR_BADCTSTATE not running, or paused.
 */
int libct_container_wait(ct_handler_t ct);
/*
 * Moves the calling thread into the namespaces and the root of the container. -LCTERR_BADCTSTATE not running;
 * -LCTERR_INVARG with CLONE_NEWPID; -1 else.
 */
int libct_container_switch(ct_handler_t ct);

/*
 * Processes
 */

/*
 * Blocks until it has ended; *status, unless that is NULL, is what waitpid(2) tells, or -1 if somebody else took it.
 * -LCTERR_BADCTSTATE if it was waited for already, -LCTERR_INVARG for an invalid handle.
 */
int libct_process_wait(ct_process_t p, int *status);
/* The pid as this process sees it; -1 once it was waited for. */
int libct_process_get_pid(ct_process_t p);
/* The handle is gone; does nothing to a container's first process. */
void libct_process_destroy(ct_process_t p);

/*
 * Descriptors of processes: what a process is started with. By default: user and group 0 without any other group, the
 * caller's environment and capabilities, and all descriptors that are not close-on-exec (a function gets all).
 * Starting only reads a descriptor. The setters return -1 if there is no memory.
 */

ct_process_desc_t libct_process_desc_create(libct_session_t s);
ct_process_desc_t libct_process_desc_copy(ct_process_desc_t p);
void libct_process_desc_destroy(ct_process_desc_t p);
/* Ids inside the container. */
int libct_process_desc_setuid(ct_process_desc_t p, unsigned int uid);
int libct_process_desc_setgid(ct_process_desc_t p, unsigned int gid);
/*
 * Instead of both: a user of the container's own /etc/passwd, by name or number, with the groups of its /etc/group, and
 * with HOME unless that is set. A start fails if there is none. NULL: none.
 */
int libct_process_desc_set_user(ct_process_desc_t p, const char *user);
/* Supplementary groups. */
int libct_process_desc_set_groups(ct_process_desc_t p, unsigned int size, unsigned int groups[]);

#define CAPS_BSET 0x1    /* the bounding set */
#define CAPS_ALLCAPS 0x2 /* effective, permitted and inheritable set */
#define CAPS_ALL 0x3
/*
 * Bit N of mask is capability N. The bounding set loses all others; the other three become just that, also for a user
 * other than 0. Each of the two keeps its own mask. -LCTERR_INVARG for another apply_to.
 */
int libct_process_desc_set_caps(ct_process_desc_t p, unsigned long mask, unsigned int apply_to);
/* Sent when the thread that has started the process ends; 0: none. */
int libct_process_desc_set_pdeathsig(ct_process_desc_t p, int sig);
/* An AppArmor profile or a SELinux context, whichever this host has; ignored if it has neither. Programs only. */
int libct_process_desc_set_lsm_label(ct_process_desc_t p, const char *label);
/* See setrlimit(2). -1 for an unknown resource. */
int libct_process_desc_set_rlimit(ct_process_desc_t p, int resource, uint64_t soft, uint64_t hard);
/*
 * Descriptor I of the process is fds[I], or the container's own /dev/console for LIBCT_CONSOLE_FD; all others are
 * closed. fds that is NULL forgets the list.
 */
int libct_process_desc_set_fds(ct_process_desc_t p, int *fds, int n);
/* The whole environment: size strings "NAME=VALUE". -LCTERR_INVARG for other strings, and if it was set before. */
int libct_process_desc_set_env(ct_process_desc_t p, char **env, int size);

/*
 * Control groups
 *
 * A container has groups MOUNT/NAME in the hierarchies of its controllers, wherever the caller's own groups are. Names
 * of files and values are those of the kernel, and so depend on the version of control groups.
 */

enum ct_controller LIBCT_ENUM {
    CTL_BLKIO = 0,
    CTL_CPU = 1,
    CTL_CPUACCT = 2,
    CTL_CPUSET = 3,
    CTL_DEVICES = 4,
    CTL_FREEZER = 5,
    CTL_HUGETLB = 6,
    CTL_MEMORY = 7,
    CTL_NETCLS = 8,
    CT_NR_CONTROLLERS = 9
};

/* Adding one again is fine. -LCTERR_INVARG for an unknown one; -LCTERR_BADCTSTATE not stopped. */
int libct_controller_add(ct_handler_t ct, enum ct_controller ctype);
/*
 * Writes value to the file param: now if the container is running, else at each start, in the order of the first calls
 * for each file; the last value counts. -LCTERR_INVARG for NULL; -LCTERR_NOTFOUND for a controller that was not added;
 * -LCTERR_CGCONFIG if writing fails now.
 */
int libct_controller_configure(ct_handler_t ct, enum ct_controller ctype, const char *param, const char *value);
/*
 * Reads the file param once, at most len bytes, and returns how many. -LCTERR_INVARG for NULL; -LCTERR_BADCTSTATE
 * stopped; -1 else.
 */
int libct_controller_read(ct_handler_t ct, enum ct_controller ctype, const char *param, void *buf, size_t len);
/*
 * Freezes and thaws the container, and waits for that. -EINVAL without CTL_FREEZER; -1 if it fails. A paused container
 * can only be resumed.
 */
int libct_container_pause(ct_handler_t ct);
int libct_container_resume(ct_handler_t ct);

/* Pids, to be released by libct_processes_free(). */
struct libct_processes {
    int nproc;
#ifdef __cplusplus
    __extension__
#endif
    int array[];
};

/*
 * The processes of the container. An error handle: -LCTERR_INVARG without any control group; -1 if it is stopped.
 */
struct libct_processes *libct_container_processes(ct_handler_t ct);
/* Does nothing to NULL and error handles. */
void libct_processes_free(struct libct_processes *p);
/* The pid number i, from 0 on. */
static inline int libct_processes_get(struct libct_processes *p, int i) {
    return p->array[i];
}

/*
 * Files
 */

/* The root directory. -LCTERR_BADCTSTATE not stopped, -LCTERR_INVARG for NULL. */
int libct_fs_set_root(ct_handler_t ct, const char *root_path);

enum ct_fs_type LIBCT_ENUM {
    CT_FS_NONE = 0,  /* none */
    CT_FS_SUBDIR = 1 /* a directory; the argument is its path */
};

/*
 * The private area, which is bound over the root directory at each start. That is made if it is missing.
 * -LCTERR_BADCTSTATE not stopped; -LCTERR_BADTYPE for an unknown type; -LCTERR_INVARG without a path.
 */
int libct_fs_set_private(ct_handler_t ct, enum ct_fs_type type, void *arg);

enum libct_area_type LIBCT_ENUM {
    LIBCT_AREA_DIRECTORY = 0, /* a directory of the host */
    LIBCT_AREA_OVERLAY = 1,   /* directories of the host, and one that takes all changes */
    LIBCT_AREA_TMPFS = 2,     /* empty, and gone with the container */
    LIBCT_AREA_IMAGE = 3      /* a file system in a file */
};
/* A private area of any kind; others than a directory need CLONE_NEWNS. */
struct libct_area {
    size_t struct_size;
    enum libct_area_type type;
    const char *source;       /* the directory, or the file of an image */
    const char *target;       /* where in the root; NULL: over the root itself */
    int read_only;            /* of a directory or an image */
    const char *const *lower; /* of an overlay: directories, topmost first, and NULL; none: what is at the target */
    const char *upper;        /* takes the changes; NULL: a throw-away one in memory */
    const char *work;         /* with upper: a directory beside it, for the kernel */
    uint64_t size_bytes;      /* of what is in memory; 0: the kernel's */
    unsigned int mode;        /* of a tmpfs; 0: 0755 */
    const char *fs_type;      /* of an image; NULL: what it looks like */
};
/* Instead of libct_fs_set_private(), which replaces it. Errors are the same. */
int libct_fs_set_area(ct_handler_t ct, const struct libct_area *area);
/*
 * The changes in an overlay: the last run's also once it is stopped. Hands each path, and '+', '~' or '-' for what was
 * added, modified or deleted, to a function until that returns something other than 0, and returns that.
 */
int libct_fs_changes(ct_handler_t ct, int (*cb)(const char *path, char kind, void *user), void *user);
/* Copies them to a directory that is missing or empty, for use as the topmost of the lower ones of others. */
int libct_fs_commit(ct_handler_t ct, const char *directory);
/* Gives them up. -LCTERR_BADCTSTATE not stopped. */
int libct_fs_discard(ct_handler_t ct);

#define CT_FS_RDONLY 0x01
#define CT_FS_PRIVATE 0x02
#define CT_FS_BIND 0x04
#define CT_FS_NOEXEC 0x08
#define CT_FS_NOSUID 0x10
#define CT_FS_NODEV 0x20
#define CT_FS_STRICTATIME 0x40
#define CT_FS_REC 0x80

/* A program that runs before or after a mount; argv and envp end with NULL. */
struct libct_cmd {
    struct libct_cmd *next;
    char *path;  /* looked for along PATH */
    char **argv; /* */
    char **envp; /* NULL: the caller's */
    char *dir;   /* where it runs; NULL: where the caller is */
};

/*
 * Mounts on dst in the root, in the order of the calls; nothing happens without a root. A missing target is made,
 * and stays. Without CLONE_NEWNS the mounts are the host's until libct_container_wait(). Binds take only the flags
 * CT_FS_PRIVATE and CT_FS_RDONLY. A command that fails lets the start fail.
 * -LCTERR_INVARG for NULL and for other flags; -LCTERR_BADCTSTATE not stopped.
 */
int libct_fs_add_bind_mount(ct_handler_t ct, const char *src, const char *dst, int flags);
int libct_fs_add_mount(ct_handler_t ct, const char *src, const char *dst, int flags, const char *fstype,
                       const char *data);
int libct_fs_add_mount_with_actions(ct_handler_t ct, const char *src, const char *dst, int flags, const char *fstype,
                                    const char *data, struct libct_cmd *premount_cmds,
                                    struct libct_cmd *postmount_cmds);
/* Takes away the first mount on dst, as that was written. -LCTERR_NOTFOUND if there is none. */
int libct_fs_del_bind_mount(ct_handler_t ct, const char *dst);
/*
 * Makes a device node in the root; mode has S_IFCHR or S_IFBLK in it. -LCTERR_INVARG for another type or NULL,
 * -LCTERR_BADCTSTATE not stopped.
 */
int libct_fs_add_devnode(ct_handler_t ct, const char *path, int mode, int major, int minor);

/*
 * Network, with CLONE_NEWNET
 */

enum ct_net_type LIBCT_ENUM {
    CT_NET_NONE = 0,
    CT_NET_HOSTNIC = 1, /* a link of the host, which moves in; the argument is its name */
    CT_NET_VETH = 2     /* a pair of links; the argument is a struct ct_net_veth_arg */
};

struct ct_net;
typedef struct ct_net *ct_net_t;
struct ct_net_route;
typedef struct ct_net_route *ct_net_route_t;
struct ct_net_route_nh;
typedef struct ct_net_route_nh *ct_net_route_nh_t;

struct ct_net_veth_arg {
    char *host_name;
    char *ct_name;
};

/*
 * Adds a device; the handle is that of the container's end. Nothing, and NULL, for CT_NET_NONE.
 * -LCTERR_BADCTSTATE not stopped; -LCTERR_NONS without CLONE_NEWNET; -LCTERR_BADTYPE; -LCTERR_BADARG for a bad one.
 */
ct_net_t libct_net_add(ct_handler_t ct, enum ct_net_type ntype, void *arg);
/* Takes it away, by its name on the host. -LCTERR_NOTFOUND if there is none. */
int libct_net_del(ct_handler_t ct, enum ct_net_type ntype, void *arg);
/* The host's end of a pair, for the calls that follow. -LCTERR_BADARG for another device. */
ct_net_t libct_net_dev_get_peer(ct_net_t n);
/* Checked at the start. */
int libct_net_dev_set_mac_addr(ct_net_t n, const char *addr);
/* A bridge of the host, for the host's end. A start fails if it is set for a device inside. */
int libct_net_dev_set_master(ct_net_t n, const char *master);
/* Adds an address, such as "10.0.0.2/24" or "fd00::2/64". */
int libct_net_dev_add_ip_addr(ct_net_t n, const char *addr);
/* Both ends of a pair have the same; the container's end counts if both are set. 0: the kernel's. */
int libct_net_dev_set_mtu(ct_net_t n, int mtu);

/* Routes, made after the devices in the order of the calls. In any state; checked at the start. */
ct_net_route_t libct_net_route_add(ct_handler_t ct);
/* The address that packets from here prefer as theirs; "/32" or "/128" may follow, any other length fails the start. */
int libct_net_route_set_src(ct_net_route_t r, const char *src);
/* Default: "0.0.0.0/0". */
int libct_net_route_set_dst(ct_net_route_t r, const char *dst);
int libct_net_route_set_dev(ct_net_route_t r, const char *dev);
/* One more way for the route. */
ct_net_route_nh_t libct_net_route_add_nh(ct_net_route_t r);
int libct_net_route_nh_set_gw(ct_net_route_nh_t nh, const char *gw);
int libct_net_route_nh_set_dev(ct_net_route_nh_t nh, const char *dev);

/* Without this the loopback device is down. */
int libct_net_loopback_up(ct_handler_t ct);

/* A bridge of the host that libct makes with the first container that uses it, and removes with the last one. */
struct libct_bridge {
    size_t struct_size;
    const char *name;
    const char *const *addresses; /* its own, with the length of the subnet, such as "10.1.0.1/24"; then NULL */
    unsigned int mtu;             /* 0: the kernel's */
    int nat;                      /* what its containers send to elsewhere has the host's address */
};
/*
 * -LCTERR_BADCTSTATE not stopped; -LCTERR_NONS without CLONE_NEWNET; -LCTERR_BADARG without a name. Addresses and the
 * like are checked at the start.
 */
int libct_net_add_bridge(ct_handler_t ct, const struct libct_bridge *bridge);

/* A pair of links, as CT_NET_VETH. */
struct libct_veth {
    size_t struct_size;
    const char *host_name;        /* NULL: a generated one */
    const char *container_name;   /* NULL: "eth0" */
    const char *host_mac;         /* NULL: a random one */
    const char *container_mac;    /* NULL: a random one */
    const char *bridge;           /* of which the host's end becomes a port; NULL: none */
    const char *const *addresses; /* of the container's end; then NULL; NULL: none */
    unsigned int mtu;             /* 0: the kernel's */
    int lease;                    /* a free address of each subnet of the bridge, which is one of the above */
};
/* As libct_net_add_bridge(). */
int libct_net_add_veth(ct_handler_t ct, const struct libct_veth *veth);

/* Ports of the host that lead to the container; needs a bridge. */
struct libct_port {
    size_t struct_size;
    unsigned int host_port;
    unsigned int container_port;
    unsigned int count;       /* from these two on; 0: 1 */
    int udp;                  /* 0: TCP */
    const char *host_address; /* NULL: any */
};
/* As libct_net_add_bridge(). */
int libct_net_publish(ct_handler_t ct, const struct libct_port *port);

#ifdef __cplusplus
}
#endif

#endif
