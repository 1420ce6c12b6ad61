/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <libct-mounts.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void refuse_what_is_wrong(void)
{
    struct libct_mount mount = {.struct_size = sizeof mount, .source = "tmpfs", .target = "/mnt", .type = "tmpfs"};
    const struct libct_mount good = mount;
    struct libct_cmd empty = {0};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_add(NULL, &mount), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add(ct, NULL), -LCTERR_INVARG);
    mount.target = NULL;
    CHECK_INT(libct_fs_add(ct, &mount), -LCTERR_INVARG);
    mount = good;
    mount.source = mount.type = NULL;
    CHECK_INT(libct_fs_add(ct, &mount), -LCTERR_INVARG);
    mount = good;
    mount.flags = 0x1000;
    CHECK_INT(libct_fs_add(ct, &mount), -LCTERR_INVARG);
    mount = good;
    mount.uid_count = 1;
    CHECK_INT(libct_fs_add(ct, &mount), -LCTERR_INVARG);
    mount = good;
    mount.before_commands = &empty;
    CHECK_INT(libct_fs_add(ct, &mount), -LCTERR_INVARG);
    mount = good;
    mount.propagation = (enum libct_propagation)7;
    CHECK_INT(libct_fs_add(ct, &mount), -LCTERR_BADTYPE);
    mount = good;
    mount.access_time = (enum libct_access_time)-1;
    CHECK_INT(libct_fs_add(ct, &mount), -LCTERR_BADTYPE);
    CHECK_INT(libct_fs_mask(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_protect(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_set_root_options(ct, 1, (enum libct_propagation)7), -LCTERR_BADTYPE);
    CHECK_INT(libct_fs_mount(ct, &good), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_unmount(ct, "/mnt"), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_unmount(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    CHECK_INT(libct_fs_add(ct, &good), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_add_default_mounts(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_add_default_devices(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_add_default_masks(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_mask(ct, "/x"), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_set_root_options(ct, 1, LIBCT_PROPAGATION_DEFAULT), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_mount(ct, &good), -LCTERR_BADCTSTATE); /* it shares the host's mounts */
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static int count(void *user)
{
    ++*(int *)user;
    return 0;
}

static int fail(void *user)
{
    (void)user;
    return 5;
}

static int look(void *argument)
{
    (void)argument;
    return exists("/tmp/mnt/made") ? 1 : !exists("/tmp/mnt") ? 2 : 0;
}

static void have_hooks_and_need_no_root(void)
{
    int *const calls = shared_memory(sizeof *calls);
    char *argv[] = {"sh", "-c", "touch mnt/made", NULL};
    struct libct_cmd command = {.path = "sh", .argv = argv};
    struct libct_mount mount = {.struct_size = sizeof mount, .target = "/tmp/mnt", .type = "tmpfs",
                                .before_commands = &command, .before = count, .after = count, .user = calls};
    CHECK_INT(mkdir("mnt", 0755), 0);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS), 0);
    CHECK_INT(libct_fs_add(ct, &mount), 0);
    CHECK_INT(status_of(ct, look, NULL), 0); /* it was covered */
    CHECK(exists("mnt/made"));
    CHECK_INT(*calls, 2);
    libct_container_destroy(ct);
    ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS), 0);
    mount.after = fail;
    CHECK_INT(libct_fs_add(ct, &mount), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, look, NULL), -LCTERR_CANTMOUNT);
}

static void are_those_of_programs(void)
{
    static const char *const options[] = {"size=64k", "mode=0711", NULL};
    struct libct_mount mount = {.struct_size = sizeof mount, .source = "own", .target = "own", .type = "tmpfs",
                                .options = options,
                                .flags = CT_FS_NOSUID | CT_FS_NODEV | CT_FS_NOEXEC | CT_FS_RDONLY,
                                .access_time = LIBCT_ATIME_NEVER};
    char path[64];
    make_root("root");
    CHECK_INT(mkdir("root/own", 0755), 0);
    write_file("root/secret", "secret");
    write_file("root/etc/fixed", "fixed");
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS | CLONE_NEWPID), 0);
    CHECK_INT(libct_fs_set_root_options(ct, 1, LIBCT_PROPAGATION_PRIVATE), 0);
    CHECK_INT(libct_fs_set_root(ct, "root"), 0);
    CHECK_INT(libct_fs_add_default_mounts(ct), 0);
    CHECK_INT(libct_fs_add_default_devices(ct), 0);
    CHECK_INT(libct_fs_add_default_masks(ct), 0);
    CHECK_INT(libct_fs_mask(ct, "secret"), 0);
    CHECK_INT(libct_fs_protect(ct, "/etc"), 0);
    CHECK_INT(libct_fs_add(ct, &mount), 0);
    const char *mounts = output_of(ct, "cat", "/proc/mounts", NULL);
    const char *own = strstr(mounts, "own /own tmpfs ro,nosuid,nodev,noexec,noatime");
    CHECK(own != NULL && strstr(own, "size=64k,mode=711") != NULL);
    CHECK(strstr(mounts, " /proc proc ") != NULL && strstr(mounts, " /dev tmpfs ") != NULL);
    CHECK(strstr(mounts, " /etc ") != NULL && strstr(mounts, " /secret ") != NULL);
    CHECK(strstr(mounts, " /proc/sys proc ro") != NULL);
    CHECK(strncmp(strstr(mounts, " / ") + 3, "tmpfs ro", 8) == 0);
    CHECK(strcmp(output_of(ct, "cat", "/secret", NULL), "") == 0);
    CHECK(strstr(output_of(ct, "ls", "/dev", NULL), "null") != NULL);
    CHECK_INT(libct_fs_set_proc_mode(ct, 1), 0);
    snprintf(path, sizeof path, "%d\n", (int)getpid());
    CHECK(strstr(output_of(ct, "ls", "/proc", NULL), path) != NULL); /* the host's processes */
    CHECK_INT(libct_fs_set_proc_mode(ct, 0), 0);
    CHECK(strstr(output_of(ct, "ls", "/proc", NULL), path) == NULL);
    CHECK_INT(libct_fs_set_proc_mode(NULL, 0), -LCTERR_INVARG);
}

static void come_and_go_while_it_runs(void)
{
    char path[64];
    struct libct_mount mount = {.struct_size = sizeof mount, .source = "late", .target = "late", .type = "tmpfs"};
    write_file("shared", "text");
    make_root("root");
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS | CLONE_NEWPID), 0);
    CHECK_INT(libct_fs_set_root(ct, "root"), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    mount.before = count;
    CHECK_INT(libct_fs_mount(ct, &mount), -LCTERR_INVARG);
    mount.before = NULL;
    CHECK_INT(libct_fs_mount(ct, &mount), 0);
    snprintf(path, sizeof path, "/proc/%d/mounts", libct_process_get_pid(init));
    CHECK(strstr(read_file(path), "late /late tmpfs rw") != NULL);
    CHECK_INT(libct_fs_unmount(ct, "late"), 0);
    CHECK(strstr(read_file(path), " /late ") == NULL);
    CHECK_INT(libct_fs_unmount(ct, "/late"), -1);
    CHECK_INT(errno, EINVAL);
    /* A file of the host, whose directory is shared with nobody. */
    mount = (struct libct_mount){.struct_size = sizeof mount, .source = "/tmp/shared", .target = "/etc/shared",
                                 .flags = CT_FS_RDONLY};
    CHECK_INT(libct_fs_mount(ct, &mount), 0);
    snprintf(path, sizeof path, "/proc/%d/root/etc/shared", libct_process_get_pid(init));
    CHECK(strcmp(read_file(path), "text") == 0);
    mount.source = "/tmp/missing";
    CHECK_INT(libct_fs_mount(ct, &mount), -1);
    CHECK_INT(errno, ENOENT);
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

const struct test mount_tests[] = {
    {"refuse_what_is_wrong", refuse_what_is_wrong},
    {"have_hooks_and_need_no_root", have_hooks_and_need_no_root},
    {"are_those_of_programs", are_those_of_programs},
    {"come_and_go_while_it_runs", come_and_go_while_it_runs},
    {NULL, NULL},
};
