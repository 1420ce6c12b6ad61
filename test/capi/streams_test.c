/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <libct-events.h>
#include <libct-streams.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* Everything that a test has been told, with a letter before each. */
static char told[65536];

static void note(char kind, const struct libct_output *output)
{
    const size_t length = strlen(told);
    CHECK_INT(output->struct_size, sizeof *output);
    CHECK(output->time_ns > 0 && length + output->length + 8 < sizeof told);
    snprintf(told + length, sizeof told - length, "%c%d%s:%.*s;", kind, output->stream, output->partial ? "p" : "",
             (int)output->length, output->bytes);
}

static void on_line_told(ct_handler_t ct, const struct libct_output *line, void *user)
{
    (void)ct;
    note(*(char *)user, line);
}

static int print_lines(void *argument)
{
    (void)argument;
    CHECK_INT(write(1, "one\ntwo", 7), 7);
    CHECK_INT(write(2, "oops\n", 5), 5);
    return 0;
}

static void are_told_by_lines(void)
{
    static char line = 'L', chunk = 'O';
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_process_desc_set_stdio(desc, LIBCT_STDIO_NULL, LIBCT_STDIO_INHERIT, LIBCT_STDIO_INHERIT), 0);
    CHECK_INT(libct_container_on_line(ct, on_line_told, &line), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, print_lines, NULL));
    CHECK_INT(libct_container_wait(ct), 0); /* which delivers all of it */
    CHECK(strstr(told, "L1:one;") != NULL && strstr(told, "L2:oops;") != NULL);
    CHECK(strstr(told, "L1p:two;") != NULL);
    /* The same as it comes. */
    told[0] = '\0';
    CHECK_INT(libct_container_on_line(ct, NULL, NULL), 0);
    CHECK_INT(libct_container_on_output(ct, on_line_told, &chunk), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, print_lines, NULL));
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK(strstr(told, "O1:one\ntwo;") != NULL && strstr(told, "O2:oops\n;") != NULL);
    /* Descriptors that the caller has mapped are its own. */
    int fds[] = {0, 1, 2};
    CHECK_INT(libct_process_desc_set_fds(desc, fds, 3), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, print_lines, NULL), -1);
    CHECK_INT(libct_container_clear_log(ct), 0);
    CHECK_INT(libct_container_on_output(ct, NULL, NULL), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0);
}

static void are_logged_to_files(void)
{
    struct libct_log_file file = {.struct_size = sizeof file, .path = "/tmp/plain", .format = LIBCT_LOG_PLAIN};
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_process_desc_set_stdio(desc, LIBCT_STDIO_NULL, LIBCT_STDIO_INHERIT, LIBCT_STDIO_INHERIT), 0);
    CHECK_INT(libct_container_add_log_file(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_log_file(ct, &file), 0);
    file.path = "/tmp/k8s";
    file.format = LIBCT_LOG_K8S;
    file.mode = 0600;
    file.blocks = 1;
    CHECK_INT(libct_container_add_log_file(ct, &file), 0);
    file.format = (enum libct_log_format)9;
    CHECK_INT(libct_container_add_log_file(ct, &file), -LCTERR_BADTYPE);
    file.path = NULL;
    CHECK_INT(libct_container_add_log_file(ct, &file), -LCTERR_INVARG);
    CHECK_INT(libct_container_reopen_log(ct), 0); /* nothing yet */
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, print_lines, NULL));
    CHECK_INT(libct_container_clear_log(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_add_log_syslog(ct, NULL), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK(strstr(read_file("/tmp/plain"), "one\n") != NULL && strstr(read_file("/tmp/plain"), "oops\n") != NULL);
    CHECK(strstr(read_file("/tmp/k8s"), " stdout F one\n") != NULL);
    CHECK(strstr(read_file("/tmp/k8s"), " stderr F oops\n") != NULL);
    struct stat status;
    CHECK(stat("/tmp/k8s", &status) == 0 && (status.st_mode & 0777) == 0600);
    CHECK(stat("/tmp/plain", &status) == 0 && (status.st_mode & 0777) == 0640);
    struct libct_exit_record record = {.struct_size = sizeof record};
    CHECK_INT(libct_container_exit_record(ct, &record), 0);
    CHECK((record.known & LIBCT_EXIT_LOG) != 0 && record.log_bytes == 12 && record.log_records == 3);
    /* To nowhere: the start fails, and says where. */
    CHECK_INT(libct_container_clear_log(ct), 0);
    CHECK_INT(libct_container_add_log_journald(ct, "tag"), 0);
    CHECK_INT(libct_container_add_log_syslog(ct, NULL), 0);
    CHECK_INT(libct_container_clear_log(ct), 0);
    file = (struct libct_log_file){.struct_size = sizeof file, .path = "/tmp/missing/log"};
    CHECK_INT(libct_container_add_log_file(ct, &file), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, print_lines, NULL), -1);
    CHECK(libct_last_error() != NULL && strstr(libct_last_error()->message, "/tmp/missing") != NULL);
}

/* Receives what is meant for a system service. */
static int serve_datagrams(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    CHECK_INT(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static const char *datagram(int fd)
{
    static char text[4096];
    const ssize_t length = recv(fd, text, sizeof text - 1, 0);
    text[length < 0 ? 0 : length] = '\0';
    return text;
}

static int print_two_lines(void *argument)
{
    (void)argument;
    CHECK_INT(write(1, "hello\n", 6), 6);
    CHECK_INT(write(2, "bad\n", 4), 4);
    return 0;
}

static void are_logged_to_the_system(void)
{
    /* In the test's own mount namespace: places of services that only it sees. */
    CHECK_INT(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
    CHECK(mkdir("/run/systemd", 0755) == 0 && mkdir("/run/systemd/journal", 0755) == 0);
    CHECK(mkdir("dev", 0755) == 0 && mknod("dev/null", S_IFCHR | 0666, makedev(1, 3)) == 0);
    CHECK_INT(mount("dev", "/dev", NULL, MS_BIND, NULL), 0);
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_process_desc_set_stdio(desc, LIBCT_STDIO_NULL, LIBCT_STDIO_INHERIT, LIBCT_STDIO_INHERIT), 0);
    CHECK_INT(libct_container_add_log_journald(ct, "web"), 0);
    /* A service that is not there lets the start fail. */
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, print_two_lines, NULL), -1);
    const int journal = serve_datagrams("/run/systemd/journal/socket"), syslog = serve_datagrams("/dev/log");
    CHECK_INT(libct_container_add_log_syslog(ct, NULL), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, print_two_lines, NULL));
    CHECK_INT(libct_container_wait(ct), 0);
    char field[64];
    for (int i = 0; i < 2; ++i) {
        const char *entry = datagram(journal);
        const bool out = strstr(entry, "PRIORITY=6\nMESSAGE=hello\n") != NULL;
        CHECK(out || strstr(entry, "PRIORITY=3\nMESSAGE=bad\n") != NULL);
        snprintf(field, sizeof field, "CONTAINER_NAME=%s\n", name);
        CHECK(strstr(entry, field) != NULL && strstr(entry, "CONTAINER_TAG=web\n") != NULL);
    }
    CHECK(datagram(journal)[0] == '\0');
    for (int i = 0; i < 2; ++i) {
        const char *entry = datagram(syslog);
        snprintf(field, sizeof field, " %s: %s", name, strstr(entry, "hello") != NULL ? "hello" : "bad");
        CHECK(entry[0] == '<' && strstr(entry, field) != NULL);
    }
    CHECK(datagram(syslog)[0] == '\0');
}

/* With all that there is to say of them. */
static void are_logged_with_labels(void)
{
    static const char *const labels[] = {"TIER=front", "EMPTY=", NULL}, *const bad[] = {"nothing", NULL};
    struct libct_log_service journal = {.struct_size = sizeof journal, .tag = "web", .id = "id-7", .labels = bad,
                                        .socket = "/tmp/journal"};
    struct libct_log_service syslog = {.struct_size = sizeof syslog, .socket = "/tmp/syslog", .facility = 16};
    struct libct_log_file file = {.struct_size = sizeof file, .path = "/tmp/json", .format = LIBCT_LOG_JSON,
                                  .labels = labels, .backlog_bytes = 1000};
    struct libct_log_options options = {.struct_size = sizeof options, .line_bytes = 2 << 20};
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_process_desc_set_stdio(desc, LIBCT_STDIO_NULL, LIBCT_STDIO_INHERIT, LIBCT_STDIO_INHERIT), 0);
    CHECK_INT(libct_container_add_log_journald_with(NULL, &journal), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_log_journald_with(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_log_journald_with(ct, &journal), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_log_syslog_with(NULL, &syslog), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_log_syslog_with(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_log_options(NULL, &options), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_log_options(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_log_options(ct, &options), -LCTERR_INVARG);
    journal.labels = labels;
    const int journal_fd = serve_datagrams("/tmp/journal"), syslog_fd = serve_datagrams("/tmp/syslog");
    CHECK_INT(libct_container_add_log_journald_with(ct, &journal), 0);
    CHECK_INT(libct_container_add_log_syslog_with(ct, &syslog), 0);
    CHECK_INT(libct_container_add_log_file(ct, &file), 0);
    options.line_bytes = 3;
    CHECK_INT(libct_container_set_log_options(ct, &options), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, print_two_lines, NULL));
    CHECK_INT(libct_container_set_log_options(ct, &options), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_wait(ct), 0);
    const char *entry = datagram(journal_fd);
    CHECK(strstr(entry, "TIER=front\n") != NULL && strstr(entry, "CONTAINER_ID_FULL=id-7\n") != NULL);
    entry = datagram(syslog_fd);
    CHECK(strncmp(entry, "<134>", 5) == 0 || strncmp(entry, "<131>", 5) == 0); /* local0, and info or err */
    CHECK(strstr(read_file("/tmp/json"), "\"log\":\"hel\"") != NULL); /* a piece of a line */
    CHECK(strstr(read_file("/tmp/json"), "\"TIER\":\"front\"") != NULL);
    close(journal_fd);
    close(syslog_fd);
}

static int fail_writing;

static int sink_write(ct_handler_t ct, const struct libct_output *lines, size_t count, void *user)
{
    (void)ct;
    for (size_t i = 0; i < count; ++i)
        note(*(char *)user, &lines[i]);
    return fail_writing;
}

static void sink_finish(ct_handler_t ct, void *user)
{
    (void)ct;
    (void)user;
    strcat(told, "finish;");
}

static void sink_reopen(ct_handler_t ct, void *user)
{
    (void)ct;
    (void)user;
    strcat(told, "reopen;");
}

static void are_logged_by_the_caller(void)
{
    struct libct_log_sink sink = {.struct_size = sizeof sink, .reopen = sink_reopen, .finish = sink_finish,
                                  .user = (char[]){"S"}};
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_process_desc_set_stdio(desc, LIBCT_STDIO_NULL, LIBCT_STDIO_INHERIT, LIBCT_STDIO_OUTPUT), 0);
    CHECK_INT(libct_container_add_log_sink(ct, &sink), -LCTERR_INVARG);
    sink.write = sink_write;
    CHECK_INT(libct_container_add_log_sink(ct, &sink), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_reopen_log(ct), 0);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK(strcmp(told, "reopen;finish;") == 0);
    told[0] = '\0';
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, print_lines, NULL));
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK(strstr(told, "S1:one;") != NULL && strstr(told, "S1:twooops;") != NULL && strstr(told, "finish;") != NULL);
    /* One that fails is told to whoever has moved the output. */
    fail_writing = 1;
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, print_lines, NULL));
    int result;
    while ((result = libct_container_wait(ct)) != 0)
        CHECK_INT(result, -1);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
}

static void are_pipes(void)
{
    char bytes[16];
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_process_desc_set_stdio(desc, LIBCT_STDIO_PIPE, LIBCT_STDIO_PIPE, LIBCT_STDIO_NULL), 0);
    CHECK_INT(libct_process_desc_set_stdio(desc, (enum libct_stdio)9, LIBCT_STDIO_PIPE, LIBCT_STDIO_NULL),
              -LCTERR_BADTYPE);
    CHECK_INT(libct_process_desc_set_stdio(desc, LIBCT_STDIO_OUTPUT, LIBCT_STDIO_PIPE, LIBCT_STDIO_NULL),
              -LCTERR_BADTYPE);
    ct_process_t init = libct_container_spawn_cb(ct, desc, copy_input, NULL);
    CHECK_HANDLE(init);
    const int in = libct_process_stream(init, 0), out = libct_process_stream(init, 1);
    CHECK(in >= 0 && out >= 0);
    CHECK_INT(libct_process_stream(init, 1), -LCTERR_NOTFOUND); /* the caller has it */
    CHECK_INT(libct_process_stream(init, 2), -LCTERR_NOTFOUND);
    CHECK_INT(libct_process_stream(init, 3), -LCTERR_INVARG);
    CHECK_INT(libct_process_resize_terminal(init, 10, 20), -LCTERR_NOTFOUND);
    CHECK_INT(write(in, "hello", 5), 5);
    CHECK_INT(close(in), 0);
    CHECK_INT(read(out, bytes, sizeof bytes), 5);
    CHECK(memcmp(bytes, "hello", 5) == 0);
    CHECK_INT(read(out, bytes, sizeof bytes), 0);
    close(out);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_process_stream(init, 0), -LCTERR_BADCTSTATE);
}

static int check_terminal(void *argument)
{
    (void)argument;
    char byte;
    return isatty(0) && isatty(1) && isatty(2) && read(0, &byte, 1) == 1 ? 0 : 1;
}

static void are_a_terminal(void)
{
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_process_desc_set_terminal(desc, 0, 80), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_terminal(desc, 70000, 80), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_terminal(desc, 24, 80), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, check_terminal, NULL);
    CHECK_HANDLE(init);
    const int terminal = libct_process_stream(init, 0);
    CHECK(terminal >= 0);
    CHECK_INT(libct_process_resize_terminal(init, 30, 0), -LCTERR_INVARG);
    CHECK_INT(libct_process_resize_terminal(init, 30, 90), 0);
    CHECK_INT(write(terminal, "\n", 1), 1);
    int status = -2;
    CHECK_INT(libct_process_wait(init, &status), 0);
    CHECK_INT(status, 0);
    close(terminal);
    CHECK_INT(libct_container_wait(ct), 0);
}

static int ends;

static void on_attached_output(libct_attachment_t a, const struct libct_output *chunk, void *user)
{
    (void)a;
    note(*(char *)user, chunk);
}

static void on_attached_end(libct_attachment_t a, void *user)
{
    (void)user;
    ++ends;
    libct_attachment_close(a);
    CHECK_INT(libct_attachment_write(a, "x", 1), -LCTERR_INVARG);
}

static void are_attached_to(void)
{
    struct libct_attach_options options = {.struct_size = sizeof options, .history_bytes = 1024,
                                           .on_output = on_attached_output, .on_end = on_attached_end,
                                           .user = (char[]){"A"}};
    ct_handler_t ct = make_watched_container();
    CHECK_ERROR(libct_container_attach(ct, &options), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_write_input(ct, "x", 1), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_process_desc_set_stdio(desc, LIBCT_STDIO_INHERIT, LIBCT_STDIO_INHERIT, LIBCT_STDIO_NULL), 0);
    CHECK_INT(libct_container_set_attachable(ct, 1, 4096), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, copy_input, NULL));
    libct_attachment_t first = libct_container_attach(ct, &options);
    CHECK_HANDLE(first);
    CHECK_INT(libct_container_write_input(ct, NULL, 1), -LCTERR_INVARG);
    CHECK_INT(libct_container_write_input(ct, "one,", 4), 4);
    while (strstr(told, "one,") == NULL)
        CHECK(libct_session_dispatch(session, -1) >= 0);
    /* Who comes later gets what was written before. */
    told[0] = '\0';
    options.user = (char[]){"B"};
    libct_attachment_t second = libct_container_attach(ct, &options);
    CHECK_HANDLE(second);
    CHECK_INT(libct_attachment_write(second, "two", 3), 3);
    while (strstr(told, "A1:two;") == NULL || strstr(told, "B1:two;") == NULL)
        CHECK(libct_session_dispatch(session, -1) >= 0);
    CHECK(strstr(told, "B1:one,;") != NULL && strstr(told, "A1:one") == NULL);
    libct_attachment_close(first);
    libct_attachment_close(first);
    CHECK_INT(libct_attachment_write(first, "x", 1), -LCTERR_INVARG);
    CHECK_INT(libct_container_close_input(ct), 0);
    while (ends == 0)
        CHECK(libct_session_dispatch(session, -1) >= 0);
    CHECK_INT(ends, 1); /* who has gone is not told */
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_attachment_write(NULL, "x", 1), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_attach(NULL, &options), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_attach(ct, NULL), -LCTERR_INVARG);
    libct_attachment_close(NULL);
}

const struct test stream_tests[] = {
    {"are_told_by_lines", are_told_by_lines},
    {"are_logged_to_files", are_logged_to_files},
    {"are_logged_to_the_system", are_logged_to_the_system},
    {"are_logged_with_labels", are_logged_with_labels},
    {"are_logged_by_the_caller", are_logged_by_the_caller},
    {"are_pipes", are_pipes},
    {"are_a_terminal", are_a_terminal},
    {"are_attached_to", are_attached_to},
    {NULL, NULL},
};
