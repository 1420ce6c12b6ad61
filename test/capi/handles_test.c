/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <fcntl.h>
#include <libct-events.h>
#include <libct-resources.h>
#include <libct-streams.h>
#include <sched.h>
#include <unistd.h>

#include "check.h"

static void encode_errors(void)
{
    CHECK_INT(libct_handle_is_err(libct_err_to_handle(-1)), 1);
    CHECK_INT(libct_handle_is_err(libct_err_to_handle(-4095)), 1);
    CHECK_INT(libct_handle_is_err(libct_err_to_handle(-4096)), 0);
    CHECK_INT(libct_handle_is_err(NULL), 0);
    CHECK_INT(libct_handle_is_err(&session), 0);
    CHECK_INT(libct_handle_to_err(libct_err_to_handle(-LCTERR_CANTMOUNT)), -LCTERR_CANTMOUNT);
    CHECK(libct_version()[0] != '\0');
}

static void have_the_old_numbers(void)
{
    CHECK(LCTERR_BADCTSTATE == 1002 && LCTERR_BADTYPE == 1003 && LCTERR_BADARG == 1004 && LCTERR_NONS == 1005);
    CHECK(LCTERR_NOTFOUND == 1006 && LCTERR_INVARG == 1007 && LCTERR_OPNOTSUPP == 1008 && LCTERR_CANTMOUNT == 1010);
    CHECK(LCTERR_CGCREATE == 1021 && LCTERR_CGCONFIG == 1022 && LCTERR_CGATTACH == 1023);
    CHECK(LCTERR_BADCTRID == 1042 && LCTERR_BADCTRNAME == 1043 && LCTERR_RPCUNKNOWN == 1044 && LCTERR_RPCCOMM == 1045);
    CHECK(CT_ERROR == -1 && CT_STOPPED == 0 && CT_RUNNING == 1 && CT_PAUSED == 2);
    CHECK(CTL_BLKIO == 0 && CTL_CPU == 1 && CTL_CPUACCT == 2 && CTL_CPUSET == 3 && CTL_DEVICES == 4);
    CHECK(CTL_FREEZER == 5 && CTL_HUGETLB == 6 && CTL_MEMORY == 7 && CTL_NETCLS == 8 && CT_NR_CONTROLLERS == 9);
    CHECK(CT_FS_NONE == 0 && CT_FS_SUBDIR == 1 && CT_NET_NONE == 0 && CT_NET_HOSTNIC == 1 && CT_NET_VETH == 2);
    CHECK(CT_FS_RDONLY == 1 && CT_FS_PRIVATE == 2 && CT_FS_BIND == 4 && CT_FS_NOEXEC == 8 && CT_FS_NOSUID == 16);
    CHECK(CT_FS_NODEV == 32 && CT_FS_STRICTATIME == 64 && CT_FS_REC == 128);
    CHECK(LIBCT_OPT_AUTO_PROC_MOUNT == 1 && LIBCT_OPT_CGROUP_SUBMOUNT == 2 && LIBCT_OPT_KILLABLE == 3);
    CHECK(LIBCT_OPT_NOSETSID == 4 && LIBCT_OPT_SYSTEMD == 5 && LIBCT_OPT_TASKLESS == 6);
    CHECK(CAPS_BSET == 1 && CAPS_ALLCAPS == 2 && CAPS_ALL == 3 && LIBCT_CONSOLE_FD == -2);
    CHECK(LOG_MSG == 0 && LOG_ERROR == 1 && LOG_WARN == 2 && LOG_INFO == 3 && LOG_DEBUG == 4);
    CHECK(DEFAULT_LOGLEVEL == LOG_WARN);
    CHECK(sizeof(struct libct_cmd) == 5 * sizeof(void *) && sizeof(struct ct_net_veth_arg) == 2 * sizeof(void *));
    CHECK(offsetof(struct libct_cmd, next) == 0 && offsetof(struct libct_cmd, path) == sizeof(void *));
    CHECK(offsetof(struct libct_cmd, argv) == 2 * sizeof(void *));
    CHECK(offsetof(struct libct_cmd, envp) == 3 * sizeof(void *));
    CHECK(offsetof(struct libct_cmd, dir) == 4 * sizeof(void *));
    CHECK(offsetof(struct ct_net_veth_arg, host_name) == 0);
    CHECK(offsetof(struct ct_net_veth_arg, ct_name) == sizeof(void *));
    CHECK(sizeof(enum ct_state) == sizeof(int) && sizeof(enum ct_controller) == sizeof(int));
    CHECK(sizeof(enum ct_fs_type) == sizeof(int) && sizeof(enum ct_net_type) == sizeof(int));
    CHECK(sizeof(struct libct_processes) == sizeof(int) && offsetof(struct libct_processes, array) == sizeof(int));
}

/* Every function of a container, with a handle that is none. */
static void refuse_container(ct_handler_t bad)
{
    char text[] = "x", *argv[] = {text, NULL};
    struct ct_net_veth_arg veth = {text, text};
    char buffer[8];
    CHECK_INT(libct_container_state(bad), CT_ERROR);
    CHECK_INT(libct_container_set_nsmask(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_nspath(bad, CLONE_NEWNET, text), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_sysctl(bad, text, text), -LCTERR_INVARG);
    CHECK_INT(libct_container_uname(bad, text, text), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_option(bad, LIBCT_OPT_NOSETSID, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_console_fd(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_userns_add_uid_map(bad, 0, 0, 1), -LCTERR_INVARG);
    CHECK_INT(libct_userns_add_gid_map(bad, 0, 0, 1), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_spawn_cb(bad, desc, end_at_once, NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_spawn_execv(bad, desc, text, argv), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_spawn_execve(bad, desc, text, argv, argv), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_enter_cb(bad, desc, end_at_once, NULL), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_enter_execv(bad, desc, text, argv), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_enter_execve(bad, desc, text, argv, argv), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_load(bad, 1), -LCTERR_INVARG);
    CHECK_INT(libct_container_kill(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_wait(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_switch(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_pause(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_resume(bad), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_processes(bad), -LCTERR_INVARG);
    CHECK_INT(libct_controller_add(bad, CTL_MEMORY), -LCTERR_INVARG);
    CHECK_INT(libct_controller_configure(bad, CTL_MEMORY, text, text), -LCTERR_INVARG);
    CHECK_INT(libct_controller_read(bad, CTL_MEMORY, text, buffer, sizeof buffer), -LCTERR_INVARG);
    CHECK_INT(libct_fs_set_root(bad, text), -LCTERR_INVARG);
    CHECK_INT(libct_fs_set_private(bad, CT_FS_SUBDIR, text), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_bind_mount(bad, text, text, 0), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_mount(bad, text, text, 0, text, text), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_mount_with_actions(bad, text, text, 0, text, text, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_del_bind_mount(bad, text), -LCTERR_INVARG);
    CHECK_INT(libct_fs_add_devnode(bad, text, 0, 0, 0), -LCTERR_INVARG);
    CHECK_ERROR(libct_net_add(bad, CT_NET_VETH, &veth), -LCTERR_INVARG);
    CHECK_INT(libct_net_del(bad, CT_NET_VETH, &veth), -LCTERR_INVARG);
    CHECK_ERROR(libct_net_route_add(bad), -LCTERR_INVARG);
    libct_container_destroy(bad);
    libct_container_close(bad);
}

/* The same of what the first libct did not have. */
static void refuse_container_beyond(ct_handler_t bad)
{
    char buffer[8];
    struct libct_exit_record record = {.struct_size = sizeof record};
    struct libct_stats stats = {.struct_size = sizeof stats};
    struct libct_limits limits = {.struct_size = sizeof limits};
    struct libct_area area = {.struct_size = sizeof area, .type = LIBCT_AREA_TMPFS};
    struct libct_bridge bridge = {.struct_size = sizeof bridge, .name = "b"};
    struct libct_veth veth = {.struct_size = sizeof veth};
    struct libct_port port = {.struct_size = sizeof port, .host_port = 1, .container_port = 1};
    struct libct_log_file file = {.struct_size = sizeof file, .path = "/x"};
    struct libct_attach_options options = {.struct_size = sizeof options};
    CHECK_INT(libct_container_phase(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_phase(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_exit(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_exit_record(bad, &record), -LCTERR_INVARG);
    CHECK_INT(libct_container_describe_exit(bad, buffer, sizeof buffer), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_exit_file(bad, "/x"), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_oom(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_limit(bad, LIBCT_REACHED_PIDS_MAX, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_process_exit(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_pressure(bad, NULL, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_limits(bad, &limits), -LCTERR_INVARG);
    CHECK_INT(libct_container_update_limits(bad, &limits), -LCTERR_INVARG);
    CHECK_INT(libct_container_stats(bad, &stats), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_stats(bad, 1, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_output(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_on_line(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_log_file(bad, &file), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_log_journald(bad, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_log_syslog(bad, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_add_log_sink(bad, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_clear_log(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_reopen_log(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_attachable(bad, 1, 0), -LCTERR_INVARG);
    CHECK_INT(libct_container_write_input(bad, "x", 1), -LCTERR_INVARG);
    CHECK_INT(libct_container_close_input(bad), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_attach(bad, &options), -LCTERR_INVARG);
    CHECK_INT(libct_container_save(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_remove(bad), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_spec(bad, "{}"), -LCTERR_INVARG);
    CHECK_INT(libct_container_get_spec(bad, buffer, sizeof buffer), -LCTERR_INVARG);
    CHECK_INT(libct_fs_set_area(bad, &area), -LCTERR_INVARG);
    CHECK_INT(libct_fs_changes(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_fs_commit(bad, "/x"), -LCTERR_INVARG);
    CHECK_INT(libct_fs_discard(bad), -LCTERR_INVARG);
    CHECK_INT(libct_net_loopback_up(bad), -LCTERR_INVARG);
    CHECK_INT(libct_net_add_bridge(bad, &bridge), -LCTERR_INVARG);
    CHECK_INT(libct_net_add_veth(bad, &veth), -LCTERR_INVARG);
    CHECK_INT(libct_net_publish(bad, &port), -LCTERR_INVARG);
}

/* All the others. */
static void refuse_others(void *bad)
{
    char text[] = "x", *list[] = {text, NULL};
    unsigned int groups[] = {1};
    int fds[] = {0};
    CHECK_ERROR(libct_container_create(bad, text), -LCTERR_INVARG);
    CHECK_ERROR(libct_container_open(bad, text), -LCTERR_INVARG);
    CHECK_ERROR(libct_process_desc_create(bad), -LCTERR_INVARG);
    CHECK_INT(libct_process_wait(bad, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_process_get_pid(bad), -LCTERR_INVARG);
    CHECK_ERROR(libct_process_desc_copy(bad), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_setuid(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_setgid(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_user(bad, text), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_groups(bad, 1, groups), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_caps(bad, 0, CAPS_ALL), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_pdeathsig(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_lsm_label(bad, text), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_rlimit(bad, 0, 0, 0), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_fds(bad, fds, 1), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_env(bad, list, 1), -LCTERR_INVARG);
    CHECK_ERROR(libct_net_dev_get_peer(bad), -LCTERR_INVARG);
    CHECK_INT(libct_net_dev_set_mac_addr(bad, text), -LCTERR_INVARG);
    CHECK_INT(libct_net_dev_set_master(bad, text), -LCTERR_INVARG);
    CHECK_INT(libct_net_dev_add_ip_addr(bad, text), -LCTERR_INVARG);
    CHECK_INT(libct_net_dev_set_mtu(bad, 1), -LCTERR_INVARG);
    CHECK_INT(libct_net_route_set_src(bad, text), -LCTERR_INVARG);
    CHECK_INT(libct_net_route_set_dst(bad, text), -LCTERR_INVARG);
    CHECK_INT(libct_net_route_set_dev(bad, text), -LCTERR_INVARG);
    CHECK_ERROR(libct_net_route_add_nh(bad), -LCTERR_INVARG);
    CHECK_INT(libct_net_route_nh_set_gw(bad, text), -LCTERR_INVARG);
    CHECK_INT(libct_net_route_nh_set_dev(bad, text), -LCTERR_INVARG);
    CHECK_INT(libct_session_fd(bad), -LCTERR_INVARG);
    CHECK_INT(libct_session_dispatch(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_session_features(bad, NULL, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_stdio(bad, LIBCT_STDIO_NULL, LIBCT_STDIO_NULL, LIBCT_STDIO_NULL), -LCTERR_INVARG);
    CHECK_INT(libct_process_desc_set_terminal(bad, 1, 1), -LCTERR_INVARG);
    CHECK_INT(libct_process_stream(bad, 0), -LCTERR_INVARG);
    CHECK_INT(libct_process_resize_terminal(bad, 1, 1), -LCTERR_INVARG);
    CHECK_INT(libct_attachment_write(bad, text, 1), -LCTERR_INVARG);
    libct_attachment_close(bad);
    libct_session_close(bad);
    libct_process_destroy(bad);
    libct_process_desc_destroy(bad);
    libct_processes_free(libct_err_to_handle(-1));
    libct_processes_free(NULL);
}

static void are_refused_if_bad(void)
{
    int other = 0;
    ct_handler_t ct = make_container();
    void *const bad[] = {NULL, libct_err_to_handle(-1), libct_err_to_handle(-LCTERR_INVARG), &other};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        refuse_container(bad[i]);
        refuse_container_beyond(bad[i]);
        refuse_others(bad[i]);
    }
    /* Of another kind. */
    refuse_container((ct_handler_t)(void *)desc);
    refuse_container_beyond((ct_handler_t)(void *)desc);
    refuse_container((ct_handler_t)(void *)session);
    refuse_container_beyond((ct_handler_t)(void *)session);
    refuse_others(ct);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
    CHECK_ERROR(libct_container_spawn_cb(ct, NULL, end_at_once, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_container_state(ct), CT_STOPPED);
}

static void are_refused_when_gone(void)
{
    ct_handler_t ct = make_container();
    libct_container_destroy(ct);
    refuse_container(ct);
    refuse_container_beyond(ct);
    ct = make_container();
    libct_session_close(session);
    refuse_container(ct);
    refuse_container_beyond(ct);
    refuse_others(session);
    libct_process_desc_destroy(desc);
    refuse_others(desc);
    session = NULL;
}

const struct test handle_tests[] = {
    {"encode_errors", encode_errors},
    {"have_the_old_numbers", have_the_old_numbers},
    {"are_refused_if_bad", are_refused_if_bad},
    {"are_refused_when_gone", are_refused_when_gone},
    {NULL, NULL},
};
