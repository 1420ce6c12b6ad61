// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "net/message.hpp"
#include "net/socket.hpp"
#include "support/fixture.hpp"

namespace ct::test {

using internal::Message;
using internal::NetlinkSocket;

/// For tests of links of the host that containers have for a time. One end of a veth stands in for a network card, in
/// the network namespace of the test program.
class HostNicFixture : public ContainerTest {
protected:
    void SetUp() override;
    void TearDown() override;

    static HostNic nic() { return {.host_name = "nic0", .container_name = "eth0", .addresses = {{"10.0.0.2/24"}}}; }

    Container with_nic(HostNic device = nic(), const std::string& name = "box");

    /// What there is to see of the NIC on the host, except for what the kernel makes by itself and in its own time.
    std::string look();

    /// Waits until the NIC is as it was before the test, which takes the kernel a moment.
    ::testing::AssertionResult is_back();
    void remember() { before_ = look(); }

    void request(const Message& message);

    void make_bridge(const std::string& name);
    void set_up(const std::string& name, bool up);
    void rename(const std::string& name, const std::string& to);
    void remove(const std::string& name);
    void add_made(const std::string& name) { made_.push_back(name); }
    NetlinkSocket& socket() { return *socket_; }

    /// A session whose warnings are kept.
    Session recording_session();
    [[nodiscard]] const std::string& log() const { return log_; }

    /// Lets a host process start a container "box" with these, do \p last, and be killed.
    void lose_host(const std::vector<HostNic>& nics, const std::function<void(Container&)>& last);

private:
    void make_nic();

    static std::string tables();

    std::optional<NetlinkSocket> socket_;
    std::string before_;
    std::string log_;
    std::vector<std::string> made_;
};

} // namespace ct::test
