/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static int write_inside(void *argument)
{
    (void)argument;
    const int fd = open("/new", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    return fd >= 0 && write(fd, "x", 1) == 1 && unlink(TEST_INIT) == 0 && chmod("/etc", 0700) == 0 ? 0 : 1;
}

static char changes[1024];

static int note_change(const char *path, char kind, void *user)
{
    (void)user;
    const size_t length = strlen(changes);
    snprintf(changes + length, sizeof changes - length, "%c%s\n", kind, path);
    return 0;
}

static int stop_at_once(const char *path, char kind, void *user)
{
    (void)path;
    (void)kind;
    ++*(int *)user;
    return 7;
}

static void take_changes(void)
{
    ct_handler_t ct = make_container();
    struct libct_area area = {.struct_size = sizeof area, .type = LIBCT_AREA_OVERLAY};
    CHECK_INT(libct_fs_changes(ct, note_change, NULL), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_set_area(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_set_area(ct, &area), 0);
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1); /* needs a mount namespace */
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS), 0);
    CHECK_INT(status_of(ct, write_inside, NULL), 0);
    CHECK(!exists("root/new") && exists("root" TEST_INIT));
    CHECK_INT(libct_fs_changes(ct, note_change, NULL), 0);
    CHECK(strstr(changes, "+/new\n") != NULL && strstr(changes, "-" TEST_INIT "\n") != NULL);
    CHECK(strstr(changes, "~/etc\n") != NULL);
    int stopped = 0;
    CHECK_INT(libct_fs_changes(ct, stop_at_once, &stopped), 7);
    CHECK_INT(stopped, 1);
    CHECK_INT(libct_fs_changes(ct, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_commit(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_commit(ct, "/tmp/layer"), 0);
    CHECK(exists("layer/new"));
    CHECK_INT(libct_fs_discard(ct), 0);
    changes[0] = '\0';
    CHECK_INT(libct_fs_changes(ct, note_change, NULL), 0);
    CHECK(changes[0] == '\0');
    /* The copy below others. */
    const char *lower[] = {"layer", "root", NULL};
    area.lower = lower;
    CHECK_INT(libct_fs_set_area(ct, &area), 0);
    CHECK_INT(libct_fs_set_root(ct, "root"), 0);
    ct_handler_t other = make_container();
    CHECK_INT(libct_container_set_nsmask(other, CLONE_NEWNS), 0);
    CHECK_INT(libct_fs_set_root(other, "root"), 0);
    CHECK_INT(libct_fs_set_area(other, &area), 0);
    char *argv[] = {(char[]){"test_init"}, (char[]){"args"}, NULL};
    CHECK_ERROR(libct_container_spawn_execv(other, desc, TEST_INIT, argv), -1); /* deleted in that layer */
}

static int write_to_memory(void *argument)
{
    (void)argument;
    struct stat status;
    return stat("/data", &status) == 0 && (status.st_mode & 0777) == 0710 && mkdir("/data/x", 0755) == 0 ? 0 : 1;
}

static void are_of_any_kind(void)
{
    ct_handler_t ct = make_container();
    struct libct_area area = {.struct_size = sizeof area, .type = LIBCT_AREA_TMPFS, .target = "/data", .mode = 0710};
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS), 0);
    CHECK_INT(libct_fs_set_area(ct, &area), 0);
    CHECK_INT(status_of(ct, write_to_memory, NULL), 0);
    CHECK(!exists("root/data/x"));
    area = (struct libct_area){.struct_size = sizeof area, .type = LIBCT_AREA_DIRECTORY};
    CHECK_INT(libct_fs_set_area(ct, &area), -LCTERR_INVARG);
    area.source = "private";
    CHECK_INT(libct_fs_set_area(ct, &area), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CANTMOUNT); /* not there */
    area.type = LIBCT_AREA_IMAGE;
    CHECK_INT(libct_fs_set_area(ct, &area), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CANTMOUNT);
    area.type = (enum libct_area_type)9;
    CHECK_INT(libct_fs_set_area(ct, &area), -LCTERR_BADTYPE);
    /* The old call takes it away. */
    CHECK_INT(libct_fs_set_private(ct, CT_FS_NONE, NULL), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0);
}

const struct test area_tests[] = {
    {"take_changes", take_changes},
    {"are_of_any_kind", are_of_any_kind},
    {NULL, NULL},
};
