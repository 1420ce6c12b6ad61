// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "support/bridges.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>

#include <cerrno>

namespace ct::test {

void BridgeFixture::SetUp() {
    ContainerTest::SetUp();
    socket_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    set_up("lo", true);
}

void BridgeFixture::TearDown() {
    close_session();
    for (const std::string& bridge : bridges_) {
        set_up(bridge, false);
        EXPECT_EQ(::ioctl(socket_, SIOCBRDELBR, bridge.c_str()), 0) << bridge;
    }
    ::close(socket_);
    EXPECT_TRUE(nothing_recorded());
    ContainerTest::TearDown();
}

Bridge BridgeFixture::bridge() {
    return {.name = "cttest", .addresses = {"10.89.0.1/24", "fd00:89::1/64"}};
}

Container BridgeFixture::add_to_bridge(Container container, const Bridge& bridge) {
    container.add_namespace(Namespace::Net).add_bridge(bridge);
    container.add_network(Veth{.bridge = bridge.name, .lease = true});
    return container;
}

Container BridgeFixture::holdable(const std::string& name) {
    return plain(name).set_root(image().string()).add_namespaces({Namespace::Mount, Namespace::Ipc});
}

Container BridgeFixture::on_bridge(const std::string& name, const Bridge& bridge) {
    return add_to_bridge(holdable(name), bridge);
}

SessionOptions BridgeFixture::options() const {
    SessionOptions options{.cgroup_parent = cgroup_parent()};
    options.log_handler = [](LogLevel, std::string_view text) { ADD_FAILURE() << text; };
    options.state_directory = dir() / "state";
    options.network_directory = dir() / "network";
    return options;
}

Finished BridgeFixture::host(std::vector<std::string> args) {
    Container process = plain("host-process");
    return run(process, host_program(std::move(args)));
}

std::string BridgeFixture::network_of(Container& container) {
    const int net = container.namespace_fd(Namespace::Net);
    Session own;
    Container visitor = own.create("visitor").join_namespace(Namespace::Net, net);
    std::string text = run(visitor, host_program({"network"})).out;
    ::close(net);
    return text;
}

std::string BridgeFixture::line_with(std::string_view text, std::string_view part) {
    for (const std::string& line : lines(text)) {
        if (line.find(part) != std::string::npos) return line;
    }
    return {};
}

std::string BridgeFixture::address_of(Container& container, bool ipv6) {
    const std::string line = line_with(network_of(container), ipv6 ? "eth0 address fd" : "eth0 address 10.");
    const std::size_t begin = line.rfind(' ') + 1;
    return line.substr(begin, line.find('/') - begin);
}

bool BridgeFixture::link_exists(const std::string& name) {
    return ::if_nametoindex(name.c_str()) != 0;
}

bool BridgeFixture::nothing_recorded() const {
    return !std::filesystem::exists(dir() / "network") || std::filesystem::is_empty(dir() / "network");
}

std::filesystem::path BridgeFixture::record_file() const {
    for (const auto& entry : std::filesystem::directory_iterator{dir() / "network"})
        return entry.path() / "record.json";
    return {};
}

void BridgeFixture::make_bridge(const std::string& name) {
    ASSERT_EQ(::ioctl(socket_, SIOCBRADDBR, name.c_str()), 0) << std::generic_category().message(errno);
    bridges_.push_back(name);
    set_up(name, true);
}

void BridgeFixture::set_address(const std::string& link, const std::string& address, const std::string& mask) const {
    ifreq request{};
    link.copy(request.ifr_name, sizeof request.ifr_name - 1);
    auto* const value = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
    for (const auto& [call, text] : {std::pair(SIOCSIFADDR, address), std::pair(SIOCSIFNETMASK, mask)}) {
        value->sin_family = AF_INET;
        ASSERT_EQ(::inet_pton(AF_INET, text.c_str(), &value->sin_addr), 1);
        ASSERT_EQ(::ioctl(socket_, static_cast<unsigned long>(call), &request), 0)
            << link << std::generic_category().message(errno);
    }
}

void BridgeFixture::set_up(const std::string& name, bool up) const {
    ifreq request{};
    name.copy(request.ifr_name, sizeof request.ifr_name - 1);
    request.ifr_flags = up ? IFF_UP : 0;
    EXPECT_EQ(::ioctl(socket_, SIOCSIFFLAGS, &request), 0) << name;
}

} // namespace ct::test
