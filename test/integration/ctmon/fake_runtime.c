/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */

/* An OCI runtime without containers. The directory CT_FAKE holds what it does: the script "runtime" when it is called,
   the script "container" in the process that it makes, one command per line (see `commands` below for what there is).
   Without a script "runtime" a call is recorded, makes a container, and succeeds. */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int argument_count;
static char **arguments;
static pid_t container;    /* The process that `container` made. */
static int terminal = -1;  /* The slave of the terminal that `console` made. */

static void run_script(const char *name);

static void fail(const char *what) {
    fprintf(stderr, "fake runtime: %s: %s\n", what, strerror(errno));
    _exit(125);
}

/* The value of an option, both as --name VALUE and as --name=VALUE. */
static const char *option(const char *name) {
    size_t length = strlen(name);
    for (int i = 1; i < argument_count; i++) {
        if (strncmp(arguments[i], name, length) != 0) continue;
        if (arguments[i][length] == '=') return arguments[i] + length + 1;
        if (arguments[i][length] == '\0' && i + 1 < argument_count) return arguments[i + 1];
    }
    return NULL;
}

static const char *in_directory(const char *name) {
    static char path[4096];
    const char *directory = getenv("CT_FAKE");
    snprintf(path, sizeof path, "%s/%s", directory ? directory : ".", name);
    return path;
}

/* A file appears at once with all its content: who waits for it never sees half of it. */
static FILE *begin_file(void) {
    char path[4200];
    snprintf(path, sizeof path, "%s.%d", in_directory("new"), getpid());
    FILE *file = fopen(path, "we");
    if (!file) fail(path);
    return file;
}

static void end_file(FILE *file, const char *name) {
    char path[4200];
    snprintf(path, sizeof path, "%s.%d", in_directory("new"), getpid());
    if (fclose(file) != 0 || rename(path, in_directory(name)) != 0) fail(name);
}

static void write_all(int fd, const char *data, size_t size) {
    while (size > 0) {
        ssize_t count = write(fd, data, size);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail("write");
        data += count;
        size -= (size_t)count;
    }
}

/* Understands \n, \r, \t, \\ and \xHH. */
static size_t unescape(char *text) {
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from != '\\') {
            *to++ = *from;
            continue;
        }
        char digits[3] = "";
        switch (*++from) {
        case 'n': *to++ = '\n'; break;
        case 'r': *to++ = '\r'; break;
        case 't': *to++ = '\t'; break;
        case 'x':
            memcpy(digits, from + 1, 2);
            *to++ = (char)strtol(digits, NULL, 16);
            from += 2;
            break;
        default: *to++ = *from;
        }
    }
    return (size_t)(to - text);
}

/* write FD TEXT */
static void do_write(char *rest) {
    char *text = rest;
    int fd = (int)strtol(rest, &text, 10);
    if (*text == ' ') text++;
    write_all(fd, text, unescape(text));
}

/* fill FD COUNT: so many bytes without newline */
static void do_fill(char *rest) {
    char block[4096];
    int fd = 1;
    long count = 0;
    sscanf(rest, "%d %ld", &fd, &count);
    memset(block, 'x', sizeof block);
    for (; count > 0; count -= (long)sizeof block)
        write_all(fd, block, count < (long)sizeof block ? (size_t)count : sizeof block);
}

/* lines FD COUNT LENGTH: numbered lines, the newline is not counted */
static void do_lines(char *rest) {
    static char block[1 << 16];
    int fd = 1;
    long count = 0, length = 0;
    size_t used = 0;
    sscanf(rest, "%d %ld %ld", &fd, &count, &length);
    for (long i = 0; i < count; i++) {
        if (used + (size_t)length + 2 > sizeof block) {
            write_all(fd, block, used);
            used = 0;
        }
        memset(block + used, '.', (size_t)length);
        int digits = sprintf(block + used, "%07ld", i);
        block[used + (size_t)digits] = '.';
        used += (size_t)length;
        block[used++] = '\n';
    }
    write_all(fd, block, used);
}

/* file NAME TEXT */
static void do_file(char *rest) {
    char *name = strtok_r(rest, " ", &rest);
    FILE *file = begin_file();
    fwrite(rest, 1, unescape(rest), file);
    end_file(file, name);
}

/* save NAME: what can be read from standard input, up to its end */
static void do_save(char *rest) {
    FILE *file = begin_file();
    char buffer[65536];
    ssize_t count;
    while ((count = read(0, buffer, sizeof buffer)) > 0) fwrite(buffer, 1, (size_t)count, file);
    end_file(file, rest);
}

/* line NAME: one line of standard input */
static void do_line(char *rest) {
    FILE *file = begin_file();
    char byte = 0;
    while (byte != '\n' && read(0, &byte, 1) == 1) fputc(byte, file);
    end_file(file, rest);
}

/* echo: standard input to standard output, up to its end */
static void do_echo(char *rest) {
    char buffer[65536];
    ssize_t count;
    (void)rest;
    while ((count = read(0, buffer, sizeof buffer)) > 0) write_all(1, buffer, (size_t)count);
}

/* wait FIFO: until the test has opened and closed it */
static void do_wait(char *rest) {
    char byte;
    int fd = open(in_directory(rest), O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail(rest);
    while (read(fd, &byte, 1) > 0) continue;
    close(fd);
}

/* block SIGNAL: so that `await` can take it */
static void do_block(char *rest) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, atoi(rest));
    sigprocmask(SIG_BLOCK, &set, NULL);
}

/* await SIGNAL */
static void do_await(char *rest) {
    sigset_t set;
    int taken;
    sigemptyset(&set);
    sigaddset(&set, atoi(rest));
    sigwait(&set, &taken);
}

/* size NAME: rows and columns of the terminal at standard input */
static void do_size(char *rest) {
    struct winsize size = {0, 0, 0, 0};
    FILE *file = begin_file();
    ioctl(0, TIOCGWINSZ, &size);
    fprintf(file, "%d %d\n", size.ws_row, size.ws_col);
    end_file(file, rest);
}

/* spawn SCRIPT: in a child that is not waited for */
static void do_spawn(char *rest) {
    pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid > 0) return;
    run_script(rest);
    _exit(0); /* not exit(): it would set back the place in the script that the parent reads */
}

/* reopen FD: writes a line to a standard stream opened anew, as nobody */
static void do_reopen(char *rest) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%s", rest);
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) fail("setuid");
    prctl(PR_SET_DUMPABLE, 1); /* else /proc/self belongs to root */
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) _exit(99);
    write_all(fd, "reopened\n", 9);
    close(fd);
}

static void record_status(FILE *file) {
    char line[512];
    FILE *status = fopen("/proc/self/status", "re");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, "Sig", 3) == 0 || strncmp(line, "Umask", 5) == 0) fputs(line, file);
    if (status) fclose(status);
    FILE *score = fopen("/proc/self/oom_score_adj", "re");
    if (score && fgets(line, sizeof line, score)) fprintf(file, "oom_score_adj: %s", line);
    if (score) fclose(score);
}

/* record NAME: everything that a process can have inherited */
static void do_record(char *rest) {
    char path[64], target[4096];
    int death_signal = 0;
    struct dirent *entry;
    DIR *fds = opendir("/proc/self/fd");
    FILE *file = begin_file();
    while (fds && (entry = readdir(fds))) {
        int fd = atoi(entry->d_name);
        struct stat status;
        if (entry->d_name[0] == '.' || fd == dirfd(fds) || fd == fileno(file)) continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = '\0';
        if (fstat(fd, &status) == 0) fprintf(file, "fd: %d %o %s\n", fd, status.st_mode, target);
    }
    if (fds) closedir(fds);
    for (int i = 0; i < argument_count; i++) fprintf(file, "argv: %s\n", arguments[i]);
    for (char **entry_of = environ; *entry_of; entry_of++) fprintf(file, "env: %s\n", *entry_of);
    prctl(PR_GET_PDEATHSIG, &death_signal);
    fprintf(file, "cwd: %s\npid: %d\nppid: %d\npgid: %d\nsid: %d\npdeathsig: %d\n", getcwd(target, sizeof target),
            getpid(), getppid(), getpgrp(), getsid(0), death_signal);
    record_status(file);
    end_file(file, rest);
}

/* console: makes a terminal and sends its master, if --console-socket asks for it */
static void do_console(char *rest) {
    const char *path = option("--console-socket");
    int master;
    (void)rest;
    if (!path) return;
    if (openpty(&master, &terminal, NULL, NULL, NULL) != 0) fail("openpty");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail(path);
    char name[] = "/dev/pts/0";
    struct iovec part = {name, sizeof name - 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &master, sizeof(int));
    if (sendmsg(fd, &message, 0) < 0) fail("sendmsg");
    close(fd);
    close(master);
}

/* connect: to the console socket, and away again */
static void do_connect(char *rest) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = option("--console-socket");
    strncpy(address.sun_path, path ? path : "", sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)rest;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    close(fd);
}

/* container: forks the process that runs the script of this name, in a session of its own as runtimes do */
static void do_container(char *rest) {
    container = fork();
    if (container < 0) fail("fork");
    if (container > 0) return;
    setsid();
    prctl(PR_SET_PDEATHSIG, 0);
    if (terminal >= 0) {
        ioctl(terminal, TIOCSCTTY, 0);
        for (int fd = 0; fd < 3; fd++) dup2(terminal, fd);
        if (terminal > 2) close(terminal);
    }
    /* Runtimes close all other descriptors but those that --preserve-fds keeps. */
    closefrom(3);
    run_script(*rest ? rest : "container");
    _exit(0);
}

/* pidfile [TEXT]: that of the container, or this text */
static void do_pidfile(char *rest) {
    const char *path = option("--pid-file");
    FILE *file = path ? fopen(path, "we") : NULL;
    if (!file) fail("--pid-file");
    if (*rest) fwrite(rest, 1, unescape(rest), file);
    else fprintf(file, "%d", container);
    fclose(file);
}

/* cgroup PATH: moves itself there */
static void do_cgroup(char *rest) {
    char path[4096];
    snprintf(path, sizeof path, "%s/cgroup.procs", rest);
    FILE *file = fopen(path, "we");
    if (!file || fprintf(file, "%d", getpid()) < 0 || fclose(file) != 0) fail(path);
}

/* memory MIB: touches so much */
static void do_memory(char *rest) {
    size_t size = (size_t)atoi(rest) << 20;
    char *block = malloc(size);
    if (!block) fail("malloc");
    for (size_t i = 0; i < size; i += 512) ((volatile char *)block)[i] = 1;
}

static void do_close(char *rest) { close(atoi(rest)); }
static void do_exit(char *rest) { _exit(atoi(rest)); }

/* signal NUMBER: to itself */
static void do_signal(char *rest) {
    signal(atoi(rest), SIG_DFL);
    kill(getpid(), atoi(rest));
}

static void do_hang(char *rest) {
    (void)rest;
    for (;;) pause();
}

static const struct {
    const char *name;
    void (*run)(char *rest);
} commands[] = {
    {"await", do_await},     {"block", do_block},       {"cgroup", do_cgroup}, {"close", do_close},
    {"connect", do_connect}, {"console", do_console},   {"echo", do_echo},     {"exit", do_exit},
    {"file", do_file},       {"container", do_container}, {"fill", do_fill},   {"hang", do_hang},
    {"line", do_line},       {"lines", do_lines},       {"memory", do_memory}, {"pidfile", do_pidfile},
    {"record", do_record},   {"reopen", do_reopen},     {"save", do_save},     {"signal", do_signal},
    {"size", do_size},       {"spawn", do_spawn},       {"wait", do_wait},     {"write", do_write},
};

static void run_line(char *line) {
    char *rest = line + strcspn(line, " ");
    if (*rest) *rest++ = '\0';
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, line) == 0) {
            commands[i].run(rest);
            return;
        }
    fprintf(stderr, "fake runtime: no command '%s'\n", line);
    _exit(125);
}

static void run_script(const char *name) {
    char *line = NULL;
    size_t space = 0;
    FILE *script = fopen(in_directory(name), "re");
    if (!script) fail(in_directory(name));
    while (getline(&line, &space, script) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        if (*line) run_line(line);
    }
    fclose(script);
    free(line);
}

int main(int argc, char **argv) {
    argument_count = argc;
    arguments = argv;
    if (access(in_directory("runtime"), F_OK) == 0) {
        run_script("runtime");
        return 0;
    }
    char nothing[] = "", name[] = "call";
    do_record(name);
    do_console(nothing);
    do_container(nothing);
    do_pidfile(nothing);
    return 0;
}
