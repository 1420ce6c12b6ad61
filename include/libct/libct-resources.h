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
};

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

#ifdef __cplusplus
}
#endif

#endif
