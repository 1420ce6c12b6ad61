/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <libct-hooks.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* A command of the shell. */
static struct libct_cmd shell(char *line)
{
    static char *argv[4][4];
    static int used;
    char **own = argv[used++ % 4];
    own[0] = "sh";
    own[1] = "-c";
    own[2] = line;
    own[3] = NULL;
    return (struct libct_cmd){.path = "sh", .argv = own};
}

static struct libct_hook_event last;
static int calls, answer;

static int on_hook(ct_handler_t ct, const struct libct_hook_event *event, void *user)
{
    CHECK_INT(event->struct_size, sizeof *event);
    CHECK(libct_container_phase(ct) == (int)event->phase);
    last = *event;
    ++calls;
    if (user != NULL && event->point != LIBCT_HOOK_POSTSTOP)
        write_file("order", exists("first") ? "between" : "too early");
    return answer;
}

static void refuses_what_is_wrong(void)
{
    struct libct_cmd command = shell("true"), empty = {0};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_add_hook(NULL, LIBCT_HOOK_POSTSTOP, &command, 0), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_hook(ct, (enum libct_hook_point)9, &command, 0), -LCTERR_BADTYPE);
    CHECK_INT(libct_container_add_hook(ct, (enum libct_hook_point)-1, &command, 0), -LCTERR_BADTYPE);
    CHECK_INT(libct_container_add_hook(ct, LIBCT_HOOK_POSTSTOP, NULL, 0), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_hook(ct, LIBCT_HOOK_POSTSTOP, &empty, 0), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_hook(ct, LIBCT_HOOK_POSTSTOP, &command, 1000u * 86400 * 2), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_hook_cb(ct, LIBCT_HOOK_CREATE_CONTAINER, on_hook, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_hook_cb(ct, LIBCT_HOOK_POSTSTART, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_hook_cb(ct, (enum libct_hook_point)4, on_hook, NULL), -LCTERR_BADTYPE);
    CHECK_INT(libct_container_set_annotation(ct, NULL, "x"), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_annotation(ct, "x", NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_clear_hooks(NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    CHECK_INT(libct_container_add_hook(ct, LIBCT_HOOK_POSTSTOP, &command, 0), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_add_hook_cb(ct, LIBCT_HOOK_POSTSTOP, on_hook, NULL), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_clear_hooks(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_annotation(ct, "x", "y"), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void run_commands(void)
{
    char wanted[64];
    struct libct_cmd second = shell("echo $PWD-$NAME > second");
    struct libct_cmd first = shell("cat > first");
    char *env[] = {"NAME=value", NULL};
    second.envp = env;
    second.dir = "/tmp";
    first.next = &second;
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_annotation(ct, "org.example.key", "some text"), 0);
    CHECK_INT(libct_container_add_hook(ct, LIBCT_HOOK_CREATE_RUNTIME, &first, 5000), 0);
    struct libct_cmd end = shell("cat > end");
    CHECK_INT(libct_container_add_hook(ct, LIBCT_HOOK_POSTSTOP, &end, 0), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0);
    snprintf(wanted, sizeof wanted, "\"id\":\"%s\"", name);
    CHECK(strstr(read_file("first"), wanted) != NULL && strstr(read_file("first"), "\"creating\"") != NULL);
    CHECK(strstr(read_file("first"), "\"org.example.key\":\"some text\"") != NULL);
    CHECK(strcmp(read_file("second"), "/tmp-value\n") == 0);
    CHECK(strstr(read_file("end"), "\"stopped\"") != NULL);
    /* One that fails lets the start fail, says why, and leaves nothing. */
    struct libct_cmd bad = shell("echo no luck >&2; exit 3");
    CHECK_INT(libct_container_add_hook(ct, LIBCT_HOOK_CREATE_CONTAINER, &bad, 0), 0);
    CHECK_INT(unlink("end"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK(strstr(libct_last_error()->message, "no luck") != NULL);
    CHECK(strcmp(libct_last_error()->stage, "hooks") == 0);
    CHECK(exists("end"));
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    CHECK_INT(libct_container_clear_hooks(ct), 0);
    CHECK(unlink("first") == 0 && unlink("end") == 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0);
    CHECK(!exists("first") && !exists("end"));
}

static void call_functions(void)
{
    ct_handler_t ct = make_container();
    /* In the order in which they were added, and after a specification of which the library knows nothing yet. */
    CHECK_INT(libct_container_set_spec(ct, "{\"namespaces\":{\"pid\":{\"new\":{}}}}"), 0);
    struct libct_cmd first = shell("touch first"), second = shell("cp order after");
    CHECK_INT(libct_container_add_hook(ct, LIBCT_HOOK_CREATE_RUNTIME, &first, 0), 0);
    CHECK_INT(libct_container_add_hook_cb(ct, LIBCT_HOOK_CREATE_RUNTIME, on_hook, (char[]){"x"}), 0);
    CHECK_INT(libct_container_add_hook(ct, LIBCT_HOOK_CREATE_RUNTIME, &second, 0), 0);
    answer = 3;
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK(strstr(libct_last_error()->message, "a function has returned 3") != NULL);
    CHECK(calls == 1 && !exists("after"));
    answer = 0;
    CHECK_INT(libct_container_add_hook_cb(ct, LIBCT_HOOK_POSTSTART, on_hook, NULL), 0);
    CHECK_INT(libct_container_add_hook_cb(ct, LIBCT_HOOK_POSTSTOP, on_hook, NULL), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(calls, 3);
    CHECK(last.point == LIBCT_HOOK_POSTSTART && last.phase == LIBCT_PHASE_RUNNING);
    CHECK_INT(last.pid, libct_process_get_pid(init));
    CHECK(strcmp(read_file("after"), "between") == 0);
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(calls, 4);
    CHECK(last.point == LIBCT_HOOK_POSTSTOP && last.phase == LIBCT_PHASE_STOPPING && last.pid == -1);
    CHECK_INT(libct_container_clear_hooks(ct), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0);
    CHECK_INT(calls, 4);
}

/* Whoever finds that a container has ended runs its functions, which may ask for it. */
static void are_called_by_whoever_finds_the_end(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_controller_add(ct, CTL_FREEZER), 0);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_container_add_hook_cb(ct, LIBCT_HOOK_POSTSTOP, on_hook, NULL), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_pause(ct), 0);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    while (calls == 0)
        CHECK(libct_container_resume(ct) <= 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(calls, 1);
}

/* What has no handle any more is told nothing, though it ends later. */
static void are_not_called_without_a_handle(void)
{
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_container_add_hook_cb(ct, LIBCT_HOOK_POSTSTOP, on_hook, NULL), 0);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    libct_session_close(session);
    session = NULL;
    CHECK_INT(calls, 0);
}

const struct test hook_tests[] = {
    {"refuses_what_is_wrong", refuses_what_is_wrong},
    {"run_commands", run_commands},
    {"call_functions", call_functions},
    {"are_called_by_whoever_finds_the_end", are_called_by_whoever_finds_the_end},
    {"are_not_called_without_a_handle", are_not_called_without_a_handle},
    {NULL, NULL},
};
