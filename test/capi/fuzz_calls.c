/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
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
#include <stdint.h>
#include <unistd.h>

#include "fuzz.h"

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

void call_streams_and_hooks(void)
{
    char buffer[16];
    struct libct_attach_server_options options = {.struct_size = sizeof options, .path = next(2) ? "/tmp/fuzz" : text(),
                                                  .slow = (enum libct_slow_client)number(), .max_clients = next(3)};
    struct libct_attach_server_stats stats = {.struct_size = next(2) ? sizeof stats : next(sizeof stats)};
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

void call_places(void)
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

void call_readers(void)
{
    struct libct_log_reader_options options = {.struct_size = sizeof options, .has_tail = number(), .tail = next(3),
                                               .since_ns = number(), .follow = next(2)};
    struct libct_event_reader_options events = {.struct_size = sizeof events, .follow = next(2)};
    struct libct_log_file file = {.struct_size = sizeof file, .path = text(),
                                  .format = (enum libct_log_format)number()};
    struct libct_container_info info = {.struct_size = next(2) ? sizeof info : next(sizeof info)};
    struct libct_log_options log = {.struct_size = sizeof log, .line_bytes = next(3)};
    struct libct_log_service service = {.struct_size = sizeof service, .socket = "/tmp/missing", .tag = text()};
    switch (next(20)) {
    case 16: keep(libct_session_find(any(), text())); break;
    case 17: keep(libct_container_start(any())); break;
    case 18: libct_container_exit_json(any(), (char[8]){0}, 8); break;
    case 19: libct_container_set_process(any(), any(), text(), (char *[]){NULL}, NULL); break;
    case 12: libct_container_set_log_options(any(), &log); break;
    case 13: libct_container_add_log_journald_with(any(), &service); break;
    case 14: libct_container_add_log_syslog_with(any(), &service); break;
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

void call_processes(void)
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

void call_groups(void)
{
    static const char *const names[] = {"pids", "memory", "nonsense", "net_cls", NULL};
    const char *controller = names[next(5)];
    char buffer[16];
    struct libct_cgroup_options options = {.struct_size = sizeof options, .own_group = (int)next(2),
                                           .mount = (enum libct_cgroup_mount)next(4)};
    struct libct_stall stall = {.struct_size = next(2) ? sizeof stall : next(sizeof stall)};
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
