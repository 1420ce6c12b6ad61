// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "bridge/nftables.hpp"

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "base/shared_library.hpp"
#include "base/sys.hpp"

#ifdef CT_HAVE_NFTABLES

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>

namespace ct::internal {

namespace {

Error unsupported(std::string_view hint) {
    return {Errc::Unsupported, Stage::Network, "use nftables", {}, hint};
}

/// What is used of libnftables.
struct Library {
    Library();

    decltype(&::nft_ctx_new) make;
    decltype(&::nft_ctx_free) free;
    decltype(&::nft_ctx_buffer_output) buffer_output;
    decltype(&::nft_ctx_buffer_error) buffer_error;
    decltype(&::nft_ctx_get_output_buffer) output;
    decltype(&::nft_ctx_get_error_buffer) error;
    decltype(&::nft_run_cmd_from_buffer) run;
};

Library::Library() {
    const SharedLibrary loaded("libnftables.so.1", Stage::Network, "use nftables");
    loaded.find(make, "nft_ctx_new");
    loaded.find(free, "nft_ctx_free");
    loaded.find(buffer_output, "nft_ctx_buffer_output");
    loaded.find(buffer_error, "nft_ctx_buffer_error");
    loaded.find(output, "nft_ctx_get_output_buffer");
    loaded.find(error, "nft_ctx_get_error_buffer");
    loaded.find(run, "nft_run_cmd_from_buffer");
}

const Library& library() {
    static const Library loaded;
    return loaded;
}

/// libnftables ends the program if it cannot open a socket.
void check_sockets(const char* action) {
    std::array<UniqueFd, 3> sockets;
    for (UniqueFd& socket : sockets) {
        socket.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
        if (socket) continue;
        if (errno == EPROTONOSUPPORT) throw unsupported("this kernel has no nf_tables, neither built in nor as module");
        throw sys::error(errno, Stage::Network, action);
    }
}

/// The library tells no errno, only a sentence that ends with its text, and then shows the command.
Error failed(std::string_view action, std::string_view said) {
    const std::string first(said.substr(0, said.find('\n')));
    for (const int number : {EPERM, ENOENT, EOPNOTSUPP, EEXIST, EBUSY, ENOMEM, ENOSPC, ENFILE, EMFILE}) {
        if (!first.ends_with(std::generic_category().message(number))) continue;
        if (number == EPERM) {
            return sys::error(number, Stage::Network, action, {},
                              "needs CAP_NET_ADMIN in the host's network namespace");
        }
        if (number == ENOENT || number == EOPNOTSUPP) {
            return {
                Errc::Unsupported, Stage::Network, action, {}, concat("(", first, "); this kernel may lack a part")};
        }
        return sys::error(number, Stage::Network, action, {}, concat("(", first, ")"));
    }
    return sys::error(EIO, Stage::Network, action, {}, concat("(", first, ")"));
}

} // namespace

void Nftables::require() {
    (void)library();
}

bool Nftables::has_table() noexcept {
    // Without libnftables, which would read all tables that there are.
    constexpr std::array<char, 8> name{"libct"};
    struct {
        nlmsghdr header;
        nfgenmsg family;
        nlattr attribute;
        std::array<char, 8> name;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8U | NFT_MSG_GETTABLE;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.family.nfgen_family = NFPROTO_INET;
    request.attribute.nla_type = NFTA_TABLE_NAME;
    request.attribute.nla_len = sizeof request.attribute + sizeof name; // NUL bytes at the end do not count
    request.name = name;
    const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (!socket || ::send(socket.get(), &request, sizeof request, 0) < 0) return false;
    // The kernel has answered by now, with the table or with an error.
    std::array<char, 1024> answer{};
    const ssize_t size = ::recv(socket.get(), answer.data(), answer.size(), MSG_DONTWAIT);
    nlmsghdr header{};
    if (size < static_cast<ssize_t>(sizeof header)) return false;
    std::memcpy(&header, answer.data(), sizeof header);
    return header.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8U | NFT_MSG_NEWTABLE);
}

std::string Nftables::run(const std::string& commands, const char* action) {
    sys::fault_point(Stage::Network, action);
    const Library& nft = library();
    check_sockets(action);
    const std::unique_ptr<nft_ctx, decltype(nft.free)> context(nft.make(NFT_CTX_DEFAULT), nft.free);
    if (!context || nft.buffer_output(context.get()) != 0 || nft.buffer_error(context.get()) != 0) {
        throw std::bad_alloc();
    }
    const int result = nft.run(context.get(), commands.c_str());
    const auto text = [](const char* buffer) { return std::string(buffer == nullptr ? "" : buffer); };
    if (result != 0) throw failed(action, text(nft.error(context.get())));
    return text(nft.output(context.get()));
}

} // namespace ct::internal

#else

namespace ct::internal {

void Nftables::require() {
    throw Error(Errc::Unsupported, Stage::Network, "use nftables", {}, "this libct was built without it (CT_NFTABLES)");
}

bool Nftables::has_table() noexcept {
    return false;
}

std::string Nftables::run(const std::string&, const char*) {
    require();
    return {};
}

} // namespace ct::internal

#endif
