// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <linux/netlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>

#include "child/child_ops.hpp"
#include "child/raw_syscall.hpp"

namespace ct::internal::child {

namespace {

/// The kernel's words about a refusal, for the parent.
void keep_text(Handshake& handshake, const char* answer, std::size_t length) noexcept {
    const auto* const header = reinterpret_cast<const nlmsghdr*>(answer);
    if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0 || (header->nlmsg_flags & NLM_F_CAPPED) == 0) return;
    std::size_t at = NLMSG_LENGTH(sizeof(nlmsgerr));
    while (at + sizeof(nlattr) <= length) {
        const auto* const attribute = reinterpret_cast<const nlattr*>(answer + at);
        if (attribute->nla_len < sizeof(nlattr) || at + attribute->nla_len > length) return;
        if (attribute->nla_type == NLMSGERR_ATTR_MSG) {
            const std::size_t size = attribute->nla_len - sizeof(nlattr);
            const std::size_t most = sizeof handshake.message - 1;
            std::size_t i = 0;
            for (; i < size && i < most; ++i) handshake.message[i] = answer[at + sizeof(nlattr) + i];
            handshake.message[i] = '\0';
            return;
        }
        at += NLA_ALIGN(attribute->nla_len);
    }
}

} // namespace

long open_netlink(Context& context) noexcept {
    const long fd = raw_syscall(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0) return fd;
    // Without these options errors are still errors.
    const int on = 1;
    raw_syscall(SYS_setsockopt, fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    raw_syscall(SYS_setsockopt, fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    context.netlink_fd = static_cast<int>(fd);
    return 0;
}

long find_link(const Context& context, const FindLinkArgs& args) noexcept {
    ifreq request;
    __builtin_memset(&request, 0, sizeof request);
    for (std::size_t i = 0; args.name[i] != '\0' && i < sizeof request.ifr_name - 1; ++i) {
        request.ifr_name[i] = args.name[i];
    }
    const long error = raw_syscall(SYS_ioctl, context.netlink_fd, SIOCGIFINDEX, &request);
    if (error < 0) return error;
    *args.index = request.ifr_ifindex;
    return 0;
}

/// The kernel has answered when the request was sent.
long request_netlink(const Context& context, const NetlinkArgs& args) noexcept {
    for (std::uint32_t i = 0; i < args.link_count; ++i) {
        __builtin_memcpy(args.message + args.links[i].offset, args.links[i].index, sizeof *args.links[i].index);
    }
    const long sent = raw_syscall(SYS_sendto, context.netlink_fd, args.message, args.size, 0, nullptr, 0);
    if (sent < 0) return sent;
    alignas(nlmsghdr) char answer[512];
    const long length = raw_syscall(SYS_recvfrom, context.netlink_fd, answer, sizeof answer, 0, nullptr, nullptr);
    if (length < 0) return length;
    const auto* const header = reinterpret_cast<const nlmsghdr*>(answer);
    if (length < static_cast<long>(NLMSG_LENGTH(sizeof(nlmsgerr))) || header->nlmsg_type != NLMSG_ERROR) return -EPROTO;
    const int error = static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
    if (error < 0) keep_text(context.handshake, answer, static_cast<std::size_t>(length));
    return error;
}

} // namespace ct::internal::child
