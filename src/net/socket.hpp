// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ct/error.hpp>

#include "base/unique_fd.hpp"
#include "net/message.hpp"

struct nl_sock;
struct nlmsghdr;

namespace ct::internal {

/// The kernel's answer to a request.
struct Answer {
    int error = 0;    ///< errno, or 0
    std::string text; ///< What the kernel said about it; often empty.
};

/// A failure of rtnetlink: with the kernel's own words, and Errc::Unsupported for a kind of link that it does not have.
[[nodiscard]] Error network_error(int error_number, std::string_view said, std::string_view action,
                                  std::string_view path, std::string_view hint = {});

/// libnl has numbers of its own, most of which had an errno before.
[[nodiscard]] int errno_of_libnl(int error) noexcept;

/// A socket of rtnetlink(7), in the network namespace that the calling thread had when it was made. For one thread at a
/// time.
class NetlinkSocket {
public:
    NetlinkSocket();
    /// One that was made elsewhere, in whatever namespace.
    explicit NetlinkSocket(UniqueFd socket);

    [[nodiscard]] Answer request(const Message& message);
    /// What the kernel answers a request for facts: whole messages, headers included. All of a dump, or none of it.
    /// \param action  for the error
    [[nodiscard]] std::vector<std::string> fetch(const Message& message, std::string_view action);
    /// For libnl; not owned.
    [[nodiscard]] nl_sock* get() const noexcept { return socket_.get(); }
    /// The number of the link with that name; 0 if there is none.
    [[nodiscard]] int find_index(const std::string& name) noexcept;
    /// Empty if there is none.
    [[nodiscard]] std::string find_name(int index);
    /// A number that no other network namespace has or will have; or nothing, before Linux 5.14.
    [[nodiscard]] std::optional<std::uint64_t> namespace_cookie() noexcept;
    /// What drives that link, such as "bridge"; empty if nothing tells. Cheaper than find_link(), for which the kernel
    /// says all that it knows.
    [[nodiscard]] std::string find_driver(const std::string& name);

private:
    struct Free {
        void operator()(nl_sock* socket) const noexcept;
    };
    std::unique_ptr<nl_sock, Free> socket_;
};

} // namespace ct::internal
