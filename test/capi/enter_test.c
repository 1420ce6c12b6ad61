/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */

/* One more process in a container that runs. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

struct told {
    pid_t pid, parent, session;
    uid_t uid;
    gid_t gid;
    struct rlimit files;
    char variable[16];
    bool sees_root;
};

static int tell(void *memory)
{
    struct told *told = memory;
    told->pid = getpid();
    told->parent = getppid();
    told->session = getsid(0);
    told->uid = getuid();
    told->gid = getgid();
    getrlimit(RLIMIT_NOFILE, &told->files);
    snprintf(told->variable, sizeof told->variable, "%s", getenv("VARIABLE") == NULL ? "" : getenv("VARIABLE"));
    told->sees_root = exists(TEST_INIT) && !exists("/tmp");
    return 0;
}

/* Waits for a process of the caller's, and returns its status. */
static int end_of(ct_process_t process)
{
    int status = -2;
    CHECK_HANDLE(process);
    CHECK_INT(libct_process_wait(process, &status), 0);
    libct_process_destroy(process);
    return status;
}

static void end(ct_handler_t ct, ct_process_t init)
{
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void have_attributes_of_their_own(void)
{
    struct told *told = shared_memory(sizeof *told);
    char *env[] = {(char[]){"VARIABLE=set"}};
    ct_handler_t ct = make_container();
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    ct_process_desc_t other = libct_process_desc_create(session);
    CHECK_INT(libct_process_desc_setuid(other, 21), 0);
    CHECK_INT(libct_process_desc_setgid(other, 22), 0);
    CHECK_INT(libct_process_desc_set_rlimit(other, RLIMIT_NOFILE, 123, 124), 0);
    CHECK_INT(libct_process_desc_set_env(other, env, 1), 0);
    ct_process_t entered = libct_container_enter_cb(ct, other, tell, told);
    /* A descriptor is only read by the call. */
    libct_process_desc_destroy(other);
    CHECK_INT(end_of(entered), 0);
    CHECK(told->uid == 21 && told->gid == 22 && strcmp(told->variable, "set") == 0);
    CHECK(told->files.rlim_cur == 123 && told->files.rlim_max == 124);
    CHECK_INT(told->session, getsid(0)); /* no session of its own */
    CHECK_INT(told->parent, getpid());
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    end(ct, init);
}

static void are_children_in_the_pid_namespace(void)
{
    struct told *told = shared_memory(sizeof *told);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(end_of(libct_container_enter_cb(ct, desc, tell, told)), 0);
    CHECK(told->pid > 1 && told->parent == 0);
    ct_process_t entered = libct_container_enter_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(entered);
    CHECK_INT(waitpid(libct_process_get_pid(entered), NULL, WNOHANG), 0); /* the caller's own child */
    /* It ends with the first process. */
    CHECK_INT(libct_container_kill(ct), 0);
    const int status = end_of(entered);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK_INT(libct_process_wait(init, NULL), 0);
    CHECK_INT(libct_container_kill(ct), 0); /* there is nobody left */
    CHECK_INT(libct_container_wait(ct), 0);
}

static void see_the_root(void)
{
    struct told *told = shared_memory(sizeof *told);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(libct_container_set_nsmask(ct, i == 0 ? 0 : CLONE_NEWNS), 0);
        ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
        CHECK_HANDLE(init);
        told->sees_root = false;
        CHECK_INT(end_of(libct_container_enter_cb(ct, desc, tell, told)), 0);
        CHECK(told->sees_root);
        end(ct, init);
    }
}

static void are_programs(void)
{
    char *argv[] = {(char[]){"test_init"}, (char[]){"env"}, NULL}, *env[] = {(char[]){"ONLY=this"}, NULL};
    char *path[] = {(char[]){"PATH=/nowhere:/bin"}}, text[256] = "";
    int ends[2];
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    int fds[] = {0, ends[1], 2};
    CHECK_INT(libct_process_desc_set_fds(desc, fds, 3), 0);
    /* What is set for the process says where its program is, and then another environment is its whole one. */
    CHECK_INT(libct_process_desc_set_env(desc, path, 1), 0);
    CHECK_INT(setenv("PATH", "/nowhere", 1), 0);
    CHECK_INT(end_of(libct_container_enter_execve(ct, desc, "test_init", argv, env)), 0);
    CHECK_INT(read(ends[0], text, sizeof text - 1), 10);
    CHECK(strcmp(text, "ONLY=this\n") == 0);
    CHECK_INT(end_of(libct_container_enter_execv(ct, desc, "test_init", argv)), 0);
    memset(text, 0, sizeof text);
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    CHECK(strcmp(text, "PATH=/nowhere:/bin\n") == 0);
    CHECK_ERROR(libct_container_enter_execve(ct, desc, "missing", argv, env), -1);
    CHECK_ERROR(libct_container_enter_execv(ct, desc, NULL, argv), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_enter_execv(ct, desc, TEST_INIT, NULL), -LCTERR_INVARG);
    end(ct, init);
}

static void are_not_waited_for_by_the_container(void)
{
    ct_handler_t ct = make_container();
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    ct_process_t entered = libct_container_enter_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(entered);
    const int pid = libct_process_get_pid(entered);
    end(ct, init);
    CHECK_INT(waitpid(pid, NULL, WNOHANG), 0);
    CHECK_INT(libct_process_get_pid(entered), pid);
    /* Nor do they need the session. */
    libct_session_close(session);
    session = NULL;
    CHECK_INT(kill(pid, SIGTERM), 0);
    const int status = end_of(entered);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    /* A descriptor is nobody's either. */
    CHECK_INT(libct_process_desc_setuid(desc, 1), 0);
    libct_process_desc_destroy(desc);
}

static void are_refused_once_a_taskless_one_was_killed(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS), 0);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_TASKLESS, NULL), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, NULL, NULL));
    CHECK_INT(end_of(libct_container_enter_cb(ct, desc, end_at_once, NULL)), 0);
    CHECK_INT(libct_container_kill(ct), -1);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_ERROR(libct_container_enter_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(libct_container_switch(ct), -1);
    CHECK_INT(libct_container_wait(ct), 0);
}

const struct test enter_tests[] = {
    {"have_attributes_of_their_own", have_attributes_of_their_own},
    {"are_children_in_the_pid_namespace", are_children_in_the_pid_namespace},
    {"see_the_root", see_the_root},
    {"are_programs", are_programs},
    {"are_not_waited_for_by_the_container", are_not_waited_for_by_the_container},
    {"are_refused_once_a_taskless_one_was_killed", are_refused_once_a_taskless_one_was_killed},
    {NULL, NULL},
};
