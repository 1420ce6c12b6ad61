// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/rtnetlink.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace ct::bench::floor {

/// Requests of rtnetlink(7), one after the other, to be sent by one system call. Only errors are answered, but for the
/// last one, which is always.
class Batch {
public:
    template <typename Header>
    void begin(int type, int flags, const Header& header) {
        end();
        start_ = size_;
        const nlmsghdr common{0, static_cast<std::uint16_t>(type), static_cast<std::uint16_t>(NLM_F_REQUEST | flags), 0,
                              0};
        append(&common, sizeof common);
        append(&header, sizeof header);
    }
    /// \returns where the data is in the batch
    char* put(int type, const void* data, std::size_t size);
    char* put(int type, std::uint32_t number) { return put(type, &number, sizeof number); }
    void put(int type, const char* text);
    /// A nested attribute, up to close().
    std::size_t open(int type);
    void close(std::size_t nest);
    template <typename Header>
    void add(const Header& header) {
        append(&header, sizeof header);
    }
    /// No further request follows.
    void finish();

    /// \returns whether all were granted; callable in a new process
    [[nodiscard]] bool send(int socket) noexcept;

private:
    char* append(const void* data, std::size_t size);
    void end();

    alignas(8) char bytes_[1024] = {};
    std::size_t size_ = 0;
    std::size_t start_ = 0;
};

/// A veth whose end on the host is a port of a bridge, with an address and a default route inside, made by the new
/// process itself: it still has a socket in the host's network namespace.
class Veth {
public:
    /// \param number  the last byte of the address 10.0.0.x
    Veth(const std::string& host_name, const std::string& bridge, std::uint8_t number);
    Veth(const Veth&) = delete;
    Veth& operator=(const Veth&) = delete;
    ~Veth();

    /// In the new process.
    void make() noexcept;
    /// On the host, once the process has ended.
    void remove();

private:
    int host_;
    std::string name_;
    Batch outside_;
    Batch inside_;
    char* pid_ = nullptr;
};

} // namespace ct::bench::floor
