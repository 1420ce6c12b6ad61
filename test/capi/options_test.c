/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <libct-events.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char logged[4096];

static void on_logged(unsigned int level, const char *text, void *user)
{
    CHECK(level <= LOG_DEBUG && user == logged);
    snprintf(logged, sizeof logged, "%s", text);
}

/* The session of the test, in a state directory. */
static ct_handler_t make_recorded_container(enum libct_on_close on_close)
{
    const struct libct_session_options options = {.struct_size = sizeof options, .state_directory = "/tmp/state",
                                                  .on_close = on_close, .log = on_logged, .user = logged};
    session = libct_session_open_with(&options);
    CHECK_HANDLE(session);
    desc = libct_process_desc_create(session);
    CHECK_HANDLE(desc);
    return libct_container_create(session, name);
}

static void are_checked(void)
{
    struct libct_session_options options = {.struct_size = sizeof options, .on_close = (enum libct_on_close)5};
    CHECK_ERROR(libct_session_open_with(NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_open_with(&options), -LCTERR_INVARG);
    options.on_close = LIBCT_ON_CLOSE_KILL;
    options.state_directory = "relative";
    CHECK_ERROR(libct_session_open_with(&options), -LCTERR_INVARG);
    options.state_directory = "/proc/none";
    CHECK_ERROR(libct_session_open_with(&options), -1);
    options.state_directory = NULL;
    libct_session_t opened = libct_session_open_with(&options);
    CHECK_HANDLE(opened);
    libct_session_close(opened);
}

static void kill_at_the_end(void)
{
    const struct libct_session_options options = {.struct_size = sizeof options, .on_close = LIBCT_ON_CLOSE_KILL};
    session = libct_session_open_with(&options);
    CHECK_HANDLE(session);
    desc = libct_process_desc_create(session);
    ct_handler_t ct = libct_container_create(session, name);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    const int pid = libct_process_get_pid(init);
    libct_session_close(session);
    session = NULL;
    CHECK(kill(pid, 0) == -1 && errno == ESRCH); /* killed, and reaped */
}

static void find_what_others_have_started(void)
{
    ct_handler_t ct = make_recorded_container(LIBCT_ON_CLOSE_DETACH);
    CHECK_HANDLE(ct);
    CHECK_ERROR(libct_container_create(session, name), -1); /* unique here */
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID | CLONE_NEWUTS), 0);
    CHECK_INT(libct_container_uname(ct, "there", NULL), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    const int pid = libct_process_get_pid(init);
    libct_session_close(session);

    (void)make_recorded_container(LIBCT_ON_CLOSE_KILL);
    CHECK_ERROR(libct_container_open(session, NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_open(session, "nobody"), -LCTERR_NOTFOUND);
    ct_handler_t opened = libct_container_open(session, name);
    CHECK_HANDLE(opened);
    CHECK_INT(libct_container_state(opened), CT_RUNNING);
    CHECK_INT(libct_container_set_nsmask(opened, 0), -LCTERR_BADCTSTATE);
    char json[4096];
    CHECK(libct_container_get_spec(opened, json, sizeof json) > 0);
    CHECK(strstr(json, "\"hostname\":\"there\"") != NULL);
    ct_process_t entered = libct_container_enter_cb(opened, desc, end_at_once, NULL);
    CHECK_HANDLE(entered);
    CHECK_INT(libct_process_wait(entered, NULL), 0);
    libct_process_destroy(entered);
    /* It is not this session's, and goes on. */
    libct_session_close(session);
    CHECK_INT(kill(pid, 0), 0);
    (void)make_recorded_container(LIBCT_ON_CLOSE_KILL);
    opened = libct_container_open(session, name);
    CHECK_HANDLE(opened);
    CHECK_INT(libct_container_kill(opened), 0);
    CHECK_INT(libct_container_wait(opened), 0);
    CHECK_INT(libct_container_state(opened), CT_STOPPED);
    while (waitpid(-1, NULL, __WALL) > 0)
        ;
}

static void keep_what_was_saved(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_save(ct), -LCTERR_BADCTSTATE); /* nowhere to */
    libct_session_close(session);
    ct = make_recorded_container(LIBCT_ON_CLOSE_DETACH);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS), 0);
    CHECK_INT(libct_container_uname(ct, "saved", NULL), 0);
    CHECK_INT(libct_container_save(ct), 0);
    libct_session_close(session);
    (void)make_recorded_container(LIBCT_ON_CLOSE_DETACH);
    ct = libct_container_open(session, name);
    CHECK_HANDLE(ct);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    /* It can be configured further, and started. */
    CHECK_INT(libct_container_uname(ct, NULL, "domain"), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK(has_own_namespace(libct_process_get_pid(init), "uts"));
    CHECK_INT(libct_container_save(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_remove(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_container_remove(ct), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_ERROR(libct_container_open(session, name), -LCTERR_NOTFOUND);
}

static int tell_host_name(void *argument)
{
    return gethostname(argument, 64);
}

static void take_a_whole_specification(void)
{
    char json[4096], *host = shared_memory(64);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_spec(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_spec(ct, "{"), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_spec(ct, "{\"colour\":1}"), -LCTERR_INVARG);
    CHECK(strstr(libct_last_error()->message, "colour") != NULL);
    const int empty = libct_container_get_spec(ct, json, sizeof json);
    CHECK(empty >= 2 && json[0] == '{');
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS), 0);
    CHECK_INT(libct_container_uname(ct, "again", NULL), 0);
    const int length = libct_container_get_spec(ct, json, sizeof json);
    CHECK(length > empty && strlen(json) == (size_t)length);
    ct_handler_t other = libct_container_create(session, "other");
    CHECK_INT(libct_container_set_spec(other, json), 0);
    CHECK_INT(libct_container_set_nspath(other, CLONE_NEWUTS, "/proc/self/ns/uts"), -LCTERR_BADARG);
    CHECK_INT(status_of(other, tell_host_name, host), 0);
    CHECK(strcmp(host, "again") == 0);
    CHECK_INT(libct_container_get_spec(other, json, 3), length);
    CHECK_INT(strlen(json), 2);
    /* What was set before is gone, with its handles. */
    CHECK_INT(libct_container_set_nsmask(other, CLONE_NEWNET), 0);
    struct ct_net_veth_arg veth = {(char[]){"a"}, (char[]){"b"}};
    ct_net_t device = libct_net_add(other, CT_NET_VETH, &veth);
    CHECK_HANDLE(device);
    CHECK_INT(libct_container_set_spec(other, "{}"), 0);
    CHECK_INT(libct_net_dev_set_mtu(device, 1400), -LCTERR_INVARG);
    CHECK_INT(status_of(other, tell_host_name, host), 0);
    CHECK(strcmp(host, "again") != 0);
}

static void tell_the_last_error(void)
{
    CHECK(libct_last_error() == NULL);
    ct_handler_t ct = make_container();
    CHECK(libct_last_error() == NULL);
    CHECK_INT(libct_container_wait(ct), -LCTERR_BADCTSTATE);
    const struct libct_error *error = libct_last_error();
    CHECK(error != NULL);
    CHECK_INT(error->struct_size, sizeof *error);
    CHECK_INT(error->code, -LCTERR_BADCTSTATE);
    CHECK_INT(error->error_number, 0);
    CHECK(strcmp(error->message, "the container is not running") == 0);
    CHECK_INT(libct_fs_set_root(ct, "/no/such/root"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    error = libct_last_error();
    CHECK_INT(error->code, -1);
    CHECK_INT(error->error_number, ENOENT);
    CHECK(strcmp(error->path, "/no/such/root") == 0 && strcmp(error->stage, "root") == 0);
    CHECK(strstr(error->message, name) != NULL && strstr(error->message, "No such file or directory") != NULL);
    /* What works leaves it. */
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    CHECK(libct_last_error() == error && error->code == -1);
    CHECK_INT(libct_container_kill(NULL), -LCTERR_INVARG);
    CHECK_INT(libct_last_error()->code, -LCTERR_INVARG);
}

static int note_feature(const struct libct_feature *feature, void *user)
{
    CHECK_INT(feature->struct_size, sizeof *feature);
    CHECK(feature->name[0] != '\0' && (feature->available || feature->detail[0] != '\0'));
    ++*(int *)user;
    return 0;
}

static int stop_at_once(const struct libct_feature *feature, void *user)
{
    (void)feature;
    ++*(int *)user;
    return 42;
}

static void tell_what_the_host_offers(void)
{
    int count = 0, stopped = 0;
    make_container();
    CHECK_INT(libct_session_features(session, note_feature, &count), 0);
    CHECK(count > 10);
    CHECK_INT(libct_session_features(session, stop_at_once, &stopped), 42);
    CHECK_INT(stopped, 1);
    CHECK_INT(libct_session_features(session, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_session_features(NULL, note_feature, NULL), -LCTERR_INVARG);
}

const struct test option_tests[] = {
    {"are_checked", are_checked},
    {"kill_at_the_end", kill_at_the_end},
    {"find_what_others_have_started", find_what_others_have_started},
    {"keep_what_was_saved", keep_what_was_saved},
    {"take_a_whole_specification", take_a_whole_specification},
    {"tell_the_last_error", tell_the_last_error},
    {"tell_what_the_host_offers", tell_what_the_host_offers},
    {NULL, NULL},
};
