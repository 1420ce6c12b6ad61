// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <unistd.h>

#include <functional>

#include <gtest/gtest.h>

#include <ct/ct.hpp>

/// The builder: what a setter stores, and that it refuses at once what is malformed by itself.
namespace ct {
namespace {

struct Builder : ::testing::Test {
    Session session;
    Container container = session.create("box");

    /// Whether \p set is refused with a sentence about this container and nothing is changed.
    ::testing::AssertionResult refuses(const std::function<void()>& set) const {
        const Spec before = container.spec();
        try {
            set();
        } catch (const Error& error) {
            if (error.code() != Errc::InvalidConfig) return ::testing::AssertionFailure() << error.what();
            if (!std::string_view(error.what()).starts_with("container 'box': "))
                return ::testing::AssertionFailure() << error.what();
            if (container.spec() != before) return ::testing::AssertionFailure() << "the specification was changed";
            return ::testing::AssertionSuccess();
        }
        return ::testing::AssertionFailure() << "accepted";
    }
};

TEST_F(Builder, NewContainerIsEmptyAndStopped) {
    EXPECT_EQ(container.name(), "box");
    EXPECT_EQ(container.spec(), Spec{});
    EXPECT_EQ(container.state(), State::Stopped);
    EXPECT_FALSE(container.running());
}

TEST_F(Builder, StoresWhatItIsTold) {
    container.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::User})
        .add_namespace(Namespace::Uts)
        .join_namespace(Namespace::Net, "/run/netns/a")
        .join_namespace(Namespace::Ipc, 7)
        .add_uid_map({0, 1000, 1})
        .add_uid_map({1, 2000, 5})
        .add_gid_map({0, 1000, 1})
        .set_setgroups(SetGroups::Deny)
        .set_hostname("host")
        .set_domainname("domain")
        .set_root(Root{.path = "/srv", .read_only = true})
        .set_private(BindDir{.source = "/data", .target = "/d"})
        .add_mount({.source = "/a", .target = "/a"})
        .add_mount({.target = "/run", .type = "tmpfs"})
        .add_default_mounts()
        .add_default_devices();
    const Spec expected{.namespaces = {{Namespace::Mount, NewNamespace{}},
                                       {Namespace::Pid, NewNamespace{}},
                                       {Namespace::Net, NamespacePath{"/run/netns/a"}},
                                       {Namespace::Uts, NewNamespace{}},
                                       {Namespace::Ipc, NamespaceFd{7}},
                                       {Namespace::User, NewNamespace{}}},
                        .uid_map = {{0, 1000, 1}, {1, 2000, 5}},
                        .gid_map = {{0, 1000, 1}},
                        .setgroups = SetGroups::Deny,
                        .hostname = "host",
                        .domainname = "domain",
                        .root = Root{.path = "/srv", .read_only = true},
                        .private_area = BindDir{.source = "/data", .target = "/d"},
                        .mounts = {{.source = "/a", .target = "/a"}, {.target = "/run", .type = "tmpfs"}},
                        .default_mounts = true,
                        .default_devices = true};
    EXPECT_EQ(container.spec(), expected);
    EXPECT_EQ(session.create("copy", expected).spec(), expected);
    Container other = session.create("other");
    EXPECT_EQ(other.set_spec(expected).spec(), expected);
}

TEST_F(Builder, LaterSettersReplaceEarlierOnes) {
    container.set_root("/a").set_root("/b").set_hostname("a").set_hostname("b");
    container.set_private(BindDir{.source = "/data"}).clear_private();
    container.add_namespace(Namespace::Net).share_host(Namespace::Net);
    container.join_namespace(Namespace::Uts, 3).add_namespace(Namespace::Uts);
    Spec expected;
    expected.namespaces = {{Namespace::Uts, NewNamespace{}}};
    expected.hostname = "b";
    expected.root = Root{.path = "/b"};
    EXPECT_EQ(container.spec(), expected);
}

TEST_F(Builder, MapsTheCallerToRoot) {
    container.map_root_to_caller();
    EXPECT_EQ(container.spec().uid_map, (std::vector<IdRange>{{0, ::geteuid(), 1}}));
    EXPECT_EQ(container.spec().gid_map, (std::vector<IdRange>{{0, ::getegid(), 1}}));
}

TEST_F(Builder, RefusesMalformedValuesAtTheirSetter) {
    EXPECT_TRUE(refuses([&] { container.join_namespace(Namespace::Net, ""); }));
    EXPECT_TRUE(refuses([&] { container.join_namespace(Namespace::Net, -1); }));
    EXPECT_TRUE(refuses([&] { container.add_uid_map({0, 0, 0}); }));
    EXPECT_TRUE(refuses([&] { container.add_gid_map({0, 0, 0}); }));
    EXPECT_TRUE(refuses([&] { container.set_hostname(std::string(65, 'x')); }));
    EXPECT_TRUE(refuses([&] { container.set_domainname(std::string(65, 'x')); }));
    EXPECT_TRUE(refuses([&] { container.set_root(""); }));
    EXPECT_TRUE(refuses([&] { container.set_private(BindDir{.source = "/a", .target = "b"}); }));
    EXPECT_TRUE(refuses([&] { container.add_mount({.source = "/a", .target = "b"}); }));
    Spec malformed;
    malformed.root = Root{};
    EXPECT_TRUE(refuses([&] { container.set_spec(malformed); }));
    EXPECT_THROW((void)session.create("other", malformed), Error);
}

TEST_F(Builder, FieldsThatNeedEachOtherComeInAnyOrder) {
    EXPECT_NO_THROW(container.set_hostname("box").add_mount({.source = "/a", .target = "/a"}));
    EXPECT_NO_THROW(container.add_namespaces({Namespace::Uts, Namespace::Mount}));
}

TEST_F(Builder, StartReportsAllContradictionsBeforeAnythingIsTouched) {
    container.set_hostname("box").add_uid_map({0, 0, 1}).set_root("/nowhere/at/all");
    try {
        (void)container.start({.argv = {}, .capabilities = {{"FLY"}}});
        FAIL() << "started";
    } catch (const Error& error) {
        EXPECT_EQ(error.violations(),
                  (std::vector<std::string>{"id maps need a new user namespace", "a host name needs a uts namespace",
                                            "argv is empty", "unknown capability 'FLY'"}));
        EXPECT_TRUE(std::string_view(error.what()).starts_with("container 'box': ")) << error.what();
    }
    EXPECT_EQ(container.state(), State::Stopped);
}

TEST(State, HasAWord) {
    EXPECT_EQ(to_string(State::Stopped), "stopped");
    EXPECT_EQ(to_string(State::Starting), "starting");
    EXPECT_EQ(to_string(State::Running), "running");
    EXPECT_EQ(to_string(State::Paused), "paused");
    EXPECT_EQ(to_string(State::Stopping), "stopping");
}

} // namespace
} // namespace ct
