/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <libct-events.h>
#include <sched.h>
#include <sys/wait.h>

#include "check.h"

static struct libct_health_event last;
static char reason[256];
static int changes, checks, verdict;

static void on_health(ct_handler_t ct, const struct libct_health_event *event, void *user)
{
    (void)ct;
    CHECK_INT(event->struct_size, sizeof *event);
    CHECK_INT(*(char *)user, 'u');
    last = *event;
    snprintf(reason, sizeof reason, "%s", event->reason);
    ++changes;
}

static int check_health(ct_handler_t ct, void *user)
{
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_INT(*(char *)user, 'u');
    ++checks;
    return verdict;
}

static void dispatch_until(enum libct_health health)
{
    while (changes == 0 || last.health != health)
        CHECK(libct_session_dispatch(session, -1) >= 0);
}

static void stop(ct_handler_t ct)
{
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void is_found_out_by_a_function(void)
{
    static char user = 'u';
    struct libct_health_check check = {.struct_size = sizeof check, .check = check_health, .interval_ms = 1,
                                       .retries = 2};
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_container_on_health(NULL, &check, on_health, &user), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_health(ct, NULL, on_health, &user), -LCTERR_INVARG);
    check.interval_ms = 100000000; /* more than a day */
    CHECK_INT(libct_container_on_health(ct, &check, on_health, &user), -LCTERR_INVARG);
    check.interval_ms = 1;
    check.struct_size = 1;
    CHECK_INT(libct_container_on_health(ct, &check, on_health, &user), -LCTERR_INVARG);
    check.struct_size = sizeof check;
    CHECK_INT(libct_container_on_health(ct, &check, on_health, &user), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    dispatch_until(LIBCT_HEALTH_HEALTHY);
    CHECK(changes == 2 && checks == 1 && last.failures == 0 && last.status == -1 && reason[0] == '\0');
    verdict = 1;
    dispatch_until(LIBCT_HEALTH_UNHEALTHY);
    CHECK(changes == 3 && last.failures == 2 && last.status == -1 && reason[0] != '\0');
    verdict = 0;
    dispatch_until(LIBCT_HEALTH_HEALTHY);
    CHECK_INT(libct_container_on_health(ct, NULL, NULL, NULL), 0);
    const int before = checks;
    CHECK_INT(libct_session_dispatch(session, 10), 0);
    CHECK_INT(checks, before);
    stop(ct);
}

static void is_found_out_by_a_program(void)
{
    static char user = 'u';
    char *good[] = {TEST_INIT, "exit", "0", NULL}, *bad[] = {TEST_INIT, "exit", "7", NULL};
    struct libct_health_check check = {.struct_size = sizeof check, .path = TEST_INIT, .argv = good, .interval_ms = 1,
                                       .retries = 1};
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID | CLONE_NEWNS), 0);
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(libct_container_on_health(ct, &check, on_health, &user), -LCTERR_INVARG); /* no descriptor */
    check.process = desc;
    check.path = NULL;
    CHECK_INT(libct_container_on_health(ct, &check, on_health, &user), -LCTERR_INVARG);
    check.path = TEST_INIT;
    CHECK_INT(libct_container_on_health(ct, &check, on_health, &user), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    dispatch_until(LIBCT_HEALTH_HEALTHY);
    CHECK(WIFEXITED(last.status) && WEXITSTATUS(last.status) == 0);
    /* Another check begins anew. */
    check.argv = bad;
    changes = 0;
    CHECK_INT(libct_container_on_health(ct, &check, on_health, &user), 0);
    dispatch_until(LIBCT_HEALTH_UNHEALTHY);
    CHECK(WIFEXITED(last.status) && WEXITSTATUS(last.status) == 7);
    CHECK(strstr(reason, "7") != NULL);
    stop(ct);
}

static struct libct_start started;
static int frozen = -1;

static void on_start(ct_handler_t ct, const struct libct_start *start, void *user)
{
    (void)ct;
    (void)user;
    CHECK_INT(start->struct_size, sizeof *start);
    started = *start;
}

static void on_frozen(ct_handler_t ct, int now, void *user)
{
    (void)ct;
    (void)user;
    frozen = now;
}

static void dispatch_until_frozen(int wanted)
{
    while (frozen != wanted)
        CHECK(libct_session_dispatch(session, -1) >= 0);
}

static void starts_and_pauses_are_told(void)
{
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_controller_add(ct, CTL_FREEZER), 0);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_container_on_start(ct, on_start, NULL), 0);
    CHECK_INT(libct_container_on_frozen(ct, on_frozen, NULL), 0);
    CHECK_INT(libct_container_on_start(NULL, on_start, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_frozen(NULL, on_frozen, NULL), -LCTERR_INVARG);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    while (started.pid == 0)
        CHECK(libct_session_dispatch(session, -1) >= 0);
    CHECK_INT(started.pid, libct_process_get_pid(init));
    CHECK(started.birth_ns > 0 && started.prepare_ns > 0 && started.set_up_ns > 0);
    CHECK(started.total_ns >= started.birth_ns + started.prepare_ns);
    CHECK_INT(libct_container_pause(ct), 0);
    dispatch_until_frozen(1);
    CHECK_INT(libct_container_resume(ct), 0);
    dispatch_until_frozen(0);
    CHECK_INT(libct_container_on_start(ct, NULL, NULL), 0);
    CHECK_INT(libct_container_on_frozen(ct, NULL, NULL), 0);
    stop(ct);
    struct libct_exit_record record = {.struct_size = sizeof record};
    CHECK_INT(libct_container_exit_record(ct, &record), 0);
    CHECK(record.monotonic_end_ns > record.monotonic_start_ns && record.monotonic_start_ns > 0);
    CHECK_INT(record.ran_ns, record.monotonic_end_ns - record.monotonic_start_ns);
    CHECK(record.start_birth_ns > 0 && record.start_prepare_ns > 0 && record.start_set_up_ns > 0);
}

const struct test health_tests[] = {
    {"is_found_out_by_a_function", is_found_out_by_a_function},
    {"is_found_out_by_a_program", is_found_out_by_a_program},
    {"starts_and_pauses_are_told", starts_and_pauses_are_told},
    {NULL, NULL},
};
