// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The only program of the test images: static, so that an image needs nothing else. Each subcommand reports one aspect
// of the process that libct made, in plain text, without needing /proc. A subcommand that fails prints the errno's
// name to standard error and ends with 1.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

extern char **environ;

static int fail(const char *what)
{
    const int error = errno;
    fprintf(stderr, "%s: %s\n", what, strerrorname_np(error));
    return 1;
}

static void ready(void)
{
    puts("ready");
    fflush(stdout);
}

static int pause_forever(void)
{
    while (pause() != 0)
        ;
    return 0;
}

// --- processes ---

static int do_exit(char **args)
{
    return atoi(args[0]);
}

static int do_raise(char **args)
{
    const int number = atoi(args[0]);
    signal(number, SIG_DFL);
    raise(number);
    return 1;
}

static int do_pause(char **args)
{
    (void)args;
    ready();
    return pause_forever();
}

static volatile sig_atomic_t caught;

static void remember(int number)
{
    caught = number;
}

// trap SIGNAL CODE: ends with CODE when SIGNAL arrives.
static int do_trap(char **args)
{
    const int number = atoi(args[0]);
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, &before);
    signal(number, remember);
    ready();
    while (!caught)
        sigsuspend(&before);
    return atoi(args[1]);
}

static int do_ignore(char **args)
{
    signal(atoi(args[0]), SIG_IGN);
    ready();
    return pause_forever();
}

// A child that holds the standard streams too: their end of file tells that both processes are gone.
static int do_fork_pause(char **args)
{
    (void)args;
    if (fork() == 0)
        return pause_forever();
    return do_pause(args);
}

// Ends at once, and leaves a child behind.
static int do_orphan(char **args)
{
    (void)args;
    if (fork() == 0)
        return pause_forever();
    ready();
    return 0;
}

// Has a grandchild that is orphaned and ends; tells when somebody has reaped it.
static int do_orphan_gone(char **args)
{
    (void)args;
    int pipe_fds[2];
    if (pipe(pipe_fds) < 0)
        return fail("pipe");
    const pid_t child = fork();
    if (child == 0) {
        const pid_t orphan = fork();
        if (orphan == 0) {
            while (getppid() != 1)
                sched_yield();
            _exit(5);
        }
        _exit(write(pipe_fds[1], &orphan, sizeof orphan) == sizeof orphan ? 0 : 1);
    }
    pid_t orphan = 0;
    if (waitpid(child, NULL, 0) != child || read(pipe_fds[0], &orphan, sizeof orphan) != sizeof orphan)
        return fail("child");
    while (kill(orphan, 0) == 0)
        sched_yield();
    puts("reaped");
    return 0;
}

static int do_exec(char **args)
{
    execv(args[0], args);
    return fail(args[0]);
}

// Reaps as the first process of a pid namespace should, until standard input ends.
static int do_wait_stdin(char **args)
{
    char buffer[256];
    (void)args;
    ready();
    while (read(0, buffer, sizeof buffer) > 0)
        ;
    return 0;
}

// --- attributes ---

static int do_args(char **args)
{
    for (char **arg = args - 2; *arg; ++arg)
        puts(*arg);
    return 0;
}

static int do_env(char **args)
{
    (void)args;
    for (char **entry = environ; *entry; ++entry)
        puts(*entry);
    return 0;
}

static int do_ids(char **args)
{
    uid_t uid[3];
    gid_t gid[3], groups[64];
    (void)args;
    getresuid(&uid[0], &uid[1], &uid[2]);
    getresgid(&gid[0], &gid[1], &gid[2]);
    const int count = getgroups(64, groups);
    if (count < 0)
        return fail("getgroups");
    printf("uid %u %u %u\ngid %u %u %u\ngroups", uid[0], uid[1], uid[2], gid[0], gid[1], gid[2]);
    for (int i = 0; i < count; ++i)
        printf(" %u", groups[i]);
    puts("");
    return 0;
}

static int do_caps(char **args)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    unsigned long long bounding = 0, ambient = 0;
    (void)args;
    if (syscall(SYS_capget, &header, data) != 0)
        return fail("capget");
    for (int cap = 0; cap < 64; ++cap) {
        if (prctl(PR_CAPBSET_READ, cap) == 1)
            bounding |= 1ULL << cap;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) == 1)
            ambient |= 1ULL << cap;
    }
#define SET(field) ((unsigned long long)data[1].field << 32 | data[0].field)
    printf("permitted %llx\neffective %llx\ninheritable %llx\nbounding %llx\nambient %llx\n", SET(permitted),
           SET(effective), SET(inheritable), bounding, ambient);
    return 0;
}

static int do_limits(char **args)
{
    (void)args;
    for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
        struct rlimit limit;
        if (getrlimit((__rlimit_resource_t)resource, &limit) == 0)
            printf("%d %lld %lld\n", resource, (long long)limit.rlim_cur, (long long)limit.rlim_max);
    }
    return 0;
}

// Signals that are blocked and those that are ignored.
static void print_signals(void)
{
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    printf("blocked");
    for (int number = 1; number <= 64; ++number)
        if (sigismember(&mask, number) == 1)
            printf(" %d", number);
    printf("\nignored");
    for (int number = 1; number <= 64; ++number) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            printf(" %d", number);
    }
    puts("");
}

static int do_status(char **args)
{
    char cwd[4096];
    int death_signal = 0;
    const mode_t mask = umask(0);
    (void)args;
    prctl(PR_GET_PDEATHSIG, &death_signal);
    printf("pid %d\nppid %d\npgid %d\nsid %d\n", getpid(), getppid(), getpgrp(), getsid(0));
    printf("umask %o\ncwd %s\n", (unsigned)mask, getcwd(cwd, sizeof cwd) ? cwd : "?");
    printf("no_new_privs %d\npdeathsig %d\ndumpable %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), death_signal,
           prctl(PR_GET_DUMPABLE));
    print_signals();
    return 0;
}

static int do_uname(char **args)
{
    struct utsname name;
    (void)args;
    uname(&name);
    printf("%s\n%s\n", name.nodename, name.domainname);
    return 0;
}

// Every open descriptor: number, device, inode and access mode. A large table is sparse, hence no early end.
static int do_fds(char **args)
{
    (void)args;
    for (int fd = 0; fd < 70000; ++fd) {
        struct stat status;
        if (fstat(fd, &status) != 0)
            continue;
        const int flags = fcntl(fd, F_GETFL);
        printf("%d %lu:%lu %s%s\n", fd, (unsigned long)status.st_dev, (unsigned long)status.st_ino,
               (flags & O_ACCMODE) == O_RDONLY ? "r" : (flags & O_ACCMODE) == O_WRONLY ? "w" : "rw",
               (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 ? " cloexec" : "");
    }
    return 0;
}

// Everything that concerns scheduling and the like, one per line.
static int do_attributes(char **args)
{
    struct {
        unsigned size, policy;
        unsigned long long flags;
        int nice;
        unsigned priority;
        unsigned long long runtime, deadline, period;
    } sched = {.size = 48};
    unsigned long long nodes[16] = {0};
    cpu_set_t cpus;
    int mode = -1;
    (void)args;
    if (syscall(SYS_sched_getattr, 0, &sched, sizeof sched, 0) != 0)
        return fail("sched_getattr");
    printf("nice %d\npolicy %u\npriority %u\nflags %llu\n", getpriority(PRIO_PROCESS, 0), sched.policy, sched.priority,
           sched.flags);
    printf("deadline %llu %llu %llu\n", sched.runtime, sched.deadline, sched.period);
    const long ioprio = syscall(SYS_ioprio_get, 1, 0);
    printf("ioprio %ld %ld\n", ioprio >> 13, ioprio & 7);
    if (sched_getaffinity(0, sizeof cpus, &cpus) != 0)
        return fail("sched_getaffinity");
    printf("cpus");
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &cpus))
            printf(" %d", cpu);
    if (syscall(SYS_get_mempolicy, &mode, nodes, sizeof nodes * 8, NULL, 0) != 0)
        mode = -1;
    printf("\nmempolicy %d %llx\n", mode, nodes[0]);
    printf("timerslack %d\npersonality %x\nsecurebits %x\n", prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0),
           (unsigned)personality(0xffffffff), (unsigned)prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
    char keyring[4096] = "";
    const long length = syscall(SYS_keyctl, 6, -3, keyring, sizeof keyring); // KEYCTL_DESCRIBE, the session's
    printf("keyring %s\n", length > 0 ? keyring : "none");
    return 0;
}

// --- files ---

static int do_cat(char **args)
{
    for (; *args; ++args) {
        char buffer[4096];
        ssize_t length;
        const int fd = open(*args, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return fail(*args);
        while ((length = read(fd, buffer, sizeof buffer)) > 0)
            if (write(1, buffer, (size_t)length) != length)
                return fail("write");
        if (length < 0)
            return fail(*args);
        close(fd);
    }
    return 0;
}

// copy: standard input to standard output until the end.
static int do_copy(char **args)
{
    char buffer[4096];
    ssize_t length;
    (void)args;
    while ((length = read(0, buffer, sizeof buffer)) > 0)
        if (write(1, buffer, (size_t)length) != length)
            return fail("write");
    return length == 0 ? 0 : fail("read");
}

static int do_echo(char **args)
{
    printf("%s\n", args[0]);
    fprintf(stderr, "%s\n", args[1]);
    return 0;
}

// flood SEED BYTES COUNTER: writes lines of pseudo-random lengths to both streams, and counts what it has written to
// each in the file COUNTER. See flood() of log_test.cpp, which knows the lines.
static int do_flood(char **args)
{
    unsigned long long state = strtoull(args[0], NULL, 10);
    const unsigned long long bytes = strtoull(args[1], NULL, 10);
    static char line[100001];
    const int fd = open(args[2], O_RDWR | O_CLOEXEC);
    volatile unsigned long long *const count =
        fd < 0 ? MAP_FAILED : mmap(NULL, 2 * sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (count == MAP_FAILED)
        return fail("counter");
    for (unsigned long long total = 0; total < bytes;) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        const int stream = state >> 62 == 0;
        const size_t length = (state >> 58) % 16 == 0 ? (state >> 33) % 100000 + 1 : (state >> 33) % 200 + 1;
        memset(line, 'a' + (int)((state >> 20) % 26), length);
        line[length] = '\n';
        for (size_t done = 0; done <= length;) {
            const ssize_t written = write(stream + 1, line + done, length + 1 - done);
            if (written < 0)
                return fail("write");
            done += (size_t)written;
            count[stream] += (size_t)written;
        }
        total += length + 1;
    }
    return 0;
}

static int do_write(char **args)
{
    const int fd = open(args[0], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    const size_t length = strlen(args[1]);
    if (fd < 0)
        return fail(args[0]);
    return write(fd, args[1], length) == (ssize_t)length ? 0 : fail(args[0]);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int do_ls(char **args)
{
    char *names[1024];
    size_t count = 0;
    struct dirent *entry;
    DIR *dir = opendir(args[0]);
    if (!dir)
        return fail(args[0]);
    while ((entry = readdir(dir)) && count < 1024)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            names[count++] = strdup(entry->d_name);
    qsort(names, count, sizeof *names, compare);
    for (size_t i = 0; i < count; ++i)
        puts(names[i]);
    return 0;
}

static int do_mkdir(char **args)
{
    return mkdir(args[0], 0777) == 0 ? 0 : fail(args[0]);
}

static int do_readlink(char **args)
{
    for (; *args; ++args) {
        char target[4096];
        const ssize_t length = readlink(*args, target, sizeof target - 1);
        if (length < 0)
            return fail(*args);
        target[length] = 0;
        puts(target);
    }
    return 0;
}

// stat PATH...: type, mode, owner, device number.
static int do_stat(char **args)
{
    for (; *args; ++args) {
        struct stat status;
        const char *type = "other";
        if (lstat(*args, &status) != 0)
            return fail(*args);
        switch (status.st_mode & S_IFMT) {
        case S_IFDIR: type = "dir"; break;
        case S_IFREG: type = "file"; break;
        case S_IFLNK: type = "link"; break;
        case S_IFCHR: type = "char"; break;
        }
        printf("%s %o %u:%u %u:%u\n", type, status.st_mode & 07777, status.st_uid, status.st_gid,
               major(status.st_rdev), minor(status.st_rdev));
    }
    return 0;
}

// inode PATH: device and inode.
static int do_inode(char **args)
{
    struct stat status;
    if (stat(args[0], &status) != 0)
        return fail(args[0]);
    printf("%lu:%lu\n", (unsigned long)status.st_dev, (unsigned long)status.st_ino);
    return 0;
}

// statvfs PATH: size in bytes and mount flags.
static int do_statvfs(char **args)
{
    struct statvfs status;
    if (statvfs(args[0], &status) != 0)
        return fail(args[0]);
    printf("%llu%s%s%s%s\n", (unsigned long long)status.f_blocks * status.f_frsize,
           status.f_flag & ST_RDONLY ? " ro" : "", status.f_flag & ST_NOSUID ? " nosuid" : "",
           status.f_flag & ST_NODEV ? " nodev" : "", status.f_flag & ST_NOEXEC ? " noexec" : "");
    return 0;
}

// mount TYPE TARGET: whether this process may mount.
static int do_mount(char **args)
{
    return mount("none", args[1], args[0], 0, NULL) == 0 ? 0 : fail("mount");
}

// read-device PATH: reads 8 bytes.
static int do_read_device(char **args)
{
    char buffer[8];
    const int fd = open(args[0], O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(args[0]);
    const ssize_t length = read(fd, buffer, sizeof buffer);
    if (length < 0)
        return fail(args[0]);
    printf("%zd\n", length);
    return 0;
}

// --- system calls ---

// call NUMBER [ARGUMENT...]: the system call of that number; arguments that are no numbers are strings.
static int do_call(char **args)
{
    long values[6] = {0};
    const long number = strtol(args[0], NULL, 0);
    for (size_t i = 0; i < 6 && args[i + 1]; ++i) {
        char *end;
        values[i] = (long)strtoul(args[i + 1], &end, 0);
        if (*end)
            values[i] = (long)args[i + 1];
    }
    const long result = syscall(number, values[0], values[1], values[2], values[3], values[4], values[5]);
    if (result == -1)
        return fail("call");
    printf("%ld\n", result);
    return 0;
}

// call-x86 NUMBER: a system call of the 32-bit kind; only on x86_64.
static int do_call_x86(char **args)
{
    long result = -ENOSYS;
#ifdef __x86_64__
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(strtol(args[0], NULL, 0)), "b"(0), "c"(0) : "memory");
    result = (int)result;
#else
    (void)args;
#endif
    errno = (int)-result;
    if (result < 0 && result > -4096)
        return fail("call-x86");
    printf("%ld\n", result);
    return 0;
}

// --- terminals ---

static void print_size(int fd)
{
    struct winsize size = {0, 0, 0, 0};
    ioctl(fd, TIOCGWINSZ, &size);
    printf("%ux%u\n", size.ws_row, size.ws_col);
    fflush(stdout);
}

// Whether each standard stream is a terminal, whether it is the controlling one, and its size.
static int do_tty(char **args)
{
    (void)args;
    printf("terminals %d %d %d\n", isatty(0), isatty(1), isatty(2));
    printf("controlling %d\n", tcgetsid(0) == getsid(0));
    printf("foreground %d\n", tcgetpgrp(0) == getpgrp());
    printf("leader %d\n", getsid(0) == getpid());
    print_size(0);
    return 0;
}

static int do_winch(char **args)
{
    sigset_t set, before;
    (void)args;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, &before);
    signal(SIGWINCH, remember);
    print_size(0);
    while (!caught)
        sigsuspend(&before);
    print_size(0);
    return 0;
}

// Whether a new pseudo-terminal can be had.
static int do_openpty(char **args)
{
    char name[64];
    int unlock = 0, number = -1;
    const int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    (void)args;
    if (fd < 0)
        return fail("/dev/ptmx");
    if (ioctl(fd, TIOCSPTLCK, &unlock) != 0 || ioctl(fd, TIOCGPTN, &number) != 0)
        return fail("ptmx");
    snprintf(name, sizeof name, "/dev/pts/%d", number);
    if (open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) < 0)
        return fail(name);
    puts(name);
    return 0;
}

// --- load ---

// hog BYTES...: takes and uses that much memory, says so, and takes more for each line of stdin.
static int do_hog(char **args)
{
    for (; *args; ++args) {
        const size_t size = strtoul(*args, NULL, 0);
        char *const memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            return fail("mmap");
        for (size_t at = 0; at < size; at += 4096)
            memory[at] = 1;
        printf("have %s\n", *args);
        fflush(stdout);
        if (args[1] && getchar() == EOF)
            return 1;
    }
    for (;;)
        pause();
}

// bomb MOST: forks until that fails, and tells how often it did not.
static int do_bomb(char **args)
{
    const long most = strtol(args[0], NULL, 0);
    long count = 0;
    for (; count < most; ++count) {
        const pid_t child = fork();
        if (child < 0)
            break;
        if (child == 0)
            for (;;)
                pause();
    }
    printf("%ld %s\n", count, count < most ? strerror(errno) : "");
    return 0;
}

static int do_spin(char **args)
{
    (void)args;
    puts("ready");
    fflush(stdout);
    for (volatile unsigned long turns = 1; turns != 0;)
        turns = turns + 1;
    return 0;
}

// read-direct FILE BYTES: past the page cache.
static int do_read_direct(char **args)
{
    const size_t size = 65536;
    size_t left = strtoul(args[1], NULL, 0);
    void *buffer;
    const int fd = open(args[0], O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (fd < 0 || posix_memalign(&buffer, 4096, size) != 0)
        return fail(args[0]);
    while (left > 0) {
        const ssize_t count = read(fd, buffer, left < size ? left : size);
        if (count <= 0)
            return fail("read");
        left -= (size_t)count;
    }
    return 0;
}

// --- network ---

// Each link with its state, MTU and MAC address, each address with its length.
static int do_network(char **args)
{
    (void)args;
    struct ifaddrs *list;
    if (getifaddrs(&list) != 0)
        return fail("getifaddrs");
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (const struct ifaddrs *entry = list; entry != NULL; entry = entry->ifa_next) {
        if (entry->ifa_addr == NULL)
            continue;
        char text[INET6_ADDRSTRLEN] = "";
        if (entry->ifa_addr->sa_family == AF_PACKET) {
            const struct sockaddr_ll *link = (const struct sockaddr_ll *)entry->ifa_addr;
            struct ifreq request = {0};
            snprintf(request.ifr_name, sizeof request.ifr_name, "%s", entry->ifa_name);
            ioctl(fd, SIOCGIFMTU, &request);
            printf("%s %s mtu %d mac ", entry->ifa_name, (entry->ifa_flags & IFF_UP) != 0 ? "up" : "down",
                   request.ifr_mtu);
            for (int i = 0; i < link->sll_halen; ++i)
                printf("%s%02x", i == 0 ? "" : ":", link->sll_addr[i]);
            putchar('\n');
            continue;
        }
        const int inet6 = entry->ifa_addr->sa_family == AF_INET6;
        const unsigned char *mask = inet6 ? ((const struct sockaddr_in6 *)entry->ifa_netmask)->sin6_addr.s6_addr
                                          : (const unsigned char *)&((const struct sockaddr_in *)entry->ifa_netmask)->sin_addr;
        int length = 0;
        for (int i = 0; i < (inet6 ? 16 : 4); ++i)
            length += __builtin_popcount(mask[i]);
        inet_ntop(entry->ifa_addr->sa_family,
                  inet6 ? (const void *)&((const struct sockaddr_in6 *)entry->ifa_addr)->sin6_addr
                        : (const void *)&((const struct sockaddr_in *)entry->ifa_addr)->sin_addr,
                  text, sizeof text);
        printf("%s address %s/%d\n", entry->ifa_name, text, length);
    }
    freeifaddrs(list);
    return 0;
}

static int socket_type(const char *protocol)
{
    return strcmp(protocol, "tcp") == 0 ? SOCK_STREAM : SOCK_DGRAM;
}

// Gives back what the first one sends, over IPv4 or IPv6. Arguments: tcp or udp, port
static int do_serve(char **args)
{
    struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(args[1]))};
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    char text[256];
    int fd = socket(AF_INET6, socket_type(args[0]) | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof own) != 0)
        return fail("bind");
    const int stream = socket_type(args[0]) == SOCK_STREAM;
    if (stream && listen(fd, 1) != 0)
        return fail("listen");
    ready();
    if (stream && (fd = accept(fd, NULL, NULL)) < 0)
        return fail("accept");
    const ssize_t length = recvfrom(fd, text, sizeof text, 0, (struct sockaddr *)&peer, &size);
    if (length < 0 || sendto(fd, text, (size_t)length, 0, stream ? NULL : (const struct sockaddr *)&peer, stream ? 0 : size) < 0)
        return fail("answer");
    return 0;
}

// Prints what comes back. Arguments: tcp or udp, address, port, text
static int do_ask(char **args)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(args[2]))};
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = to.sin_port};
    const int inet6 = inet_pton(AF_INET6, args[1], &to6.sin6_addr) == 1;
    if (!inet6 && inet_pton(AF_INET, args[1], &to.sin_addr) != 1)
        return fail(args[1]);
    const int fd = socket(inet6 ? AF_INET6 : AF_INET, socket_type(args[0]) | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, inet6 ? (const struct sockaddr *)&to6 : (const struct sockaddr *)&to,
                          inet6 ? sizeof to6 : sizeof to) != 0)
        return fail("connect");
    char text[256];
    if (send(fd, args[3], strlen(args[3]), 0) < 0)
        return fail("send");
    const ssize_t length = recv(fd, text, sizeof text - 1, 0);
    if (length < 0)
        return fail("receive");
    text[length] = '\0';
    puts(text);
    return 0;
}

struct command {
    const char *name;
    int arguments;
    int (*run)(char **args);
};

static const struct command commands[] = {
    {"exit", 1, do_exit},         {"raise", 1, do_raise},       {"pause", 0, do_pause},
    {"trap", 2, do_trap},         {"ignore", 1, do_ignore},     {"fork-pause", 0, do_fork_pause},
    {"orphan", 0, do_orphan}, {"orphan-gone", 0, do_orphan_gone},     {"exec", 1, do_exec},         {"wait-stdin", 0, do_wait_stdin},
    {"args", 0, do_args},         {"env", 0, do_env},           {"ids", 0, do_ids},
    {"caps", 0, do_caps},         {"limits", 0, do_limits},     {"status", 0, do_status},
    {"uname", 0, do_uname},       {"fds", 0, do_fds},           {"cat", 1, do_cat},
    {"copy", 0, do_copy},         {"echo", 2, do_echo},         {"write", 2, do_write},
    {"flood", 3, do_flood},
    {"ls", 1, do_ls},             {"mkdir", 1, do_mkdir},       {"readlink", 1, do_readlink},
    {"stat", 1, do_stat},         {"inode", 1, do_inode},       {"statvfs", 1, do_statvfs},
    {"mount", 2, do_mount},       {"read-device", 1, do_read_device},
    {"attributes", 0, do_attributes},
    {"call", 1, do_call},         {"call-x86", 1, do_call_x86},
    {"network", 0, do_network},   {"serve", 2, do_serve},       {"ask", 4, do_ask},
    {"tty", 0, do_tty},           {"winch", 0, do_winch},       {"openpty", 0, do_openpty},
    {"hog", 1, do_hog},           {"bomb", 1, do_bomb},         {"spin", 0, do_spin},
    {"read-direct", 2, do_read_direct},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; ++i) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        if (argc - 2 < commands[i].arguments)
            break;
        return commands[i].run(argv + 2);
    }
    fprintf(stderr, "test_init: unknown command or too few arguments\n");
    return 2;
}
