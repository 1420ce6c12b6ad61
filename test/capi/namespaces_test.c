/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define ALL_BUT_USER (CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS)

static void are_made_by_the_mask(void)
{
    static const char *const kinds[] = {"ipc", "net", "mnt", "pid", "uts"};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWCGROUP), -LCTERR_NONS);
    CHECK_INT(libct_container_set_nsmask(ct, 1UL << 40), -LCTERR_NONS);
    CHECK_INT(libct_container_set_nsmask(ct, ALL_BUT_USER), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i)
        CHECK(has_own_namespace(libct_process_get_pid(init), kinds[i]));
    CHECK(!has_own_namespace(libct_process_get_pid(init), "user"));
    CHECK_INT(libct_container_set_nsmask(ct, 0), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    /* The mask replaces the one before. */
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS), 0);
    CHECK(init == libct_container_spawn_cb(ct, desc, stay, NULL));
    CHECK(has_own_namespace(libct_process_get_pid(init), "uts"));
    CHECK(!has_own_namespace(libct_process_get_pid(init), "pid"));
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void are_joined_by_path(void)
{
    char path[64];
    ct_handler_t first = make_container();
    CHECK_INT(libct_container_set_nsmask(first, CLONE_NEWUTS | CLONE_NEWIPC), 0);
    ct_process_t init = libct_container_spawn_cb(first, desc, stay, NULL);
    CHECK_HANDLE(init);
    snprintf(path, sizeof path, "/proc/%d/ns/uts", libct_process_get_pid(init));
    ct_handler_t second = libct_container_create(session, "capi-second");
    CHECK_INT(libct_container_set_nsmask(second, CLONE_NEWIPC), 0);
    CHECK_INT(libct_container_set_nspath(second, CLONE_NEWCGROUP, path), -LCTERR_NONS);
    CHECK_INT(libct_container_set_nspath(second, CLONE_NEWIPC, path), -LCTERR_BADARG);
    CHECK_INT(libct_container_set_nspath(second, CLONE_NEWUTS, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_nspath(second, CLONE_NEWUTS, path), 0);
    CHECK_INT(libct_container_set_nspath(second, CLONE_NEWUTS, path), -LCTERR_BADARG);
    CHECK_INT(libct_container_set_nspath(second, CLONE_NEWNET, "/proc/self/ns/net"), 0); /* and another kind */
    CHECK_INT(libct_container_set_nsmask(second, CLONE_NEWUTS), -LCTERR_BADARG);
    ct_process_t other = libct_container_spawn_cb(second, desc, stay, NULL);
    CHECK_HANDLE(other);
    struct stat theirs, joined;
    CHECK_INT(stat(path, &theirs), 0);
    CHECK(!has_own_namespace(libct_process_get_pid(other), "net"));
    CHECK(has_own_namespace(libct_process_get_pid(other), "ipc"));
    snprintf(path, sizeof path, "/proc/%d/ns/uts", libct_process_get_pid(other));
    CHECK_INT(stat(path, &joined), 0);
    CHECK_INT(joined.st_ino, theirs.st_ino);
    CHECK_INT(libct_container_set_nspath(second, CLONE_NEWNET, path), -LCTERR_BADCTSTATE);
    /* Entering joins it as well. */
    ct_process_t entered = libct_container_enter_cb(second, desc, stay, NULL);
    CHECK_HANDLE(entered);
    snprintf(path, sizeof path, "/proc/%d/ns/uts", libct_process_get_pid(entered));
    CHECK_INT(stat(path, &joined), 0);
    CHECK_INT(joined.st_ino, theirs.st_ino);
    CHECK_INT(kill(libct_process_get_pid(entered), SIGKILL), 0);
    CHECK_INT(libct_process_wait(entered, NULL), 0);
    CHECK_INT(kill(libct_process_get_pid(other), SIGKILL), 0);
    CHECK_INT(libct_container_wait(second), 0);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(first), 0);
    ct_handler_t third = make_container();
    /* Neither a path of nothing, nor of another kind, nor of no namespace lets it start. */
    static const char *const wrong[] = {"/proc/self/ns/net", "/proc/self/exe"};
    for (int i = 0; i < 2; ++i) {
        ct_handler_t ct = make_container();
        CHECK_INT(libct_container_set_nspath(ct, CLONE_NEWUTS, wrong[i]), 0);
        CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    }
    CHECK_INT(libct_container_set_nspath(third, CLONE_NEWUTS, "/nowhere"), 0);
    CHECK_ERROR(libct_container_spawn_cb(third, desc, end_at_once, NULL), -1);
    CHECK_INT(libct_container_state(third), CT_STOPPED);
}

static int tell_names(void *memory)
{
    return uname(memory);
}

static void set_names(void)
{
    struct utsname *names = shared_memory(sizeof *names), own;
    CHECK_INT(uname(&own), 0);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_uname(ct, "host", NULL), -LCTERR_NONS);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS), 0);
    CHECK_INT(libct_container_uname(ct, "host", "domain"), 0);
    CHECK_INT(status_of(ct, tell_names, names), 0);
    CHECK(strcmp(names->nodename, "host") == 0 && strcmp(names->domainname, "domain") == 0);
    CHECK_INT(libct_container_uname(ct, NULL, "other"), 0);
    CHECK_INT(status_of(ct, tell_names, names), 0);
    CHECK(strcmp(names->nodename, own.nodename) == 0 && strcmp(names->domainname, "other") == 0);
    /* A mask without CLONE_NEWUTS forgets them. */
    CHECK_INT(libct_container_set_nsmask(ct, 0), 0);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_uname(ct, "late", NULL), -LCTERR_BADCTSTATE);
    ct_process_t entered = libct_container_enter_cb(ct, desc, tell_names, names);
    CHECK_HANDLE(entered);
    CHECK_INT(libct_process_wait(entered, NULL), 0);
    libct_process_destroy(entered);
    CHECK(strcmp(names->nodename, own.nodename) == 0 && strcmp(names->domainname, own.domainname) == 0);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static int forwards(void *argument)
{
    (void)argument;
    return strcmp(read_file("/proc/sys/net/ipv4/ip_forward"), "1\n") == 0 ? 0 : 1;
}

static void set_kernel_parameters(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWPID), 0);
    CHECK_INT(libct_container_set_sysctl(ct, NULL, "x"), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_sysctl(ct, "kernel.hostname", NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_sysctl(ct, "kernel.hostname", "by-sysctl"), 0);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_AUTO_PROC_MOUNT, NULL), 0);
    struct utsname *names = shared_memory(sizeof *names);
    CHECK_INT(status_of(ct, tell_names, names), 0);
    CHECK(strcmp(names->nodename, "by-sysctl") == 0);
    /* One that takes no such value. */
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET), 0);
    CHECK_INT(libct_container_set_sysctl(ct, "net.ipv4.ip_forward", "nonsense"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(libct_container_set_sysctl(ct, "net.ipv4.ip_forward", "1"), 0);
    CHECK_INT(status_of(ct, forwards, NULL), 0);
    CHECK_INT(libct_container_set_sysctl(ct, "kernel.no_such_thing", "1"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
}

static int tell_ids(void *memory)
{
    unsigned int *ids = memory;
    ids[0] = getuid();
    ids[1] = getgid();
    return getgroups(0, NULL);
}

static void map_users(void)
{
    unsigned int *ids = shared_memory(4096);
    char path[64];
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUSER), 0);
    /* Without maps nobody is anybody there. */
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(libct_userns_add_uid_map(ct, 0, 120000, 1000), 0);
    CHECK_INT(libct_userns_add_uid_map(ct, 1000, 131000, 10), 0);
    CHECK_INT(libct_userns_add_gid_map(ct, 0, 140000, 1000), 0);
    CHECK_INT(libct_userns_add_gid_map(ct, 1000, 151000, 10), 0);
    CHECK_INT(status_of(ct, tell_ids, ids), 0);
    CHECK(ids[0] == 0 && ids[1] == 0);
    CHECK_INT(libct_process_desc_setuid(desc, 1005), 0);
    CHECK_INT(libct_process_desc_setgid(desc, 1006), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    snprintf(path, sizeof path, "/proc/%d/status", libct_process_get_pid(init));
    CHECK(strstr(read_file(path), "Uid:\t131005\t131005") != NULL);
    CHECK(strstr(read_file(path), "Gid:\t151006\t151006") != NULL);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void refuse_maps_that_overlap(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUSER), 0);
    CHECK_INT(libct_userns_add_gid_map(ct, 0, 140000, 1000), 0);
    CHECK_INT(libct_userns_add_uid_map(ct, 0, 120000, 1000), 0);
    CHECK_INT(libct_userns_add_uid_map(ct, 500, 130000, 1000), 0); /* seen at the start */
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
}

static int tell_host(void *memory)
{
    struct utsname names;
    if (uname(&names) != 0)
        return 1;
    strcpy(memory, names.nodename);
    return 0;
}

static void are_switched_to(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_switch(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS | CLONE_NEWNS), 0);
    CHECK_INT(libct_container_uname(ct, "inside", NULL), 0);
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_AUTO_PROC_MOUNT, NULL), 0); /* to look at its own namespaces */
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_switch(ct), 0);
    char host[65];
    CHECK_INT(tell_host(host), 0);
    CHECK(strcmp(host, "inside") == 0);
    CHECK(exists(TEST_INIT) && !exists("/tmp"));
    CHECK_INT(libct_container_switch(ct), 0);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    _exit(0); /* this process is in another mount namespace for good */
}

/* From one to another, also into a root without a mount namespace. */
static void are_switched_to_one_after_the_other(void)
{
    char host[65];
    ct_handler_t ct[2] = {make_container(), libct_container_create(session, "capi-other")};
    ct_process_t init[2];
    CHECK_HANDLE(ct[1]);
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(libct_container_set_nsmask(ct[i], CLONE_NEWUTS | CLONE_NEWIPC), 0);
        CHECK_INT(libct_container_uname(ct[i], i == 0 ? "first" : "second", NULL), 0);
        init[i] = libct_container_spawn_cb(ct[i], desc, stay, NULL);
        CHECK_HANDLE(init[i]);
    }
    for (int i = 0; i < 4; ++i) {
        CHECK_INT(libct_container_switch(ct[i % 2]), 0);
        CHECK_INT(tell_host(host), 0);
        CHECK(strcmp(host, i % 2 == 0 ? "first" : "second") == 0);
    }
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(kill(libct_process_get_pid(init[i]), SIGKILL), 0);
        CHECK_INT(libct_process_wait(init[i], NULL), 0);
        CHECK_INT(libct_container_switch(ct[i]), -1); /* there is nothing to switch to */
        CHECK_INT(libct_container_wait(ct[i]), 0);
    }
    CHECK_INT(libct_container_set_nsmask(ct[0], CLONE_NEWUTS), 0);
    CHECK_INT(libct_fs_set_root(ct[0], make_root("root")), 0);
    CHECK(libct_container_spawn_cb(ct[0], desc, stay, NULL) == init[0]);
    CHECK_INT(libct_container_switch(ct[0]), 0);
    CHECK(exists(TEST_INIT) && !exists("/tmp"));
    CHECK_INT(kill(libct_process_get_pid(init[0]), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct[0]), 0);
    _exit(0); /* this process has another root for good */
}

static int count_own_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; ++fd)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void leave_no_descriptors_with_the_session(void)
{
    const int before = count_own_fds();
    make_container();
    for (int i = 0; i < 3; ++i) {
        ct_handler_t ct = libct_container_create(session, "capi-held");
        CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWIPC), 0);
        CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_TASKLESS, NULL), 0);
        ct_process_t init = libct_container_spawn_cb(ct, desc, NULL, NULL);
        CHECK_HANDLE(init);
        CHECK_INT(libct_process_wait(init, NULL), 0);
        libct_container_destroy(ct);
    }
    CHECK(count_own_fds() > before);
    libct_session_close(session);
    session = NULL;
    CHECK_INT(count_own_fds(), before);
}

static void refuse_to_switch_pid_namespaces(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    CHECK_INT(libct_container_switch(ct), -LCTERR_INVARG);
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void outlive_the_process_of_a_taskless_container(void)
{
    char *host = shared_memory(4096);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_TASKLESS, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWUTS | CLONE_NEWNET), 0);
    CHECK_INT(libct_container_uname(ct, "held", NULL), 0);
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_TASKLESS, NULL), 0);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_nspath(ct, CLONE_NEWPID, "/proc/self/ns/pid"), -LCTERR_INVARG);
    ct_process_t init = libct_container_spawn_cb(ct, desc, NULL, NULL);
    CHECK_HANDLE(init);
    CHECK(libct_process_get_pid(init) > 0);
    int status = -2;
    CHECK_INT(libct_process_wait(init, &status), 0);
    CHECK_INT(status, 0);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    ct_process_t entered = libct_container_enter_cb(ct, desc, tell_host, host);
    CHECK_HANDLE(entered);
    CHECK_INT(libct_process_wait(entered, &status), 0);
    CHECK_INT(status, 0);
    CHECK(strcmp(host, "held") == 0);
    libct_process_destroy(entered);
    CHECK_INT(libct_container_switch(ct), 0);
    CHECK_INT(tell_host(host), 0);
    CHECK(strcmp(host, "held") == 0);
    CHECK_INT(libct_container_kill(ct), -1);
    CHECK_INT(libct_container_state(ct), CT_RUNNING);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
}

const struct test namespace_tests[] = {
    {"are_made_by_the_mask", are_made_by_the_mask},
    {"are_joined_by_path", are_joined_by_path},
    {"set_names", set_names},
    {"set_kernel_parameters", set_kernel_parameters},
    {"map_users", map_users},
    {"refuse_maps_that_overlap", refuse_maps_that_overlap},
    {"are_switched_to", are_switched_to},
    {"are_switched_to_one_after_the_other", are_switched_to_one_after_the_other},
    {"leave_no_descriptors_with_the_session", leave_no_descriptors_with_the_session},
    {"refuse_to_switch_pid_namespaces", refuse_to_switch_pid_namespaces},
    {"outlive_the_process_of_a_taskless_container", outlive_the_process_of_a_taskless_container},
    {NULL, NULL},
};
