// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Sysctls and the clocks of time namespaces.
#include <ctime>

#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

using namespace std::chrono_literals;

using Sysctl = ContainerTest;

const std::string Forward = "/proc/sys/net/ipv4/ip_forward";

TEST_F(Sysctl, IsSetInsideAndNotOutside) {
    const std::string before =
        content(Forward) + content("/proc/sys/kernel/shmmax") + content("/proc/sys/fs/mqueue/msg_max");
    Container container = plain()
                              .add_namespaces({Namespace::Net, Namespace::Ipc, Namespace::Uts})
                              .set_sysctl("net.ipv4.ip_forward", "1")
                              .set_sysctl("net/ipv4/conf/lo/rp_filter", "2")
                              .set_sysctl("kernel.shmmax", "123456")
                              .set_sysctl("kernel.sem", "100 1000 20 7")
                              .set_sysctl("fs.mqueue.msg_max", "17")
                              .set_sysctl("kernel.domainname", "inside");
    const Finished finished =
        run(container,
            host_program({"cat", Forward, "/proc/sys/net/ipv4/conf/lo/rp_filter", "/proc/sys/kernel/shmmax",
                          "/proc/sys/kernel/sem", "/proc/sys/fs/mqueue/msg_max", "/proc/sys/kernel/domainname"}));
    EXPECT_EQ(finished.out, "1\n2\n123456\n100\t1000\t20\t7\n17\ninside\n") << finished.err;
    EXPECT_EQ(content(Forward) + content("/proc/sys/kernel/shmmax") + content("/proc/sys/fs/mqueue/msg_max"), before);
}

TEST_F(Sysctl, IsSetThoughTheContainerHasNoProcAndIsReadOnly) {
    Container container = isolated().add_namespace(Namespace::Net).set_sysctl("net.ipv4.ip_forward", "1");
    const Process process = start_ready(container, program({"pause"}));
    Container witness = plain("witness").join_namespace(Namespace::Net, container);
    EXPECT_EQ(run(witness, host_program({"cat", Forward})).out, "1\n");
    witness.set_sysctl("net.ipv4.ip_forward", "0"); // of a joined one
    EXPECT_EQ(run(witness, host_program({"cat", Forward})).out, "0\n");
    container.kill();
    container.wait();
}

TEST_F(Sysctl, WorksWithCallablesHeldContainersAndUserNamespaces) {
    Container container = plain()
                              .add_namespaces({Namespace::User, Namespace::Net})
                              .add_uid_map({0, 10000, 1000})
                              .add_gid_map({0, 10000, 1000})
                              .set_sysctl("net.ipv4.ip_forward", "1")
                              .set_sysctl("user.max_net_namespaces", "11");
    EXPECT_TRUE(exited(run(container, {}, [] { return content(Forward) == "1\n" ? 3 : 4; }).status, 3));
    container.hold();
    const Finished finished =
        run_entered(container, host_program({"cat", Forward, "/proc/sys/user/max_net_namespaces"}));
    EXPECT_EQ(finished.out, "1\n11\n") << finished.err;
    container.kill();
}

TEST_F(Sysctl, ErrorNamesSysctlAndValue) {
    const auto refused = [&](const std::string& name, const std::string& value, std::errc code, std::string_view why) {
        Container container = plain().add_namespace(Namespace::Net).set_sysctl(name, value);
        return fails(
            [&] {
                container.start(host_program({"exit", "0"}));
            },
            code, {"container 'box': write \"" + value + "\" to the sysctl '" + name + "'", why});
    };
    EXPECT_TRUE(refused("net.ipv4.ip_forward", "yes", std::errc::invalid_argument, "does not take that value"));
    EXPECT_TRUE(refused("net.no_such_thing", "1", std::errc::no_such_file_or_directory, "no such sysctl"));
}

TEST_F(Sysctl, OfTheHostIsRefused) {
    const auto refused = [&](Container container, std::string_view why) {
        return fails(
            [&] {
                container.start(host_program({"exit", "0"}));
            },
            Errc::InvalidConfig, {"container 'box'", "would change the host", why});
    };
    EXPECT_TRUE(refused(plain().set_sysctl("vm.swappiness", "1"), "'vm.swappiness'"));
    EXPECT_TRUE(refused(plain().set_sysctl("kernel.core_pattern", "|/bin/sh"), "belongs to no namespace"));
    EXPECT_TRUE(refused(plain().set_sysctl("net.ipv4.ip_forward", "1"), "a new or joined net namespace"));
    EXPECT_TRUE(
        refused(plain().set_sysctl("net.ipv4.ip_forward", "1").join_namespace(Namespace::Net, "/proc/self/ns/net"),
                "the joined net namespace is the host's own"));
}

TEST_F(Sysctl, UnprivilegedUserSetsThoseOfItsNamespaces) {
    CT_REQUIRE(Privilege::SetUser);
    CT_REQUIRE(Privilege::UserNamespaces);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session own;
        Container container = own.create("own")
                                  .add_namespaces({Namespace::User, Namespace::Net})
                                  .map_root_to_caller()
                                  .set_sysctl("net.ipv4.ip_forward", "1");
        EXPECT_EQ(run(container, host_program({"cat", Forward})).out, "1\n");
    }));
}

class TimeOffsetsOf : public ContainerTest {
protected:
    /// Days by which the clocks are ahead of the host's, rounded.
    struct Days {
        long monotonic;
        long boottime;
        bool operator==(const Days&) const = default;
    };

    static long days_ahead(clockid_t clock, const timespec& host) {
        timespec now{};
        ::clock_gettime(clock, &now);
        return (now.tv_sec - host.tv_sec + 43200) / 86400;
    }

    /// As a callable sees it.
    static Days seen_in(Container& container) {
        timespec monotonic{};
        timespec boottime{};
        ::clock_gettime(CLOCK_MONOTONIC, &monotonic);
        ::clock_gettime(CLOCK_BOOTTIME, &boottime);
        const Finished finished = run(container, {}, [&] {
            std::printf("%ld %ld\n", days_ahead(CLOCK_MONOTONIC, monotonic), days_ahead(CLOCK_BOOTTIME, boottime));
            return 0;
        });
        Days days{-1, -1};
        std::sscanf(finished.out.c_str(), "%ld %ld", &days.monotonic, &days.boottime);
        return days;
    }

    Container timed() { return plain().add_namespace(Namespace::Time); }
};

TEST_F(TimeOffsetsOf, ClocksAreAhead) {
    if (ForksHaveThreads) GTEST_SKIP() << "setns(2): a process with several threads joins no user or time namespace";
    Container container = timed().set_time_offsets({.monotonic = 24h * 10, .boottime = 24h * 20});
    EXPECT_EQ(seen_in(container), (Days{10, 20}));
    EXPECT_NE(namespace_of(start_ready(container, host_program({"pause"})).pid(), Namespace::Time),
              namespace_of(::getpid(), Namespace::Time));
    const Finished uptime = run_entered(container, host_program({"cat", "/proc/self/timens_offsets", "/proc/uptime"}));
    EXPECT_TRUE(contains(uptime.out, "monotonic      864000         0\nboottime      1728000         0\n"));
    EXPECT_GT(std::stod(lines(uptime.out).at(2)), 1728000.0);
    container.kill();
    container.wait();
}

TEST_F(TimeOffsetsOf, FractionsAndNegativeOnesAreExact) {
    Container container = timed().set_time_offsets({.monotonic = -1500ms, .boottime = 1ns});
    const Finished finished = run(container, host_program({"cat", "/proc/self/timens_offsets"}));
    EXPECT_EQ(finished.out, "monotonic          -2 500000000\nboottime            0         1\n") << finished.err;
}

TEST_F(TimeOffsetsOf, WorksWithUserNamespacesAndHeldContainers) {
    Container container = timed()
                              .add_namespace(Namespace::User)
                              .add_uid_map({0, 10000, 1000})
                              .add_gid_map({0, 10000, 1000})
                              .set_time_offsets({.monotonic = 24h, .boottime = 48h});
    const Finished finished = run(container, host_program({"cat", "/proc/self/timens_offsets"}));
    EXPECT_TRUE(contains(finished.out, "86400")) << finished.err;
    container.hold();
    EXPECT_TRUE(contains(run_entered(container, host_program({"cat", "/proc/self/timens_offsets"})).out, "172800"));
    container.kill();
}

TEST_F(TimeOffsetsOf, UnprivilegedUserHasItsOwnTime) {
    CT_REQUIRE(Privilege::SetUser);
    CT_REQUIRE(Privilege::UserNamespaces);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session own;
        Container container = own.create("own")
                                  .add_namespaces({Namespace::User, Namespace::Time})
                                  .map_root_to_caller()
                                  .set_time_offsets({.monotonic = 24h});
        EXPECT_TRUE(contains(run(container, host_program({"cat", "/proc/self/timens_offsets"})).out, "86400"));
    }));
}

TEST_F(TimeOffsetsOf, OutOfRangeIsExplained) {
    Container container = timed().set_time_offsets({.monotonic = -24h * 365 * 50});
    EXPECT_TRUE(fails(
        [&] {
            container.start(host_program({"exit", "0"}));
        },
        std::errc::result_out_of_range,
        {"container 'box': set the clock offsets of the time namespace", "below zero"}));
    container.set_time_offsets({.boottime = 24h * 365 * 200});
    EXPECT_TRUE(fails(
        [&] {
            container.start(host_program({"exit", "0"}));
        },
        std::errc::result_out_of_range, {"past 146 years"}));
    container.share_host(Namespace::Time);
    EXPECT_TRUE(fails(
        [&] {
            container.start(host_program({"exit", "0"}));
        },
        Errc::InvalidConfig, {"time offsets need a new time namespace"}));
}

} // namespace
} // namespace ct::test
