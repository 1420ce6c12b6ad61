/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static ct_handler_t container_with_root(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    return ct;
}

static void set_ids_and_groups(void)
{
    ct_handler_t ct = container_with_root();
    CHECK(strcmp(output_of(ct, "ids", NULL), "uid 0 0 0\ngid 0 0 0\ngroups\n") == 0);
    CHECK_INT(libct_process_desc_setuid(desc, 11), 0);
    CHECK_INT(libct_process_desc_setgid(desc, 12), 0);
    unsigned int groups[] = {13, 14};
    CHECK_INT(libct_process_desc_set_groups(desc, 2, groups), 0);
    groups[0] = 99; /* it was copied */
    CHECK(strcmp(output_of(ct, "ids", NULL), "uid 11 11 11\ngid 12 12 12\ngroups 13 14\n") == 0);
    CHECK_INT(libct_process_desc_set_groups(desc, 1, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_groups(desc, 0, NULL), 0);
    CHECK(strstr(output_of(ct, "ids", NULL), "groups\n") != NULL);
}

static void find_users(void)
{
    ct_handler_t ct = container_with_root();
    write_file("root/etc/passwd", "root:x:0:0::/root:/bin/sh\nuser:x:500:501:A User:/home/user:/bin/sh\n");
    write_file("root/etc/group", "empty:x:9:\nmany:x:502:other,user\nmore:x:503:user\n");
    unsigned int groups[] = {77};
    CHECK_INT(libct_process_desc_set_groups(desc, 1, groups), 0);
    CHECK_INT(libct_process_desc_set_user(desc, "user"), 0);
    CHECK(strcmp(output_of(ct, "ids", NULL), "uid 500 500 500\ngid 501 501 501\ngroups 77 501 502 503\n") == 0);
    CHECK_INT(libct_process_desc_set_user(desc, "500"), 0);
    CHECK(strstr(output_of(ct, "ids", NULL), "uid 500 500 500\ngid 501") != NULL);
    CHECK_INT(unsetenv("HOME"), 0);
    CHECK(strstr(output_of(ct, "env", NULL), "HOME=/home/user\n") != NULL);
    CHECK_INT(setenv("HOME", "/given", 1), 0);
    CHECK(strstr(output_of(ct, "env", NULL), "HOME=/given\n") != NULL);
    CHECK_INT(libct_process_desc_set_user(desc, "nobody-here"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(libct_process_desc_set_user(desc, "4711"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(libct_process_desc_set_user(desc, NULL), 0);
    CHECK(strstr(output_of(ct, "ids", NULL), "uid 0 0 0\n") != NULL);
}

static void limit_capabilities(void)
{
    ct_handler_t ct = container_with_root();
    CHECK_INT(libct_process_desc_set_caps(desc, 0, 0), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_caps(desc, 0, 4), -LCTERR_INVARG);
    const unsigned long chown_and_kill = 1UL << 0 | 1UL << 5;
    CHECK_INT(libct_process_desc_set_caps(desc, chown_and_kill, CAPS_BSET), 0);
    const char *text = output_of(ct, "caps", NULL);
    CHECK(strstr(text, "bounding 21\n") != NULL);
    CHECK(strstr(text, "permitted 21\n") != NULL); /* a program of root */
    CHECK_INT(libct_process_desc_set_caps(desc, 1UL << 5, CAPS_ALLCAPS), 0);
    CHECK_INT(libct_process_desc_setuid(desc, 5), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", libct_process_get_pid(init));
    text = read_file(path);
    CHECK(strstr(text, "CapInh:\t0000000000000020\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n"
                       "CapBnd:\t0000000000000021\n") != NULL);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void drop_capabilities_with_the_user(void)
{
    ct_handler_t ct = container_with_root();
    CHECK_INT(libct_process_desc_setuid(desc, 5), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", libct_process_get_pid(init));
    CHECK(strstr(read_file(path), "CapPrm:\t0000000000000000\n") != NULL);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void die_with_the_parent(void)
{
    ct_handler_t ct = container_with_root();
    CHECK_INT(libct_process_desc_set_pdeathsig(desc, SIGUSR1), 0);
    CHECK_INT(libct_process_desc_setuid(desc, 5), 0);
    CHECK(strstr(output_of(ct, "status", NULL), "pdeathsig 10\n") != NULL);
    CHECK_INT(libct_process_desc_set_pdeathsig(desc, 0), 0);
    CHECK(strstr(output_of(ct, "status", NULL), "pdeathsig 0\n") != NULL);
    CHECK_INT(libct_process_desc_set_pdeathsig(desc, 1000), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
}

static void set_limits(void)
{
    ct_handler_t ct = container_with_root();
    CHECK_INT(libct_process_desc_set_rlimit(desc, RLIM_NLIMITS, 1, 1), -1);
    CHECK_INT(libct_process_desc_set_rlimit(desc, -1, 1, 1), -1);
    CHECK_INT(libct_process_desc_set_rlimit(desc, RLIMIT_CORE, 5, 6), 0);
    CHECK_INT(libct_process_desc_set_rlimit(desc, RLIMIT_NOFILE, 100, 200), 0);
    CHECK_INT(libct_process_desc_set_rlimit(desc, RLIMIT_NOFILE, 101, 201), 0); /* replaces */
    const char *text = output_of(ct, "limits", NULL);
    CHECK(strstr(text, "\n4 5 6\n") != NULL && strstr(text, "\n7 101 201\n") != NULL);
}

static void set_labels(void)
{
    if (exists("/sys/fs/selinux/enforce") || strncmp(read_file("/sys/module/apparmor/parameters/enabled"), "Y", 1) == 0)
        skip("this host has a security module with labels");
    ct_handler_t ct = container_with_root();
    CHECK_INT(libct_process_desc_set_lsm_label(desc, "anything"), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0); /* ignored */
}

static int count_fds(void *argument)
{
    (void)argument;
    int open_fds = 0;
    for (int fd = 0; fd < 1024; ++fd)
        open_fds += fcntl(fd, F_GETFD) >= 0;
    return open_fds;
}

static int has_fds(void *argument)
{
    const int *fds = argument;
    for (int i = 0; fds[i] >= 0; ++i) {
        if (fcntl(fds[i], F_GETFD) < 0)
            return i + 1;
    }
    return 0;
}

/* Of {1, 0, 2, 1} of a pipe: what is written to the first is read from the second. */
static int are_permuted(void *argument)
{
    char byte = 'x', got = 0;
    (void)argument;
    if (write(0, &byte, 1) != 1 || read(1, &got, 1) != 1 || got != 'x')
        return 1;
    return write(3, &byte, 1) == 1 && read(1, &got, 1) == 1 ? 0 : 2;
}

static void pass_descriptors(void)
{
    ct_handler_t ct = container_with_root();
    int ends[2];
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    const int plain = dup(ends[0]);
    int kept[] = {0, 1, 2, ends[0], ends[1], plain, -1};
    /* A function has all the caller's descriptors ... */
    CHECK_INT(status_of(ct, has_fds, kept), 0);
    /* ... unless there is a list. */
    int list[] = {ends[1], ends[0], 2, ends[1]};
    CHECK_INT(libct_process_desc_set_fds(desc, list, 4), 0);
    CHECK_INT(status_of(ct, count_fds, NULL), 4);
    CHECK_INT(status_of(ct, are_permuted, ends), 0);
    CHECK_INT(libct_process_desc_set_fds(desc, list, 1), 0);
    CHECK_INT(status_of(ct, count_fds, NULL), 1);
    CHECK_INT(libct_process_desc_set_fds(desc, list, 0), 0);
    CHECK_INT(status_of(ct, count_fds, NULL), 0);
    CHECK_INT(libct_process_desc_set_fds(desc, list, -1), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_fds(desc, NULL, 0), 0);
    CHECK_INT(status_of(ct, has_fds, kept), 0);
    /* A program has those that are not close-on-exec. */
    CHECK_INT(dup2(ends[1], 1), 1);
    char *argv[] = {(char[]){"test_init"}, (char[]){"fds"}, NULL};
    ct_process_t init = libct_container_spawn_execv(ct, desc, TEST_INIT, argv);
    CHECK_HANDLE(init);
    CHECK_INT(dup2(2, 1), 1);
    CHECK_INT(libct_container_wait(ct), 0);
    char text[4096] = "", number[16];
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    snprintf(number, sizeof number, "\n%d ", plain);
    CHECK(strstr(text, number) != NULL);
    snprintf(number, sizeof number, "\n%d ", ends[0]);
    CHECK(strstr(text, number) == NULL);
    CHECK_INT(fcntl(plain, F_GETFD), 0); /* the caller keeps its own */
    int missing[] = {900};
    CHECK_INT(libct_process_desc_set_fds(desc, missing, 1), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
}

static int is_null_device(void *argument)
{
    (void)argument;
    struct stat status;
    return fstat(1, &status) == 0 && status.st_rdev == makedev(1, 3) ? 0 : 1;
}

static void pass_the_console_of_the_container(void)
{
    ct_handler_t ct = container_with_root();
    int fds[] = {0, LIBCT_CONSOLE_FD, 2};
    CHECK_INT(libct_process_desc_set_fds(desc, fds, 3), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, is_null_device, NULL), -1); /* there is none */
    CHECK_INT(mknod("root/dev/console", S_IFCHR | 0600, makedev(1, 3)), 0);
    CHECK_INT(status_of(ct, is_null_device, NULL), 0);
}

static int has_variable(void *argument)
{
    return getenv(argument) != NULL ? 0 : 1;
}

static void set_environment(void)
{
    ct_handler_t ct = container_with_root();
    char *bad[] = {(char[]){"NO_VALUE"}}, *good[] = {(char[]){"A=1"}, (char[]){"B=two"}};
    CHECK_INT(libct_process_desc_set_env(desc, bad, 1), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_env(desc, NULL, 1), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_env(desc, good, 2), 0);
    CHECK_INT(libct_process_desc_set_env(desc, good, 1), -LCTERR_INVARG);
    CHECK(strcmp(output_of(ct, "env", NULL), "A=1\nB=two\n") == 0);
    CHECK_INT(status_of(ct, has_variable, (char[]){"B"}), 0);
    CHECK_INT(status_of(ct, has_variable, (char[]){"PATH"}), 1);
}

static void are_copied(void)
{
    ct_handler_t ct = container_with_root();
    char *env[] = {(char[]){"A=1"}};
    unsigned int groups[] = {31, 32};
    CHECK_INT(libct_process_desc_setuid(desc, 8), 0);
    CHECK_INT(libct_process_desc_setgid(desc, 9), 0);
    CHECK_INT(libct_process_desc_set_groups(desc, 2, groups), 0);
    CHECK_INT(libct_process_desc_set_rlimit(desc, RLIMIT_CORE, 5, 6), 0);
    CHECK_INT(libct_process_desc_set_env(desc, env, 1), 0);
    ct_process_desc_t original = desc;
    desc = libct_process_desc_copy(original);
    CHECK_HANDLE(desc);
    CHECK(desc != original);
    CHECK_INT(libct_process_desc_setuid(original, 9), 0);
    libct_process_desc_destroy(original);
    CHECK_INT(libct_process_desc_setuid(original, 9), -LCTERR_INVARG);
    CHECK(strcmp(output_of(ct, "ids", NULL), "uid 8 8 8\ngid 9 9 9\ngroups 31 32\n") == 0);
    CHECK(strcmp(output_of(ct, "env", NULL), "A=1\n") == 0);
    CHECK(strstr(output_of(ct, "limits", NULL), "\n4 5 6\n") != NULL);
    CHECK_INT(libct_process_desc_set_env(desc, env, 1), -LCTERR_INVARG); /* set in the copy, too */
    /* A user is copied as well. */
    CHECK_INT(libct_process_desc_set_user(desc, "root"), 0);
    write_file("root/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    write_file("root/etc/group", "");
    original = desc;
    desc = libct_process_desc_copy(original);
    CHECK_HANDLE(desc);
    libct_process_desc_destroy(original);
    CHECK(strstr(output_of(ct, "ids", NULL), "uid 0 0 0\n") != NULL);
}

const struct test desc_tests[] = {
    {"set_ids_and_groups", set_ids_and_groups},
    {"find_users", find_users},
    {"limit_capabilities", limit_capabilities},
    {"drop_capabilities_with_the_user", drop_capabilities_with_the_user},
    {"die_with_the_parent", die_with_the_parent},
    {"set_limits", set_limits},
    {"set_labels", set_labels},
    {"pass_descriptors", pass_descriptors},
    {"pass_the_console_of_the_container", pass_the_console_of_the_container},
    {"set_environment", set_environment},
    {"are_copied", are_copied},
    {NULL, NULL},
};
