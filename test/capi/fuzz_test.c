/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <fcntl.h>
#include <libct-attach.h>
#include <libct-events.h>
#include <libct-hooks.h>
#include <libct-mounts.h>
#include <libct-namespaces.h>
#include <libct-network.h>
#include <libct-processes.h>
#include <libct-readers.h>
#include <libct-resources.h>
#include <libct-security.h>
#include <libct-streams.h>
#include <sched.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* Random calls with handles of every kind, whether they stand for something or not: each has to return. */

static uint64_t state;

static unsigned next(unsigned below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state % below);
}

enum { Slots = 24 };
static void *handles[Slots];

static void *any(void)
{
    static void *const bad[] = {NULL, (void *)(intptr_t)-1, (void *)(intptr_t)-LCTERR_INVARG, (void *)(intptr_t)-4095,
                                (void *)(intptr_t)-4096, (void *)(intptr_t)1, &state};
    return next(4) == 0 ? bad[next(sizeof bad / sizeof *bad)] : handles[next(Slots)];
}

static void keep(void *handle)
{
    handles[next(Slots)] = handle;
}

static const char *text(void)
{
    static const char *const texts[] = {NULL, "", "root", "/mnt", "tmpfs", "capi-fuzz", "../..", "10.0.0.2/24", "lo",
                                        "memory.limit_in_bytes", "1", "kernel.hostname", "%n%s", "/dev/null"};
    return texts[next(sizeof texts / sizeof *texts)];
}

static int number(void)
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

static int on_hook_called(ct_handler_t ct, const struct libct_hook_event *event, void *user)
{
    (void)user;
    CHECK(libct_container_phase(ct) <= LIBCT_PHASE_STOPPING && event->pid != 0);
    return 0;
}

static int on_health_asked(ct_handler_t ct, void *user)
{
    (void)user;
    return libct_container_state(ct) == CT_ERROR;
}

static void on_health_told(ct_handler_t ct, const struct libct_health_event *event, void *user)
{
    (void)ct;
    (void)user;
    CHECK(event->reason != NULL);
}

static int on_link_told(const struct libct_link_state *link, void *user)
{
    (void)user;
    return link->index;
}

static void call_streams_and_hooks(void)
{
    char buffer[16];
    struct libct_attach_server_options options = {.struct_size = sizeof options, .path = next(2) ? "/tmp/fuzz" : text(),
                                                  .slow = (enum libct_slow_client)number(), .max_clients = next(3)};
    struct libct_attach_server_stats stats = {.struct_size = next(2) ? sizeof stats : next(64)};
    struct libct_health_check check = {.struct_size = sizeof check, .check = next(2) ? on_health_asked : NULL,
                                       .process = any(), .path = text(), .interval_ms = (unsigned)number()};
    struct libct_cmd command = {.path = next(2) ? "true" : (char *)(uintptr_t)text()};
    switch (next(20)) {
    case 0: keep(libct_container_serve(any(), &options)); break;
    case 1: keep(libct_session_serve(any(), &options)); break;
    case 2: libct_attach_server_close(any()); break;
    case 3: libct_attach_server_finished(any()); break;
    case 4: libct_attach_server_get_stats(any(), &stats); break;
    case 5: libct_attach_server_disconnect_clients(any()); break;
    case 6: libct_attach_server_write(any(), (int)next(4), buffer, next(17)); break;
    case 7: libct_attach_server_takes_output(any()); break;
    case 8: libct_attach_server_set_input(any(), -1 - (int)next(2)); break;
    case 9: libct_attach_server_finish(any()); break;
    case 10: libct_container_clear_attachable(any()); break;
    case 11: libct_attachment_close_input(any()); break;
    case 12: libct_attachment_attached(any()); break;
    case 13: libct_container_resize_terminal(any(), next(3), (unsigned)number()); break;
    case 14: libct_container_on_health(any(), &check, next(2) ? on_health_told : NULL, NULL); break;
    case 15: libct_container_on_frozen(any(), NULL, NULL); break;
    case 16: libct_container_add_hook(any(), (enum libct_hook_point)number(), next(4) ? &command : NULL, 1000); break;
    case 17: libct_container_add_hook_cb(any(), (enum libct_hook_point)number(), on_hook_called, NULL); break;
    case 18: libct_container_clear_hooks(any()); break;
    default: libct_container_set_annotation(any(), text(), text()); break;
    }
}

static void call_places(void)
{
    char buffer[16];
    struct libct_mount mount = {.struct_size = sizeof mount, .source = text(), .target = text(), .type = text(),
                                .flags = (unsigned)number() & 0xfff, .propagation = (enum libct_propagation)number()};
    struct libct_net_device device = {.struct_size = sizeof device, .kind = (enum libct_net_kind)number(),
                                      .host_name = text(), .container_name = text(), .vlan_id = (unsigned)number()};
    struct libct_route route = {.struct_size = sizeof route, .destination = text(), .gateway = text(),
                                .device = text(), .type = (enum libct_route_type)next(5)};
    struct libct_rule rule = {.struct_size = sizeof rule, .from = text(), .table = next(300)};
    struct libct_address address = {.struct_size = sizeof address, .device = text(), .address = text()};
    struct libct_net_visitor visitor = {.struct_size = sizeof visitor, .link = next(2) ? on_link_told : NULL};
    switch (next(24)) {
    case 0: libct_fs_add(any(), &mount); break;
    case 1: libct_fs_mount(any(), &mount); break;
    case 2: libct_fs_unmount(any(), text()); break;
    case 3: libct_fs_add_default_mounts(any()); break;
    case 4: libct_fs_add_default_devices(any()); break;
    case 5: libct_fs_add_default_masks(any()); break;
    case 6: libct_fs_mask(any(), text()); break;
    case 7: libct_fs_protect(any(), text()); break;
    case 8: libct_fs_set_root_options(any(), number(), (enum libct_propagation)number()); break;
    case 9: libct_container_add_namespace(any(), number()); break;
    case 10: libct_container_join_fd(any(), number(), number()); break;
    case 11: libct_container_join(any(), number(), any()); break;
    case 12: libct_container_set_time_offsets(any(), number(), number()); break;
    case 13: libct_userns_map_root_to_caller(any()); break;
    case 14: libct_userns_set_setgroups(any(), (enum libct_setgroups)number()); break;
    case 15: {
        const int fd = libct_container_namespace_fd(any(), number());
        if (fd >= 0)
            close(fd);
        break;
    }
    case 16: libct_net_add_device(any(), &device); break;
    case 17: libct_net_attach_device(any(), &device); break;
    case 18: libct_net_detach_device(any(), text()); break;
    case 19: libct_net_attach_route(any(), &route); break;
    case 20: libct_net_attach_rule(any(), &rule); break;
    case 21: libct_net_attach_address(any(), &address); break;
    case 22: libct_net_named(text(), buffer, next(17)); break;
    default: libct_net_read(any(), &visitor); break;
    }
}

static int on_info_told(const struct libct_container_info *info, void *user)
{
    (void)user;
    return info->pid;
}

static void on_logged(const struct libct_output *line, void *user)
{
    (void)user;
    CHECK(line->bytes != NULL);
}

static void on_recorded(const struct libct_recorded_event *event, void *user)
{
    (void)user;
    CHECK(event->json != NULL);
}

static void call_readers(void)
{
    struct libct_log_reader_options options = {.struct_size = sizeof options, .has_tail = number(), .tail = next(3),
                                               .since_ns = number(), .follow = next(2)};
    struct libct_event_reader_options events = {.struct_size = sizeof events, .follow = next(2)};
    struct libct_log_file file = {.struct_size = sizeof file, .path = text(),
                                  .format = (enum libct_log_format)number()};
    struct libct_container_info info = {.struct_size = next(2) ? sizeof info : next(128)};
    switch (next(13)) {
    case 0: libct_session_containers(any(), next(4) ? on_info_told : NULL, NULL); break;
    case 1: libct_container_get_info(any(), &info); break;
    case 2: keep(libct_session_read_log(any(), text(), &options)); break;
    case 3: keep(libct_log_file_read(&file, &options)); break;
    case 4: libct_log_reader_read(any(), next(4) ? on_logged : NULL, NULL); break;
    case 5: libct_log_reader_fd(any()); break;
    case 6: libct_log_reader_close(any()); break;
    case 7: keep(libct_session_read_events(any(), &events)); break;
    case 8: libct_event_reader_read(any(), next(4) ? on_recorded : NULL, NULL); break;
    case 9: libct_event_reader_fd(any()); break;
    case 10: libct_event_reader_close(any()); break;
    case 11: {
        const int fd = libct_process_pidfd(any());
        if (fd >= 0)
            close(fd);
        break;
    }
    default: libct_notice_valid(any()); break;
    }
}

static void call_processes(void)
{
    static const unsigned cpus[] = {0, 1, 2};
    const char *const names[] = {text(), NULL};
    char buffer[16];
    struct libct_scheduling scheduling = {.struct_size = sizeof scheduling, .set = next(16), .nice = number(),
                                          .policy = (enum libct_policy)number(), .cpus = cpus, .cpu_count = next(4)};
    struct libct_seccomp filter = {.struct_size = sizeof filter, .standard = (int)next(2),
                                   .default_action = (enum libct_seccomp_action)next(3)};
    struct libct_seccomp_rule rule = {.struct_size = sizeof rule, .system_calls = names,
                                      .action = (enum libct_seccomp_action)number()};
    struct libct_landlock_path path = {text(), next(9)};
    struct libct_landlock landlock = {.struct_size = sizeof landlock, .paths = &path, .path_count = next(2)};
    struct libct_memory_policy policy = {.struct_size = sizeof policy, .mode = (enum libct_memory_mode)number()};
    int status;
    switch (next(20)) {
    case 0: libct_process_desc_set_spec(any(), next(2) ? "{\"umask\":18}" : text()); break;
    case 1: libct_process_desc_get_spec(any(), buffer, next(17)); break;
    case 2: libct_process_desc_set_directory(any(), text()); break;
    case 3: libct_process_desc_add_env(any(), text(), text()); break;
    case 4: libct_process_desc_set_reaper(any(), number()); break;
    case 5: libct_process_desc_add_fd(any(), number(), number(), text()); break;
    case 6: libct_process_desc_set_scheduling(any(), &scheduling); break;
    case 7: libct_process_desc_set_memory_policy(any(), &policy); break;
    case 8: libct_process_desc_set_capabilities(any(), next(2) ? names : NULL); break;
    case 9: libct_process_desc_set_seccomp(any(), next(2) ? &filter : NULL); break;
    case 10: libct_process_desc_add_seccomp_rule(any(), &rule); break;
    case 11: libct_process_desc_set_landlock(any(), &landlock); break;
    case 12: libct_process_signal(any(), next(2) ? 0 : number()); break;
    case 13: libct_process_wait_for(any(), (int)next(2), &status); break;
    case 14: libct_container_signal(any(), 0); break;
    case 15: libct_container_wait_for(any(), (int)next(2)); break;
    case 16: libct_container_stop(any(), next(2), 15); break;
    case 17: libct_container_freeze(any(), next(10)); break;
    case 18: libct_container_thaw(any(), next(10)); break;
    default: next(8) == 0 ? libct_container_remove_forced(any()) : libct_container_on_seccomp(any(), NULL, NULL); break;
    }
}

static int on_io_told(const struct libct_io_stats *device, void *user)
{
    (void)user;
    return (int)device->major;
}

static void call_groups(void)
{
    static const char *const names[] = {"pids", "memory", "nonsense", "net_cls", NULL};
    const char *controller = names[next(5)];
    char buffer[16];
    struct libct_cgroup_options options = {.struct_size = sizeof options, .own_group = (int)next(2),
                                           .mount = (enum libct_cgroup_mount)next(4)};
    struct libct_stall stall = {.struct_size = next(2) ? sizeof stall : next(64)};
    switch (next(7)) {
    case 0: libct_controller_configure_named(any(), controller, text(), text()); break;
    case 1: libct_controller_read_named(any(), controller, text(), buffer, sizeof buffer); break;
    case 2: libct_controller_path(any(), controller, buffer, next(17)); break;
    case 3: libct_container_set_cgroup_options(any(), &options); break;
    case 4: libct_container_io_stats(any(), next(2) ? on_io_told : NULL, NULL); break;
    case 5: libct_container_hugetlb_stats(any(), NULL, NULL); break;
    default: libct_container_stall(any(), number(), number(), &stall); break;
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
