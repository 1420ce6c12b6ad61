// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "net/socket.hpp"

#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

struct Callbacks {
    nl_cb* set = ::nl_cb_alloc(NL_CB_DEFAULT);

    Callbacks() {
        if (set == nullptr) throw std::bad_alloc();
    }
    Callbacks(const Callbacks&) = delete;
    Callbacks& operator=(const Callbacks&) = delete;
    ~Callbacks() { ::nl_cb_put(set); }
};

/// What is under way.
struct Pending {
    Answer answer;
    bool answered = false;
};

int on_ack(nl_msg*, void* pending) {
    static_cast<Pending*>(pending)->answered = true;
    return NL_STOP;
}

/// The kernel's words follow the echo of the request's header.
int on_error(sockaddr_nl*, nlmsgerr* error, void* argument) {
    auto& pending = *static_cast<Pending*>(argument);
    pending.answered = true;
    pending.answer.error = -error->error;
    auto* const header =
        reinterpret_cast<nlmsghdr*>(reinterpret_cast<char*>(error) - NLMSG_HDRLEN); // as libnl has received it
    if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return NL_STOP;
    std::size_t begin = sizeof *error;
    if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) begin += NLMSG_ALIGN(error->msg.nlmsg_len) - NLMSG_HDRLEN;
    const std::size_t length = header->nlmsg_len - NLMSG_HDRLEN;
    if (begin > length) return NL_STOP;
    auto* const first = reinterpret_cast<nlattr*>(reinterpret_cast<char*>(error) + begin);
    const nlattr* const text = ::nla_find(first, static_cast<int>(length - begin), NLMSGERR_ATTR_MSG);
    if (text != nullptr) {
        const auto* const data = static_cast<const char*>(::nla_data(text));
        pending.answer.text.assign(data, ::strnlen(data, static_cast<std::size_t>(::nla_len(text))));
    }
    return NL_STOP;
}

void set_options(int fd) {
    for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) {
        const int on = 1;
        (void)::setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
    }
}

/// Lets the kernel filter dumps, as long as it exists. Not always: libnl's own requests are not strict.
class Strict {
public:
    explicit Strict(int fd) : fd_(fd) { set(1); }
    Strict(const Strict&) = delete;
    Strict& operator=(const Strict&) = delete;
    ~Strict() { set(0); }

private:
    void set(int value) const { (void)::setsockopt(fd_, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &value, sizeof value); }
    int fd_;
};

ifreq request_about(const std::string& name) noexcept {
    ifreq request{};
    std::copy_n(name.begin(), std::min(name.size(), sizeof request.ifr_name - 1), request.ifr_name);
    return request;
}

} // namespace

int errno_of_libnl(int error) noexcept {
    switch (-error) {
    case NLE_NOMEM: return ENOMEM;
    case NLE_PERM: return EPERM;
    case NLE_NODEV:
    case NLE_OBJ_NOTFOUND: return ENODEV;
    case NLE_BUSY: return EBUSY;
    case NLE_OPNOTSUPP: return EOPNOTSUPP;
    case NLE_AF_NOSUPPORT: return EAFNOSUPPORT;
    default: return EIO;
    }
}

Error network_error(int error_number, std::string_view said, std::string_view action, std::string_view path,
                    std::string_view hint) {
    std::string clause = said.empty() ? "" : concat("(", said, ")");
    if (!hint.empty()) clause += concat(clause.empty() ? "" : "; ", hint);
    if (error_number == EOPNOTSUPP) return {Errc::Unsupported, Stage::Network, action, path, clause};
    return sys::error(error_number, Stage::Network, action, path, clause);
}

void NetlinkSocket::Free::operator()(nl_sock* socket) const noexcept {
    ::nl_socket_free(socket);
}

NetlinkSocket::NetlinkSocket() : socket_(::nl_socket_alloc()) {
    constexpr std::string_view action = "open a netlink socket";
    sys::fault_point(Stage::Network, action);
    if (!socket_) throw std::bad_alloc();
    // Without the kernel's own words errors are still errors.
    const int error = ::nl_connect(socket_.get(), NETLINK_ROUTE);
    if (error < 0) throw sys::error(errno_of_libnl(error), Stage::Network, action, {}, ::nl_geterror(error));
    set_options(::nl_socket_get_fd(socket_.get()));
}

NetlinkSocket::NetlinkSocket(UniqueFd socket) : socket_(::nl_socket_alloc()) {
    constexpr std::string_view action = "use a netlink socket";
    if (!socket_) throw std::bad_alloc();
    sockaddr_nl any{};
    any.nl_family = AF_NETLINK;
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) < 0) {
        throw sys::error(errno, Stage::Network, action);
    }
    set_options(socket.get());
    const int error = ::nl_socket_set_fd(socket_.get(), NETLINK_ROUTE, socket.get());
    if (error < 0) throw sys::error(errno_of_libnl(error), Stage::Network, action, {}, ::nl_geterror(error));
    (void)socket.release();
}

Answer NetlinkSocket::request(const Message& message) {
    Pending pending;
    const Callbacks callbacks;
    ::nl_cb_err(callbacks.set, NL_CB_CUSTOM, on_error, &pending);
    ::nl_cb_set(callbacks.set, NL_CB_ACK, NL_CB_CUSTOM, on_ack, &pending);
    int error = ::nl_send_auto(socket_.get(), message.get());
    while (error >= 0 && !pending.answered) error = ::nl_recvmsgs(socket_.get(), callbacks.set);
    if (!pending.answered) return {errno_of_libnl(error), ::nl_geterror(error)};
    return std::move(pending.answer);
}

std::vector<std::string> NetlinkSocket::fetch(const Message& message, std::string_view action) {
    struct Fetched {
        Pending pending;
        std::vector<std::string> messages;
        bool interrupted = false;
    };
    constexpr int most = 50; // tables that never rest are shown as they were read
    const Strict strict(::nl_socket_get_fd(socket_.get()));
    for (int tries = 1;; ++tries) {
        Fetched fetched;
        const Callbacks callbacks;
        const auto keep = [](nl_msg* received, void* argument) -> int {
            const nlmsghdr* const header = ::nlmsg_hdr(received);
            static_cast<Fetched*>(argument)->messages.emplace_back(reinterpret_cast<const char*>(header),
                                                                   header->nlmsg_len);
            return NL_OK;
        };
        const auto interrupt = [](nl_msg*, void* argument) -> int {
            static_cast<Fetched*>(argument)->interrupted = true;
            return NL_OK;
        };
        ::nl_cb_err(callbacks.set, NL_CB_CUSTOM, on_error, &fetched.pending);
        ::nl_cb_set(callbacks.set, NL_CB_ACK, NL_CB_CUSTOM, on_ack, &fetched.pending);
        ::nl_cb_set(callbacks.set, NL_CB_FINISH, NL_CB_CUSTOM, on_ack, &fetched.pending);
        ::nl_cb_set(callbacks.set, NL_CB_VALID, NL_CB_CUSTOM, +keep, &fetched);
        ::nl_cb_set(callbacks.set, NL_CB_DUMP_INTR, NL_CB_CUSTOM, +interrupt, &fetched);
        int error = ::nl_send_auto(socket_.get(), message.get());
        while (error >= 0 && !fetched.pending.answered) error = ::nl_recvmsgs(socket_.get(), callbacks.set);
        if (!fetched.pending.answered) {
            throw sys::error(errno_of_libnl(error), Stage::Network, action, {}, ::nl_geterror(error));
        }
        const Answer& answer = fetched.pending.answer;
        if (answer.error != 0) throw network_error(answer.error, answer.text, action, {});
        // The tables have changed meanwhile: what was read is no picture of any moment.
        if (!fetched.interrupted || tries == most) return std::move(fetched.messages);
    }
}

std::optional<std::uint64_t> NetlinkSocket::namespace_cookie() noexcept {
#ifndef SO_NETNS_COOKIE
    constexpr int SO_NETNS_COOKIE = 71;
#endif
    std::uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    if (::getsockopt(::nl_socket_get_fd(socket_.get()), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0) return {};
    return cookie;
}

int NetlinkSocket::find_index(const std::string& name) noexcept {
    ifreq request = request_about(name);
    if (::ioctl(::nl_socket_get_fd(socket_.get()), SIOCGIFINDEX, &request) < 0) return 0;
    return request.ifr_ifindex;
}

std::string NetlinkSocket::find_name(int index) {
    ifreq request{};
    request.ifr_ifindex = index;
    if (::ioctl(::nl_socket_get_fd(socket_.get()), SIOCGIFNAME, &request) < 0) return {};
    return {request.ifr_name, ::strnlen(request.ifr_name, sizeof request.ifr_name)};
}

std::string NetlinkSocket::find_driver(const std::string& name) {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    ifreq request = request_about(name);
    request.ifr_data = reinterpret_cast<char*>(&info);
    if (::ioctl(::nl_socket_get_fd(socket_.get()), SIOCETHTOOL, &request) < 0) return {};
    return {info.driver, ::strnlen(info.driver, sizeof info.driver)};
}

} // namespace ct::internal
