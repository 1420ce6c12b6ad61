// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "cgroup/processes.hpp"
#include "config/validate.hpp"
#include "container_core.hpp"
#include "named_networks.hpp"
#include "pins.hpp"
#include "plan/namespace_flags.hpp"
#include "processes.hpp"
#include "switch_to.hpp"

/// What one can do with the namespaces of a running container.
namespace ct::internal {

namespace {

/// One of this session, or one that another process has recorded.
std::shared_ptr<ContainerCore> find_other(SessionCore& session, const std::string& name) {
    try {
        return session.open(name);
    } catch (const Error& error) {
        if (error.code() != Errc::NotFound) throw;
        return nullptr;
    }
}

} // namespace

Joins ContainerCore::open_joins(const Spec& spec) {
    {
        const std::lock_guard lock(mutex_);
        pid_owner_.reset();
    }
    if (!joins_namespaces(spec)) return {};
    return Joins(spec, [&](Namespace kind, const std::string& other) { return namespace_of_container(kind, other); });
}

UniqueFd ContainerCore::namespace_of_container(Namespace kind, const std::string& other) {
    const std::string action = concat("join the ", to_string(kind), " namespace of container");
    if (other == name_) throw Error(Errc::InvalidConfig, Stage::Namespaces, action, other, "that is this one");
    const std::shared_ptr<ContainerCore> container = find_other(*session_, other);
    if (!container || container->life() != State::Running) {
        throw Error(Errc::InvalidState, Stage::Namespaces, action, other,
                    container ? "it is not running" : "there is none of that name");
    }
    if (!has_namespace(container->spec(), kind)) {
        throw Error(Errc::InvalidConfig, Stage::Namespaces, action, other, "it shares that namespace with the host");
    }
    UniqueFd fd = container->namespace_fd(kind);
    if (kind == Namespace::Pid) {
        std::shared_ptr<Entered> owner;
        {
            const std::lock_guard lock(container->mutex_);
            owner = container->pid_owner_.lock();
            if (!owner) owner = container->entered_;
        }
        const std::lock_guard lock(mutex_);
        pid_owner_ = owner;
    }
    return fd;
}

UniqueFd ContainerCore::namespace_fd(Namespace kind) {
    const std::shared_ptr<ProcessCore> init = running_init("open a namespace");
    std::shared_ptr<const Joins> held;
    {
        const std::lock_guard lock(mutex_);
        held = held_;
    }
    return with_subject(subject(), [&] {
        if (init) return open_namespace_of(kind, init->pid(), init->pidfd());
        const int fd = held ? held->find(kind) : -1;
        if (fd >= 0) return sys::duplicate(fd, Stage::Namespaces, "duplicate a namespace");
        return sys::open(concat("/proc/thread-self/ns/", to_string(kind)), O_RDONLY, Stage::Namespaces);
    });
}

Joins ContainerCore::own_namespaces() {
    Joins own;
    for (const auto& [kind, source] : spec().namespaces) own.add(kind, namespace_fd(kind), concat("container ", name_));
    own.put_in_order();
    return own;
}

std::string ContainerCore::pin(std::string directory) {
    if (directory.empty()) directory = default_pin_directory(name_);
    (void)running_init("pin");
    const Joins own = own_namespaces();
    with_subject(subject(), [&] { pin_namespaces(directory, own.list()); });
    return directory;
}

void ContainerCore::unpin(std::string directory) {
    if (directory.empty()) directory = default_pin_directory(name_);
    with_subject(subject(), [&] { unpin_namespaces(directory); });
}

void ContainerCore::pin_network(const std::string& name) {
    (void)running_init("name the network of");
    with_subject(subject(), [&] {
        if (!has_namespace(spec(), Namespace::Net)) {
            throw Error(Errc::InvalidConfig, Stage::Namespaces, "name the network", name, "it is the host's own");
        }
        const UniqueFd network = namespace_fd(Namespace::Net);
        pin_named_network(name, network.get());
    });
}

void ContainerCore::switch_to() {
    (void)running_init("switch to");
    const Joins own = own_namespaces();
    UniqueFd root;
    {
        const std::lock_guard lock(mutex_);
        if (host_side_.chroot() >= 0) root = sys::duplicate(host_side_.chroot(), Stage::Enter, "duplicate the root");
    }
    with_subject(subject(), [&] { switch_thread(own.list(), root.get()); });
}

std::vector<pid_t> ContainerCore::processes() {
    const std::shared_ptr<ProcessCore> init = running_init("list the processes");
    std::shared_ptr<Entered> entered;
    bool own_pids;
    {
        const std::lock_guard lock(mutex_);
        entered = entered_;
        // Of an adopted container nobody knows which namespaces were made for it.
        own_pids = makes_namespace(*spec_, Namespace::Pid) || (adopter_ && has_namespace(*spec_, Namespace::Pid));
    }
    return with_subject(subject(), [&] {
        if (own_pids) return processes_in(namespace_fd(Namespace::Pid).get());
        if (const auto groups = this->groups(); groups && !groups->empty()) return living(processes_in(*groups));
        entered->sweep();
        std::vector<pid_t> roots;
        if (init) roots.push_back(init->pid());
        for (const auto& process : entered->all()) roots.push_back(process->pid());
        std::erase(roots, -1);
        return processes_below(roots);
    });
}

} // namespace ct::internal
