// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "support/fixture.hpp"

namespace ct::test {

/// For tests of bridges. The network namespace of the test program, see ContainerTest, is the host's: nothing happens
/// to the machine's own bridges, rules and parameters.
class BridgeFixture : public ContainerTest {
protected:
    void SetUp() override;
    void TearDown() override;

    /// "cttest", with 10.89.0.1/24 and fd00:89::1/64.
    [[nodiscard]] static Bridge bridge();
    /// With a network namespace, and a veth on the bridge that leases its addresses.
    static Container add_to_bridge(Container container, const Bridge& bridge);
    /// Isolated, but for its processes.
    [[nodiscard]] Container holdable(const std::string& name);
    /// The same for such a one.
    [[nodiscard]] Container on_bridge(const std::string& name, const Bridge& bridge = BridgeFixture::bridge());
    /// With records in the directories of this test.
    [[nodiscard]] SessionOptions options() const;

    /// Runs the test's program as a process of the host.
    Finished host(std::vector<std::string> args);
    /// What "network" prints in a running container, or in a held one.
    std::string network_of(Container& container);
    /// Of eth0, without the length.
    [[nodiscard]] std::string address_of(Container& container, bool ipv6);
    [[nodiscard]] static std::string line_with(std::string_view text, std::string_view part);

    [[nodiscard]] static bool link_exists(const std::string& name);
    /// Whether sessions have nothing to remember.
    [[nodiscard]] bool nothing_recorded() const;
    [[nodiscard]] std::filesystem::path record_file() const;

    /// A bridge of the host, up, for the time of the test.
    void make_bridge(const std::string& name);
    void set_address(const std::string& link, const std::string& address, const std::string& mask) const;

private:
    void set_up(const std::string& name, bool up) const;

    int socket_ = -1;
    std::vector<std::string> bridges_;
};

} // namespace ct::test
