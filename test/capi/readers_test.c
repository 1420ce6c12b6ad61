/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <libct-readers.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char told[65536];

static void open_recording_session(void)
{
    const struct libct_session_options options = {.struct_size = sizeof options, .on_close = LIBCT_ON_CLOSE_KILL,
                                                  .state_directory = "/tmp/state", .record_events = 1};
    session = libct_session_open_with(&options);
    CHECK_HANDLE(session);
    desc = libct_process_desc_create(session);
    CHECK_HANDLE(desc);
    CHECK_INT(libct_process_desc_set_pdeathsig(desc, SIGKILL), 0);
}

static void refuse_what_is_wrong(void)
{
    char buffer[8];
    const struct libct_log_file file = {.struct_size = sizeof file, .path = "/tmp/missing"};
    struct libct_log_reader_options options = {.struct_size = 1};
    struct libct_event_reader_options events = {.struct_size = 1};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_session_containers(session, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_get_info(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_get_info(NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_default_state_directory(NULL, 1), -LCTERR_INVARG);
    CHECK(libct_default_state_directory(buffer, sizeof buffer) > 0);
    CHECK_ERROR(libct_session_read_log(session, NULL, NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_read_log(session, "x", &options), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_read_log(NULL, "x", NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_read_log(session, "x", NULL), -LCTERR_NOTFOUND);
    CHECK_ERROR(libct_log_file_read(NULL, NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_log_file_read(&file, &options), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_read_events(session, &events), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_read_events(NULL, NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_read_events(session, NULL), -LCTERR_BADCTSTATE); /* no state directory */
    CHECK_INT(libct_log_reader_read(NULL, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_log_reader_fd((libct_log_reader_t)(void *)ct), -LCTERR_INVARG);
    libct_log_reader_close(NULL);
    CHECK_INT(libct_event_reader_read(NULL, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_event_reader_fd((libct_event_reader_t)(void *)ct), -LCTERR_INVARG);
    libct_event_reader_close(NULL);
    CHECK(libct_session_find(session, name) == ct);
    CHECK_ERROR(libct_session_find(session, "nobody"), -LCTERR_NOTFOUND);
    CHECK_ERROR(libct_session_find(session, NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_find(NULL, name), -LCTERR_INVARG);
    libct_container_destroy(ct);
    CHECK_ERROR(libct_session_find(session, name), -LCTERR_NOTFOUND);
    CHECK_ERROR(libct_log_journal_read(NULL, NULL), -LCTERR_INVARG);
    options.struct_size = 2;
    CHECK_ERROR(libct_log_journal_read("x", &options), -LCTERR_INVARG);
    libct_log_reader_t journal = libct_log_journal_read(name, NULL);
    if (libct_handle_is_err(journal)) /* this host has none */
        CHECK_INT(libct_handle_to_err(journal), -1);
    else
        libct_log_reader_close(journal);
}

static int on_info(const struct libct_container_info *info, void *user)
{
    CHECK_INT(info->struct_size, sizeof *info);
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s %d;", info->name, (int)info->phase);
    return *(int *)user;
}

static void tell_what_there_is(void)
{
    char *argv[] = {"sleep", "1000", NULL};
    int answer = 0;
    open_recording_session();
    ct_handler_t ct = libct_container_create(session, name);
    ct_handler_t other = libct_container_create(session, "capi-zzz");
    CHECK_HANDLE(other);
    CHECK_INT(libct_container_save(other), 0);
    struct libct_container_info info = {.struct_size = sizeof info};
    CHECK_INT(libct_container_get_info(ct, &info), 0);
    CHECK(strcmp(info.name, name) == 0 && info.phase == LIBCT_PHASE_STOPPED && info.pid == -1 && info.own == 1);
    CHECK(info.has_ended == 0 && info.status == -1 && info.attach_socket[0] == '\0' && info.saved == 0);
    ct_process_t init = libct_container_spawn_execv(ct, desc, argv[0], argv);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_get_info(ct, &info), 0);
    CHECK(info.phase == LIBCT_PHASE_RUNNING && info.pid == libct_process_get_pid(init) && info.owner == getpid());
    CHECK(strcmp(info.command[0], "sleep") == 0 && strcmp(info.command[1], "1000") == 0 && info.command[2] == NULL);
    CHECK(info.created_ns > 0 && info.started_ns >= info.created_ns && info.detached == 0);
    CHECK_INT(libct_container_get_info(other, &info), 0);
    CHECK_INT(info.saved, 1);
    CHECK_INT(libct_session_containers(session, on_info, &answer), 0);
    char wanted[128];
    snprintf(wanted, sizeof wanted, "%s 2;capi-zzz 0;", name);
    CHECK(strcmp(told, wanted) == 0);
    told[0] = '\0';
    answer = 5;
    CHECK_INT(libct_session_containers(session, on_info, &answer), 5);
    snprintf(wanted, sizeof wanted, "%s 2;", name);
    CHECK(strcmp(told, wanted) == 0);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_container_get_info(ct, &info), 0);
    CHECK(info.has_ended == 1 && WIFSIGNALED(info.status) && WTERMSIG(info.status) == SIGKILL);
    CHECK_INT(libct_container_remove(other), 0);
}

static void on_line(const struct libct_output *line, void *user)
{
    CHECK_INT(line->struct_size, sizeof *line);
    snprintf(told + strlen(told), sizeof told - strlen(told), "%c%d:%.*s;", *(char *)user, line->stream,
             (int)line->length, line->bytes);
}

static int print_lines(void *argument)
{
    (void)argument;
    CHECK_INT(write(1, "one\ntwo\n", 8), 8);
    return 0;
}

static int read_all(libct_log_reader_t reader)
{
    static char user = 'L';
    int next;
    while ((next = libct_log_reader_read(reader, on_line, &user)) == LIBCT_NEXT_MORE)
        continue;
    return next;
}

static void read_what_was_logged(void)
{
    const struct libct_log_file file = {.struct_size = sizeof file, .path = "/tmp/log", .format = LIBCT_LOG_JSON};
    struct libct_log_reader_options options = {.struct_size = sizeof options, .has_tail = 1, .tail = 1};
    open_recording_session();
    ct_handler_t ct = libct_container_create(session, name);
    CHECK_INT(libct_process_desc_set_pdeathsig(desc, 0), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, end_at_once, NULL));
    CHECK_ERROR(libct_session_read_log(session, name, NULL), -LCTERR_BADCTSTATE); /* it is not logged */
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_container_add_log_file(ct, &file), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, print_lines, NULL));
    CHECK_INT(libct_container_wait(ct), 0);
    libct_log_reader_t reader = libct_session_read_log(session, name, NULL);
    CHECK_HANDLE(reader);
    CHECK_INT(libct_log_reader_fd(reader), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_log_reader_read(reader, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(read_all(reader), LIBCT_NEXT_END);
    CHECK(strcmp(told, "L1:one;L1:two;") == 0);
    libct_log_reader_close(reader);
    CHECK_INT(libct_log_reader_fd(reader), -LCTERR_INVARG);
    told[0] = '\0';
    reader = libct_log_file_read(&file, &options);
    CHECK_HANDLE(reader);
    CHECK_INT(read_all(reader), LIBCT_NEXT_END);
    CHECK(strcmp(told, "L1:two;") == 0);
    libct_log_reader_close(reader);
    /* What follows. */
    told[0] = '\0';
    options = (struct libct_log_reader_options){.struct_size = sizeof options, .follow = 1, .has_tail = 1};
    reader = libct_log_file_read(&file, &options);
    CHECK_HANDLE(reader);
    CHECK_INT(read_all(reader), LIBCT_NEXT_NOTHING);
    CHECK(told[0] == '\0');
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, print_lines, NULL));
    CHECK_INT(libct_container_wait(ct), 0);
    struct pollfd more = {.fd = libct_log_reader_fd(reader), .events = POLLIN};
    CHECK(more.fd >= 0);
    while (strstr(told, "two") == NULL) {
        CHECK_INT(poll(&more, 1, -1), 1);
        CHECK_INT(read_all(reader), LIBCT_NEXT_NOTHING);
    }
    CHECK(strcmp(told, "L1:one;L1:two;") == 0);
    libct_log_reader_close(reader);
    /* Only what is newer than the end of time. */
    options = (struct libct_log_reader_options){.struct_size = sizeof options, .since_ns = INT64_MAX};
    told[0] = '\0';
    reader = libct_session_read_log(session, name, &options);
    CHECK_HANDLE(reader);
    CHECK_INT(read_all(reader), LIBCT_NEXT_END);
    CHECK(told[0] == '\0');
    libct_log_reader_close(reader);
}

static void on_event(const struct libct_recorded_event *event, void *user)
{
    (void)user;
    CHECK_INT(event->struct_size, sizeof *event);
    CHECK(event->time_ns > 0 && event->json[0] == '{' && strstr(event->json, event->container) != NULL);
    snprintf(told + strlen(told), sizeof told - strlen(told), "%s %s;", event->container, event->event);
}

static void read_all_events(libct_event_reader_t reader)
{
    int more;
    while ((more = libct_event_reader_read(reader, on_event, NULL)) == 1)
        continue;
    CHECK_INT(more, 0);
}

static void read_what_has_happened(void)
{
    char wanted[128];
    const char *const others[] = {"capi-nobody", NULL};
    struct libct_event_reader_options options = {.struct_size = sizeof options, .follow = 1, .only_new = 1};
    open_recording_session();
    ct_handler_t ct = libct_container_create(session, name);
    libct_event_reader_t following = libct_session_read_events(session, &options);
    CHECK_HANDLE(following);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, end_at_once, NULL));
    CHECK_INT(libct_container_wait(ct), 0);
    struct pollfd more = {.fd = libct_event_reader_fd(following), .events = POLLIN};
    CHECK(more.fd >= 0);
    snprintf(wanted, sizeof wanted, "%s exit;", name);
    while (strstr(told, wanted) == NULL) {
        CHECK(libct_session_dispatch(session, 0) >= 0);
        CHECK(poll(&more, 1, 10) >= 0);
        read_all_events(following);
    }
    CHECK_INT(libct_event_reader_read(following, NULL, NULL), -LCTERR_INVARG);
    libct_event_reader_close(following);
    CHECK_INT(libct_event_reader_fd(following), -LCTERR_INVARG);
    /* Later, and of another container. */
    told[0] = '\0';
    libct_event_reader_t reader = libct_session_read_events(session, NULL);
    CHECK_HANDLE(reader);
    CHECK_INT(libct_event_reader_fd(reader), -LCTERR_BADCTSTATE);
    read_all_events(reader);
    CHECK(strstr(told, wanted) != NULL);
    libct_event_reader_close(reader);
    told[0] = '\0';
    options = (struct libct_event_reader_options){.struct_size = sizeof options, .containers = others};
    reader = libct_session_read_events(session, &options);
    CHECK_HANDLE(reader);
    read_all_events(reader);
    CHECK(told[0] == '\0');
    libct_event_reader_close(reader);
}

static void sessions_have_options(void)
{
    struct libct_systemd_property property = {.name = "TasksMax", .type = (enum libct_property_type)9};
    struct libct_session_options options = {.struct_size = sizeof options, .on_close = LIBCT_ON_CLOSE_KILL,
                                            .own_thread = 1, .systemd_properties = &property,
                                            .systemd_property_count = 1};
    CHECK_ERROR(libct_session_open_with(&options), -LCTERR_INVARG);
    property = (struct libct_systemd_property){.type = LIBCT_PROPERTY_NUMBER};
    CHECK_ERROR(libct_session_open_with(&options), -LCTERR_INVARG);
    property = (struct libct_systemd_property){.name = "Description", .type = LIBCT_PROPERTY_TEXT};
    CHECK_ERROR(libct_session_open_with(&options), -LCTERR_INVARG);
    options.systemd_properties = NULL;
    CHECK_ERROR(libct_session_open_with(&options), -LCTERR_INVARG);
    options.systemd_property_count = 0;
    /* The thread that makes processes is the session's: another one than this, whose end nobody is told of. */
    session = libct_session_open_with(&options);
    CHECK_HANDLE(session);
    desc = libct_process_desc_create(session);
    ct_handler_t ct = libct_container_create(session, name);
    CHECK_INT(libct_process_desc_set_pdeathsig(desc, SIGKILL), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    CHECK(strcmp(read_file(path), "") == 0);
    libct_session_close(session);
    /* With systemd a container needs that to be there. */
    options.own_thread = 0;
    options.systemd = 1;
    property = (struct libct_systemd_property){.name = "TasksMax", .type = LIBCT_PROPERTY_NUMBER, .number = 50};
    options.systemd_properties = &property;
    options.systemd_property_count = 1;
    session = libct_session_open_with(&options);
    if (libct_handle_is_err(session)) {
        CHECK_INT(libct_handle_to_err(session), -1);
        session = NULL;
        return;
    }
    desc = libct_process_desc_create(session);
    ct = libct_container_create(session, name);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0); /* without groups it makes no difference */
}

const struct test reader_tests[] = {
    {"refuse_what_is_wrong", refuse_what_is_wrong},
    {"tell_what_there_is", tell_what_there_is},
    {"read_what_was_logged", read_what_was_logged},
    {"read_what_has_happened", read_what_has_happened},
    {"sessions_have_options", sessions_have_options},
    {NULL, NULL},
};
