/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <fcntl.h>
#include <libct-events.h>
#include <libct-resources.h>
#include <libct-streams.h>
#include <sched.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

/* Random calls with handles of every kind, whether they stand for something or not: each has to return. */

static uint64_t state;

unsigned next(unsigned below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state % below);
}

enum { Slots = 24 };
static void *handles[Slots];

void *any(void)
{
    static void *const bad[] = {NULL, (void *)(intptr_t)-1, (void *)(intptr_t)-LCTERR_INVARG, (void *)(intptr_t)-4095,
                                (void *)(intptr_t)-4096, (void *)(intptr_t)1, &state};
    return next(4) == 0 ? bad[next(sizeof bad / sizeof *bad)] : handles[next(Slots)];
}

void keep(void *handle)
{
    handles[next(Slots)] = handle;
}

const char *text(void)
{
    static const char *const texts[] = {NULL, "", "root", "/mnt", "tmpfs", "capi-fuzz", "../..", "10.0.0.2/24", "lo",
                                        "memory.limit_in_bytes", "1", "kernel.hostname", "%n%s", "/dev/null"};
    return texts[next(sizeof texts / sizeof *texts)];
}

int number(void)
{
    static const int numbers[] = {0, 1, 2, 3, 4, 6, 7, -1, -2, 99, 0x7fffffff, (int)0x80000000,
                                  CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWUTS, CLONE_NEWPID};
    return numbers[next(sizeof numbers / sizeof *numbers)];
}

static void call_container(void)
{
    static char program[] = "true";
    char *argv[] = {program, NULL};
    char buffer[16];
    struct ct_net_veth_arg veth = {(char *)(uintptr_t)text(), (char *)(uintptr_t)text()};
    switch (next(30)) {
    case 0: libct_container_set_nsmask(any(), (unsigned long)(unsigned)number()); break;
    case 1: libct_container_set_nspath(any(), number(), text()); break;
    case 2: libct_container_set_sysctl(any(), text(), text()); break;
    case 3: libct_container_uname(any(), text(), text()); break;
    case 4: {
        /* Nothing on the host is to change, so none that is killable. */
        const int option = number();
        libct_container_set_option(any(), option == LIBCT_OPT_KILLABLE ? 0 : option, NULL);
        break;
    }
    case 5: libct_container_set_console_fd(any(), number()); break;
    case 6: libct_userns_add_uid_map(any(), (unsigned)number(), (unsigned)number(), (unsigned)number()); break;
    case 7: libct_userns_add_gid_map(any(), (unsigned)number(), (unsigned)number(), (unsigned)number()); break;
    case 8: keep(libct_container_spawn_cb(any(), any(), end_at_once, NULL)); break;
    case 9: keep(libct_container_spawn_execve(any(), any(), text(), argv, next(2) ? argv + 1 : NULL)); break;
    case 10: keep(libct_container_enter_cb(any(), any(), end_at_once, NULL)); break;
    case 11: keep(libct_container_enter_execv(any(), any(), text(), argv)); break;
    case 12: libct_container_kill(any()); break;
    case 13: libct_container_wait(any()); break;
    case 14: libct_container_pause(any()); break;
    case 15: libct_container_resume(any()); break;
    case 16: {
        struct libct_processes *list = libct_container_processes(any());
        CHECK(libct_handle_is_err(list) || list->nproc >= 0);
        libct_processes_free(list);
        break;
    }
    case 17: libct_controller_configure(any(), (enum ct_controller)number(), text(), text()); break;
    case 18: libct_controller_read(any(), (enum ct_controller)number(), text(), buffer, sizeof buffer); break;
    case 19: libct_fs_set_root(any(), next(4) ? "root" : "missing"); break;
    case 20: libct_fs_set_private(any(), (enum ct_fs_type)number(), NULL); break;
    case 21: libct_fs_add_mount(any(), text(), text(), number(), text(), text()); break;
    case 22: libct_fs_add_bind_mount(any(), text(), text(), number()); break;
    case 23: libct_fs_del_bind_mount(any(), text()); break;
    case 24: libct_fs_add_devnode(any(), text(), S_IFCHR | number(), number(), number()); break;
    case 25: keep(libct_net_add(any(), (enum ct_net_type)number(), &veth)); break;
    case 26: keep(libct_net_route_add(any())); break;
    case 27: libct_net_del(any(), (enum ct_net_type)number(), &veth); break;
    case 28: keep(libct_container_load(any(), number() | 1 << 28)); break;
    default: CHECK(libct_container_state(any()) >= CT_ERROR); break;
    }
}

static void call_others(void)
{
    unsigned groups[] = {1, 2};
    int fds[] = {0, 1, 2}, status;
    char variable[] = "A=1", *env[] = {variable, NULL};
    switch (next(22)) {
    case 0: keep(libct_session_open(next(2) ? NULL : text())); break;
    case 1: keep(libct_container_create(any(), next(2) ? "capi-fuzz" : text())); break;
    case 2: keep(libct_process_desc_create(any())); break;
    case 3: keep(libct_process_desc_copy(any())); break;
    case 4: libct_process_desc_setuid(any(), (unsigned)number()); break;
    case 5: libct_process_desc_set_user(any(), text()); break;
    case 6: libct_process_desc_set_groups(any(), next(3), groups); break;
    case 7: libct_process_desc_set_caps(any(), (unsigned long)number(), (unsigned)number()); break;
    case 8: libct_process_desc_set_rlimit(any(), number(), 1, 2); break;
    case 9: libct_process_desc_set_fds(any(), next(2) ? fds : NULL, (int)next(4)); break;
    case 10: libct_process_desc_set_env(any(), env, (int)next(2)); break;
    case 11: libct_process_wait(any(), next(2) ? &status : NULL); break;
    case 12: libct_process_get_pid(any()); break;
    case 13: keep(libct_net_dev_get_peer(any())); break;
    case 14: libct_net_dev_add_ip_addr(any(), text()); break;
    case 15: libct_net_dev_set_mtu(any(), number()); break;
    case 16: keep(libct_net_route_add_nh(any())); break;
    case 17: libct_net_route_nh_set_gw(any(), text()); break;
    case 18: libct_net_route_set_dst(any(), text()); break;
    case 19: libct_process_destroy(any()); break;
    case 20: libct_process_desc_destroy(any()); break;
    default:
        if (next(4) == 0)
            libct_container_destroy(any());
        if (next(16) == 0)
            libct_session_close(any());
        break;
    }
}

static void on_exit_told(ct_handler_t ct, const struct libct_exit_record *record, void *user)
{
    (void)user;
    CHECK(record->pid > 0 && libct_container_phase(ct) < LIBCT_PHASE_STOPPING + 1);
}

static void on_output_told(libct_attachment_t a, const struct libct_output *chunk, void *user)
{
    (void)user;
    CHECK(chunk->length > 0);
    libct_attachment_close(a);
}

static void call_beyond(void)
{
    char buffer[16];
    struct libct_exit_record record = {.struct_size = next(2) ? sizeof record : next(64)};
    struct libct_stats stats = {.struct_size = sizeof stats};
    struct libct_limits limits = {.struct_size = sizeof limits, .set = next(1 << 14), .memory_max_bytes = 64 << 20,
                                  .pids_max = (uint64_t)number(), .cpuset_cpus = text()};
    struct libct_area area = {.struct_size = sizeof area, .type = (enum libct_area_type)number(), .source = text()};
    struct libct_veth veth = {.struct_size = sizeof veth, .host_name = text(), .bridge = text(), .lease = number()};
    struct libct_attach_options options = {.struct_size = sizeof options, .on_output = on_output_told};
    switch (next(24)) {
    case 0: libct_session_fd(any()); break;
    case 1: libct_session_dispatch(any(), 0); break;
    case 2: libct_container_on_exit(any(), next(2) ? on_exit_told : NULL, NULL); break;
    case 3: libct_container_exit_record(any(), &record); break;
    case 4: libct_container_describe_exit(any(), buffer, next(17)); break;
    case 5: libct_container_stats(any(), &stats); break;
    case 6: libct_container_set_limits(any(), &limits); break;
    case 7: libct_container_update_limits(any(), &limits); break;
    case 8: libct_fs_set_area(any(), &area); break;
    case 9: libct_net_add_veth(any(), &veth); break;
    case 10: libct_container_set_spec(any(), next(2) ? "{\"hostname\":\"x\"}" : text()); break;
    case 11: libct_container_get_spec(any(), buffer, next(17)); break;
    case 12: libct_container_set_attachable(any(), number(), 100); break;
    case 13: keep(libct_container_attach(any(), &options)); break;
    case 14: libct_attachment_write(any(), buffer, next(17)); break;
    case 15: libct_attachment_close(any()); break;
    case 16: libct_container_write_input(any(), buffer, next(17)); break;
    case 17: libct_container_clear_log(any()); break;
    case 18: libct_process_desc_set_stdio(any(), (enum libct_stdio)number(), LIBCT_STDIO_PIPE, LIBCT_STDIO_NULL); break;
    case 19: libct_process_desc_set_terminal(any(), (unsigned)number(), 80); break;
    case 20: {
        const int fd = libct_process_stream(any(), number());
        if (fd >= 0)
            close(fd);
        break;
    }
    case 21: libct_container_save(any()); break;
    case 22: libct_container_phase(any()); break;
    default: libct_container_on_stats(any(), next(3), NULL, NULL); break;
    }
}

static void call_anything(void)
{
    switch (next(10)) {
    case 9: call_groups(); break;
    case 7: call_readers(); break;
    case 8: call_processes(); break;
    case 0: call_beyond(); break;
    case 1: call_streams_and_hooks(); break;
    case 2: call_places(); break;
    case 3: case 4: call_others(); break;
    default: call_container(); break;
    }
}

static void survives_any_calls(void)
{
    make_root("root");
    /* Programs and functions end by themselves; what runs in a container that was destroyed is reaped in the end. */
    for (unsigned seed = 1; seed <= 20; ++seed) {
        state = seed * 0x9e3779b97f4a7c15ULL;
        session = libct_session_open_local();
        CHECK_HANDLE(session);
        for (int i = 0; i < Slots; ++i)
            handles[i] = i % 4 == 0   ? (void *)session
                         : i % 4 == 1 ? (void *)libct_container_create(session, "capi-fuzz")
                                      : (void *)libct_process_desc_create(session);
        for (int i = 0; i < 1500; ++i)
            call_anything();
        libct_session_close(session);
        for (int i = 0; i < Slots; ++i)
            libct_session_close(handles[i]);
    }
    session = NULL;
    while (waitpid(-1, NULL, __WALL) > 0)
        ;
}

const struct test fuzz_tests[] = {
    {"survives_any_calls", survives_any_calls},
    {NULL, NULL},
};
