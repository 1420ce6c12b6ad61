// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "net/network_state.hpp"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/route/rtnl.h>
#include <netlink/route/rule.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

struct FreeCache {
    void operator()(nl_cache* cache) const noexcept { ::nl_cache_free(cache); }
};
using Cache = std::unique_ptr<nl_cache, FreeCache>;

/// One table. libnl reads it again if it has changed meanwhile.
template <typename Fill>
Cache read_table(std::string_view what, const Fill& fill) {
    sys::fault_point(Stage::Network, "list", what);
    constexpr int most = 50;
    int error = 0;
    for (int tries = 0; tries < most; ++tries) {
        nl_cache* cache = nullptr;
        error = fill(&cache);
        if (error >= 0) return Cache(cache);
        if (error != -NLE_DUMP_INTR && error != -NLE_AGAIN) break;
    }
    throw sys::error(errno_of_libnl(error), Stage::Network, "list", what, ::nl_geterror(error));
}

template <typename Object, typename Use>
void for_each(const Cache& cache, const Use& use) {
    for (nl_object* object = ::nl_cache_get_first(cache.get()); object != nullptr;
         object = ::nl_cache_get_next(object)) {
        use(reinterpret_cast<Object*>(object));
    }
}

/// \param with_length  also if it is that of a single address
std::string text_of(nl_addr* address, bool with_length = false) {
    if (address == nullptr || ::nl_addr_get_len(address) == 0) return {};
    std::array<char, 128> buffer{};
    std::string text = ::nl_addr2str(address, buffer.data(), buffer.size());
    if (with_length && text.find('/') == std::string::npos) text += concat('/', ::nl_addr_get_prefixlen(address));
    return text;
}

std::string word(const char* text) {
    return text == nullptr ? "" : text;
}

Scope scope_of(int number) {
    switch (number) {
    case RT_SCOPE_SITE: return Scope::Site;
    case RT_SCOPE_LINK: return Scope::Link;
    case RT_SCOPE_HOST: return Scope::Host;
    default: return Scope::Global;
    }
}

std::uint32_t table_of(std::uint32_t table) {
    return table == RT_TABLE_MAIN ? 0 : table;
}

class Reader {
public:
    explicit Reader(NetlinkSocket& socket) : socket_(socket.get()) {}

    NetworkState read() {
        read_links();
        read_addresses();
        read_routes();
        read_rules();
        read_neighbours();
        return std::move(state_);
    }

private:
    void read_links() {
        const Cache cache =
            read_table("the links", [&](nl_cache** made) { return ::rtnl_link_alloc_cache(socket_, AF_UNSPEC, made); });
        for_each<rtnl_link>(
            cache, [&](rtnl_link* link) { names_[::rtnl_link_get_ifindex(link)] = word(::rtnl_link_get_name(link)); });
        for_each<rtnl_link>(cache, [&](rtnl_link* link) {
            places_[::rtnl_link_get_ifindex(link)] = state_.links.size();
            state_.links.push_back(state_of(link));
        });
    }

    LinkState state_of(rtnl_link* link) {
        const auto counters = [&](rtnl_link_stat_id_t bytes, rtnl_link_stat_id_t packets, rtnl_link_stat_id_t errors,
                                  rtnl_link_stat_id_t dropped) {
            return Traffic{::rtnl_link_get_stat(link, bytes), ::rtnl_link_get_stat(link, packets),
                           ::rtnl_link_get_stat(link, errors), ::rtnl_link_get_stat(link, dropped)};
        };
        std::array<char, 32> state{};
        const unsigned flags = ::rtnl_link_get_flags(link);
        return {.index = ::rtnl_link_get_ifindex(link),
                .name = word(::rtnl_link_get_name(link)),
                .kind = word(::rtnl_link_get_type(link)),
                .mac = text_of(::rtnl_link_get_addr(link)),
                .mtu = ::rtnl_link_get_mtu(link),
                .up = (flags & IFF_UP) != 0,
                .carrier = (flags & IFF_RUNNING) != 0,
                .state = ::rtnl_link_operstate2str(::rtnl_link_get_operstate(link), state.data(), state.size()),
                .peer = ::rtnl_link_get_link(link),
                .master = name_of(::rtnl_link_get_master(link)),
                .received =
                    counters(RTNL_LINK_RX_BYTES, RTNL_LINK_RX_PACKETS, RTNL_LINK_RX_ERRORS, RTNL_LINK_RX_DROPPED),
                .sent = counters(RTNL_LINK_TX_BYTES, RTNL_LINK_TX_PACKETS, RTNL_LINK_TX_ERRORS, RTNL_LINK_TX_DROPPED)};
    }

    void read_addresses() {
        const Cache cache =
            read_table("the addresses", [&](nl_cache** made) { return ::rtnl_addr_alloc_cache(socket_, made); });
        for_each<rtnl_addr>(cache, [&](rtnl_addr* address) {
            const auto place = places_.find(::rtnl_addr_get_ifindex(address));
            if (place == places_.end()) return; // of a link that was made meanwhile
            const int family = ::rtnl_addr_get_family(address);
            const unsigned flags = ::rtnl_addr_get_flags(address);
            AddressState state;
            state.address.address = text_of(::rtnl_addr_get_local(address), true);
            nl_addr* const peer = ::rtnl_addr_get_peer(address);
            if (peer != nullptr) state.address.peer = text_of(peer, true);
            state.scope = scope_of(::rtnl_addr_get_scope(address));
            if (family == AF_INET) state.address.scope = state.scope;
            if (family == AF_INET6) state.address.no_dad = (flags & IFA_F_NODAD) != 0;
            state.address.valid = lifetime(::rtnl_addr_get_valid_lifetime(address), flags);
            state.address.preferred = lifetime(::rtnl_addr_get_preferred_lifetime(address), flags);
            state.tentative = (flags & IFA_F_TENTATIVE) != 0;
            state.duplicate = (flags & IFA_F_DADFAILED) != 0;
            state.deprecated = (flags & IFA_F_DEPRECATED) != 0;
            state_.links[place->second].addresses.push_back(std::move(state));
        });
    }

    static std::optional<std::chrono::seconds> lifetime(std::uint32_t seconds, unsigned flags) {
        if (seconds == ~0U || (flags & IFA_F_PERMANENT) != 0) return std::nullopt;
        return std::chrono::seconds(seconds);
    }

    void read_routes() {
        const Cache cache = read_table(
            "the routes", [&](nl_cache** made) { return ::rtnl_route_alloc_cache(socket_, AF_UNSPEC, 0, made); });
        for_each<rtnl_route>(cache, [&](rtnl_route* route) {
            const int family = ::rtnl_route_get_family(route);
            if (family == AF_INET || family == AF_INET6) state_.routes.push_back(state_of(route, family));
        });
    }

    RouteState state_of(rtnl_route* route, int family) {
        RouteState state;
        std::array<char, 32> text{};
        const int type = ::rtnl_route_get_type(route);
        state.type = ::nl_rtntype2str(type, text.data(), text.size());
        state.protocol = ::rtnl_route_proto2str(::rtnl_route_get_protocol(route), text.data(), text.size());
        state.ipv6 = family == AF_INET6;
        Route& plain = state.route;
        nl_addr* const destination = ::rtnl_route_get_dst(route);
        const bool whole = destination == nullptr || ::nl_addr_get_prefixlen(destination) == 0;
        plain.destination = whole ? "default" : text_of(destination);
        plain.source = text_of(::rtnl_route_get_pref_src(route));
        if (const std::uint32_t metric = ::rtnl_route_get_priority(route); metric != 0) plain.metric = metric;
        plain.table = table_of(::rtnl_route_get_table(route));
        ::rtnl_route_get_metric(route, RTAX_MTU, &plain.mtu);
        if (family == AF_INET) plain.scope = scope_of(::rtnl_route_get_scope(route));
        switch (type) {
        case RTN_BLACKHOLE: plain.type = RouteType::Blackhole; break;
        case RTN_UNREACHABLE: plain.type = RouteType::Unreachable; break;
        case RTN_PROHIBIT: plain.type = RouteType::Prohibit; break;
        default: plain.type = RouteType::Unicast; break;
        }
        const int hops = ::rtnl_route_get_nnexthops(route);
        for (int i = 0; i < hops; ++i) {
            NextHop hop = hop_of(::rtnl_route_nexthop_n(route, i));
            if (hops > 1) {
                plain.next_hops.push_back(std::move(hop));
            } else if (plain.type == RouteType::Unicast) { // IPv6 has the others on the loopback device
                plain.gateway = std::move(hop.gateway);
                plain.device = std::move(hop.device);
                plain.on_link = hop.on_link;
            }
        }
        return state;
    }

    NextHop hop_of(rtnl_nexthop* hop) {
        NextHop plain;
        nl_addr* gateway = ::rtnl_route_nh_get_gateway(hop);
        if (gateway == nullptr) gateway = ::rtnl_route_nh_get_via(hop);
        plain.gateway = text_of(gateway);
        plain.device = name_of(::rtnl_route_nh_get_ifindex(hop));
        plain.weight = ::rtnl_route_nh_get_weight(hop) + 1U;
        plain.on_link = (::rtnl_route_nh_get_flags(hop) & RTNH_F_ONLINK) != 0;
        return plain;
    }

    void read_rules() {
        const Cache cache =
            read_table("the rules", [&](nl_cache** made) { return ::rtnl_rule_alloc_cache(socket_, AF_UNSPEC, made); });
        for_each<rtnl_rule>(cache, [&](rtnl_rule* rule) {
            const int family = ::rtnl_rule_get_family(rule);
            if (family != AF_INET && family != AF_INET6) return;
            RuleState state;
            Rule& plain = state.rule;
            plain.from = text_of(::rtnl_rule_get_src(rule));
            plain.to = text_of(::rtnl_rule_get_dst(rule));
            plain.input = word(::rtnl_rule_get_iif(rule));
            plain.output = word(::rtnl_rule_get_oif(rule));
            if (const std::uint32_t mark = ::rtnl_rule_get_mark(rule), mask = ::rtnl_rule_get_mask(rule);
                mark != 0 || mask != 0) {
                plain.mark = mark;
                plain.mark_mask = mask;
            }
            plain.priority = ::rtnl_rule_get_prio(rule);
            plain.table = table_of(::rtnl_rule_get_table(rule));
            plain.ipv6 = family == AF_INET6;
            std::tie(plain.action, state.action) = action_of(::rtnl_rule_get_action(rule));
            state_.rules.push_back(std::move(state));
        });
    }

    static std::pair<RuleAction, std::string> action_of(int number) {
        switch (number) {
        case FR_ACT_TO_TBL: return {RuleAction::Table, "table"};
        case FR_ACT_GOTO: return {RuleAction::Table, "goto"};
        case FR_ACT_NOP: return {RuleAction::Table, "nop"};
        case FR_ACT_BLACKHOLE: return {RuleAction::Blackhole, "blackhole"};
        case FR_ACT_UNREACHABLE: return {RuleAction::Unreachable, "unreachable"};
        case FR_ACT_PROHIBIT: return {RuleAction::Prohibit, "prohibit"};
        default: return {RuleAction::Table, concat("action ", number)};
        }
    }

    void read_neighbours() {
        const Cache cache =
            read_table("the neighbours", [&](nl_cache** made) { return ::rtnl_neigh_alloc_cache(socket_, made); });
        for_each<rtnl_neigh>(cache, [&](rtnl_neigh* neighbour) {
            const int family = ::rtnl_neigh_get_family(neighbour);
            const int number = ::rtnl_neigh_get_state(neighbour);
            if ((family != AF_INET && family != AF_INET6) || (number & NUD_NOARP) != 0) return;
            std::array<char, 64> text{};
            state_.neighbours.push_back(
                {{name_of(::rtnl_neigh_get_ifindex(neighbour)), text_of(::rtnl_neigh_get_dst(neighbour)),
                  text_of(::rtnl_neigh_get_lladdr(neighbour))},
                 ::rtnl_neigh_state2str(number, text.data(), text.size())});
        });
    }

    [[nodiscard]] std::string name_of(int index) const {
        const auto found = names_.find(index);
        return found == names_.end() ? "" : found->second;
    }

    nl_sock* const socket_;
    NetworkState state_;
    std::map<int, std::string> names_;
    std::map<int, std::size_t> places_; ///< In state_.links.
};

} // namespace

NetworkState read_network(NetlinkSocket& socket) {
    return Reader(socket).read();
}

} // namespace ct::internal
