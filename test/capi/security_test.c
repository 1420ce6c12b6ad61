/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <fcntl.h>
#include <libct-events.h>
#include <libct-security.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "check.h"

static void refuses_what_is_wrong(void)
{
    static const char *const calls[] = {"mkdir", NULL}, *const none[] = {NULL};
    struct libct_seccomp filter = {.struct_size = sizeof filter};
    struct libct_seccomp_rule rule = {.struct_size = sizeof rule, .system_calls = calls};
    struct libct_seccomp_condition condition = {.comparison = (enum libct_comparison)9};
    struct libct_landlock landlock = {.struct_size = sizeof landlock, .path_count = 1};
    const struct libct_landlock_path path = {.path = "/", .access = 8};
    (void)make_container();
    CHECK_INT(libct_process_desc_add_seccomp_rule(desc, &rule), -LCTERR_NOTFOUND);
    filter.default_action = (enum libct_seccomp_action)9;
    CHECK_INT(libct_process_desc_set_seccomp(desc, &filter), -LCTERR_BADTYPE);
    filter.default_action = LIBCT_SECCOMP_ERRNO;
    filter.default_errno = 100000;
    CHECK_INT(libct_process_desc_set_seccomp(desc, &filter), -LCTERR_INVARG);
    filter.default_action = LIBCT_SECCOMP_ALLOW;
    filter.default_errno = 0;
    filter.architectures = 0x100;
    CHECK_INT(libct_process_desc_set_seccomp(desc, &filter), -LCTERR_BADTYPE);
    filter.architectures = 0;
    CHECK_INT(libct_process_desc_set_seccomp(desc, &filter), 0);
    CHECK_INT(libct_process_desc_add_seccomp_rule(desc, NULL), -LCTERR_INVARG);
    rule.system_calls = none;
    CHECK_INT(libct_process_desc_add_seccomp_rule(desc, &rule), -LCTERR_INVARG);
    rule.system_calls = calls;
    rule.action = (enum libct_seccomp_action)-1;
    CHECK_INT(libct_process_desc_add_seccomp_rule(desc, &rule), -LCTERR_BADTYPE);
    rule.action = LIBCT_SECCOMP_TRAP;
    rule.condition_count = 1;
    CHECK_INT(libct_process_desc_add_seccomp_rule(desc, &rule), -LCTERR_INVARG);
    rule.conditions = &condition;
    CHECK_INT(libct_process_desc_add_seccomp_rule(desc, &rule), -LCTERR_BADTYPE);
    CHECK_INT(libct_process_desc_set_seccomp(desc, NULL), 0);
    CHECK_INT(libct_is_system_call(NULL), -LCTERR_INVARG);
    CHECK_INT(libct_is_system_call("mkdir"), 1);
    CHECK_INT(libct_is_system_call("mkdirs"), 0);
    CHECK_INT(libct_process_desc_set_landlock(desc, &landlock), -LCTERR_INVARG);
    landlock.paths = &path;
    CHECK_INT(libct_process_desc_set_landlock(desc, &landlock), -LCTERR_INVARG);
    landlock.paths = NULL;
    landlock.path_count = 0;
    landlock.bind_count = 1;
    CHECK_INT(libct_process_desc_set_landlock(desc, &landlock), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_landlock(desc, NULL), 0);
    CHECK_INT(libct_process_desc_set_capability_sets(desc, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_notice_valid(NULL), -LCTERR_INVARG);
    CHECK_INT(libct_notice_read(NULL, 0, NULL, 0), -LCTERR_INVARG);
    CHECK_INT(libct_notice_read_string(NULL, 0, NULL, 0), -LCTERR_INVARG);
    CHECK_INT(libct_notice_add_fd(NULL, 0, -1, 0), -LCTERR_INVARG);
}

/* The lines of /proc/self/status about capabilities. */
static int check_capabilities(void *argument)
{
    const char *const *wanted = argument;
    const char *status = read_file("/proc/self/status");
    for (; *wanted != NULL; ++wanted) {
        if (strstr(status, *wanted) == NULL) {
            fprintf(stderr, "not so: %s in %s\n", *wanted, status);
            return 1;
        }
    }
    return 0;
}

static void has_capabilities_by_name(void)
{
    static const char *const names[] = {"CAP_KILL", "net_raw", NULL}, *const bad[] = {"CAP_NONSENSE", NULL},
                      *const kill[] = {"kill", NULL};
    static const char *all[] = {"CapInh:\t0000000000002020", "CapPrm:\t0000000000002020", "CapEff:\t0000000000002020",
                                "CapBnd:\t0000000000002020", "CapAmb:\t0000000000002020", NULL};
    static const char *each[] = {"CapInh:\t0000000000000020", "CapPrm:\t0000000000002020", "CapEff:\t0000000000000000",
                                 "CapBnd:\t0000000000002020", "CapAmb:\t0000000000000020", "NoNewPrivs:\t1", NULL};
    const struct libct_capability_sets sets = {.struct_size = sizeof sets, .bounding = names, .permitted = names,
                                               .inheritable = kill, .ambient = kill};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_process_desc_set_caps(desc, 1, CAPS_ALL), 0);
    CHECK_INT(libct_process_desc_set_capabilities(desc, names), 0);
    CHECK_INT(status_of(ct, check_capabilities, all), 0);
    CHECK_INT(libct_process_desc_set_capability_sets(desc, &sets), 0);
    CHECK_INT(libct_process_desc_set_no_new_privileges(desc, 1), 0);
    CHECK_INT(status_of(ct, check_capabilities, each), 0);
    CHECK_INT(libct_process_desc_set_capabilities(desc, bad), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    CHECK(strstr(libct_last_error()->message, "NONSENSE") != NULL);
    CHECK_INT(libct_process_desc_set_capabilities(desc, NULL), 0);
    CHECK_INT(libct_process_desc_set_secure_bits(desc, 1), 0); /* SECBIT_NOROOT */
    CHECK_INT(status_of(ct, check_capabilities, (const char *[]){"NoNewPrivs:\t1", NULL}), 0);
}

static int make_directories(void *argument)
{
    (void)argument;
    CHECK(mkdir("allowed", 0700) == 0);
    CHECK(mkdirat(AT_FDCWD, "refused", 0700) == -1 && errno == EXDEV);
    return 0;
}

static int try_namespaces(void *argument)
{
    const int expected = *(int *)argument;
    const int result = unshare(CLONE_NEWUTS) == 0 ? 0 : errno;
    return result == expected ? 0 : 1;
}

static void filters_system_calls(void)
{
    static const char *const calls[] = {"mkdirat", "no_such_call", NULL}, *const mkdirat_call[] = {"mkdirat", NULL},
                      *const unshare_call[] = {"unshare", NULL};
    const struct libct_seccomp_condition other = {.argument = 0, .comparison = LIBCT_NOT_EQUAL, .value = 77};
    struct libct_seccomp filter = {.struct_size = sizeof filter};
    struct libct_seccomp_rule rule = {.struct_size = sizeof rule, .system_calls = calls,
                                      .action = LIBCT_SECCOMP_ERRNO, .error_number = EXDEV, .conditions = &other,
                                      .condition_count = 1};
    int expected = EPERM;
    ct_handler_t ct = make_container();
    CHECK_INT(libct_process_desc_set_no_new_privileges(desc, 1), 0);
    CHECK_INT(libct_process_desc_set_seccomp(desc, &filter), 0);
    CHECK_INT(libct_process_desc_add_seccomp_rule(desc, &rule), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, make_directories, NULL), -1); /* there is no such call */
    CHECK(strstr(libct_last_error()->message, "no_such_call") != NULL);
    CHECK_INT(libct_process_desc_set_seccomp(desc, &filter), 0);
    rule.system_calls = mkdirat_call;
    CHECK_INT(libct_process_desc_add_seccomp_rule(desc, &rule), 0);
    CHECK_INT(status_of(ct, make_directories, NULL), 0);
    /* The standard one, and an exception. */
    filter.standard = 1;
    CHECK_INT(libct_process_desc_set_seccomp(desc, &filter), 0);
    CHECK_INT(status_of(ct, try_namespaces, &expected), 0);
    rule = (struct libct_seccomp_rule){.struct_size = sizeof rule, .system_calls = unshare_call, .first = 1};
    CHECK_INT(libct_process_desc_add_seccomp_rule(desc, &rule), 0);
    expected = 0;
    CHECK_INT(status_of(ct, try_namespaces, &expected), 0);
    CHECK_INT(libct_process_desc_set_seccomp(desc, NULL), 0);
}

static libct_notice_t last_notice;
static int calls;

static enum libct_seccomp_answer on_call(ct_handler_t ct, const struct libct_seccomp_call *call, int64_t *value,
                                         void *user)
{
    char path[32], short_text[3];
    CHECK_INT(libct_container_phase(ct), LIBCT_PHASE_RUNNING);
    CHECK_INT(call->struct_size, sizeof *call);
    CHECK(call->pid > 0 && call->number == SYS_mkdirat && strcmp(call->name, "mkdirat") == 0);
    CHECK(call->architecture != 0 && *value == ENOSYS && *(char *)user == 'u');
    CHECK_INT(libct_notice_valid(call->notice), 1);
    last_notice = call->notice;
    ++calls;
    CHECK_INT(libct_notice_read_string(call->notice, call->arguments[1], short_text, sizeof short_text), -1);
    CHECK_INT(errno, ENAMETOOLONG);
    const long length = libct_notice_read_string(call->notice, call->arguments[1], path, sizeof path);
    CHECK_INT(length, strlen(path));
    CHECK_INT(libct_notice_read(call->notice, call->arguments[1], short_text, 2), 2);
    CHECK(memcmp(short_text, path, 2) == 0);
    CHECK_INT(libct_notice_read(call->notice, 1, short_text, 1), -1);
    CHECK_INT(errno, EFAULT);
    if (strcmp(path, "return") == 0) {
        *value = 42;
        return LIBCT_ANSWER_RETURN;
    }
    if (strcmp(path, "continue") == 0)
        return LIBCT_ANSWER_CONTINUE;
    if (strcmp(path, "file") == 0) {
        const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        *value = libct_notice_add_fd(call->notice, null, -1, 1);
        CHECK(*value >= 0);
        close(null);
        return LIBCT_ANSWER_RETURN;
    }
    if (strcmp(path, "nonsense") == 0)
        return (enum libct_seccomp_answer)9;
    *value = EXDEV;
    return LIBCT_ANSWER_FAIL;
}

static int be_answered(void *argument)
{
    struct stat status;
    (void)argument;
    CHECK_INT(syscall(SYS_mkdirat, AT_FDCWD, "return", 0700), 42);
    CHECK_INT(syscall(SYS_mkdirat, AT_FDCWD, "continue", 0700), 0);
    CHECK(stat("continue", &status) == 0 && S_ISDIR(status.st_mode));
    CHECK(syscall(SYS_mkdirat, AT_FDCWD, "other", 0700) == -1 && errno == EXDEV);
    const int fd = (int)syscall(SYS_mkdirat, AT_FDCWD, "file", 0700);
    CHECK(fd >= 0 && fstat(fd, &status) == 0 && S_ISCHR(status.st_mode));
    CHECK(syscall(SYS_mkdirat, AT_FDCWD, "nonsense", 0700) == -1 && errno == EIO);
    return 0;
}

static bool has_ended;

static void on_end(ct_handler_t ct, const struct libct_exit_record *record, void *user)
{
    (void)ct;
    (void)user;
    CHECK_INT(record->status, 0);
    has_ended = true;
}

static void answers_system_calls(void)
{
    static char user = 'u';
    static const char *const mkdirat_call[] = {"mkdirat", NULL};
    struct libct_seccomp filter = {.struct_size = sizeof filter};
    struct libct_seccomp_rule rule = {.struct_size = sizeof rule, .system_calls = mkdirat_call,
                                      .action = LIBCT_SECCOMP_NOTIFY};
    ct_handler_t ct = make_watched_container();
    CHECK_INT(libct_container_on_seccomp(NULL, on_call, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_seccomp(ct, on_call, &user), 0);
    CHECK_INT(libct_container_on_exit(ct, on_end, NULL), 0);
    CHECK_INT(libct_process_desc_set_no_new_privileges(desc, 1), 0);
    CHECK_INT(libct_process_desc_set_seccomp(desc, &filter), 0);
    CHECK_INT(libct_process_desc_add_seccomp_rule(desc, &rule), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, be_answered, NULL));
    int failures = 0;
    while (!has_ended)
        failures += libct_session_dispatch(session, -1) < 0;
    CHECK(calls == 5 && failures == 1);
    CHECK_INT(libct_notice_valid(last_notice), -LCTERR_INVARG); /* it was answered */
    CHECK_INT(libct_container_on_seccomp(ct, NULL, NULL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static int use_files(void *argument)
{
    (void)argument;
    CHECK(open("/tmp/readable/file", O_RDONLY) >= 0);
    CHECK(open("/tmp/readable/file", O_WRONLY) == -1 && errno == EACCES);
    CHECK(open("/tmp/hidden/file", O_RDONLY) == -1 && errno == EACCES);
    return 0;
}

static void restricts_files(void)
{
    const struct libct_landlock_path paths[] = {{"/tmp/readable", LIBCT_LANDLOCK_READ}, {"/dev", 7}};
    const struct libct_landlock landlock = {.struct_size = sizeof landlock, .paths = paths, .path_count = 2};
    CHECK(mkdir("readable", 0755) == 0 && mkdir("hidden", 0755) == 0);
    write_file("readable/file", "x");
    write_file("hidden/file", "x");
    ct_handler_t ct = make_container();
    CHECK_INT(libct_process_desc_set_no_new_privileges(desc, 1), 0);
    CHECK_INT(libct_process_desc_set_landlock(desc, &landlock), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, end_at_once, NULL);
    if (libct_handle_is_err(init) && errno == EOPNOTSUPP)
        skip("this kernel has no Landlock");
    CHECK_HANDLE(init);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(status_of(ct, use_files, NULL), 0);
}

const struct test security_tests[] = {
    {"refuses_what_is_wrong", refuses_what_is_wrong},
    {"has_capabilities_by_name", has_capabilities_by_name},
    {"filters_system_calls", filters_system_calls},
    {"answers_system_calls", answers_system_calls},
    {"restricts_files", restricts_files},
    {NULL, NULL},
};
