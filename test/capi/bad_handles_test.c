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
#include <sched.h>
#include <stdint.h>

#include "check.h"

/* Handles that stand for nothing, or for something of another kind, are refused by everything that takes one. */

static void refuse_container(ct_handler_t bad)
{
    char buffer[8];
    struct libct_cmd command = {.path = buffer};
    struct libct_attach_server_options server = {.struct_size = sizeof server, .path = "/tmp/x"};
    struct libct_log_stats logged = {.struct_size = sizeof logged};
    struct libct_log_service service = {.struct_size = sizeof service};
    struct libct_log_options log = {.struct_size = sizeof log};
    struct libct_health_check check = {.struct_size = sizeof check};
    struct libct_mount mount = {.struct_size = sizeof mount, .source = "a", .target = "b"};
    CHECK_ERROR(libct_container_serve(bad, &server), -LCTERR_INVARG);
    CHECK_INT(libct_container_clear_attachable(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_log_journald_with(bad, &service), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_log_syslog_with(bad, &service), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_log_options(bad, &log), -LCTERR_INVARG);
    CHECK_INT(libct_container_resize_terminal(bad, 1, 1), -LCTERR_INVARG);
    CHECK_INT(libct_container_log_stats(bad, &logged), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_start(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_frozen(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_health(bad, &check, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_hook(bad, LIBCT_HOOK_POSTSTOP, &command, 0), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_hook_cb(bad, LIBCT_HOOK_POSTSTOP, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_clear_hooks(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_annotation(bad, "a", "b"), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add(bad, &mount), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_default_mounts(bad), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_default_devices(bad), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_default_masks(bad), -LCTERR_INVARG);
    CHECK_INT(libct_fs_mask(bad, "/x"), -LCTERR_INVARG);
    CHECK_INT(libct_fs_protect(bad, "/x"), -LCTERR_INVARG);
    CHECK_INT(libct_fs_set_root_options(bad, 1, LIBCT_PROPAGATION_DEFAULT), -LCTERR_INVARG);
    CHECK_INT(libct_fs_mount(bad, &mount), -LCTERR_INVARG);
    CHECK_INT(libct_fs_unmount(bad, "/x"), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_namespace(bad, CLONE_NEWNS), -LCTERR_INVARG);
    CHECK_INT(libct_container_join_fd(bad, CLONE_NEWNS, 0), -LCTERR_INVARG);
    CHECK_INT(libct_container_join(bad, CLONE_NEWNS, bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_time_offsets(bad, 1, 1), -LCTERR_INVARG);
    CHECK_INT(libct_userns_map_root_to_caller(bad), -LCTERR_INVARG);
    CHECK_INT(libct_userns_map_subordinate_ids(bad), -LCTERR_INVARG);
    CHECK_INT(libct_userns_set_setgroups(bad, LIBCT_SETGROUPS_AUTO), -LCTERR_INVARG);
    CHECK_INT(libct_container_pin(bad, NULL, buffer, sizeof buffer), -LCTERR_INVARG);
    CHECK_INT(libct_container_unpin(bad, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_namespace_fd(bad, CLONE_NEWNS), -LCTERR_INVARG);
}

static void refuse_network(ct_handler_t bad)
{
    struct libct_net_device device = {.struct_size = sizeof device, .container_name = "x"};
    struct libct_address address = {.struct_size = sizeof address, .device = "lo", .address = "10.0.0.1"};
    struct libct_neighbour neighbour = {.struct_size = sizeof neighbour, .device = "lo", .address = "10.0.0.1"};
    struct libct_route route = {.struct_size = sizeof route, .device = "lo"};
    struct libct_rule rule = {.struct_size = sizeof rule, .table = 5};
    struct libct_names names = {.struct_size = sizeof names};
    struct libct_net_visitor visitor = {.struct_size = sizeof visitor};
    CHECK_INT(libct_net_add_device(bad, &device), -LCTERR_INVARG);
    CHECK_INT(libct_net_attach_device(bad, &device), -LCTERR_INVARG);
    CHECK_INT(libct_net_detach_device(bad, "x"), -LCTERR_INVARG);
    CHECK_INT(libct_net_attach_address(bad, &address), -LCTERR_INVARG);
    CHECK_INT(libct_net_detach_address(bad, &address), -LCTERR_INVARG);
    CHECK_INT(libct_net_add_neighbour(bad, &neighbour), -LCTERR_INVARG);
    CHECK_INT(libct_net_attach_neighbour(bad, &neighbour), -LCTERR_INVARG);
    CHECK_INT(libct_net_detach_neighbour(bad, &neighbour), -LCTERR_INVARG);
    CHECK_INT(libct_net_add_route(bad, &route), -LCTERR_INVARG);
    CHECK_INT(libct_net_attach_route(bad, &route), -LCTERR_INVARG);
    CHECK_INT(libct_net_detach_route(bad, &route), -LCTERR_INVARG);
    CHECK_INT(libct_net_add_rule(bad, &rule), -LCTERR_INVARG);
    CHECK_INT(libct_net_attach_rule(bad, &rule), -LCTERR_INVARG);
    CHECK_INT(libct_net_detach_rule(bad, &rule), -LCTERR_INVARG);
    CHECK_INT(libct_net_set_names(bad, &names), -LCTERR_INVARG);
    CHECK_INT(libct_net_read(bad, &visitor), -LCTERR_INVARG);
    CHECK_INT(libct_net_pin(bad, "capi"), -LCTERR_INVARG);
}

static void refuse_others(void *bad)
{
    struct libct_attach_server_options options = {.struct_size = sizeof options, .path = "/tmp/x"};
    struct libct_attach_server_stats stats = {.struct_size = sizeof stats};
    libct_attach_server_t server = bad;
    libct_attachment_t attachment = bad;
    CHECK_ERROR(libct_session_serve(bad, &options), -LCTERR_INVARG);
    CHECK_INT(libct_attach_server_finished(server), -LCTERR_INVARG);
    CHECK_INT(libct_attach_server_get_stats(server, &stats), -LCTERR_INVARG);
    CHECK_INT(libct_attach_server_disconnect_clients(server), -LCTERR_INVARG);
    CHECK_INT(libct_attach_server_write(server, 1, "x", 1), -LCTERR_INVARG);
    CHECK_INT(libct_attach_server_takes_output(server), -LCTERR_INVARG);
    CHECK_INT(libct_attach_server_set_input(server, 0), -LCTERR_INVARG);
    CHECK_INT(libct_attach_server_finish(server), -LCTERR_INVARG);
    libct_attach_server_close(server);
    CHECK_INT(libct_attachment_close_input(attachment), -LCTERR_INVARG);
    CHECK_INT(libct_attachment_attached(attachment), -LCTERR_INVARG);
}

static void refuse_desc(ct_process_desc_t bad)
{
    char buffer[8];
    struct libct_scheduling scheduling = {.struct_size = sizeof scheduling};
    struct libct_capability_sets sets = {.struct_size = sizeof sets};
    struct libct_seccomp_rule rule = {.struct_size = sizeof rule};
    CHECK_INT(libct_process_desc_set_spec(bad, "{}"), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_get_spec(bad, buffer, sizeof buffer), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_directory(bad, "/"), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_umask(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_add_env(bad, "a", "b"), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_reaper(bad, 1), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_add_fd(bad, 3, 0, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_oom_score(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_personality(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_keyring(bad, ""), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_scheduling(bad, &scheduling), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_memory_policy(bad, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_capabilities(bad, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_capability_sets(bad, &sets), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_no_new_privileges(bad, 1), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_secure_bits(bad, 1), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_seccomp(bad, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_add_seccomp_rule(bad, &rule), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_landlock(bad, NULL), -LCTERR_INVARG);
}

static int on_io(const struct libct_io_stats *device, void *user)
{
    return device->major > 0 || user != NULL;
}

static int on_pages(const struct libct_hugetlb_stats *pages, void *user)
{
    return pages->page_bytes > 0 || user != NULL;
}

static void refuse_groups(ct_handler_t bad)
{
    char buffer[8];
    struct libct_cgroup_options options = {.struct_size = sizeof options};
    struct libct_stall stall = {.struct_size = sizeof stall};
    CHECK_INT(libct_controller_add_named(bad, "pids"), -LCTERR_INVARG);
    CHECK_INT(libct_controller_configure_named(bad, "pids", "a", "b"), -LCTERR_INVARG);
    CHECK_INT(libct_controller_read_named(bad, "pids", "a", buffer, 8), -LCTERR_INVARG);
    CHECK_INT(libct_controller_path(bad, "pids", buffer, 8), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_cgroup_options(bad, &options), -LCTERR_INVARG);
    CHECK_INT(libct_container_io_stats(bad, on_io, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_hugetlb_stats(bad, on_pages, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_stall(bad, 0, 0, &stall), -LCTERR_INVARG);
}

static int on_info(const struct libct_container_info *info, void *user)
{
    (void)info;
    (void)user;
    return 0;
}

static void refuse_lives(void *bad)
{
    char buffer[8];
    struct libct_container_info info = {.struct_size = sizeof info};
    CHECK_INT(libct_container_set_process(bad, desc, "x", (char *[]){NULL}, NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_start(bad), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_find(bad, "x"), -LCTERR_INVARG);
    CHECK_INT(libct_container_exit_json(bad, buffer, sizeof buffer), -LCTERR_INVARG);
    CHECK_INT(libct_fs_set_proc_mode(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_process_signal(bad, 9), -LCTERR_INVARG);
    CHECK_INT(libct_process_wait_for(bad, 0, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_process_pidfd(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_signal(bad, 9), -LCTERR_INVARG);
    CHECK_INT(libct_container_wait_for(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_container_stop(bad, 0, 9), -LCTERR_INVARG);
    CHECK_INT(libct_container_freeze(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_container_thaw(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_container_detach(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_remove_forced(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_seccomp(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_get_info(bad, &info), -LCTERR_INVARG);
    CHECK_INT(libct_session_containers(bad, on_info, NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_read_log(bad, "x", NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_session_read_events(bad, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_log_reader_read(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_log_reader_fd(bad), -LCTERR_INVARG);
    libct_log_reader_close(bad);
    CHECK_INT(libct_event_reader_read(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_event_reader_fd(bad), -LCTERR_INVARG);
    libct_event_reader_close(bad);
    CHECK_INT(libct_notice_valid(bad), -LCTERR_INVARG);
    CHECK_INT(libct_notice_read(bad, 0, buffer, 1), -LCTERR_INVARG);
    CHECK_INT(libct_notice_read_string(bad, 0, buffer, sizeof buffer), -LCTERR_INVARG);
    CHECK_INT(libct_notice_add_fd(bad, 0, -1, 0), -LCTERR_INVARG);
}

static void are_refused(void)
{
    ct_handler_t gone = make_container();
    libct_container_destroy(gone);
    void *const bad[] = {NULL, (void *)(intptr_t)-1, (void *)(intptr_t)-LCTERR_NOTFOUND, gone, desc, &gone};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        refuse_container(bad[i]);
        refuse_network(bad[i]);
        refuse_others(bad[i]);
        refuse_lives(bad[i]);
        refuse_groups(bad[i]);
        if (bad[i] != desc)
            refuse_desc(bad[i]);
    }
    refuse_container((ct_handler_t)(void *)session);
    refuse_network((ct_handler_t)(void *)session);
}

/* A size that is none, and fields of a later release that are not 0. */
static void structs_are_checked(void)
{
    struct {
        struct libct_mount known;
        long later;
    } mount = {.known = {.struct_size = sizeof mount, .source = "tmpfs", .target = "/mnt", .type = "tmpfs"}};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_fs_add(ct, &mount.known), 0);
    mount.later = 1;
    CHECK_INT(libct_fs_add(ct, &mount.known), -LCTERR_INVARG);
    mount.known.struct_size = 0;
    CHECK_INT(libct_fs_add(ct, &mount.known), -LCTERR_INVARG);
    mount.known.struct_size = 1 << 20;
    CHECK_INT(libct_fs_add(ct, &mount.known), -LCTERR_INVARG);
    /* What an older caller does not know is as if it were 0. */
    mount.known.struct_size = offsetof(struct libct_mount, flags);
    mount.known.flags = ~0U;
    CHECK_INT(libct_fs_add(ct, &mount.known), 0);
    struct libct_log_stats stats = {.struct_size = sizeof stats.struct_size, .bytes = 99};
    CHECK_INT(libct_container_log_stats(ct, &stats), 0);
    CHECK_INT(stats.bytes, 99);
    stats.struct_size = 7;
    CHECK_INT(libct_container_log_stats(ct, &stats), -LCTERR_INVARG);
}

const struct test bad_handle_tests[] = {
    {"are_refused", are_refused},
    {"structs_are_checked", structs_are_checked},
    {NULL, NULL},
};
