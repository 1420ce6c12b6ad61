/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_NETWORK_H
#define LIBCT_NETWORK_H

/*
 * Devices of all kinds, addresses, routes, rules and neighbours with all that there is to say of them; changing them
 * while the container runs; and reading what the kernel has; see libct_network(3).
 *
 * libct_net_add_*() are for each later start, and need CLONE_NEWNET: -LCTERR_NONS without it, -LCTERR_BADCTSTATE not
 * stopped; addresses and the like are checked at the start. libct_net_attach_*() and libct_net_detach_*() change the
 * running container at once, and until its end: -LCTERR_BADCTSTATE if it does not run, or shares the host's network;
 * -LCTERR_INVARG for what is malformed; -1 else. All refuse NULL with -LCTERR_INVARG, and unknown enumerations with
 * -LCTERR_BADTYPE.
 */

#include "libct.h"

#ifdef __cplusplus
extern "C" {
#endif

enum libct_net_kind LIBCT_ENUM {
    LIBCT_NET_VETH = 0,    /* a pair of links */
    LIBCT_NET_MACVLAN = 1, /* a link with a MAC address of its own on a link of the host */
    LIBCT_NET_IPVLAN = 2,  /* one that shares the MAC address of a link of the host */
    LIBCT_NET_VLAN = 3,    /* the tagged traffic of one VLAN on a link of the host */
    LIBCT_NET_DUMMY = 4,   /* swallows everything */
    LIBCT_NET_HOSTNIC = 5  /* a link of the host itself, which moves into the container */
};

/* Of LIBCT_NET_MACVLAN: bridge, private, vepa, passthru; of LIBCT_NET_IPVLAN: l2, l3, l3s. */
enum libct_net_mode LIBCT_ENUM {
    LIBCT_NET_MODE_DEFAULT = 0, /* bridge, or l2 */
    LIBCT_MACVLAN_PRIVATE = 1,
    LIBCT_MACVLAN_VEPA = 2,
    LIBCT_MACVLAN_PASSTHRU = 3,
    LIBCT_IPVLAN_L3 = 4,
    LIBCT_IPVLAN_L3S = 5
};

struct libct_net_device {
    size_t struct_size;
    enum libct_net_kind kind;
    enum libct_net_mode mode;
    const char *host_name;      /* of a pair, or of the host's link that moves; NULL: a generated one */
    const char *parent;         /* a link of the host, on which this one is */
    const char *container_name; /* NULL: "eth0", "dummy0", or as on the host */
    const char *mac;            /* in the container; NULL: a random one, or as it was */
    const char *host_mac;       /* of a pair */
    unsigned int mtu;           /* 0: the kernel's */
    unsigned int vlan_id;       /* 1 to 4094 */
    const char *bridge;         /* of a pair: of which the host's end becomes a port */
    int lease;                  /* of a pair: a free address of each subnet of the bridge */
    int keep_addresses;         /* of a link that moves: those that it has on the host */
    const char *const *addresses;      /* in the container, such as "10.0.0.2/24"; then NULL; NULL: none */
    const char *const *host_addresses; /* of a pair: of the host's end */
};
int libct_net_add_device(ct_handler_t ct, const struct libct_net_device *device);
int libct_net_attach_device(ct_handler_t ct, const struct libct_net_device *device);
/* Removes it by its name in the container, or returns it to the host if it has come from there. */
int libct_net_detach_device(ct_handler_t ct, const char *container_name);

enum libct_scope LIBCT_ENUM {
    LIBCT_SCOPE_DEFAULT = 0, /* what the kernel takes for it */
    LIBCT_SCOPE_GLOBAL = 1,
    LIBCT_SCOPE_SITE = 2,
    LIBCT_SCOPE_LINK = 3,
    LIBCT_SCOPE_HOST = 4
};

#define LIBCT_FOREVER UINT64_MAX

struct libct_address {
    size_t struct_size;
    const char *device;
    const char *address; /* such as "10.0.0.2/24" or "fd00::2/64" */
    const char *peer;    /* the other end of a point-to-point link; NULL: none */
    enum libct_scope scope;
    uint64_t valid_s;     /* how long it lasts; 0, as LIBCT_FOREVER: for ever */
    uint64_t preferred_s; /* how long new connections use it; the same */
    int deprecated;       /* new connections do not use it at all */
    int no_dad;           /* IPv6: usable at once */
};
int libct_net_attach_address(ct_handler_t ct, const struct libct_address *address);
int libct_net_detach_address(ct_handler_t ct, const struct libct_address *address);

/* Who has an address on a link. */
struct libct_neighbour {
    size_t struct_size;
    const char *device;
    const char *address;
    const char *mac;
};
int libct_net_add_neighbour(ct_handler_t ct, const struct libct_neighbour *neighbour);
int libct_net_attach_neighbour(ct_handler_t ct, const struct libct_neighbour *neighbour);
int libct_net_detach_neighbour(ct_handler_t ct, const struct libct_neighbour *neighbour);

enum libct_route_type LIBCT_ENUM {
    LIBCT_ROUTE_UNICAST = 0,
    LIBCT_ROUTE_BLACKHOLE = 1,
    LIBCT_ROUTE_UNREACHABLE = 2,
    LIBCT_ROUTE_PROHIBIT = 3
};

/* One of several ways of a route. */
struct libct_next_hop {
    const char *gateway;
    const char *device;
    unsigned int weight; /* 1 to 256; 0: 1 */
    int on_link;
};

struct libct_route {
    size_t struct_size;
    const char *destination; /* such as "10.9.0.0/16"; NULL: the default route */
    const char *gateway;
    const char *device;
    const char *source; /* the address that packets from here prefer as theirs */
    int has_metric;
    unsigned int metric;
    unsigned int table; /* 0: the main one */
    unsigned int mtu;   /* 0: the device's */
    enum libct_scope scope;
    int on_link; /* the gateway is on the device's link, though no address says so */
    enum libct_route_type type; /* read back: if its name is one of these */
    const struct libct_next_hop *next_hops; /* instead of gateway and device */
    size_t next_hop_count;
};
int libct_net_add_route(ct_handler_t ct, const struct libct_route *route);
int libct_net_attach_route(ct_handler_t ct, const struct libct_route *route);
/* The one that has all that is set. */
int libct_net_detach_route(ct_handler_t ct, const struct libct_route *route);

enum libct_rule_action LIBCT_ENUM {
    LIBCT_RULE_TABLE = 0, /* what the rule selects is looked up in `table` */
    LIBCT_RULE_BLACKHOLE = 1,
    LIBCT_RULE_UNREACHABLE = 2,
    LIBCT_RULE_PROHIBIT = 3
};

/* Of policy routing, see ip-rule(8). It selects what fits all that is set. */
struct libct_rule {
    size_t struct_size;
    const char *from; /* such as "10.0.0.0/24" */
    const char *to;
    const char *input;  /* the device that packets come in by */
    const char *output; /* the device that the sender's socket is bound to */
    int has_mark;
    unsigned int mark;
    unsigned int mark_mask; /* 0: all bits */
    int has_priority;       /* else before those that are there */
    unsigned int priority;
    enum libct_rule_action action; /* read back: if its name is one of these */
    unsigned int table; /* 0: the main one */
    int ipv6;           /* for IPv6, if neither `from` nor `to` tells */
};
int libct_net_add_rule(ct_handler_t ct, const struct libct_rule *rule);
int libct_net_attach_rule(ct_handler_t ct, const struct libct_rule *rule);
int libct_net_detach_rule(ct_handler_t ct, const struct libct_rule *rule);

/* A line of /etc/hosts. */
struct libct_host_entry {
    const char *address;
    const char *const *names; /* the proper one first; then NULL */
};

/* The files by which programs find names, bound over those of the root; needs CLONE_NEWNS, but not CLONE_NEWNET. */
struct libct_names {
    size_t struct_size;
    const char *const *servers; /* addresses of name servers, then NULL; NULL: those of the host, as the next two */
    const char *const *search;
    const char *const *options; /* "ndots:2" and the like */
    const struct libct_host_entry *hosts;
    size_t host_count;
    int host_entries; /* also those of the host's /etc/hosts */
    int writable;     /* the container may change them, for itself */
};
int libct_net_set_names(ct_handler_t ct, const struct libct_names *names);

/*
 * What the kernel has
 */

struct libct_address_state {
    const char *address;
    const char *peer; /* or "" */
    enum libct_scope scope;
    uint64_t valid_s;     /* what is left of it, or LIBCT_FOREVER */
    uint64_t preferred_s; /* the same */
    int tentative;        /* IPv6: the kernel still asks whether somebody else has it */
    int duplicate;        /* IPv6: somebody else has it */
    int deprecated;       /* not used for new connections */
};

struct libct_traffic {
    uint64_t bytes;
    uint64_t packets;
    uint64_t errors;
    uint64_t dropped;
};

struct libct_link_state {
    size_t struct_size;
    int index;
    const char *name;
    const char *kind; /* "veth", "macvlan" and so on; "" for hardware and the loopback device */
    const char *mac;  /* or "" */
    unsigned int mtu;
    int up;             /* somebody has brought it up */
    int carrier;        /* it can send */
    const char *state;  /* "up", "down", "lowerlayerdown" and so on */
    int peer;           /* the index of the other end, or of the parent; 0: none */
    const char *master; /* the bridge or the like whose port it is, or "" */
    const struct libct_address_state *addresses;
    size_t address_count;
    struct libct_traffic received;
    struct libct_traffic sent;
};

/* What is handed to these is valid during the call, and its text never NULL. Each may be NULL. */
struct libct_net_visitor {
    size_t struct_size;
    int (*link)(const struct libct_link_state *link, void *user);
    /* type is "unicast", "local" and so on, and protocol who has made it: "static", "kernel" and so on. */
    int (*route)(const struct libct_route *route, const char *type, const char *protocol, void *user);
    /* action is "table", "blackhole", "goto" and so on. */
    int (*rule)(const struct libct_rule *rule, const char *action, void *user);
    /* state is "permanent", "reachable", "stale" and so on. */
    int (*neighbour)(const struct libct_neighbour *neighbour, const char *state, void *user);
    void *user;
};
/*
 * Hands all that there is in the network namespace of the running container to functions, until one returns something
 * other than 0, and returns that. -LCTERR_BADCTSTATE if it does not run.
 */
int libct_net_read(ct_handler_t ct, const struct libct_net_visitor *visitor);

/*
 * Network namespaces with names, as ip-netns(8) has them
 */

/* Gives that of the running container a name, which stays. -1 with errno EEXIST if it is taken. */
int libct_net_pin(ct_handler_t ct, const char *name);
/* Takes the name away. Nothing happens if there is none. */
int libct_net_unpin(const char *name);
/* Where the one of that name is, for libct_container_set_nspath(); as snprintf(3). */
int libct_net_named(const char *name, char *buf, size_t size);

#ifdef __cplusplus
}
#endif

#endif
