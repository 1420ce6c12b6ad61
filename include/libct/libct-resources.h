/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_RESOURCES_H
#define LIBCT_RESOURCES_H

/*
 * What containers may use, and what they have used, whichever version of control groups this host has; see
 * libct_resources(3).
 */

#include "libct.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LIBCT_UNLIMITED UINT64_MAX

/* Bits of `set`. */
#define LIBCT_LIMIT_MEMORY_MAX 0x0001u
#define LIBCT_LIMIT_MEMORY_HIGH 0x0002u
#define LIBCT_LIMIT_MEMORY_LOW 0x0004u
#define LIBCT_LIMIT_MEMORY_MIN 0x0008u
#define LIBCT_LIMIT_SWAP_MAX 0x0010u
#define LIBCT_LIMIT_OOM_GROUP 0x0020u
#define LIBCT_LIMIT_CPUS 0x0040u
#define LIBCT_LIMIT_CPU_PERIOD 0x0080u
#define LIBCT_LIMIT_CPU_WEIGHT 0x0100u
#define LIBCT_LIMIT_CPU_IDLE 0x0200u
#define LIBCT_LIMIT_PIDS_MAX 0x0400u
#define LIBCT_LIMIT_IO_WEIGHT 0x0800u
#define LIBCT_LIMIT_DEVICES 0x1000u
#define LIBCT_LIMIT_NET_CLASS 0x2000u

/* What a container may do to one block device; 0 leaves it as it is, LIBCT_UNLIMITED takes a limit away. */
struct libct_io_limit {
    unsigned int major;
    unsigned int minor;
    uint64_t read_bytes_per_second;
    uint64_t write_bytes_per_second;
    uint64_t reads_per_second;
    uint64_t writes_per_second;
};

#define LIBCT_DEVICE_READ 1u
#define LIBCT_DEVICE_WRITE 2u
#define LIBCT_DEVICE_MAKE 4u
#define LIBCT_DEVICE_ANY (-1)

/* Grants or denies access to devices; of several rules that match the last one counts. */
struct libct_device_rule {
    int allow;           /* 0: deny */
    int type;            /* S_IFCHR, S_IFBLK, or 0: both */
    int major;           /* or LIBCT_DEVICE_ANY */
    int minor;           /* or LIBCT_DEVICE_ANY */
    unsigned int access; /* LIBCT_DEVICE_READ and so on, together */
};

/* The share of the I/O that a container has of one block device: 1 to 10000. */
struct libct_io_weight {
    unsigned int major;
    unsigned int minor;
    unsigned int weight;
};
/* How much of huge pages of one size may be used, or LIBCT_UNLIMITED. */
struct libct_hugetlb_limit {
    uint64_t page_bytes;
    uint64_t max_bytes;
};
/* The priority of packets that leave by an interface of the host. Version 1. */
struct libct_net_priority {
    const char *interface_name;
    unsigned int priority;
};

/* Only what has its bit in `set` is set; text and lists are, unless they are NULL. */
struct libct_limits {
    size_t struct_size;
    uint64_t set;
    uint64_t memory_max_bytes;  /* beyond it the kernel kills */
    uint64_t memory_high_bytes; /* beyond it processes are slowed down; version 2, as memory_min */
    uint64_t memory_low_bytes;  /* kept from reclaim as far as possible */
    uint64_t memory_min_bytes;  /* never reclaimed */
    uint64_t swap_max_bytes;    /* in addition to memory */
    int oom_group;              /* a kill ends all processes; version 2 */
    int cpu_idle;               /* runs only if nobody else wants to */
    uint64_t cpus_milli;        /* thousandths of a CPU, or LIBCT_UNLIMITED */
    uint64_t cpu_period_us;     /* in which they may be used up */
    unsigned int cpu_weight;    /* 1 to 10000; default 100 */
    unsigned int io_weight;     /* the same */
    uint64_t pids_max;          /* processes and threads, or LIBCT_UNLIMITED */
    const char *cpuset_cpus;    /* such as "0-3,7" */
    const char *cpuset_mems;
    const struct libct_io_limit *io;
    size_t io_count;
    const struct libct_device_rule *devices; /* with its bit in `set` an empty list denies all */
    size_t device_count;
    unsigned int net_class; /* the class id of packets, for tc(8); version 1 */
    const struct libct_io_weight *io_weights;
    size_t io_weight_count;
    const struct libct_hugetlb_limit *hugetlb;
    size_t hugetlb_count;
    const struct libct_net_priority *net_priorities;
    size_t net_priority_count;
};
/* What programs expect of devices. Writes at most count rules, and returns how many there are. */
int libct_default_device_rules(struct libct_device_rule *rules, size_t count);

/*
 * In place of all limits that were set before. A stopped container has them from its next start on.
 * -LCTERR_BADCTSTATE not stopped; -LCTERR_INVARG for a malformed one.
 */
int libct_container_set_limits(ct_handler_t ct, const struct libct_limits *limits);
/*
 * Changes those of the running container, and of later starts. If one cannot be set those before it are restored.
 * -LCTERR_BADCTSTATE stopped; -LCTERR_INVARG as before; -LCTERR_CGCONFIG if the kernel refuses it, or if the container
 * was started without the controller.
 */
int libct_container_update_limits(ct_handler_t ct, const struct libct_limits *limits);

/* Bits of `known`, one for each number in the order of the struct. */
#define LIBCT_STATS_CPU_USAGE 0x1u
#define LIBCT_STATS_CPU_USER 0x2u
#define LIBCT_STATS_CPU_SYSTEM 0x4u
#define LIBCT_STATS_CPU_PERIODS 0x8u
#define LIBCT_STATS_CPU_THROTTLED_PERIODS 0x10u
#define LIBCT_STATS_CPU_THROTTLED 0x20u
#define LIBCT_STATS_MEMORY_CURRENT 0x40u
#define LIBCT_STATS_MEMORY_PEAK 0x80u
#define LIBCT_STATS_MEMORY_MAX 0x100u
#define LIBCT_STATS_MEMORY_CACHE 0x200u
#define LIBCT_STATS_MEMORY_RSS 0x400u
#define LIBCT_STATS_MEMORY_SWAP 0x800u
#define LIBCT_STATS_MEMORY_KERNEL 0x1000u
#define LIBCT_STATS_PAGE_FAULTS 0x2000u
#define LIBCT_STATS_MAJOR_PAGE_FAULTS 0x4000u
#define LIBCT_STATS_OOM_KILLS 0x8000u
#define LIBCT_STATS_PIDS_CURRENT 0x10000u
#define LIBCT_STATS_PIDS_PEAK 0x20000u
#define LIBCT_STATS_PIDS_MAX 0x40000u
#define LIBCT_STATS_PIDS_REFUSED 0x80000u
#define LIBCT_STATS_IO_READ 0x100000u
#define LIBCT_STATS_IO_WRITTEN 0x200000u
#define LIBCT_STATS_IO_READS 0x400000u
#define LIBCT_STATS_IO_WRITES 0x800000u
#define LIBCT_STATS_CPU_STALLED 0x1000000u
#define LIBCT_STATS_MEMORY_STALLED 0x2000000u
#define LIBCT_STATS_IO_STALLED 0x4000000u
#define LIBCT_STATS_MEMORY_LOW_EVENTS 0x8000000u
#define LIBCT_STATS_MEMORY_HIGH_EVENTS 0x10000000u
#define LIBCT_STATS_MEMORY_MAX_EVENTS 0x20000000u
#define LIBCT_STATS_OOMS 0x40000000u
#define LIBCT_STATS_OOM_GROUP_KILLS 0x80000000u

/* What a container has used, as the kernel says of its groups; what has no bit in `known` nobody counts, and is 0. */
struct libct_stats {
    size_t struct_size;
    uint64_t known;
    uint64_t cpu_usage_ns;
    uint64_t cpu_user_ns;
    uint64_t cpu_system_ns;
    uint64_t cpu_periods;
    uint64_t cpu_throttled_periods;
    uint64_t cpu_throttled_ns;
    uint64_t memory_current_bytes;
    uint64_t memory_peak_bytes;
    uint64_t memory_max_bytes; /* or LIBCT_UNLIMITED */
    uint64_t memory_cache_bytes;
    uint64_t memory_rss_bytes;
    uint64_t memory_swap_bytes;
    uint64_t memory_kernel_bytes;
    uint64_t page_faults;
    uint64_t major_page_faults;
    uint64_t oom_kills;
    uint64_t pids_current;
    uint64_t pids_peak;
    uint64_t pids_max; /* or LIBCT_UNLIMITED */
    uint64_t pids_refused;
    uint64_t io_read_bytes; /* these four: of all block devices */
    uint64_t io_written_bytes;
    uint64_t io_reads;
    uint64_t io_writes;
    uint64_t cpu_stalled_us; /* how long any process has waited for it, as the next two; version 2 */
    uint64_t memory_stalled_us;
    uint64_t io_stalled_us;
    uint64_t memory_low_events;  /* reclaimed in spite of memory_low; version 2, as the next */
    uint64_t memory_high_events; /* slowed down for being above memory_high */
    uint64_t memory_max_events;  /* about to go beyond memory_max */
    uint64_t ooms;               /* nothing could be reclaimed then; version 2 */
    uint64_t oom_group_kills;    /* by oom_group */
};

/*
 * Statistics of the running container; stats->struct_size has to be set. -LCTERR_BADCTSTATE if it is stopped;
 * -LCTERR_INVARG if it has no control groups.
 */
int libct_container_stats(ct_handler_t ct, struct libct_stats *stats);
/*
 * The same every interval_ms milliseconds (up to a day), told by libct_session_dispatch(), as events are; time_ns is
 * when they were read, by CLOCK_MONOTONIC. NULL: no more.
 */
int libct_container_on_stats(ct_handler_t ct, unsigned int interval_ms,
                             void (*cb)(ct_handler_t ct, const struct libct_stats *stats, uint64_t time_ns, void *user),
                             void *user);

/* Of one block device; bits of `known` are LIBCT_STATS_IO_READ and so on, and those of discards. */
#define LIBCT_STATS_IO_DISCARDED 0x1u
#define LIBCT_STATS_IO_DISCARDS 0x2u
struct libct_io_stats {
    size_t struct_size;
    uint64_t known;
    unsigned int major;
    unsigned int minor;
    uint64_t read_bytes;
    uint64_t written_bytes;
    uint64_t discarded_bytes;
    uint64_t reads;
    uint64_t writes;
    uint64_t discards;
};
/* Of huge pages of one size. */
#define LIBCT_HUGETLB_CURRENT 0x1u
#define LIBCT_HUGETLB_PEAK 0x2u
#define LIBCT_HUGETLB_MAX 0x4u
#define LIBCT_HUGETLB_FAILURES 0x8u
struct libct_hugetlb_stats {
    size_t struct_size;
    uint64_t known;
    uint64_t page_bytes;
    uint64_t current_bytes;
    uint64_t peak_bytes;
    uint64_t max_bytes; /* or LIBCT_UNLIMITED */
    uint64_t failures;  /* how often that stood in the way */
};
/*
 * Hand the statistics of each device, or size of page, to a function, until that returns something other than 0, and
 * return that. Errors as libct_container_stats().
 */
int libct_container_io_stats(ct_handler_t ct, int (*cb)(const struct libct_io_stats *device, void *user), void *user);
int libct_container_hugetlb_stats(ct_handler_t ct, int (*cb)(const struct libct_hugetlb_stats *pages, void *user),
                                  void *user);

/* For how much of the time processes could not go on: percentages of the last 10, 60 and 300 seconds. */
struct libct_stall {
    size_t struct_size;
    double average_10;
    double average_60;
    double average_300;
    uint64_t total_us;
};
/*
 * Of any process, or with full not 0 of all at the same time; resource is one of enum libct_resource of
 * libct-events.h. stall->struct_size has to be set. -LCTERR_BADTYPE for another one; -LCTERR_NOTFOUND if nobody knows;
 * else as libct_container_stats().
 */
int libct_container_stall(ct_handler_t ct, int resource, int full, struct libct_stall *stall);

/*
 * Control groups, beyond what libct.h has
 */

/*
 * A controller by the name that the kernel has for it: "cpu", "pids", "io", "perf_event", "misc" and so on. As
 * libct_controller_add() and its kin; -LCTERR_INVARG for an unknown one.
 */
int libct_controller_add_named(ct_handler_t ct, const char *controller);
int libct_controller_configure_named(ct_handler_t ct, const char *controller, const char *param, const char *value);
int libct_controller_read_named(ct_handler_t ct, const char *controller, const char *param, void *buf, size_t len);
/* The directory of the container's group, or where that will be; as snprintf(3). -LCTERR_BADCTSTATE without one. */
int libct_controller_path(ct_handler_t ct, const char *controller, char *buf, size_t size);

/* How the container sees its own groups at /sys/fs/cgroup. */
enum libct_cgroup_mount LIBCT_ENUM {
    LIBCT_CGROUP_MOUNT_NONE = 0,
    LIBCT_CGROUP_MOUNT_READ_ONLY = 1,
    LIBCT_CGROUP_MOUNT_WRITABLE = 2
};
struct libct_cgroup_options {
    size_t struct_size;
    int own_group;           /* a group even if nothing else asks for one */
    int limits_after_set_up; /* so that the set-up is not charged */
    int born_frozen;         /* a start leaves it paused: nothing of its program has run */
    enum libct_cgroup_mount mount;
};
/* In place of what was set before. -LCTERR_BADCTSTATE not stopped; -LCTERR_BADTYPE for an unknown mount. */
int libct_container_set_cgroup_options(ct_handler_t ct, const struct libct_cgroup_options *options);

#ifdef __cplusplus
}
#endif

#endif
