// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "network_floor.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace ct::bench::floor {

char* Batch::append(const void* data, std::size_t size) {
    if (size_ + NLMSG_ALIGN(size) > sizeof bytes_) throw std::length_error("a batch of netlink requests");
    char* const place = bytes_ + size_;
    std::memcpy(place, data, size);
    size_ += NLMSG_ALIGN(size);
    return place;
}

char* Batch::put(int type, const void* data, std::size_t size) {
    const rtattr header{static_cast<std::uint16_t>(RTA_LENGTH(size)), static_cast<std::uint16_t>(type)};
    append(&header, sizeof header);
    return append(data, size);
}

void Batch::put(int type, const char* text) {
    put(type, text, std::strlen(text) + 1);
}

std::size_t Batch::open(int type) {
    const std::size_t nest = size_;
    const rtattr header{0, static_cast<std::uint16_t>(type)};
    append(&header, sizeof header);
    return nest;
}

void Batch::close(std::size_t nest) {
    const auto length = static_cast<std::uint16_t>(size_ - nest);
    std::memcpy(bytes_ + nest, &length, sizeof length);
}

void Batch::end() {
    const auto length = static_cast<std::uint32_t>(size_ - start_);
    if (length > 0) std::memcpy(bytes_ + start_, &length, sizeof length);
}

void Batch::finish() {
    end();
    reinterpret_cast<nlmsghdr*>(bytes_ + start_)->nlmsg_flags |= NLM_F_ACK;
}

bool Batch::send(int socket) noexcept {
    if (::send(socket, bytes_, size_, 0) != static_cast<ssize_t>(size_)) return false;
    char answer[2048];
    if (recv(socket, answer, sizeof answer, 0) < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) return false;
    return static_cast<const nlmsgerr*>(NLMSG_DATA(answer))->error == 0;
}

Veth::Veth(const std::string& host_name, const std::string& bridge, std::uint8_t number)
    : host_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)), name_(host_name) {
    ifinfomsg link{};
    link.ifi_flags = link.ifi_change = IFF_UP;
    outside_.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, link);
    outside_.put(IFLA_IFNAME, name_.c_str());
    outside_.put(IFLA_MASTER, if_nametoindex(bridge.c_str()));
    const std::size_t info = outside_.open(IFLA_LINKINFO);
    outside_.put(IFLA_INFO_KIND, "veth");
    const std::size_t data = outside_.open(IFLA_INFO_DATA);
    const std::size_t peer = outside_.open(VETH_INFO_PEER);
    outside_.add(ifinfomsg{});
    outside_.put(IFLA_IFNAME, "eth0");
    pid_ = outside_.put(IFLA_NET_NS_PID, std::uint32_t{0});
    outside_.close(peer);
    outside_.close(data);
    outside_.close(info);
    outside_.finish();

    // The first link that is made in a namespace is its second.
    constexpr int eth0 = 2;
    for (const int index : {1, eth0}) {
        link.ifi_index = index;
        inside_.begin(RTM_NEWLINK, 0, link);
    }
    ifaddrmsg address{};
    address.ifa_family = AF_INET;
    address.ifa_prefixlen = 24;
    address.ifa_index = eth0;
    inside_.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, address);
    const std::uint8_t own[4] = {10, 0, 0, number};
    inside_.put(IFA_LOCAL, own, sizeof own);
    inside_.put(IFA_ADDRESS, own, sizeof own);
    rtmsg route{};
    route.rtm_family = AF_INET;
    route.rtm_table = RT_TABLE_MAIN;
    route.rtm_protocol = RTPROT_STATIC;
    route.rtm_type = RTN_UNICAST;
    inside_.begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
    const std::uint8_t gateway[4] = {10, 0, 0, 1};
    inside_.put(RTA_GATEWAY, gateway, sizeof gateway);
    inside_.finish();
}

Veth::~Veth() {
    close(host_);
}

void Veth::make() noexcept {
    const auto pid = static_cast<std::uint32_t>(getpid());
    std::memcpy(pid_, &pid, sizeof pid);
    const int own = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (!outside_.send(host_) || !inside_.send(own)) _exit(126);
    close(own);
}

void Veth::remove() {
    ifinfomsg link{};
    link.ifi_index = static_cast<int>(if_nametoindex(name_.c_str()));
    if (link.ifi_index == 0) return;
    Batch removal;
    removal.begin(RTM_DELLINK, 0, link);
    removal.finish();
    (void)removal.send(host_); // the kernel may have been faster
}

} // namespace ct::bench::floor
