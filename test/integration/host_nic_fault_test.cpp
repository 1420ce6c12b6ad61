// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

#include <sys/wait.h>

#include <filesystem>
#include <optional>

#include "support/faults.hpp"
#include "support/host_nics.hpp"
#include "support/subreaper.hpp"

namespace ct::test {
namespace {

/// Every step of a start with the NIC is made to fail, or is the last that the host takes.
class HostNicFault : public HostNicFixture {
protected:
    Container configured(Session& session) {
        Container box = session.create("box").set_root(image().string());
        HostNic device = nic();
        device.keep_addresses = true;
        box.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Net}).add_network(device);
        return box;
    }
    void TearDown() override {
        faults_.reset();
        HostNicFixture::TearDown();
    }

private:
    std::optional<SharedFaults> faults_{std::in_place};
};

TEST_F(HostNicFault, ComesBackWhateverFails) {
    const SessionOptions options{.state_directory = dir() / "state"};
    Session session(options);
    {
        Container box = configured(session);
        (void)box.start(program({"exit", "0"}));
        box.wait();
    }
    std::uint32_t failed = 0;
    bool all_passed = false;
    for (std::uint32_t at = 1; !all_passed; ++at) {
        ASSERT_LT(at, 1000U) << "there is no end";
        Container box = configured(session);
        SharedFaults::set(at, ENOTRECOVERABLE);
        try {
            (void)box.start(program({"exit", "0"}));
            all_passed = SharedFaults::passed() < at;
            SharedFaults::clear();
            box.wait();
        } catch (const Error& error) {
            SharedFaults::clear();
            ++failed;
            EXPECT_EQ(error.code().value(), ENOTRECOVERABLE) << error.what();
        }
        EXPECT_TRUE(is_back()) << at;
    }
    EXPECT_GT(failed, 5U);
}

TEST_F(HostNicFault, WhatStaysAfterAFailureCanBeDetachedAgain) {
    Session session({.state_directory = dir() / "state"});
    Container box = session.create("box").set_root(image().string());
    box.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::Net});
    start_ready(box, program({"pause"}));
    std::uint32_t failed = 0;
    for (bool passed = false; !passed;) {
        ASSERT_LT(failed, 100U) << "there is no end";
        box.attach_network(nic());
        SharedFaults::set(failed + 1, ENOTRECOVERABLE);
        try {
            box.detach_network("eth0");
            passed = SharedFaults::passed() <= failed;
            SharedFaults::clear();
        } catch (const Error&) {
            SharedFaults::clear();
            ++failed;
            if (look() == "none") box.detach_network("eth0");
        }
        EXPECT_TRUE(is_back()) << failed;
    }
    EXPECT_GT(failed, 0U);
    box.stop(std::chrono::seconds(0));
}

TEST_F(HostNicFault, ComesBackAfterSigkillOfTheHostAtEachStep) {
    const Subreaper reaper;
    const SessionOptions options{.state_directory = dir() / "state"};
    { const Session makes_the_directory(options); }
    bool all_passed = false;
    for (std::uint32_t at = 1; !all_passed; ++at) {
        ASSERT_LT(at, 1000U) << "there is no end";
        const int status = SharedFaults::kill_at(at, [&] {
            Session session(options);
            Container box = configured(session);
            (void)box.start(program({"exit", "0"}));
            box.wait();
        });
        all_passed = WIFEXITED(status);
        {
            Session next = recording_session();
            for (const ContainerInfo& info : next.containers()) next.open(info.name).remove(Remove::Force);
        }
        Subreaper::reap_all();
        EXPECT_TRUE(is_back()) << at << ": " << log();
        EXPECT_TRUE(std::filesystem::is_empty(dir() / "state")) << at << ": " << tree(dir() / "state");
        SharedFaults::clear();
    }
    EXPECT_EQ(log(), "");
}

} // namespace
} // namespace ct::test
