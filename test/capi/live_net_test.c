/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#include <errno.h>
#include <libct-network.h>
#include <net/if.h>
#include <sched.h>

#include "check.h"

/* All that was read, in words. */
static char found[65536];

static void add(const char *text)
{
    CHECK(strlen(found) + strlen(text) < sizeof found);
    strcat(found, text);
}

static int on_link(const struct libct_link_state *link, void *user)
{
    char line[512];
    CHECK_INT(link->struct_size, sizeof *link);
    CHECK_INT(*(char *)user, 'u');
    CHECK(link->index > 0 && link->mtu > 0 && link->master != NULL && link->state != NULL);
    snprintf(line, sizeof line, "link %s %s %s %s;", link->name, link->kind, link->mac, link->up ? "up" : "down");
    add(line);
    for (size_t i = 0; i < link->address_count; ++i) {
        const struct libct_address_state *address = &link->addresses[i];
        snprintf(line, sizeof line, "address %s on %s scope %d%s;", address->address, link->name,
                 (int)address->scope, address->valid_s == LIBCT_FOREVER ? "" : " ends");
        add(line);
        CHECK(address->peer != NULL && !address->duplicate);
    }
    return 0;
}

static int on_route(const struct libct_route *route, const char *type, const char *protocol, void *user)
{
    char line[512];
    (void)user;
    CHECK_INT(route->struct_size, sizeof *route);
    snprintf(line, sizeof line, "route %s %s via '%s' dev '%s' table %u metric %u hops %zu by %s;", type,
             route->destination, route->gateway, route->device, route->table, route->metric, route->next_hop_count,
             protocol);
    add(line);
    for (size_t i = 0; i < route->next_hop_count; ++i) {
        snprintf(line, sizeof line, "hop %s weight %u;", route->next_hops[i].gateway, route->next_hops[i].weight);
        add(line);
    }
    return 0;
}

static int on_rule(const struct libct_rule *rule, const char *action, void *user)
{
    char line[512];
    (void)user;
    CHECK_INT(rule->struct_size, sizeof *rule);
    snprintf(line, sizeof line, "rule %u from '%s' mark %u %s %u;", rule->priority, rule->from,
             rule->has_mark ? rule->mark : 0, action, rule->table);
    add(line);
    return 0;
}

static int on_neighbour(const struct libct_neighbour *neighbour, const char *state, void *user)
{
    char line[512];
    (void)user;
    snprintf(line, sizeof line, "neighbour %s %s %s %s;", neighbour->address, neighbour->mac, neighbour->device, state);
    add(line);
    return 0;
}

static bool has(ct_handler_t ct, const char *text)
{
    static char user = 'u';
    const struct libct_net_visitor visitor = {.struct_size = sizeof visitor, .link = on_link, .route = on_route,
                                              .rule = on_rule, .neighbour = on_neighbour, .user = &user};
    found[0] = '\0';
    CHECK_INT(libct_net_read(ct, &visitor), 0);
    return strstr(found, text) != NULL;
}

static void stop(ct_handler_t ct)
{
    CHECK_INT(libct_container_kill(ct), 0);
    CHECK_INT(libct_container_wait(ct), 0);
}

static void refuses_what_is_wrong(void)
{
    struct libct_net_device device = {.struct_size = sizeof device, .kind = LIBCT_NET_DUMMY};
    struct libct_route route = {.struct_size = sizeof route, .device = "lo"};
    struct libct_rule rule = {.struct_size = sizeof rule, .table = 5};
    struct libct_address address = {.struct_size = sizeof address, .device = "lo", .address = "10.9.0.1/24"};
    struct libct_neighbour neighbour = {.struct_size = sizeof neighbour, .device = "lo"};
    struct libct_net_visitor visitor = {.struct_size = sizeof visitor};
    struct libct_names names = {.struct_size = sizeof names};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_net_add_device(ct, &device), -LCTERR_NONS);
    CHECK_INT(libct_net_add_route(ct, &route), -LCTERR_NONS);
    CHECK_INT(libct_net_add_rule(ct, &rule), -LCTERR_NONS);
    CHECK_INT(libct_net_add_neighbour(ct, &neighbour), -LCTERR_NONS);
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET | CLONE_NEWPID), 0);
    CHECK_INT(libct_net_add_device(NULL, &device), -LCTERR_INVARG);
    CHECK_INT(libct_net_add_device(ct, NULL), -LCTERR_INVARG);
    device.kind = (enum libct_net_kind)9;
    CHECK_INT(libct_net_add_device(ct, &device), -LCTERR_BADTYPE);
    device.kind = LIBCT_NET_DUMMY;
    device.mode = LIBCT_IPVLAN_L3;
    CHECK_INT(libct_net_add_device(ct, &device), -LCTERR_BADTYPE);
    device.kind = LIBCT_NET_MACVLAN;
    CHECK_INT(libct_net_add_device(ct, &device), -LCTERR_BADTYPE);
    device = (struct libct_net_device){.struct_size = sizeof device, .kind = LIBCT_NET_VLAN, .vlan_id = 70000};
    CHECK_INT(libct_net_add_device(ct, &device), -LCTERR_INVARG);
    route.type = (enum libct_route_type)7;
    CHECK_INT(libct_net_add_route(ct, &route), -LCTERR_BADTYPE);
    route.type = LIBCT_ROUTE_UNICAST;
    route.scope = (enum libct_scope)7;
    CHECK_INT(libct_net_add_route(ct, &route), -LCTERR_BADTYPE);
    route.scope = LIBCT_SCOPE_DEFAULT;
    route.next_hop_count = 1;
    CHECK_INT(libct_net_add_route(ct, &route), -LCTERR_INVARG);
    rule.action = (enum libct_rule_action)9;
    CHECK_INT(libct_net_add_rule(ct, &rule), -LCTERR_BADTYPE);
    rule.action = LIBCT_RULE_TABLE;
    CHECK_INT(libct_net_set_names(ct, NULL), -LCTERR_INVARG);
    names.host_count = 1;
    CHECK_INT(libct_net_set_names(ct, &names), -LCTERR_INVARG);
    /* Nothing changes in one that does not run. */
    device = (struct libct_net_device){.struct_size = sizeof device, .kind = LIBCT_NET_DUMMY};
    CHECK_INT(libct_net_attach_device(ct, &device), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_net_detach_device(ct, "lo"), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_net_detach_device(ct, NULL), -LCTERR_INVARG);
    CHECK_INT(libct_net_attach_address(ct, &address), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_net_read(ct, &visitor), -LCTERR_BADCTSTATE);
    CHECK_INT(libct_net_read(ct, NULL), -LCTERR_INVARG);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    CHECK_INT(libct_net_add_device(ct, &device), -LCTERR_BADCTSTATE);
    address.address = "nonsense";
    CHECK_INT(libct_net_attach_address(ct, &address), -LCTERR_INVARG);
    address.address = "10.9.0.1/24";
    address.scope = (enum libct_scope)9;
    CHECK_INT(libct_net_attach_address(ct, &address), -LCTERR_BADTYPE);
    address.scope = LIBCT_SCOPE_DEFAULT;
    address.device = "missing";
    CHECK_INT(libct_net_attach_address(ct, &address), -1);
    CHECK_INT(errno, ENODEV);
    CHECK_INT(libct_net_attach_neighbour(ct, &neighbour), -LCTERR_INVARG);
    stop(ct);
}

static void changes_while_it_runs(void)
{
    static const char *const addresses[] = {"10.9.0.2/24", NULL};
    struct libct_net_device device = {.struct_size = sizeof device, .kind = LIBCT_NET_VETH, .container_name = "late",
                                      .mac = "02:00:00:00:00:33", .mtu = 1400, .addresses = addresses};
    struct libct_address address = {.struct_size = sizeof address, .device = "late", .address = "10.9.1.2/24",
                                    .scope = LIBCT_SCOPE_LINK, .valid_s = 5000, .preferred_s = 4000};
    struct libct_neighbour neighbour = {.struct_size = sizeof neighbour, .device = "late", .address = "10.9.0.7",
                                        .mac = "02:00:00:00:00:44"};
    const struct libct_next_hop hops[] = {{.gateway = "10.9.0.1"}, {.gateway = "10.9.0.3", .weight = 5}};
    struct libct_route route = {.struct_size = sizeof route, .destination = "10.20.0.0/16", .gateway = "10.9.0.1",
                                .has_metric = 1, .metric = 77};
    struct libct_route ways = {.struct_size = sizeof ways, .destination = "10.30.0.0/16", .next_hops = hops,
                               .next_hop_count = 2};
    struct libct_route hole = {.struct_size = sizeof hole, .destination = "10.40.0.0/16", .table = 99,
                               .type = LIBCT_ROUTE_BLACKHOLE};
    struct libct_rule rule = {.struct_size = sizeof rule, .from = "10.9.0.0/24", .has_priority = 1, .priority = 500,
                              .has_mark = 1, .mark = 6, .table = 99};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET | CLONE_NEWPID), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    CHECK(has(ct, "link lo "));
    CHECK_INT(libct_net_attach_device(ct, &device), 0);
    CHECK(has(ct, "link late veth 02:00:00:00:00:33 up;address 10.9.0.2/24 on late scope 1;"));
    CHECK_INT(libct_net_attach_address(ct, &address), 0);
    CHECK(has(ct, "address 10.9.1.2/24 on late scope 3 ends;"));
    CHECK_INT(libct_net_attach_neighbour(ct, &neighbour), 0);
    CHECK(has(ct, "neighbour 10.9.0.7 02:00:00:00:00:44 late permanent;"));
    CHECK_INT(libct_net_attach_route(ct, &route), 0);
    CHECK_INT(libct_net_attach_route(ct, &route), -1);
    CHECK_INT(errno, EEXIST);
    CHECK(has(ct, "route unicast 10.20.0.0/16 via '10.9.0.1' dev 'late' table 0 metric 77 hops 0 by static;"));
    CHECK_INT(libct_net_attach_route(ct, &ways), 0);
    CHECK(has(ct, "hops 2 by static;hop 10.9.0.1 weight 1;hop 10.9.0.3 weight 5;"));
    CHECK_INT(libct_net_attach_route(ct, &hole), 0);
    CHECK(has(ct, "route blackhole 10.40.0.0/16 "));
    CHECK_INT(libct_net_attach_rule(ct, &rule), 0);
    CHECK(has(ct, "rule 500 from '10.9.0.0/24' mark 6 table 99;"));
    /* And back. */
    CHECK_INT(libct_net_detach_rule(ct, &rule), 0);
    CHECK_INT(libct_net_detach_route(ct, &hole), 0);
    CHECK_INT(libct_net_detach_route(ct, &ways), 0);
    CHECK_INT(libct_net_detach_route(ct, &route), 0);
    CHECK_INT(libct_net_detach_neighbour(ct, &neighbour), 0);
    CHECK_INT(libct_net_detach_address(ct, &address), 0);
    CHECK(!has(ct, "rule 500") && !has(ct, "10.40.0.0") && !has(ct, "10.30.0.0") && !has(ct, "10.20.0.0"));
    CHECK(!has(ct, "10.9.0.7") && !has(ct, "10.9.1.2/24 on") && has(ct, "10.9.0.2/24"));
    CHECK_INT(libct_net_detach_device(ct, "late"), 0);
    CHECK_INT(libct_net_detach_device(ct, "late"), -1);
    CHECK(!has(ct, "link late"));
    stop(ct);
}

static int first_link(const struct libct_link_state *link, void *user)
{
    (void)link;
    return ++*(int *)user + 41;
}

static void makes_devices(void)
{
    static const char *const own[] = {"10.5.0.2/24", NULL}, *const host[] = {"10.5.0.1/24", NULL};
    int seen = 0;
    struct libct_net_device pair = {.struct_size = sizeof pair, .kind = LIBCT_NET_VETH, .host_name = "capi-a",
                                    .container_name = "pair", .addresses = own, .host_addresses = host};
    struct libct_net_device macvlan = {.struct_size = sizeof macvlan, .kind = LIBCT_NET_MACVLAN, .parent = "capi-p",
                                       .container_name = "mac", .mode = LIBCT_MACVLAN_PRIVATE};
    struct libct_net_device nic = {.struct_size = sizeof nic, .kind = LIBCT_NET_HOSTNIC, .host_name = "capi-r",
                                   .container_name = "moved", .mac = "02:00:00:00:00:55"};
    struct libct_route route = {.struct_size = sizeof route, .gateway = "10.5.0.1"};
    struct libct_rule rule = {.struct_size = sizeof rule, .has_priority = 1, .priority = 600,
                              .action = LIBCT_RULE_PROHIBIT, .to = "10.66.0.0/16"};
    struct libct_neighbour neighbour = {.struct_size = sizeof neighbour, .device = "pair", .address = "10.5.0.9",
                                        .mac = "02:00:00:00:00:66"};
    CHECK_INT(system("ip link add capi-p type veth peer name capi-q && ip link add capi-r type veth peer name capi-s "
                     "&& ip link set capi-p up && ip link set capi-q up"), 0);
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET | CLONE_NEWPID), 0);
    CHECK_INT(libct_net_add_device(ct, &pair), 0);
    CHECK_INT(libct_net_add_device(ct, &macvlan), 0);
    CHECK_INT(libct_net_add_device(ct, &nic), 0);
    CHECK_INT(libct_net_add_neighbour(ct, &neighbour), 0);
    CHECK_INT(libct_net_add_route(ct, &route), 0);
    CHECK_INT(libct_net_add_rule(ct, &rule), 0);
    CHECK_HANDLE(libct_container_spawn_cb(ct, desc, stay, NULL));
    CHECK(has(ct, "link pair veth") && has(ct, "link mac macvlan") && has(ct, "link moved veth 02:00:00:00:00:55 up"));
    CHECK(has(ct, "rule 600 ") && has(ct, " prohibit ") && has(ct, "neighbour 10.5.0.9 "));
    CHECK(has(ct, "via '10.5.0.1' dev 'pair'"));
    const struct libct_net_visitor visitor = {.struct_size = sizeof visitor, .link = first_link, .route = on_route,
                                              .user = &seen};
    found[0] = '\0';
    CHECK_INT(libct_net_read(ct, &visitor), 42); /* what the function says, at once */
    CHECK(seen == 1 && found[0] == '\0');
    CHECK(if_nametoindex("capi-a") != 0 && if_nametoindex("capi-r") == 0);
    stop(ct);
    CHECK(if_nametoindex("capi-a") == 0 && if_nametoindex("capi-r") != 0);
}

/* Those that not every kernel has; then the start says so. */
static void makes_rare_devices(void)
{
    const struct libct_net_device devices[] = {
        {.struct_size = sizeof *devices, .kind = LIBCT_NET_DUMMY},
        {.struct_size = sizeof *devices, .kind = LIBCT_NET_IPVLAN, .parent = "capi-p", .container_name = "dummy0",
         .mode = LIBCT_IPVLAN_L3},
        {.struct_size = sizeof *devices, .kind = LIBCT_NET_VLAN, .parent = "capi-p", .container_name = "dummy0",
         .vlan_id = 7},
    };
    CHECK_INT(system("ip link add capi-p type veth peer name capi-q && ip link set capi-p up"), 0);
    for (size_t i = 0; i < sizeof devices / sizeof *devices; ++i) {
        ct_handler_t ct = make_container();
        CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET | CLONE_NEWPID), 0);
        CHECK_INT(libct_net_add_device(ct, &devices[i]), 0);
        if (libct_handle_is_err(libct_container_spawn_cb(ct, desc, stay, NULL))) {
            CHECK_INT(errno, EOPNOTSUPP);
            CHECK(strstr(libct_last_error()->message, "dummy0") != NULL);
        } else {
            CHECK(has(ct, "link dummy0 "));
            stop(ct);
        }
        libct_container_destroy(ct);
    }
}

static void makes_names(void)
{
    static const char *const servers[] = {"10.5.0.1", NULL}, *const search[] = {"example.org", NULL},
                      *const options[] = {"ndots:2", NULL}, *const aliases[] = {"db.example.org", "db", NULL};
    const struct libct_host_entry hosts[] = {{.address = "10.5.0.7", .names = aliases}};
    const struct libct_names names = {.struct_size = sizeof names, .servers = servers, .search = search,
                                      .options = options, .hosts = hosts, .host_count = 1};
    ct_handler_t ct = make_container();
    CHECK_INT(libct_container_set_nsmask(ct, CLONE_NEWNET | CLONE_NEWNS), 0);
    CHECK_INT(libct_fs_set_root(ct, make_root("root")), 0);
    CHECK_INT(libct_net_set_names(ct, &names), 0);
    const char *text = output_of(ct, "cat", "/etc/resolv.conf", NULL);
    CHECK(strstr(text, "nameserver 10.5.0.1\n") != NULL && strstr(text, "search example.org\n") != NULL);
    CHECK(strstr(text, "options ndots:2\n") != NULL);
    text = output_of(ct, "cat", "/etc/hosts", NULL);
    CHECK(strstr(text, "10.5.0.7") != NULL && strstr(text, "db.example.org") != NULL);
}

const struct test live_net_tests[] = {
    {"refuses_what_is_wrong", refuses_what_is_wrong},
    {"changes_while_it_runs", changes_while_it_runs},
    {"makes_devices", makes_devices},
    {"makes_rare_devices", makes_rare_devices},
    {"makes_names", makes_names},
    {NULL, NULL},
};
