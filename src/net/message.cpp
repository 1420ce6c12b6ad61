// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "net/message.hpp"

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cstring>
#include <new>
#include <string>

namespace ct::internal {

void Message::Free::operator()(nl_msg* message) const noexcept {
    ::nlmsg_free(message);
}

Message::Message(int type, int flags, std::size_t room) : message_(::nlmsg_alloc_size(1024 + room)) {
    if (!message_) throw std::bad_alloc();
    ::nlmsg_put(message_.get(), 0, 0, type, 0, flags | NLM_F_REQUEST | NLM_F_ACK);
}

void* Message::append(const void* data, std::size_t size) {
    char* const place = end();
    if (::nlmsg_append(message_.get(), const_cast<void*>(data), size, NLMSG_ALIGNTO) < 0) throw std::bad_alloc();
    return place;
}

void Message::put(int type, const void* data, std::size_t size) {
    if (::nla_put(message_.get(), type, static_cast<int>(size), data) < 0) throw std::bad_alloc();
}

void Message::put(int type, std::string_view text) {
    const std::string copy(text);
    put(type, copy.c_str(), copy.size() + 1);
}

void Message::put_link(int type, std::string_view device) {
    put(type, std::uint32_t{0});
    refer(end() - sizeof(std::uint32_t), device);
}

void Message::refer(const void* place, std::string_view device) {
    const auto* const begin = reinterpret_cast<const char*>(::nlmsg_hdr(message_.get()));
    references_.push_back({static_cast<std::size_t>(static_cast<const char*>(place) - begin), device});
}

void* Message::body() const noexcept {
    return ::nlmsg_data(::nlmsg_hdr(message_.get()));
}

void Message::turn_into(int type) {
    ::nlmsg_hdr(message_.get())->nlmsg_type = static_cast<std::uint16_t>(type);
    ::nlmsg_hdr(message_.get())->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
}

void Message::set_link(const LinkReference& reference, int index) {
    std::memcpy(reinterpret_cast<char*>(::nlmsg_hdr(message_.get())) + reference.offset, &index, sizeof index);
}

nlattr* Message::begin_nest(int type) {
    nlattr* const start = ::nla_nest_start(message_.get(), type);
    if (start == nullptr) throw std::bad_alloc();
    return start;
}

void Message::end_nest(nlattr* start) {
    ::nla_nest_end(message_.get(), start);
}

char* Message::end() const noexcept {
    return reinterpret_cast<char*>(::nlmsg_hdr(message_.get())) + ::nlmsg_hdr(message_.get())->nlmsg_len;
}

std::span<const char> Message::bytes() const noexcept {
    const nlmsghdr* const header = ::nlmsg_hdr(message_.get());
    return {reinterpret_cast<const char*>(header), header->nlmsg_len};
}

} // namespace ct::internal
