// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "host_nics.hpp"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/await.hpp"
#include "config/ip_address.hpp"
#include "config/network.hpp"
#include "launch/joins.hpp"
#include "launch/net_socket.hpp"
#include "net/random.hpp"
#include "net/requests.hpp"
#include "pins.hpp"

namespace ct::internal {

namespace {

UniqueFd own_namespace() {
    return sys::open("/proc/thread-self/ns/net", O_RDONLY, Stage::Network, "open the network namespace");
}

constexpr std::string_view OtherName = "nic"; ///< And digits: of a link whose own name is taken.

bool is_other_name(std::string_view name) {
    return name.size() == OtherName.size() + 8 && name.starts_with(OtherName) &&
           name.find_first_not_of("0123456789abcdef", OtherName.size()) == std::string_view::npos;
}

std::string_view hint_of(int error) {
    switch (error) {
    case EPERM: return "needs CAP_NET_ADMIN in the network namespaces of the host and of the container";
    case EINVAL: return "not every kind of link can leave its network namespace";
    default: return {};
    }
}

/// One link on its way back.
class Return {
public:
    Return(NetlinkSocket& host, int host_namespace, const NicState& nic, const Warn& warn)
        : host_(host), host_namespace_(host_namespace), nic_(nic), warn_(warn) {}

    /// \param inside  a socket in the container's namespace, if that is there
    /// \throws Error if it stays there
    void run(NetlinkSocket* inside) {
        std::optional<LinkView> link = find_unmoved_link();
        if (!link && inside != nullptr) link = fetch(*inside);
        if (!link) link = find_on_host();
        if (!link) {
            warn_(sys::error(ENODEV, Stage::Network, Action, nic_.name,
                             "neither the container nor the host has it: it was moved on, or destroyed")
                      .what());
            return;
        }
        restore_nic(host_, nic_, *link, warn_);
    }

private:
    /// Moves it. \returns what it is on the host; nothing if it was not there
    std::optional<LinkView> fetch(NetlinkSocket& inside) {
        const std::vector<LinkView> links = all_links(inside);
        const LinkView* const link = find_nic(links, nic_, Where::Container);
        if (link == nullptr) return std::nullopt;
        sys::fault_point(Stage::Network, Action, nic_.name);
        drop_other_names(inside, *link);
        const std::string name = free_name();
        const Answer answer = inside.request(move_link(link->index, host_namespace_, name));
        if (answer.error == 0) return find_link(host_, name);
        // The kernel moves it first and gives it its name then.
        if (const auto there = find_link(host_, link->name); there && is_it(*there)) return renamed(*there);
        throw network_error(answer.error, answer.text, Action, nic_.name, hint_of(answer.error));
    }

    /// The kernel lets no link move to where another one has any of its names: those that the container has given it
    /// stay behind.
    void drop_other_names(NetlinkSocket& inside, const LinkView& link) {
        for (const std::string& name : link.other_names) {
            const bool own =
                std::find(nic_.other_names.begin(), nic_.other_names.end(), name) != nic_.other_names.end();
            if (own && host_.find_index(name) == 0) continue;
            (void)inside.request(change_other_name(RTM_DELLINKPROP, link.index, name));
        }
    }

    std::optional<LinkView> find_unmoved_link() {
        const std::vector<LinkView> links = all_links(host_);
        const LinkView* const link = find_unmoved(links, nic_);
        if (link == nullptr) return std::nullopt;
        return *link;
    }

    std::optional<LinkView> find_on_host() {
        const std::vector<LinkView> links = all_links(host_);
        const LinkView* const link = find_nic(links, nic_, Where::Host);
        if (link == nullptr) return std::nullopt;
        return renamed(*link);
    }

    LinkView renamed(LinkView link) {
        // Also if it has got another name already, since its own is taken.
        if (link.name == nic_.name || (is_other_name(link.name) && host_.find_index(nic_.name) != 0)) return link;
        const std::string name = free_name();
        Message message = change_link(link.index);
        message.put(IFLA_IFNAME, name);
        const Answer answer = host_.request(message);
        if (answer.error == 0) {
            link.name = name;
        } else {
            warn_(network_error(answer.error, answer.text, Action, nic_.name,
                                concat("on the host it is called '", link.name, "' now"))
                      .what());
        }
        return link;
    }

    [[nodiscard]] bool is_it(const LinkView& link) const { return find_nic({link}, nic_, Where::Container) != nullptr; }

    std::string free_name() {
        if (host_.find_index(nic_.name) == 0) return nic_.name;
        std::string name = random_link_name(OtherName);
        warn_(sys::error(EEXIST, Stage::Network, Action, nic_.name,
                         concat("another link has got its name; it is called '", name, "' now"))
                  .what());
        return name;
    }

    static constexpr std::string_view Action = "bring back the host's link";

    NetlinkSocket& host_;
    const int host_namespace_;
    const NicState& nic_;
    const Warn& warn_;
};

/// Excludes other users of the library that take or return links of the host. Any process there could hold the lock:
/// so nobody waits for it for ever.
class HostLock {
public:
    explicit HostLock(int host_namespace) : fd_(host_namespace) {
        (void)await_by_looking(std::chrono::seconds(5), [this] { return ::flock(fd_, LOCK_EX | LOCK_NB) == 0; });
    }
    HostLock(const HostLock&) = delete;
    HostLock& operator=(const HostLock&) = delete;
    ~HostLock() { (void)::flock(fd_, LOCK_UN); }

private:
    const int fd_;
};

/// \throws Error unless \p host is where all of them belong
void check_home(const std::vector<NicState>& nics, NetlinkSocket& host) {
    const std::uint64_t here = host.namespace_cookie().value_or(0);
    for (const NicState& nic : nics) {
        if (nic.home == 0 || here == 0 || nic.home == here) continue;
        throw Error(Errc::InvalidState, Stage::Network, "bring back the host's link", nic.name,
                    "it belongs into another network namespace than that of this process");
    }
}

/// The last one first. \returns the failure of one that has to stay where it is
std::optional<Error> bring_all_back(NetlinkSocket& host, int host_namespace, std::vector<NicState>& nics,
                                    NetlinkSocket* inside, const Warn& warn) {
    const HostLock lock(host_namespace);
    std::optional<Error> failed;
    std::vector<NicState> left;
    for (auto nic = nics.rbegin(); nic != nics.rend(); ++nic) {
        try {
            Return(host, host_namespace, *nic, warn).run(inside);
        } catch (const Error& error) {
            failed = error;
            left.insert(left.begin(), *nic);
        }
    }
    nics = std::move(left);
    return failed;
}

} // namespace

bool HostNics::needed(const Network& network) noexcept {
    return std::any_of(network.devices.begin(), network.devices.end(),
                       [](const NetworkDevice& device) { return std::holds_alternative<HostNic>(device); });
}

HostNics::HostNics(const Network& network, Warn warn)
    : process_(::getpid()), warn_(std::move(warn)), host_namespace_(own_namespace()) {
    for (const NetworkDevice& device : network.devices) {
        const auto* const nic = std::get_if<HostNic>(&device);
        if (nic == nullptr) continue;
        nics_.push_back({*nic, {}});
        nics_.back().state.inner_name = container_name_of(device);
    }
}

HostNics::HostNics(const std::vector<NicState>& states, UniqueFd net, Warn warn)
    : process_(::getpid()), warn_(std::move(warn)), host_namespace_(own_namespace()), net_(std::move(net)) {
    check_home(states, host_);
    inside_.emplace(open_netlink_in(net_.get()));
    for (const NicState& state : states) nics_.push_back({{}, state});
}

std::vector<NicState> HostNics::states() const {
    std::vector<NicState> states;
    for (const Moved& nic : nics_) states.push_back(nic.state);
    return states;
}

const NicState* HostNics::find(const LinkView& link, int net) const {
    if (!net_ || !same_namespace(net, net_.get())) return nullptr;
    const auto found = std::find_if(nics_.begin(), nics_.end(), [&](const Moved& nic) {
        return find_nic({link}, nic.state, Where::Container) != nullptr;
    });
    return found == nics_.end() ? nullptr : &found->state;
}

void HostNics::take_over(HostNics& other) {
    if (!net_) {
        net_ = std::move(other.net_);
        inside_ = std::move(other.inside_);
    }
    std::move(other.nics_.begin(), other.nics_.end(), std::back_inserter(nics_));
    other.leave();
}

void HostNics::move_in(UniqueFd net, const Tell& tell) {
    std::vector<Moved> wanted = std::exchange(nics_, {}); // from now on those that may have moved
    inside_.emplace(open_netlink_in(net.get()));
    net_ = std::move(net);
    const HostLock lock(host_namespace_.get());
    for (Moved& nic : wanted) nic.state = state_of(host_, nic.wanted.host_name, nic.state.inner_name);
    nics_ = std::move(wanted);
    tell(states(), net_.get());
    for (Moved& nic : nics_) move(nic);
    tell(states(), net_.get());
}

void HostNics::move(Moved& nic) {
    constexpr std::string_view action = "move into the container the host's link";
    const std::string& name = nic.state.name;
    sys::fault_point(Stage::Network, action, name);
    Message message = move_link(nic.state.index, net_.get(), nic.state.inner_name);
    if (!nic.wanted.mac.empty()) {
        const MacAddress mac = parse_mac(nic.wanted.mac).value_or(MacAddress{});
        message.put(IFLA_ADDRESS, mac.data(), mac.size());
    }
    if (nic.wanted.mtu != 0) message.put(IFLA_MTU, nic.wanted.mtu);
    const Answer answer = host_.request(message);
    if (answer.error != 0) throw network_error(answer.error, answer.text, action, name, hint_of(answer.error));
    nic.state.inner_index = inside_->find_index(nic.state.inner_name);
    if (nic.wanted.keep_addresses) add_addresses(*inside_, nic.state, nic.state.inner_index);
}

void HostNics::leave() noexcept {
    nics_.clear();
    inside_.reset();
    net_.reset();
}

void HostNics::bring_back(const std::string& name) {
    const auto nic =
        std::find_if(nics_.begin(), nics_.end(), [&](const Moved& each) { return each.state.name == name; });
    if (nic == nics_.end() || !inside_) return;
    std::vector<NicState> states{nic->state};
    if (const auto failed = bring_all_back(host_, host_namespace_.get(), states, &*inside_, warn_)) throw *failed;
    nics_.erase(nic);
}

bool HostNics::try_to_bring_back() noexcept {
    if (process_ != ::getpid() || !inside_ || nics_.empty()) return true; // none of them is this process's, or moved
    try {
        std::vector<NicState> states = this->states();
        const auto failed = bring_all_back(host_, host_namespace_.get(), states, &*inside_, warn_);
        std::erase_if(nics_, [&](const Moved& nic) {
            return std::find(states.begin(), states.end(), nic.state) == states.end();
        });
        if (!failed) return true;
        warn_(failed->what());
    } catch (const std::exception& error) {
        warn_(error.what());
    }
    return false;
}

void pin_for_nics(const std::string& pin, int net) {
    struct stat status {};
    if (::lstat(pin.c_str(), &status) == 0) return;
    pin_namespaces(pin, {{Namespace::Net, net, {}}});
}

bool has_nic(const std::vector<NicState>& nics, const std::string& pin, const LinkView& link, int net) {
    const auto is_it = [&](const NicState& nic) { return find_nic({link}, nic, Where::Container) != nullptr; };
    if (std::none_of(nics.begin(), nics.end(), is_it)) return false;
    const UniqueFd pinned(::open(concat(pin, "/net").c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    return pinned && same_namespace(pinned.get(), net);
}

void bring_back(std::vector<NicState> nics, const std::string& pin, const Warn& warn) {
    struct stat status {};
    if (pin.empty() || ::lstat(pin.c_str(), &status) < 0) return; // nothing was moved, or all is back
    {
        NetlinkSocket host;
        check_home(nics, host);
        UniqueFd net;
        try {
            net = open_namespace_file(Namespace::Net, concat(pin, "/net"));
        } catch (const Error&) {
            net.reset(); // killed before it was pinned, or somebody has unmounted it
        }
        std::optional<NetlinkSocket> inside;
        if (net) inside.emplace(open_netlink_in(net.get()));
        const UniqueFd host_namespace = own_namespace();
        const auto failed = bring_all_back(host, host_namespace.get(), nics, inside ? &*inside : nullptr, warn);
        if (failed) throw *failed;
    }
    unpin_namespaces(pin);
}

} // namespace ct::internal
