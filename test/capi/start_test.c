/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static int exit_with(void *argument)
{
    return *(int *)argument;
}

static void run_a_function(void)
{
    int *code = shared_memory(sizeof *code);
    *code = 42;
    ct_handler_t ct = make_container();
    ct_process_t init = libct_container_spawn_cb(ct, desc, exit_with, code);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, exit_with, code), -LCTERR_BADCTSTATE);
    int status = 0;
    CHECK_INT(libct_process_wait(init, &status), 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    CHECK_INT(libct_process_get_pid(init), -1);
    CHECK_INT(libct_process_wait(init, &status), -LCTERR_BADCTSTATE);
    /* Only waiting for the container ends that. */
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    CHECK_INT(libct_container_wait(ct), -LCTERR_BADCTSTATE);
    libct_process_destroy(init); /* does no harm */
    /* It may be started again, and has the same handle. */
    *code = 7;
    CHECK(libct_container_spawn_cb(ct, desc, exit_with, code) == init);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_process_wait(init, &status), -LCTERR_BADCTSTATE);
    CHECK_INT(status_of(ct, NULL, NULL), 0);
}

static void tell_how_it_ended(void)
{
    ct_handler_t ct = make_container();
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    const int pid = libct_process_get_pid(init);
    CHECK_INT(libct_container_kill(ct), -1); /* neither pid namespace nor killable */
    CHECK_INT(kill(pid, SIGTERM), 0);
    int status = 0;
    CHECK_INT(libct_process_wait(init, &status), 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    CHECK_INT(libct_container_wait(ct), 0);
    /* Somebody else takes the status. */
    CHECK(libct_container_spawn_cb(ct, desc, stay, NULL) == init);
    const int second = libct_process_get_pid(init);
    CHECK_INT(kill(second, SIGTERM), 0);
    CHECK_INT(waitpid(second, NULL, 0), second);
    CHECK_INT(libct_process_wait(init, &status), 0);
    CHECK(status == -1 || WIFSIGNALED(status)); /* newer kernels still know it */
    CHECK_INT(libct_container_wait(ct), 0);
}

static void search_programs(void)
{
    make_root("root");
    char first[] = "test_init", *argv[] = {first, (char[]){"args"}, (char[]){"one"}, NULL};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_set_root(ct, "root"), 0);
    CHECK_INT(setenv("PATH", "/nowhere:/bin", 1), 0);
    CHECK_HANDLE(libct_container_spawn_execv(ct, desc, "test_init", argv));
    CHECK_INT(libct_container_wait(ct), 0);
    /* The environment of the program is another one than that by which it is found. */
    char *env[] = {(char[]){"PATH=/nowhere"}, NULL};
    CHECK_HANDLE(libct_container_spawn_execve(ct, desc, "test_init", argv, env));
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(setenv("PATH", "/nowhere", 1), 0);
    CHECK_ERROR(libct_container_spawn_execv(ct, desc, "test_init", argv), -1);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    CHECK_ERROR(libct_container_spawn_execv(ct, desc, "/missing", argv), -1);
    CHECK_ERROR(libct_container_spawn_execv(ct, desc, NULL, argv), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_spawn_execv(ct, desc, TEST_INIT, NULL), -LCTERR_INVARG);
    CHECK_HANDLE(libct_container_spawn_execv(ct, desc, TEST_INIT, argv));
    CHECK_INT(libct_container_wait(ct), 0);
}

/* What a program of the root writes, started with that environment. */
static const char *output_with(ct_handler_t ct, const char *program, char **env)
{
    static char text[4096];
    char *argv[] = {(char[]){"test_init"}, (char[]){"env"}, NULL};
    int ends[2];
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    int fds[] = {0, ends[1], 2};
    CHECK_INT(libct_process_desc_set_fds(desc, fds, 3), 0);
    CHECK_HANDLE(libct_container_spawn_execve(ct, desc, program, argv, env));
    close(ends[1]);
    memset(text, 0, sizeof text);
    size_t length = 0;
    for (ssize_t got; (got = read(ends[0], text + length, sizeof text - 1 - length)) > 0;)
        length += (size_t)got;
    close(ends[0]);
    CHECK_INT(libct_container_wait(ct), 0);
    return text;
}

static void replace_the_environment(void)
{
    char *set[] = {(char[]){"PATH=/nowhere:/bin"}, (char[]){"A=1"}}, *env[] = {(char[]){"ONLY=this"}, NULL};
    char *none[] = {NULL};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(setenv("PATH", "/nowhere", 1), 0);
    CHECK(strcmp(output_with(ct, TEST_INIT, env), "ONLY=this\n") == 0);
    CHECK(strcmp(output_with(ct, TEST_INIT, none), "") == 0);
    /* That of the descriptor says where the program is, and is not what it gets. */
    CHECK_INT(libct_process_desc_set_env(desc, set, 2), 0);
    set[1][2] = '2'; /* it was copied */
    CHECK(strcmp(output_with(ct, "test_init", env), "ONLY=this\n") == 0);
    CHECK(strcmp(output_with(ct, "test_init", NULL), "PATH=/nowhere:/bin\nA=1\n") == 0);
}

static void unblock_signals(void)
{
    sigset_t some;
    CHECK(sigemptyset(&some) == 0 && sigaddset(&some, SIGUSR2) == 0 && sigaddset(&some, SIGTERM) == 0);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(sigprocmask(SIG_BLOCK, &some, NULL), 0);
    CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    /* What the caller ignores is its own affair, too. */
    CHECK(strstr(output_of(ct, "status", NULL), "blocked\nignored\n") != NULL);
    CHECK_INT(sigprocmask(SIG_BLOCK, NULL, &some), 0);
    CHECK(sigismember(&some, SIGUSR2) == 1); /* the caller's are as they were */
}

static int print_without_a_newline(void *argument)
{
    (void)argument;
    fputs("of the function", stdout);
    return 0;
}

static void flush_what_a_function_has_written(void)
{
    int ends[2];
    char text[64] = "";
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    ct_handler_t ct = make_container();
    fflush(stdout);
    const int kept = dup(1);
    CHECK_INT(dup2(ends[1], 1), 1);
    close(ends[1]);
    fputs("of the caller", stdout);
    CHECK_INT(status_of(ct, print_without_a_newline, NULL), 0);
    /* Its own output, and not what the caller had not written yet. */
    CHECK_INT(read(ends[0], text, sizeof text - 1), 15);
    CHECK(strcmp(text, "of the function") == 0);
    fflush(stdout);
    CHECK_INT(dup2(kept, 1), 1);
    CHECK_INT(read(ends[0], text, sizeof text - 1), 13);
    CHECK(strncmp(text, "of the caller", 13) == 0);
    CHECK_INT(read(ends[0], text, sizeof text - 1), 0);
}

static void apply_nothing_to_no_function(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(libct_process_desc_set_user(desc, "nobody-here"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(status_of(ct, NULL, NULL), 0);
}

static int leave_a_child(void *argument)
{
    const pid_t pid = fork();
    if (pid == 0)
        stay(NULL);
    *(volatile pid_t *)argument = pid;
    return 0;
}

static void leave_others_alone_that_run(void)
{
    pid_t *child = shared_memory(sizeof *child);
    ct_handler_t ct = make_container();
    CHECK_INT(status_of(ct, leave_a_child, child), 0);
    CHECK_INT(kill(*child, 0), 0);
    CHECK_INT(kill(*child, SIGKILL), 0);
}

static void pass_arguments_and_environment(void)
{
    make_root("root");
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_set_root(ct, "root"), 0);
    CHECK(strstr(output_of(ct, "args", "one", "two words", NULL), "one\ntwo words\n") != NULL);
    CHECK_INT(setenv("INHERITED", "yes", 1), 0);
    CHECK(strstr(output_of(ct, "env", NULL), "INHERITED=yes\n") != NULL);
}

struct sessions {
    pid_t session, pid;
};

static int tell_session(void *memory)
{
    struct sessions *told = memory;
    told->session = getsid(0);
    told->pid = getpid();
    return 0;
}

static void lead_a_session(void)
{
    struct sessions *told = shared_memory(sizeof *told);
    ct_handler_t ct = make_container();
    CHECK_INT(status_of(ct, tell_session, told), 0);
    CHECK_INT(told->session, told->pid);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_NOSETSID, NULL), 0);
    CHECK_INT(status_of(ct, tell_session, told), 0);
    CHECK_INT(told->session, getsid(0));
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_SYSTEMD, NULL), -LCTERR_BADTYPE);
    CHECK_INT(libct_container_set_option(ct, 0, NULL), -LCTERR_BADTYPE);
    CHECK_INT(libct_container_set_option(ct, 99, NULL), -LCTERR_BADTYPE);
}

static int open_own_terminal(void *argument)
{
    (void)argument;
    const int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    return fd < 0 ? errno : 0;
}

static void take_a_terminal(void)
{
    ct_handler_t ct = make_container();
    const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(terminal >= 0);
    CHECK_INT(status_of(ct, open_own_terminal, NULL), ENXIO);
    CHECK_INT(libct_container_set_console_fd(ct, terminal), 0);
    CHECK_INT(status_of(ct, open_own_terminal, NULL), 0);
    /* The host's console, in whose place there is this one. */
    CHECK_INT(libct_container_set_console_fd(ct, LIBCT_CONSOLE_FD), 0);
    if (!exists("/dev/console"))
        CHECK_INT(close(open("/dev/console", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
    CHECK_INT(mount(ptsname(master), "/dev/console", NULL, MS_BIND, NULL), 0);
    CHECK_INT(status_of(ct, open_own_terminal, NULL), 0);
    CHECK_INT(umount("/dev/console"), 0);
    CHECK_INT(libct_container_set_console_fd(ct, master + 1000), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(libct_container_set_console_fd(ct, -1), 0);
    CHECK_INT(status_of(ct, open_own_terminal, NULL), ENXIO);
}

static void enter(void)
{
    ct_handler_t ct = make_container();
    CHECK_ERROR(libct_container_enter_cb(ct, desc, end_at_once, NULL), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS | CLONE_NEWNS), 0);
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    char *argv[] = {(char[]){"test_init"}, (char[]){"exit"}, (char[]){"3"}, NULL};
    ct_process_t entered = libct_container_enter_execv(ct, desc, TEST_INIT, argv);
    CHECK_HANDLE(entered);
    int status = 0;
    CHECK_INT(libct_process_wait(entered, &status), 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    libct_process_destroy(entered);
    CHECK_ERROR(libct_container_enter_execv(ct, desc, "/missing", argv), -1);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_process_wait(init, NULL), 0);
    CHECK_ERROR(libct_container_enter_cb(ct, desc, end_at_once, NULL), -1); /* running, and yet dead */
    CHECK_INT(libct_container_wait(ct), 0);
}

static void are_loaded(void)
{
    ct_handler_t ct = make_container();
    const pid_t pid = fork();
    if (pid == 0)
        stay(NULL);
    CHECK_ERROR(libct_container_load(ct, 1 << 30), -1);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    ct_process_t init = libct_container_load(ct, pid);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_INT(libct_process_get_pid(init), pid);
    CHECK_INT(libct_container_set_nsmask(ct, 0), -LCTERR_BADCTSTATE);
    CHECK_INT(kill(pid, SIGKILL), 0);
    int status = 0;
    CHECK_INT(libct_process_wait(init, &status), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    CHECK_INT(waitpid(pid, &status, 0), pid); /* who has made it has to reap it, too */
    CHECK_INT(status_of(ct, end_at_once, NULL), 0);
}

const struct test start_tests[] = {
    {"run_a_function", run_a_function},
    {"tell_how_it_ended", tell_how_it_ended},
    {"search_programs", search_programs},
    {"pass_arguments_and_environment", pass_arguments_and_environment},
    {"replace_the_environment", replace_the_environment},
    {"unblock_signals", unblock_signals},
    {"flush_what_a_function_has_written", flush_what_a_function_has_written},
    {"apply_nothing_to_no_function", apply_nothing_to_no_function},
    {"leave_others_alone_that_run", leave_others_alone_that_run},
    {"lead_a_session", lead_a_session},
    {"take_a_terminal", take_a_terminal},
    {"enter", enter},
    {"are_loaded", are_loaded},
    {NULL, NULL},
};
