/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <arpa/inet.h>
#include <errno.h>
#include <libct-streams.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static int run(const char *command)
{
    const int status = system(command);
    if (status != 0)
        fprintf(stderr, "%s: %d\n", command, status);
    return status;
}

/* Runs a command in the network namespace of the container. */
static int run_inside(ct_process_t init, const char *command)
{
    char line[512];
    snprintf(line, sizeof line, "nsenter -n -t %d sh -c '%s'", libct_process_get_pid(init), command);
    return run(line);
}

static void stop(ct_handler_t ct, ct_process_t init)
{
    CHECK_INT(kill(libct_process_get_pid(init), SIGKILL), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void refuses_what_is_wrong(void)
{
    char host[] = "capih0", inside[] = "eth0";
    struct ct_net_veth_arg pair = {host, inside}, half = {host, NULL};
    ct_handler_t ct = make_container();
    CHECK_ERROR(libct_net_add(ct, CT_NET_VETH, &pair), -LCTERR_NONS);
    CHECK_ERROR(libct_net_add(ct, (enum ct_net_type)9, &pair), -LCTERR_NONS);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET), 0);
    CHECK(libct_net_add(ct, CT_NET_NONE, NULL) == NULL);
    CHECK_ERROR(libct_net_add(ct, (enum ct_net_type)9, &pair), -LCTERR_BADTYPE);
    CHECK_ERROR(libct_net_add(ct, CT_NET_VETH, NULL), -LCTERR_BADARG);
    CHECK_ERROR(libct_net_add(ct, CT_NET_VETH, &half), -LCTERR_BADARG);
    CHECK_ERROR(libct_net_add(ct, CT_NET_HOSTNIC, NULL), -LCTERR_BADARG);
    ct_net_t nic = libct_net_add(ct, CT_NET_HOSTNIC, host);
    CHECK_HANDLE(nic);
    CHECK_ERROR(libct_net_dev_get_peer(nic), -LCTERR_BADARG);
    CHECK_INT(libct_net_del(ct, CT_NET_NONE, NULL), 0);
    CHECK_INT(libct_net_del(ct, (enum ct_net_type)9, host), -LCTERR_BADTYPE);
    CHECK_INT(libct_net_del(ct, CT_NET_VETH, &pair), -LCTERR_NOTFOUND);
    CHECK_INT(libct_net_del(ct, CT_NET_HOSTNIC, inside), -LCTERR_NOTFOUND);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1); /* there is no such link */
    CHECK_INT(libct_net_del(ct, CT_NET_HOSTNIC, host), 0);
    CHECK_INT(libct_net_dev_set_mtu(nic, 1400), -LCTERR_INVARG);
    ct_net_t veth = libct_net_add(ct, CT_NET_VETH, &pair);
    CHECK_HANDLE(veth);
    ct_net_t end = libct_net_dev_get_peer(veth);
    CHECK_HANDLE(end);
    CHECK(libct_net_dev_get_peer(veth) == end);
    CHECK_ERROR(libct_net_dev_get_peer(end), -LCTERR_BADARG);
    CHECK_INT(libct_net_del(ct, CT_NET_HOSTNIC, host), -LCTERR_NOTFOUND); /* of another type */
    CHECK_INT(libct_net_del(ct, CT_NET_VETH, &pair), 0);
    CHECK_INT(libct_net_del(ct, CT_NET_VETH, &pair), -LCTERR_NOTFOUND);
    CHECK_INT(libct_net_dev_set_mtu(end, 1400), -LCTERR_INVARG);
    veth = libct_net_add(ct, CT_NET_VETH, &pair);
    CHECK_HANDLE(veth);
    CHECK_INT(libct_net_dev_set_mac_addr(veth, "nonsense"), 0); /* checked at the start */
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
    /* A mask without CLONE_NEWNET drops devices and routes. */
    ct_net_route_t route = libct_net_route_add(ct);
    CHECK_HANDLE(route);
    CHECK_INT(libct_container_set_nsmask(ct, 0), 0);
    CHECK_INT(libct_net_dev_set_mtu(veth, 1400), -LCTERR_INVARG);
    CHECK_INT(libct_net_route_set_dev(route, "x"), -LCTERR_INVARG);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_ERROR(libct_net_add(ct, CT_NET_VETH, &pair), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_net_del(ct, CT_NET_VETH, &pair), -LCTERR_BADCTSTATE);
    CHECK(run_inside(init, "ip -o link show lo | grep -q UP") != 0); /* left alone */
    stop(ct, init);
}

static void makes_pairs_and_routes(void)
{
    char host[] = "capih0", inside[] = "net0";
    struct ct_net_veth_arg pair = {host, inside};
    CHECK_INT(run("ip link add capibr0 type bridge && ip link set capibr0 up"), 0);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET), 0);
    ct_net_t veth = libct_net_add(ct, CT_NET_VETH, &pair);
    CHECK_HANDLE(veth);
    ct_net_t peer = libct_net_dev_get_peer(veth);
    CHECK_HANDLE(peer);
    CHECK_INT(libct_net_dev_set_mac_addr(veth, "02:00:00:00:00:17"), 0);
    CHECK_INT(libct_net_dev_set_mac_addr(veth, "02:00:00:00:00:18"), 0); /* replaces */
    CHECK_INT(libct_net_dev_add_ip_addr(veth, "10.77.0.2/24"), 0);
    CHECK_INT(libct_net_dev_add_ip_addr(veth, "fd77::2/64"), 0);
    CHECK_INT(libct_net_dev_set_mtu(veth, 1400), 0);
    CHECK_INT(libct_net_dev_set_mac_addr(peer, "02:00:00:00:00:19"), 0);
    CHECK_INT(libct_net_dev_add_ip_addr(peer, "10.77.1.1/24"), 0);
    CHECK_INT(libct_net_dev_set_master(peer, "capibr0"), 0);
    CHECK_INT(libct_net_dev_set_mac_addr(peer, NULL), -LCTERR_INVARG);
    strcpy(host, "xxxxxx"); /* it was copied */
    /* In the order of the calls: the second goes by way of the first. */
    ct_net_route_t link = libct_net_route_add(ct);
    CHECK_HANDLE(link);
    CHECK_INT(libct_net_route_set_dst(link, "10.78.0.0/24"), 0);
    CHECK_INT(libct_net_route_set_dev(link, inside), 0);
    CHECK_INT(libct_net_route_set_src(link, "10.77.0.2"), 0);
    ct_net_route_t all = libct_net_route_add(ct);
    ct_net_route_nh_t hop = libct_net_route_add_nh(all);
    CHECK_HANDLE(hop);
    CHECK_INT(libct_net_route_nh_set_gw(hop, "10.78.0.1"), 0);
    CHECK_INT(libct_net_route_nh_set_dev(hop, inside), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    strcpy(host, "capih0");
    CHECK(if_nametoindex(host) != 0);
    CHECK_INT(run_inside(init, "ip -o link show net0 | grep UP | grep 02:00:00:00:00:18 | grep -q \"mtu 1400\""), 0);
    CHECK_INT(run_inside(init, "ip -o addr show net0 | grep -q 10.77.0.2/24"), 0);
    CHECK_INT(run_inside(init, "ip -o addr show net0 | grep -q fd77::2/64"), 0);
    CHECK_INT(run_inside(init, "ip route show | grep -q \"^10.78.0.0/24 dev net0 .*src 10.77.0.2\""), 0);
    CHECK_INT(run_inside(init, "ip route show | grep -q \"^default via 10.78.0.1 dev net0\""), 0);
    CHECK_INT(run("ip -o link show capih0 | grep UP | grep 02:00:00:00:00:19 | grep -q 'master capibr0'"), 0);
    CHECK_INT(run("ip -o addr show capih0 | grep -q 10.77.1.1/24"), 0);
    stop(ct, init);
    CHECK_INT(if_nametoindex(host), 0);
    /* As the first libct took it, with a length; of several addresses there is none to prefer. */
    CHECK_INT(libct_net_route_set_src(link, "10.77.0.2/24"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, stay, NULL), -1);
    CHECK_INT(libct_net_route_set_src(link, "10.77.0.2/32"), 0);
    CHECK(libct_container_spawn_cb(ct, desc, stay, NULL) == init);
    CHECK_INT(run_inside(init, "ip route show | grep -q \"^10.78.0.0/24 dev net0 .*src 10.77.0.2\""), 0);
    stop(ct, init);
    CHECK_INT(libct_net_route_set_src(link, NULL), -LCTERR_INVARG);
    /* Several ways, and what cannot be reached. */
    ct_net_route_t many = libct_net_route_add(ct);
    CHECK_INT(libct_net_route_set_dst(many, "10.79.0.0/24"), 0);
    ct_net_route_nh_t ways[] = {libct_net_route_add_nh(many), libct_net_route_add_nh(many)};
    CHECK_INT(libct_net_route_nh_set_gw(ways[0], "10.77.0.8"), 0);
    CHECK_INT(libct_net_route_nh_set_gw(ways[1], "10.77.0.9"), 0);
    CHECK(libct_container_spawn_cb(ct, desc, stay, NULL) == init);
    CHECK_INT(run_inside(init, "ip route show 10.79.0.0/24 | grep -q \"nexthop via 10.77.0.8 dev net0\""), 0);
    CHECK_INT(run_inside(init, "ip route show 10.79.0.0/24 | grep -q \"nexthop via 10.77.0.9 dev net0\""), 0);
    stop(ct, init);
    CHECK_INT(libct_net_route_nh_set_gw(ways[1], "10.222.0.9"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, stay, NULL), -1);
    CHECK_INT(if_nametoindex(host), 0);
    CHECK_INT(libct_net_route_nh_set_gw(ways[1], "10.77.0.9"), 0);
    /* A device inside cannot be a port. */
    CHECK_INT(libct_net_dev_set_master(veth, "capibr0"), 0);
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, end_at_once, NULL), -1);
}

static void moves_a_link_of_the_host(void)
{
    char link[] = "capid0";
    CHECK_INT(run("ip link add capid0 type veth peer name capid1"), 0);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET), 0);
    ct_net_t nic = libct_net_add(ct, CT_NET_HOSTNIC, link);
    CHECK_HANDLE(nic);
    CHECK_INT(libct_net_dev_add_ip_addr(nic, "10.79.0.2/24"), 0);
    CHECK_INT(run("ip link set capid0 address 02:00:00:00:00:20"), 0);
    CHECK_INT(libct_net_dev_set_mac_addr(nic, "02:00:00:00:00:21"), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(if_nametoindex(link), 0);
    CHECK_INT(run_inside(init, "ip -o addr show capid0 | grep -q 10.79.0.2/24"), 0);
    CHECK_INT(run_inside(init, "ip -o link show capid0 | grep -q 02:00:00:00:00:21"), 0);
    stop(ct, init);
    CHECK(if_nametoindex(link) != 0);
    CHECK_INT(run("ip -o link show capid0 | grep -q 02:00:00:00:00:20"), 0); /* its own again */
    CHECK_INT(libct_net_dev_set_mac_addr(nic, "03:00:00:00:00:21"), 0); /* one of a group */
    CHECK_ERROR(libct_container_spawn_cb(ct, desc, stay, NULL), -1);
    CHECK(if_nametoindex(link) != 0);
}

static void are_on_bridges(void)
{
    const char *const addresses[] = {"10.91.7.1/24", NULL};
    const struct libct_session_options options = {.struct_size = sizeof options,
                                                  .network_directory = "/tmp/network"};
    struct libct_bridge bridge = {.struct_size = sizeof bridge, .name = "capib0", .addresses = addresses};
    struct libct_veth veth = {.struct_size = sizeof veth, .host_name = "capih0", .bridge = "capib0", .lease = 1};
    struct libct_port port = {.struct_size = sizeof port, .host_port = 8080};
    session = libct_session_open_with(&options);
    CHECK_HANDLE(session);
    desc = libct_process_desc_create(session);
    ct_handler_t ct = libct_container_create(session, name);
    CHECK_INT(libct_net_add_bridge(ct, &bridge), -LCTERR_NONS);
    CHECK_INT(libct_net_add_veth(ct, &veth), -LCTERR_NONS);
    CHECK_INT(libct_net_loopback_up(ct), -LCTERR_NONS);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET), 0);
    CHECK_INT(libct_net_add_bridge(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_net_add_veth(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_net_publish(ct, &port), -LCTERR_BADARG); /* to no port */
    port.host_port = 1 << 16;
    CHECK_INT(libct_net_publish(ct, &port), -LCTERR_BADARG);
    CHECK_INT(libct_net_add_bridge(ct, &bridge), 0);
    CHECK_INT(libct_net_add_veth(ct, &veth), 0);
    CHECK_INT(libct_net_loopback_up(ct), 0);
    ct_process_t init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK_INT(libct_net_loopback_up(ct), -LCTERR_BADCTSTATE);
    CHECK_INT(run("ip -o addr show dev capib0 | grep -q 10.91.7.1/24"), 0);
    CHECK_INT(run("ip -o link show dev capih0 | grep -q \"master capib0\""), 0);
    CHECK_INT(run_inside(init, "ip -o addr show dev eth0 | grep -q \" 10.91.7.\""), 0);
    CHECK_INT(run_inside(init, "ip -o route | grep -q \"10.91.7.0/24\""), 0);
    CHECK_INT(run_inside(init, "ip -o link show dev lo | grep -q \"LOOPBACK,UP\""), 0);
    stop(ct, init);
    CHECK(if_nametoindex("capih0") == 0 && if_nametoindex("capib0") == 0);
    /* No network, none of that. */
    CHECK_INT(libct_container_set_nsmask(ct, 0), 0);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET), 0);
    init = libct_container_spawn_cb(ct, desc, stay, NULL);
    CHECK_HANDLE(init);
    CHECK(if_nametoindex("capib0") == 0);
    stop(ct, init);
}

static void are_reached_through_the_host(void)
{
    char *argv[] = {TEST_INIT, "serve", "tcp", "9090", NULL}, bytes[64];
    const char *const addresses[] = {"10.91.8.1/24", NULL};
    const struct libct_session_options options = {.struct_size = sizeof options, .on_close = LIBCT_ON_CLOSE_KILL,
                                                  .network_directory = "/tmp/network"};
    struct libct_bridge bridge = {.struct_size = sizeof bridge, .name = "capib0", .addresses = addresses, .nat = 1};
    struct libct_veth veth = {.struct_size = sizeof veth, .bridge = "capib0", .lease = 1};
    struct libct_port port = {.struct_size = sizeof port, .host_port = 8080, .container_port = 9090};
    session = libct_session_open_with(&options);
    CHECK_HANDLE(session);
    desc = libct_process_desc_create(session);
    ct_handler_t ct = libct_container_create(session, name);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS), 0);
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(libct_net_add_bridge(ct, &bridge), 0);
    CHECK_INT(libct_net_add_veth(ct, &veth), 0);
    CHECK_INT(libct_net_publish(ct, &port), 0);
    CHECK_INT(run("ip link set lo up && ip link add capio type veth peer name capip && "
                  "ip addr add 10.91.9.1/24 dev capio && ip link set capio up && ip link set capip up"), 0);
    CHECK_INT(libct_process_desc_set_stdio(desc, LIBCT_STDIO_NULL, LIBCT_STDIO_PIPE, LIBCT_STDIO_INHERIT), 0);
    ct_process_t init = libct_container_spawn_execv(ct, desc, TEST_INIT, argv);
    if (libct_handle_is_err(init) && errno == EOPNOTSUPP)
        skip(libct_last_error()->message);
    CHECK_HANDLE(init);
    const int out = libct_process_stream(init, 1);
    CHECK(read(out, bytes, sizeof bytes) > 0); /* it listens */
    close(out);
    CHECK_INT(run_inside(init, "ip -o route show default | grep -q \"via 10.91.8.1 \""), 0);
    CHECK_INT(run("cat /proc/sys/net/ipv4/ip_forward | grep -q 1"), 0);
    /* By an address of the host's. */
    const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(8080),
                                   .sin_addr = {.s_addr = htonl(0x0a5b0901)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    CHECK_INT(send(fd, "hello", 5, 0), 5);
    CHECK_INT(recv(fd, bytes, sizeof bytes, MSG_WAITALL), 5);
    CHECK(memcmp(bytes, "hello", 5) == 0);
    close(fd);
    CHECK_INT(libct_container_wait(ct), 0);
    CHECK_INT(if_nametoindex("capib0"), 0);
}

const struct test net_tests[] = {
    {"refuses_what_is_wrong", refuses_what_is_wrong},
    {"makes_pairs_and_routes", makes_pairs_and_routes},
    {"moves_a_link_of_the_host", moves_a_link_of_the_host},
    {"are_on_bridges", are_on_bridges},
    {"are_reached_through_the_host", are_reached_through_the_host},
    {NULL, NULL},
};
