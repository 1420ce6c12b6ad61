// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"

namespace ctmon {

/// What a client, the server and its keeper tell each other over sockets of type SOCK_SEQPACKET: words of any bytes but
/// NUL, the first of which says what it is about, and descriptors.
struct Message {
    std::vector<std::string> words;
    std::vector<ct::internal::UniqueFd> fds;

    [[nodiscard]] std::string_view word(std::size_t index) const noexcept {
        return index < words.size() ? std::string_view(words[index]) : std::string_view();
    }
    /// The word as a number; -1 if it is none.
    [[nodiscard]] long number(std::size_t index) const noexcept;
};

/// Words as bytes, each followed by a NUL.
[[nodiscard]] std::string join_words(const std::vector<std::string>& words);
[[nodiscard]] std::vector<std::string> split_words(std::string_view bytes);

/// \p fds are borrowed. Long texts go by a file without name. \returns 0 or the errno; EAGAIN if the peer takes nothing
[[nodiscard]] int send_message(int socket, const std::vector<std::string>& words, const std::vector<int>& fds = {},
                               int flags = 0);

enum class Received { Message, Nothing, End };
/// \param flags  such as MSG_DONTWAIT
[[nodiscard]] Received receive_message(int socket, int flags, Message& message);

/// A connected, or a listening, socket at \p path of any length up to what an address holds. \throws ct::Error
[[nodiscard]] ct::internal::UniqueFd connect_to(const std::string& path);
[[nodiscard]] ct::internal::UniqueFd listen_at(const std::string& path);

} // namespace ctmon
