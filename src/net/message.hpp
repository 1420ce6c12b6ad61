// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

struct nl_msg;
struct nlattr;

namespace ct::internal {

/// A place in a message for the index of a link that is known only by name when the message is made.
struct LinkReference {
    std::size_t offset; ///< From the beginning of the message.
    std::string_view device;
};

/// A request of rtnetlink(7) under construction.
class Message {
public:
    /// \param flags  NLM_F_CREATE and the like; an acknowledgement is always asked for
    /// \param room  more than the usual number of bytes for the attributes
    Message(int type, int flags, std::size_t room = 0);

    /// What follows the common header: struct ifinfomsg and the like. \returns it, in the message
    template <typename Header>
    Header& add_header(const Header& header) {
        return *static_cast<Header*>(append(&header, sizeof header));
    }
    /// All that follows the common header, as it is.
    void add_bytes(std::string_view bytes) { append(bytes.data(), bytes.size()); }
    void put(int type, const void* data, std::size_t size);
    void put(int type, std::string_view text); ///< With a NUL byte at the end.
    void put(int type, std::uint32_t number) { put(type, &number, sizeof number); }
    /// The index of a link, unknown as yet.
    void put_link(int type, std::string_view device);
    /// The same in a structure that is part of the message.
    void refer(const void* place, std::string_view device);

    /// The header that was added.
    template <typename Header>
    [[nodiscard]] Header& header() const {
        return *static_cast<Header*>(body());
    }
    /// Another request about the same thing.
    void turn_into(int type);
    /// Fills a place for the index of a link.
    void set_link(const LinkReference& reference, int index);

    /// Puts what \p fill puts into an attribute.
    template <typename Fill>
    void nest(int type, const Fill& fill) {
        nlattr* const start = begin_nest(type);
        fill();
        end_nest(start);
    }
    /// A structure and what \p fill puts, as a part of an attribute. \p length is where the length of both goes.
    template <typename Struct, typename Fill>
    void add_part(const Struct& part, std::uint16_t Struct::*length, const Fill& fill) {
        Struct& placed = add_header(part);
        fill(placed);
        placed.*length = static_cast<std::uint16_t>(end() - reinterpret_cast<char*>(&placed));
    }

    [[nodiscard]] std::span<const char> bytes() const noexcept;
    [[nodiscard]] const std::vector<LinkReference>& references() const noexcept { return references_; }
    [[nodiscard]] nl_msg* get() const noexcept { return message_.get(); }

private:
    struct Free {
        void operator()(nl_msg* message) const noexcept;
    };
    [[nodiscard]] void* body() const noexcept;
    void* append(const void* data, std::size_t size);
    nlattr* begin_nest(int type);
    void end_nest(nlattr* start);
    [[nodiscard]] char* end() const noexcept;

    std::unique_ptr<nl_msg, Free> message_;
    std::vector<LinkReference> references_;
};

} // namespace ct::internal
