// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "bridge/parameters.hpp"

#include <fcntl.h>
#include <linux/netconf.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "net/reading.hpp"

namespace ct::internal {

namespace {

std::string path_of(const std::string& file) {
    return concat("/proc/sys/", file);
}

void write_present(const std::string& file, std::string_view value) {
    try {
        sys::write_file(path_of(file), value, Stage::Network, "reset");
    } catch (const Error& error) {
        if (error.code() != std::errc::no_such_file_or_directory) throw; // it went with its link
    }
}

/// The links that forward packets, and "default" if new ones will.
std::vector<std::string> forwarding_links(int family, NetlinkSocket& socket) {
    Message message(RTM_GETNETCONF, NLM_F_DUMP);
    message.add_header(netconfmsg{static_cast<std::uint8_t>(family)});
    std::vector<std::string> names;
    for (const std::string& text : socket.fetch(message, "look which links forward packets")) {
        if (number_of(find_attribute<netconfmsg>(text, NETCONFA_FORWARDING)) == 0) continue;
        const auto index = static_cast<int>(number_of(find_attribute<netconfmsg>(text, NETCONFA_IFINDEX)));
        std::string name = index == NETCONFA_IFINDEX_DEFAULT ? "default" : "";
        if (index > 0) name = socket.find_name(index);
        if (!name.empty()) names.push_back(std::move(name));
    }
    return names;
}

} // namespace

bool is_off(const std::string& file) {
    const UniqueFd fd(::open(path_of(file).c_str(), O_RDONLY | O_CLOEXEC));
    char value = '0';
    if (fd) (void)!::read(fd.get(), &value, 1);
    return value == '0';
}

SwitchedOn look_at_parameter(const std::string& file, NetlinkSocket& socket) {
    SwitchedOn parameter{file};
    const bool v4 = file == "net/ipv4/ip_forward";
    if (!v4 && file != "net/ipv6/conf/all/forwarding") return parameter;
    const std::string_view links = v4 ? "net/ipv4/conf/" : "net/ipv6/conf/";
    for (const std::string& name : forwarding_links(v4 ? AF_INET : AF_INET6, socket)) {
        parameter.lost_on.push_back(concat(links, name, "/forwarding"));
    }
    const std::string redirects = "net/ipv4/conf/all/accept_redirects";
    if (v4 && is_off(redirects)) parameter.lost_off.push_back(redirects);
    return parameter;
}

void switch_on(const std::string& file) {
    sys::fault_point(Stage::Network, "set the host's parameter", file);
    sys::write_file(path_of(file), "1", Stage::Network, "set the host's parameter");
}

void switch_back(const SwitchedOn& parameter) {
    write_present(parameter.file, "0");
    for (const std::string& file : parameter.lost_on) write_present(file, "1");
    for (const std::string& file : parameter.lost_off) write_present(file, "0");
}

} // namespace ct::internal
