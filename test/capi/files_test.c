/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "check.h"

/* Whether all these paths, ended by NULL, are there. */
static int find_paths(void *argument)
{
    char *const *paths = argument;
    for (int i = 0; paths[i] != NULL; ++i) {
        if (!exists(paths[i]))
            return i + 1;
    }
    return 0;
}

static bool is_mounted(const char *path)
{
    char text[512];
    snprintf(text, sizeof text, " /tmp/%s ", path);
    return strstr(read_file("/proc/self/mountinfo"), text) != NULL;
}

static void change_the_root(void)
{
    char *paths[] = {(char[]){TEST_INIT}, NULL}, *outside[] = {(char[]){"/tmp"}, NULL};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_set_root(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_set_root(ct, "missing"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(libct_container_set_nsmask(ct, i == 0 ? 0 : CLONE_NEWNS), 0);
        CHECK_INT(status_of(ct, find_paths, paths), 0);
        CHECK_INT(status_of(ct, find_paths, outside), 1);
        CHECK(strstr(output_of(ct, "status", NULL), "cwd /\n") != NULL);
    }
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(libct_fs_set_root(ct, "other"), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_set_private(ct, CT_FS_NONE, NULL), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_add_bind_mount(ct, "a", "b", 0), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_del_bind_mount(ct, "b"), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_fs_add_devnode(ct, "/dev/x", S_IFCHR | 0600, 1, 3), -LCTERR_BADCTSTATE);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void change_to_a_root_that_cannot_be_written_to(void)
{
    char *paths[] = {(char[]){TEST_INIT}, NULL};
    make_root("root");
    CHECK_INT(mount("root", "root", NULL, MS_BIND, NULL), 0);
    CHECK_INT(mount(NULL, "root", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL), 0);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS), 0);
    CHECK_INT(libct_fs_set_root(ct, "root"), 0);
    CHECK_INT(status_of(ct, find_paths, paths), 0);
    CHECK_INT(umount2("root", MNT_DETACH), 0);
    /* A path is that of the time of the start. */
    char given[] = "root";
    CHECK_INT(libct_fs_set_root(ct, given), 0);
    given[0] = 'x';
    CHECK_INT(mkdir("elsewhere", 0755), 0);
    CHECK_INT(chdir("elsewhere"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(chdir(".."), 0);
    CHECK_INT(status_of(ct, find_paths, paths), 0);
}

static void bind_a_private_area(void)
{
    char *paths[] = {(char[]){"/mark"}, NULL};
    ct_handler_t ct = make_container();
    CHECK_INT(mkdir("private", 0755), 0);
    write_file("private/mark", "");
    CHECK_INT(libct_fs_set_private(ct, (enum ct_fs_type)7, "private"), -LCTERR_BADTYPE);
    CHECK_INT(libct_fs_set_private(ct, CT_FS_SUBDIR, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_set_private(ct, CT_FS_SUBDIR, "private"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1); /* without a root */
    CHECK_INT(libct_fs_set_root(ct, "made"), 0);
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(libct_container_set_nsmask(ct, i == 0 ? 0 : CLONE_NEWNS), 0);
        CHECK_INT(status_of(ct, find_paths, paths), 0);
        CHECK(!is_mounted("made"));
        CHECK_INT(rmdir("made"), 0);
    }
    CHECK_INT(libct_fs_set_private(ct, CT_FS_SUBDIR, "missing"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CANTMOUNT);
    CHECK_INT(libct_fs_set_private(ct, CT_FS_NONE, NULL), 0);
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(status_of(ct, find_paths, paths), 1);
}

static int try_to_write(void *argument)
{
    const int fd = open(argument, O_WRONLY | O_CREAT, 0600);
    return fd < 0 ? errno : 0;
}

static void bind_directories_and_files(void)
{
    char *paths[] = {(char[]){"/data/mark"}, (char[]){"/etc/file"}, NULL}, inside[] = "/data/new", file[] = "/etc/file";
    ct_handler_t ct = make_container();
    CHECK_INT(mkdir("source", 0755), 0);
    write_file("source/mark", "");
    write_file("file", "text");
    CHECK_INT(libct_fs_add_bind_mount(ct, NULL, "/data", 0), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_bind_mount(ct, "source", NULL, 0), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_bind_mount(ct, "source", "/data", CT_FS_NODEV), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_bind_mount(ct, "source", "/data", CT_FS_PRIVATE), 0);
    CHECK_INT(libct_fs_add_bind_mount(ct, "file", "etc/file", CT_FS_RDONLY), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0); /* nothing happens without a root */
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(libct_container_set_nsmask(ct, i == 0 ? 0 : CLONE_NEWNS), 0);
        CHECK_INT(status_of(ct, find_paths, paths), 0);
        CHECK_INT(status_of(ct, try_to_write, inside), 0);
        CHECK_INT(status_of(ct, try_to_write, file), EROFS);
        CHECK(!is_mounted("root/data") && !is_mounted("root/etc/file"));
    }
    CHECK(exists("source/new") && exists("root/data"));
    /* Where they are the host's, they are seen until the container is waited for. */
    CHECK_INT(libct_container_set_nsmask(ct, 0), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK(is_mounted("root/data") && is_mounted("root/etc/file") && exists("root/data/mark"));
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK(!is_mounted("root/data") && !exists("root/data/mark"));
    CHECK_INT(libct_fs_del_bind_mount(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_del_bind_mount(ct, "/etc/file"), -LCTERR_NOTFOUND); /* as it was written */
    CHECK_INT(libct_fs_del_bind_mount(ct, "etc/file"), 0);
    CHECK_INT(libct_fs_del_bind_mount(ct, "etc/file"), -LCTERR_NOTFOUND);
    CHECK_INT(libct_fs_add_bind_mount(ct, "missing", "/other", 0), 0);
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(libct_container_set_nsmask(ct, i == 0 ? 0 : CLONE_NEWNS), 0);
        CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CANTMOUNT);
        CHECK(!is_mounted("root/data"));
    }
}

static int tell_flags(void *argument)
{
    struct statvfs status;
    if (statvfs("/mnt", &status) != 0)
        return 1;
    *(unsigned long *)argument = status.f_flag;
    return 0;
}

static void mount_file_systems(void)
{
    unsigned long *flags = shared_memory(sizeof *flags);
    ct_handler_t ct = make_container();
    const int all = CT_FS_RDONLY | CT_FS_NOEXEC | CT_FS_NOSUID | CT_FS_NODEV | CT_FS_STRICTATIME | CT_FS_PRIVATE;
    CHECK_INT(libct_fs_add_mount(ct, "tmpfs", "/mnt", 0x100, "tmpfs", NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_mount(ct, "tmpfs", "/mnt", all, "tmpfs", "size=64k,mode=0700"), 0);
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(libct_container_set_nsmask(ct, i == 0 ? 0 : CLONE_NEWNS), 0);
        CHECK_INT(status_of(ct, tell_flags, flags), 0);
        const unsigned long wanted = ST_RDONLY | ST_NOEXEC | ST_NOSUID | ST_NODEV;
        CHECK_INT(*flags & wanted, wanted);
        CHECK_INT(*flags & ST_RELATIME, 0);
        CHECK(!is_mounted("root/mnt"));
    }
    CHECK_INT(libct_fs_add_mount(ct, "none", "/bad", 0, "no-such-type", NULL), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CANTMOUNT);
    CHECK_INT(libct_fs_del_bind_mount(ct, "/bad"), 0);
    CHECK_INT(libct_fs_del_bind_mount(ct, "/mnt"), 0);
    /* A bind by this call has all flags, and neither type nor data. */
    CHECK_INT(libct_fs_add_mount(ct, "root/etc", "/mnt", CT_FS_BIND | CT_FS_NODEV | CT_FS_REC, NULL, NULL), 0);
    CHECK_INT(status_of(ct, tell_flags, flags), 0);
    CHECK((*flags & ST_NODEV) != 0);
    CHECK_INT(libct_fs_add_mount(ct, "root/etc", "/bad", CT_FS_BIND, "tmpfs", NULL), 0);
    CHECK(libct_handle_is_err(libct_container_spawn_cb(ct, desc, end_at_once, NULL)));
}

/* The line of a mount in /proc/self/mountinfo. */
static const char *mount_line(const char *path)
{
    static char line[512];
    snprintf(line, sizeof line, " /tmp/%s ", path);
    const char *found = strstr(read_file("/proc/self/mountinfo"), line);
    if (found == NULL)
        return "";
    snprintf(line, sizeof line, "%.*s", (int)strcspn(found, "\n"), found);
    return line;
}

static void mount_in_order(void)
{
    char *both[] = {(char[]){"/outer/inner/mark"}, (char[]){"/tree/sub/deep"}, NULL};
    char source[] = "source", target[] = "/outer/inner";
    struct stat status;
    ct_handler_t ct = make_container();
    CHECK(mkdir("source", 0755) == 0 && mkdir("tree", 0755) == 0 && mkdir("tree/sub", 0755) == 0);
    write_file("source/mark", "");
    CHECK_INT(mount("tmpfs", "tree/sub", "tmpfs", 0, NULL), 0);
    write_file("tree/sub/deep", "");
    CHECK_INT(libct_fs_add_mount(ct, NULL, "/x", 0, "tmpfs", NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_mount(ct, "tmpfs", NULL, 0, "tmpfs", NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_mount_with_actions(ct, NULL, NULL, 0, "tmpfs", NULL, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(libct_fs_add_mount(ct, "tmpfs", "/outer", 0, "tmpfs", NULL), 0);
    CHECK_INT(libct_fs_add_bind_mount(ct, source, target, CT_FS_PRIVATE), 0);
    source[0] = target[1] = 'x'; /* they were copied */
    CHECK_INT(libct_fs_add_mount(ct, "tree", "/tree", CT_FS_BIND | CT_FS_REC, NULL, NULL), 0);
    CHECK_INT(status_of(ct, find_paths, both), 0);
    /* What is made has the mode that the umask leaves, and stays. */
    CHECK(stat("root/tree", &status) == 0 && (status.st_mode & 07777) == 0755);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK(strstr(mount_line("root/outer/inner"), " shared:") == NULL && mount_line("root/outer/inner")[0] != '\0');
    CHECK(strstr(mount_line("root/outer"), " shared:") != NULL);
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    /* Of several on one place the first is taken away. */
    CHECK_INT(libct_fs_add_bind_mount(ct, "source", "/tree", 0), 0);
    CHECK_INT(status_of(ct, find_paths, (char *[]){(char[]){"/tree/mark"}, NULL}), 0); /* the last hides the other */
    CHECK(!is_mounted("root/tree"));
    CHECK_INT(libct_fs_del_bind_mount(ct, "/tree"), 0);
    CHECK_INT(status_of(ct, find_paths, (char *[]){(char[]){"/tree/mark"}, NULL}), 0);
    CHECK_INT(libct_fs_del_bind_mount(ct, "/tree"), 0);
    CHECK_INT(libct_fs_del_bind_mount(ct, "/tree"), -LCTERR_NOTFOUND);
    /* Neither kind of nonsense is a mount. */
    CHECK_INT(libct_fs_add_mount(ct, "source", "/bad", 0, NULL, NULL), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CANTMOUNT);
    CHECK_INT(libct_fs_del_bind_mount(ct, "/bad"), 0);
    CHECK_INT(libct_fs_add_mount(ct, "source", "/bad", 0, "", NULL), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CANTMOUNT);
    CHECK_INT(libct_fs_del_bind_mount(ct, "/bad"), 0);
    CHECK_INT(libct_fs_add_mount(ct, "source", "/bad", CT_FS_BIND, NULL, "size=1k"), 0);
    CHECK(libct_handle_is_err(libct_container_spawn_cb(ct, desc, end_at_once, NULL)));
}

static void run_commands_at_mounts(void)
{
    char *touch[] = {(char[]){"touch"}, (char[]){"before"}, NULL};
    char *second[] = {(char[]){"sh"}, (char[]){"-c"}, (char[]){"test -e before && pwd > order"}, NULL};
    char *inside[] = {(char[]){"touch"}, (char[]){"root/mnt/after"}, NULL};
    char *environment[] = {(char[]){"PATH=/usr/bin:/bin"}, NULL};
    char dir[] = "/tmp/where", sh[] = "sh", touch_path[] = "touch", no[] = "false";
    struct libct_cmd two = {NULL, sh, second, environment, dir};
    struct libct_cmd one = {&two, touch_path, touch, NULL, dir};
    struct libct_cmd after = {NULL, touch_path, inside, NULL, NULL};
    char *paths[] = {(char[]){"/mnt/after"}, NULL};
    CHECK_INT(mkdir("where", 0755), 0);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(libct_fs_add_mount_with_actions(ct, "tmpfs", "/mnt", 0, "tmpfs", NULL, &one, &after), 0);
    /* The lists were copied. */
    one.next = NULL;
    dir[1] = touch_path[0] = sh[0] = 'x';
    second[2] = touch[1] = NULL;
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(libct_container_set_nsmask(ct, i == 0 ? CLONE_NEWNS : 0), 0);
        CHECK_INT(status_of(ct, find_paths, paths), 0);
        CHECK(strcmp(read_file("where/order"), "/tmp/where\n") == 0);
        CHECK_INT(unlink("where/order"), 0);
        CHECK(!exists("root/mnt/after"));
    }
    struct libct_cmd fails = {NULL, no, (char *[]){no, NULL}, NULL, NULL};
    CHECK_INT(libct_fs_add_mount_with_actions(ct, "tmpfs", "/tmp", 0, "tmpfs", NULL, NULL, &fails), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CANTMOUNT);
    CHECK(!is_mounted("root/mnt") && !is_mounted("root/tmp"));
    CHECK_INT(libct_fs_del_bind_mount(ct, "/tmp"), 0);
    struct libct_cmd missing = {NULL, (char[]){"no-such-program"}, (char *[]){no, NULL}, NULL, NULL};
    struct libct_cmd *wrong[] = {&fails, &missing};
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(libct_fs_add_mount_with_actions(ct, "tmpfs", "/tmp", 0, "tmpfs", NULL, wrong[i], NULL), 0);
        CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -LCTERR_CANTMOUNT);
        CHECK_INT(libct_fs_del_bind_mount(ct, "/tmp"), 0);
    }
}

static int find_device(void *argument)
{
    struct stat status;
    (void)argument;
    if (stat("/dev/zero", &status) != 0 || !S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 5))
        return 1;
    return (status.st_mode & 07777) == 0600 ? 0 : 2;
}

static void make_devices(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_add_devnode(ct, NULL, S_IFCHR | 0600, 1, 5), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_devnode(ct, "/dev/zero", S_IFREG | 0600, 1, 5), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_devnode(ct, "/dev/zero", S_IFCHR | 0622, 1, 5), 0);
    const mode_t before = umask(022);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0); /* nothing happens without a root */
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(status_of(ct, find_device, NULL), 0);
    CHECK_INT(unlink("root/dev/zero"), 0);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNS), 0);
    CHECK_INT(status_of(ct, find_device, NULL), 0);
    CHECK_INT(status_of(ct, find_device, NULL), 0); /* it may be there already */
    /* What is something else gives way. */
    CHECK_INT(unlink("root/dev/zero"), 0);
    write_file("root/dev/zero", "text");
    CHECK_INT(status_of(ct, find_device, NULL), 0);
    umask(before);
    CHECK_INT(libct_fs_add_devnode(ct, "/dev/fifo", S_IFIFO | 0600, 0, 0), 0);
    CHECK_INT(status_of(ct, find_device, NULL), 0);
    struct stat status;
    CHECK_INT(stat("root/dev/fifo", &status), 0);
    CHECK(S_ISFIFO(status.st_mode));
    /* A directory does not. */
    CHECK_INT(libct_fs_add_devnode(ct, "/dev", S_IFCHR | 0600, 1, 5), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
}

static int sees_itself_as_first(void *argument)
{
    char pid[16] = "";
    (void)argument;
    return readlink("/proc/self", pid, sizeof pid - 1) > 0 && strcmp(pid, "1") == 0 ? 0 : 1;
}

static void mount_proc(void)
{
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_option(ct, LIBCT_OPT_AUTO_PROC_MOUNT, NULL), 0);
    CHECK_INT(status_of(ct, end_at_once, NULL), 0); /* nothing to do */
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWPID | CLONE_NEWNS), 0);
    CHECK_INT(status_of(ct, sees_itself_as_first, NULL), 0);
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(status_of(ct, sees_itself_as_first, NULL), 0);
}

const struct test file_tests[] = {
    {"change_the_root", change_the_root},
    {"change_to_a_root_that_cannot_be_written_to", change_to_a_root_that_cannot_be_written_to},
    {"bind_a_private_area", bind_a_private_area},
    {"bind_directories_and_files", bind_directories_and_files},
    {"mount_file_systems", mount_file_systems},
    {"mount_in_order", mount_in_order},
    {"run_commands_at_mounts", run_commands_at_mounts},
    {"make_devices", make_devices},
    {"mount_proc", mount_proc},
    {NULL, NULL},
};
