// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <net/if.h>

#include <cerrno>

#include "base/concat.hpp"
#include "base/subject.hpp"
#include "base/sys.hpp"
#include "config/network.hpp"
#include "container_core.hpp"
#include "launch/net_socket.hpp"
#include "net/network_state.hpp"
#include "net/requests.hpp"
#include "plan/compile.hpp"
#include "state/cleanup.hpp"

/// The network of a running container: changes, and a look at it.
namespace ct::internal {

/// The network namespace of a running container.
struct ContainerCore::Inside {
    UniqueFd net;
    NetlinkSocket socket;
    bool own; ///< This session takes down at the end what the container has on the host; else whoever finds the record.

    /// \throws Error
    void request(Message message, std::string_view action, std::string_view path) {
        sys::fault_point(Stage::Network, action, path);
        for (const LinkReference& reference : message.references()) {
            const int index = socket.find_index(std::string(reference.device));
            if (index == 0) {
                throw sys::error(ENODEV, Stage::Network, action, path,
                                 concat("the container has no device '", reference.device, "'"));
            }
            message.set_link(reference, index);
        }
        const Answer answer = socket.request(message);
        if (answer.error == 0) return;
        throw network_error(answer.error, answer.text, action, path, network_hint({}, action, answer.error));
    }

    /// What the child does for a device at a start.
    void set_up(const NetworkDevice& device) {
        const std::string& name = container_name_of(device);
        request(bring_up(name), "bring up", name);
        for (const Address& address : addresses_of(device)) {
            request(add_address(name, address), concat("add address '", address.address, "' to"), name);
        }
    }
};

namespace {

bool is_own(const UniqueFd& fd, Namespace kind) {
    const UniqueFd own = sys::open(concat("/proc/thread-self/ns/", to_string(kind)), O_RDONLY, Stage::Network);
    return same_namespace(fd.get(), own.get());
}

} // namespace

Warn ContainerCore::warning() const {
    return [session = session_, subject = subject()](const std::string& text) {
        session->log(LogLevel::Warning, concat(subject, ": ", text));
    };
}

ContainerCore::Inside ContainerCore::enter_network() {
    (void)running_init("change the network");
    UniqueFd net = namespace_fd(Namespace::Net);
    UniqueFd user = namespace_fd(Namespace::User);
    return with_subject(subject(), [&] {
        if (is_own(net, Namespace::Net)) {
            throw Error(Errc::InvalidState, Stage::Network, "change the network", {},
                        "it has no network namespace of its own");
        }
        if (is_own(user, Namespace::User)) user.reset();
        NetlinkSocket socket(open_netlink_in(net.get(), user.get()));
        const std::lock_guard lock(mutex_);
        return Inside{std::move(net), std::move(socket), !adopted_ || adopter_};
    });
}

void ContainerCore::change_network(Message message, std::string_view action, std::string_view path) {
    Inside inside = enter_network();
    with_subject(subject(), [&] { inside.request(std::move(message), action, path); });
}

void ContainerCore::attach_network(const NetworkDevice& device) {
    with_subject(subject(), [&] {
        check_network_device(device);
        const auto* const veth = std::get_if<Veth>(&device);
        if (veth == nullptr || !veth->lease) return;
        throw Error::invalid_config("attach", {"addresses are leased at the start of a container only"});
    });
    const std::lock_guard updating(updating_);
    Inside inside = enter_network();
    with_subject(subject(), [&] {
        if (const auto* const nic = std::get_if<HostNic>(&device)) {
            attach_nic(*nic, inside);
        } else {
            attach_link(device, inside);
        }
    });
}

void ContainerCore::attach_link(const NetworkDevice& device, Inside& inside) {
    const std::string& name = container_name_of(device);
    std::shared_ptr<HostLinks> links;
    if (const auto* const dummy = std::get_if<Dummy>(&device)) {
        inside.request(make_dummy(*dummy), "create the dummy", name);
    } else {
        links = std::make_shared<HostLinks>(Network{.devices = {device}});
        if (registration_ && !links->planned().empty()) registration_->add_links(links->planned());
        links->create({inside.net.get(), true});
    }
    try {
        inside.set_up(device);
    } catch (...) {
        if (const int index = inside.socket.find_index(name); index != 0) {
            (void)inside.socket.request(remove_link(index));
        }
        throw;
    }
    if (!links) return;
    const std::lock_guard lock(mutex_);
    if (state_ != State::Running) throw wrong_state("attach", "running", state_);
    if (inside.own) {
        host_side_.take_over(std::move(links));
    } else {
        links->leave();
    }
}

void ContainerCore::check_nic_owner(const Inside& inside) {
    if (inside.own || !registration_) return;
    const Record record = registration_->last_known();
    if (!owner_alive(record, session_->store->viewpoint())) return;
    throw Error(Errc::InvalidState, Stage::Network, "move a link of the host", {},
                concat("process ", record.owner.pid, " has started the container"));
}

void ContainerCore::attach_nic(const HostNic& nic, Inside& inside) {
    check_nic_owner(inside);
    auto nics = std::make_shared<HostNics>(Network{.devices = {nic}}, warning());
    try {
        nics->move_in(sys::duplicate(inside.net.get(), Stage::Network, "duplicate a namespace"),
                      [this](const std::vector<NicState>& states, int net) {
                          if (!registration_) return;
                          registration_->add_nics(states, nic_pin());
                          pin_for_nics(nic_pin(), net);
                      });
        inside.set_up(nic);
        const std::lock_guard lock(mutex_);
        if (state_ != State::Running) throw wrong_state("attach", "running", state_);
        if (inside.own) {
            host_side_.take_over(nics);
        } else {
            nics->leave();
        }
    } catch (...) {
        const std::vector<NicState> states = nics->states();
        if (!nics->try_to_bring_back()) {
            const std::lock_guard lock(mutex_);
            if (inside.own) host_side_.take_over(std::move(nics)); // tried again at the end
        } else if (registration_ && !states.empty()) {
            session_->log_errors([&] { registration_->remove_nic(states.front().name); });
        }
        throw;
    }
}

std::shared_ptr<HostNics> ContainerCore::nics_of_run() {
    const std::lock_guard lock(mutex_);
    return host_side_.nics();
}

void ContainerCore::check_nic_of_others(const LinkView& link, const Inside& inside) {
    const auto refuse = [&](const std::string& name) {
        throw Error(Errc::InvalidState, Stage::Network, "detach", link.name,
                    concat("it is a link of the host that the container '", name, "' has"));
    };
    for (const std::shared_ptr<ContainerCore>& other : session_->known()) {
        const std::shared_ptr<HostNics> nics = other.get() == this ? nullptr : other->nics_of_run();
        if (nics && nics->find(link, inside.net.get()) != nullptr) refuse(other->name());
    }
    if (!session_->store) return;
    for (const std::string& name : session_->store->names()) {
        const auto stored = name == name_ ? std::nullopt : session_->store->read(name);
        if (stored && has_nic(stored->record.nics, stored->record.nic_pin, link, inside.net.get())) refuse(name);
    }
}

bool ContainerCore::detach_nic(const LinkView& link, Inside& inside) {
    std::shared_ptr<HostNics> nics;
    if (inside.own) {
        nics = nics_of_run();
    } else if (registration_) {
        std::vector<NicState> states = registration_->running_nics();
        std::erase_if(states, [&](const NicState& nic) { return find_nic({link}, nic, Where::Container) == nullptr; });
        if (!states.empty()) {
            check_nic_owner(inside);
            nics = std::make_shared<HostNics>(
                states, sys::duplicate(inside.net.get(), Stage::Network, "duplicate a namespace"), warning());
        }
    }
    const NicState* const found = nics ? nics->find(link, inside.net.get()) : nullptr;
    if (found == nullptr) return false;
    const std::string name = found->name;
    try {
        nics->bring_back(name);
    } catch (...) {
        if (!inside.own) nics->leave();
        throw;
    }
    if (!inside.own) nics->leave();
    if (registration_) registration_->remove_nic(name);
    return true;
}

void ContainerCore::detach_network(const std::string& device) {
    constexpr std::string_view action = "detach";
    with_subject(subject(), [&] { check_link_name("name of the device", device); });
    const std::lock_guard updating(updating_);
    Inside inside = enter_network();
    with_subject(subject(), [&] {
        const std::optional<LinkView> link = find_link(inside.socket, device);
        if (!link) throw sys::error(ENODEV, Stage::Network, action, device);
        if ((link->flags & IFF_LOOPBACK) != 0) {
            throw sys::error(EINVAL, Stage::Network, action, device, "it is the loopback device");
        }
        if (detach_nic(*link, inside)) return;
        check_nic_of_others(*link, inside);
        const Answer answer = inside.socket.request(remove_link(link->index));
        if (answer.error != 0) throw network_error(answer.error, answer.text, action, device);
        const std::lock_guard lock(mutex_);
        if (host_side_.links()) host_side_.links()->forget(link->peer);
    });
}

NetworkState ContainerCore::network() {
    (void)running_init("look at the network");
    const UniqueFd net = namespace_fd(Namespace::Net);
    UniqueFd user = namespace_fd(Namespace::User);
    return with_subject(subject(), [&] {
        if (is_own(net, Namespace::Net)) {
            NetlinkSocket socket;
            return read_network(socket);
        }
        if (is_own(user, Namespace::User)) user.reset();
        NetlinkSocket socket(open_netlink_in(net.get(), user.get()));
        return read_network(socket);
    });
}

} // namespace ct::internal
