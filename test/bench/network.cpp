// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "network.hpp"

#include <ct/ct.hpp>

#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "floor.hpp"
#include "network_floor.hpp"

namespace ct::bench {
namespace {

void make_host_network() {
    const int fd = unshare(CLONE_NEWNET) == 0 ? socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
    ifreq up{};
    std::string("br0").copy(up.ifr_name, sizeof up.ifr_name - 1);
    up.ifr_flags = IFF_UP;
    if (fd < 0 || ioctl(fd, SIOCBRADDBR, "br0") != 0 || ioctl(fd, SIOCSIFFLAGS, &up) != 0) {
        throw std::system_error(errno, std::system_category(), "make a network namespace with a bridge");
    }
    close(fd);
}

class Libct {
public:
    Libct(const Bundle& bundle, int count) : process_{.argv = {bundle.root() + "/true", "stay"}} {
        make_host_network();
        for (int i = 0; i < count; ++i) {
            containers_.push_back(session_.create("bench" + std::to_string(i)));
            containers_.back()
                .add_namespaces({Namespace::Pid, Namespace::Net})
                .add_network(Veth{.host_name = "bench" + std::to_string(i),
                                  .bridge = "br0",
                                  .addresses = {{"10.0.0." + std::to_string(i + 2) + "/24"}}})
                .add_route({.gateway = "10.0.0.1"});
        }
    }

    void start() { containers_.front().start(process_); }
    void start_all() {
        std::vector<std::thread> threads;
        for (Container& container : containers_) threads.emplace_back([&] { container.start(process_); });
        for (std::thread& thread : threads) thread.join();
    }
    void end() {
        for (Container& container : containers_) container.kill();
        for (Container& container : containers_) container.wait();
    }

private:
    Session session_;
    std::vector<Container> containers_;
    ProcessSpec process_;
};

class Floor {
public:
    explicit Floor(const Bundle& bundle) : program_(bundle.root() + "/true") {
        make_host_network();
        veth_.emplace("bench0", "br0", 2);
        container_.namespaces = CLONE_NEWPID | CLONE_NEWNET;
        container_.argv = argv_;
        container_.veth = &*veth_;
    }
    Floor(const Floor&) = delete;
    Floor& operator=(const Floor&) = delete;

    void start() { process_ = floor::start(container_, stack_); }
    void end() {
        floor::kill(process_);
        veth_->remove();
    }

private:
    std::string program_;
    const char* argv_[3] = {program_.c_str(), "stay", nullptr};
    std::optional<floor::Veth> veth_;
    floor::Container container_;
    floor::Stack stack_;
    floor::Process process_;
};

void run_shell(const char* commands) {
    if (std::system(commands) != 0) throw std::runtime_error(std::string("failed: ") + commands);
}

} // namespace

Host::Work start_networked(const Bundle& bundle) {
    const auto libct = std::make_shared<Libct>(bundle, 1);
    return {[libct] { libct->start(); }, [libct] { libct->end(); }};
}

Host::Work start_networked_with_floor(const Bundle& bundle) {
    const auto floor = std::make_shared<Floor>(bundle);
    return {[floor] { floor->start(); }, [floor] { floor->end(); }};
}

Host::Work run_networked(const Bundle& bundle) {
    const auto libct = std::make_shared<Libct>(bundle, 1);
    return {[libct] {
        libct->start();
        libct->end();
    }};
}

Host::Work run_networked_with_floor(const Bundle& bundle) {
    const auto floor = std::make_shared<Floor>(bundle);
    return {[floor] {
        floor->start();
        floor->end();
    }};
}

Host::Work start_networked_with_ip(const Bundle&) {
    make_host_network();
    return {[] {
                run_shell("set -e; ip netns add ct-bench; ip link add bench0 type veth peer name eth0 netns ct-bench;"
                          "ip link set bench0 master br0 up; ip -n ct-bench link set lo up;"
                          "ip -n ct-bench link set eth0 up; ip -n ct-bench address add 10.0.0.2/24 dev eth0;"
                          "ip -n ct-bench route add default via 10.0.0.1");
            },
            [] { run_shell("ip link delete bench0; ip netns delete ct-bench"); }};
}

Host::Work start_networked_at_once(const Bundle& bundle, int count) {
    const auto libct = std::make_shared<Libct>(bundle, count);
    return {[libct] { libct->start_all(); }, [libct] { libct->end(); }, count};
}

} // namespace ct::bench
