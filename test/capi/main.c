/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { Skipped = 77 };

libct_session_t session;
ct_process_desc_t desc;
char name[32];

static const struct theme {
    const char *name;
    const struct test *tests;
} themes[] = {
    {"handles", handle_tests}, {"session", session_tests}, {"namespaces", namespace_tests}, {"start", start_tests},
    {"desc", desc_tests}, {"files", file_tests}, {"cgroups", cgroup_tests},
    {"net", net_tests}, {"log", log_tests}, {"fuzz", fuzz_tests}, {"events", event_tests},
    {"resources", resource_tests}, {"streams", stream_tests}, {"options", option_tests}, {"areas", area_tests},
    {"states", state_tests}, {"enter", enter_tests}, {"attach", attach_tests}, {"health", health_tests},
    {"bad_handles", bad_handle_tests}, {"hooks", hook_tests}, {"mounts", mount_tests}, {"pins", pin_tests},
    {"live_net", live_net_tests},
    {"processes", process_tests}, {"readers", reader_tests}, {"security", security_tests},
    {"groups", group_tests}, {"careless", careless_tests}, {NULL, NULL},
};

void skip(const char *reason)
{
    printf("skipped: %s\n", reason);
    exit(Skipped);
}

static ct_handler_t make_container_in(libct_session_t (*open_session)(void))
{
    if (session == NULL) {
        session = open_session();
        CHECK_HANDLE(session);
        desc = libct_process_desc_create(session);
        CHECK_HANDLE(desc);
        /* A test that fails leaves nothing running. */
        CHECK_INT(libct_process_desc_set_pdeathsig(desc, SIGKILL), 0);
    }
    ct_handler_t ct = libct_container_create(session, name);
    CHECK_HANDLE(ct);
    return ct;
}

ct_handler_t make_container(void)
{
    return make_container_in(libct_session_open_local);
}

static libct_session_t open_watching_session(void)
{
    const struct libct_session_options options = {.struct_size = sizeof options, .on_close = LIBCT_ON_CLOSE_KILL};
    return libct_session_open_with(&options);
}

ct_handler_t make_watched_container(void)
{
    return make_container_in(open_watching_session);
}

void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    CHECK(fputs(text, file) >= 0);
    CHECK_INT(fclose(file), 0);
}

const char *read_file(const char *path)
{
    static char text[65536];
    text[0] = '\0';
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return text;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

bool exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static void copy_program(const char *to)
{
    static char bytes[1 << 22];
    int from_fd = open(CT_TEST_INIT, O_RDONLY);
    int to_fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    CHECK(from_fd >= 0 && to_fd >= 0);
    ssize_t length = read(from_fd, bytes, sizeof bytes);
    CHECK(length > 0 && length < (ssize_t)sizeof bytes);
    CHECK_INT(write(to_fd, bytes, (size_t)length), length);
    close(from_fd);
    close(to_fd);
}

const char *make_root(const char *path)
{
    static const char *const directories[] = {"", "/bin", "/dev", "/proc", "/etc", NULL};
    char place[256];
    for (int i = 0; directories[i] != NULL; ++i) {
        snprintf(place, sizeof place, "%s%s", path, directories[i]);
        CHECK_INT(mkdir(place, 0755), 0);
    }
    snprintf(place, sizeof place, "%s" TEST_INIT, path);
    copy_program(place);
    return path;
}

bool has_own_namespace(int pid, const char *kind)
{
    char path[64];
    struct stat theirs, own;
    snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, kind);
    CHECK_INT(stat(path, &theirs), 0);
    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    CHECK_INT(stat(path, &own), 0);
    return theirs.st_ino != own.st_ino;
}

const char *mount_of_controller(const char *controller)
{
    static char place[256];
    char options[512], type[64];
    FILE *mounts = fopen("/proc/mounts", "r");
    CHECK(mounts != NULL);
    const char *found = NULL;
    while (found == NULL && fscanf(mounts, "%*s %255s %63s %511s %*d %*d", place, type, options) == 3) {
        if (strcmp(type, "cgroup") != 0)
            continue;
        for (char *option = strtok(options, ","); option != NULL; option = strtok(NULL, ",")) {
            if (strcmp(option, controller) == 0)
                found = place;
        }
    }
    fclose(mounts);
    return found;
}

const char *output_of(ct_handler_t ct, char *first, ...)
{
    static char text[65536];
    char *argv[16] = {TEST_INIT, first};
    va_list rest;
    va_start(rest, first);
    for (int i = 2; i < 16 && argv[i - 1] != NULL; ++i)
        argv[i] = va_arg(rest, char *);
    va_end(rest);
    int ends[2];
    CHECK_INT(pipe2(ends, O_CLOEXEC), 0);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int fds[] = {null, ends[1], 2};
    CHECK_INT(libct_process_desc_set_fds(desc, fds, 3), 0);
    ct_process_t process = libct_container_spawn_execv(ct, desc, TEST_INIT, argv);
    CHECK_HANDLE(process);
    close(ends[1]);
    close(null);
    size_t length = 0;
    for (ssize_t got; (got = read(ends[0], text + length, sizeof text - 1 - length)) > 0;)
        length += (size_t)got;
    text[length] = '\0';
    close(ends[0]);
    int status = -2;
    CHECK_INT(libct_process_wait(process, &status), 0);
    if (status != 0)
        fprintf(stderr, "%s: status %#x: %s\n", first, (unsigned)status, text);
    CHECK_INT(status, 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(libct_process_desc_set_fds(desc, NULL, 0), 0);
    return text;
}

int status_of(ct_handler_t ct, int (*function)(void *), void *argument)
{
    ct_process_t process = libct_container_spawn_cb(ct, desc, function, argument);
    CHECK_HANDLE(process);
    int status = -2;
    CHECK_INT(libct_process_wait(process, &status), 0);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

int stay(void *argument)
{
    (void)argument;
    for (;;)
        pause();
}

int copy_input(void *argument)
{
    (void)argument;
    char bytes[256];
    for (ssize_t got; (got = read(0, bytes, sizeof bytes)) > 0;)
        CHECK_INT(write(1, bytes, (size_t)got), got);
    return 0;
}

pid_t fork_to_stay(void)
{
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        stay(NULL);
    return pid;
}

int end_at_once(void *argument)
{
    (void)argument;
    return 0;
}

void *shared_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

/* Where groups of containers may be: the hierarchies of controllers that tests use, and that of version 2. */
static const char *place_of_groups(int number)
{
    static const char *const names[] = {"memory", "freezer", "cpuset", "cpu", "cpuacct", "devices", "blkio", "pids"};
    static const char *const unified[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
    const int controllers = sizeof names / sizeof *names;
    if (number < controllers)
        return mount_of_controller(names[number]);
    number -= controllers;
    char control[64];
    if (number >= (int)(sizeof unified / sizeof *unified))
        return "";
    snprintf(control, sizeof control, "%s/cgroup.procs", unified[number]);
    return exists(control) ? unified[number] : NULL;
}

/* Calls a function with the path of each group that a test of this name has left; returns how many there are. */
static int for_groups_of(const char *test, void (*function)(const char *path))
{
    char path[320];
    int count = 0;
    const char *place;
    for (int i = 0; place = place_of_groups(i), place == NULL || place[0] != '\0'; ++i) {
        if (place == NULL)
            continue;
        snprintf(path, sizeof path, "%s/%s", place, test);
        if (!exists(path))
            continue;
        ++count;
        if (function != NULL)
            function(path);
    }
    return count;
}

/* What the containers of a test have left: children, or groups with its name. */
static void check_nothing_left(void)
{
    if (session != NULL)
        libct_session_close(session);
    CHECK_INT(for_groups_of(name, NULL), 0);
    CHECK(waitpid(-1, NULL, WNOHANG | __WALL) == -1 && errno == ECHILD);
}

static void name_test(pid_t pid)
{
    snprintf(name, sizeof name, "capi-%d", (int)pid);
}

/* Lets who is in a group go on, where only that lets them end. */
static void thaw_group(const char *path)
{
    static const char *const files[][2] = {{"freezer.state", "THAWED"}, {"cgroup.freeze", "0"}};
    char control[340];
    for (size_t i = 0; i < sizeof files / sizeof *files; ++i) {
        snprintf(control, sizeof control, "%s/%s", path, files[i][0]);
        FILE *file = fopen(control, "r+");
        if (file != NULL) {
            fputs(files[i][1], file);
            fclose(file);
        }
    }
}

/* Kills who is in a group and in those below, and removes them as soon as they are gone. */
static void remove_group(const char *path)
{
    char inner[640];
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL;) {
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            remove_group(inner);
    }
    if (directory != NULL)
        closedir(directory);
    thaw_group(path);
    snprintf(inner, sizeof inner, "%s/cgroup.procs", path);
    while (rmdir(path) != 0 && errno == EBUSY) {
        FILE *list = fopen(inner, "r");
        for (int pid; list != NULL && fscanf(list, "%d", &pid) == 1;)
            kill(pid, SIGKILL);
        if (list != NULL)
            fclose(list);
        while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
            ;
        sched_yield();
    }
}

/* A test that has failed was ended in the middle: what it has started is this process's to end. */
static void clean_up_after(pid_t test)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    name_test(test);
    for_groups_of(name, thaw_group);
    for (;;) {
        FILE *children = fopen(path, "r");
        int pid = -1;
        const bool found = children != NULL && fscanf(children, "%d", &pid) == 1;
        if (children != NULL)
            fclose(children);
        if (!found)
            break;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, __WALL);
    }
    for_groups_of(name, remove_group);
}

static void run_test(const struct test *test)
{
    /* As systemd has them: what a container mounts must not get out all the same. */
    CHECK_INT(unshare(CLONE_NEWNS | CLONE_NEWNET), 0);
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    CHECK_INT(mount("tmpfs", "/tmp", "tmpfs", 0, "mode=1777"), 0);
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL), 0);
    CHECK_INT(chdir("/tmp"), 0);
    name_test(getpid());
    alarm(110);
    test->run();
    check_nothing_left();
    exit(0);
}

static int run_theme(const struct theme *theme, const char *only)
{
    int failures = 0, skips = 0, runs = 0;
    for (const struct test *test = theme->tests; test->name != NULL; ++test) {
        if (only != NULL && strcmp(only, test->name) != 0)
            continue;
        fflush(NULL);
        ++runs;
        pid_t pid = fork();
        if (pid == 0)
            run_test(test);
        int status = 0;
        if (waitpid(pid, &status, 0) != pid)
            status = -1;
        const bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == Skipped;
        printf("%s.%s: %s\n", theme->name, test->name, status == 0 ? "passed" : skipped ? "skipped" : "FAILED");
        skips += skipped;
        failures += status != 0 && !skipped;
        if (status != 0)
            clean_up_after(pid);
    }
    printf("%d tests, %d failed, %d skipped\n", runs, failures, skips);
    return failures > 0 || runs == 0 ? 1 : skips == runs ? Skipped : 0;
}

/* capi_tests THEME [TEST] */
int main(int argc, char **argv)
{
    if (geteuid() != 0) {
        printf("skipped: needs root\n");
        return getenv("CT_TEST_STRICT") != NULL ? 1 : Skipped;
    }
    /*
     * The directory that killable containers need is the machine's: who removes it takes away what is mounted on it in
     * all namespaces, so that one program at a time uses it.
     */
    if (argc > 1 && strcmp(argv[1], "cgroups") == 0) {
        const int lock = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        while (lock >= 0 && flock(lock, LOCK_EX) != 0 && errno == EINTR)
            ;
    }
    /* Processes of a test that has failed, and has not ended them, come to this one. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const bool had_service = exists("/sys/fs/cgroup/.libct");
    int result = 2;
    for (const struct theme *theme = themes; theme->name != NULL; ++theme) {
        if (argc > 1 && strcmp(argv[1], theme->name) == 0)
            result = run_theme(theme, argc > 2 ? argv[2] : NULL);
    }
    /* The mounts of the tests are gone with their namespaces. */
    if (!had_service && argc > 1 && strcmp(argv[1], "cgroups") == 0)
        rmdir("/sys/fs/cgroup/.libct");
    return result;
}
