// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

/// The files by which programs find names. This program's mounts are its own, see ContainerTest.
class NamesTest : public ContainerTest {
protected:
    void TearDown() override {
        close_session();
        for (const std::string& path : covered_) EXPECT_EQ(::umount2(path.c_str(), UMOUNT_NOFOLLOW), 0) << path;
        ContainerTest::TearDown();
    }

    Container named(Names names = {}) {
        Container container = isolated("web").set_hostname("web");
        return container.set_names(std::move(names));
    }

    /// Lets the host have another file for the time of the test.
    void cover(const std::string& path, std::string_view text) {
        const fs::path file = make_file("covers" + path, text);
        ASSERT_EQ(::mount(file.c_str(), path.c_str(), nullptr, MS_BIND, nullptr), 0) << path;
        covered_.push_back(path);
    }

    std::string seen(Container container, const char* path) {
        const Finished finished = run(container, program({"cat", path}));
        EXPECT_TRUE(succeeded(finished)) << path;
        return finished.out;
    }

    fs::path in_image(const char* path) const { return image() / path; }

private:
    std::vector<std::string> covered_;
};

TEST_F(NamesTest, AreAsGiven) {
    Container container = named({.servers = {"192.0.2.1", "2001:db8::1"},
                                 .search = {"a.example", "b.example"},
                                 .options = {"ndots:2"},
                                 .hosts = {{"192.0.2.9", {"db.example", "db"}}}});
    container.add_namespace(Namespace::Net).add_network(Veth{.addresses = {{"10.0.0.2/24"}}});
    EXPECT_EQ(seen(container, "/etc/resolv.conf"),
              "nameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch a.example b.example\noptions ndots:2\n");
    EXPECT_EQ(seen(container, "/etc/hostname"), "web\n");
    const std::string hosts = seen(container, "/etc/hosts");
    EXPECT_TRUE(contains(hosts, "127.0.0.1 localhost\n::1 localhost"));
    EXPECT_TRUE(contains(hosts, "\n10.0.0.2 web\n"));
    EXPECT_TRUE(contains(hosts, "\n192.0.2.9 db.example db\n"));
}

TEST_F(NamesTest, LeaveTheRootsOwnFilesAlone) {
    fs::create_directories(in_image("etc"));
    std::ofstream(in_image("etc/hosts")) << "of the image\n";
    Container container = named({.servers = {"192.0.2.1"}});
    for (const char* path : {"/etc/hosts", "/etc/resolv.conf", "/etc/hostname"}) {
        const Finished written = run(container, program({"write", path, "mine"}));
        EXPECT_TRUE(exited(written.status, 1));
        EXPECT_TRUE(contains(written.err, "EROFS"));
    }
    EXPECT_EQ(content(in_image("etc/hosts")), "of the image\n");
    EXPECT_EQ(fs::file_size(in_image("etc/resolv.conf")), 0U) << "it is no mount point alone";
    container.set_names({.servers = {"192.0.2.1"}, .writable = true});
    EXPECT_TRUE(succeeded(run(container, program({"write", "/etc/hosts", "mine"}))));
    EXPECT_EQ(content(in_image("etc/hosts")), "of the image\n");
    EXPECT_TRUE(contains(seen(container, "/etc/hosts"), "localhost")) << "it is made anew at every start";
}

TEST_F(NamesTest, LeaveNothingElseMountedInside) {
    Container container = named().add_default_mounts();
    const std::string mounts = seen(container, "/proc/self/mountinfo");
    std::vector<std::string> own;
    for (const std::string& line : lines(mounts)) {
        if (line.find(" /etc/") != std::string::npos) own.push_back(line);
        EXPECT_EQ(line.find(" / / rw,nosuid,nodev,noexec"), std::string::npos) << line;
    }
    ASSERT_EQ(own.size(), 3U) << mounts;
    for (const std::string& line : own) EXPECT_TRUE(contains(line, " ro,nosuid,nodev,noexec,"));
    EXPECT_EQ(run(container, program({"ls", "/"})).out, "bin\ndev\netc\nproc\nsys\n");
}

TEST_F(NamesTest, MountPointsOfAFailedStartAreRemoved) {
    const std::string before = tree(image());
    EXPECT_TRUE(fails([&] { (void)named().start({.argv = {"/missing"}}); }, std::errc::no_such_file_or_directory,
                      {"exec '/missing'"}));
    EXPECT_EQ(tree(image()), before);
}

TEST_F(NamesTest, SymbolicLinksAreCoveredAndNotFollowed) {
    const fs::path outside = make_dir("outside");
    fs::create_directories(in_image("etc"));
    fs::create_symlink("../run/systemd/resolve/stub-resolv.conf", in_image("etc/resolv.conf"));
    fs::create_symlink("/bin", in_image("etc/hosts"));
    fs::create_symlink("../../../.." + (outside / "hostname").string(), in_image("etc/hostname"));
    const std::string before = tree(dir());
    Container container = named({.servers = {"192.0.2.1"}});
    EXPECT_EQ(seen(container, "/etc/resolv.conf"), "nameserver 192.0.2.1\n");
    EXPECT_TRUE(contains(seen(container, "/etc/hosts"), "localhost"));
    EXPECT_EQ(seen(container, "/etc/hostname"), "web\n");
    EXPECT_EQ(tree(dir()), before);
}

TEST_F(NamesTest, ALinkInPlaceOfTheDirectoryLeadsNowhereOutside) {
    const fs::path outside = make_dir("outside");
    const auto link = [&](const fs::path& target) {
        fs::remove_all(in_image("etc"));
        fs::create_symlink(target, in_image("etc"));
    };
    link("/");
    EXPECT_EQ(seen(named().add_default_mounts(), "/etc/hostname"), "web\n");
    for (const char* file : {"hosts", "hostname", "resolv.conf"}) EXPECT_TRUE(fs::remove(in_image(file))) << file;
    link("/proc");
    EXPECT_TRUE(fails(
        [&] {
            (void)named().add_default_mounts().start(program({"exit", "0"}));
        },
        std::errc::no_such_file_or_directory, {"bind what was made for '/etc/resolv.conf'"}));
    link("../../../../../.." + outside.string());
    EXPECT_TRUE(fails(
        [&] {
            (void)named().start(program({"exit", "0"}));
        },
        std::errc::too_many_symbolic_link_levels, {"bind what was made for '/etc/resolv.conf'"}));
    EXPECT_TRUE(fs::is_empty(outside));
}

TEST_F(NamesTest, WhatIsNoFileIsNotCovered) {
    fs::create_directories(in_image("etc/hosts"));
    EXPECT_TRUE(fails(
        [&] {
            (void)named().start(program({"exit", "0"}));
        },
        std::errc::is_a_directory, {"bind what was made for '/etc/hosts'"}));
    fs::remove_all(in_image("etc"));
    make_file("image/etc");
    EXPECT_TRUE(fails(
        [&] {
            (void)named().start(program({"exit", "0"}));
        },
        std::errc::not_a_directory, {"bind what was made for '/etc/resolv.conf'"}));
    fs::remove(in_image("etc"));
}

TEST_F(NamesTest, AReadOnlyRootHasToHaveTheFiles) {
    const std::string root = image().string();
    const auto remount = [&](unsigned long flags) {
        ASSERT_EQ(::mount(nullptr, root.c_str(), nullptr, MS_REMOUNT | MS_BIND | flags, nullptr), 0);
    };
    ASSERT_EQ(::mount(root.c_str(), root.c_str(), nullptr, MS_BIND, nullptr), 0);
    remount(MS_RDONLY);
    EXPECT_TRUE(fails(
        [&] {
            (void)named().start(program({"exit", "0"}));
        },
        std::errc::read_only_file_system,
        {"bind what was made for '/etc/resolv.conf'", "cannot be created in this root"}));
    remount(0);
    fs::create_directories(in_image("etc"));
    for (const char* file : {"etc/hosts", "etc/hostname", "etc/resolv.conf"}) std::ofstream(in_image(file)).close();
    remount(MS_RDONLY);
    EXPECT_EQ(seen(named(), "/etc/hostname"), "web\n");
    close_session();
    EXPECT_EQ(::umount2(root.c_str(), UMOUNT_NOFOLLOW), 0);
}

TEST_F(NamesTest, AMountOnOneOfThemTakesItsPlace) {
    const fs::path mine = make_file("mine", "mine\n");
    Container container = named().add_mount({.source = mine.string(), .target = "/etc/hosts"});
    EXPECT_EQ(seen(container, "/etc/hosts"), "mine\n");
    EXPECT_EQ(seen(container, "/etc/hostname"), "web\n");
}

TEST_F(NamesTest, AreOverAMountOfTheirDirectory) {
    const fs::path etc = make_dir("etc");
    make_file("etc/hosts", "of the volume\n");
    Container container = named().add_mount({.source = etc.string(), .target = "/etc"});
    EXPECT_TRUE(contains(seen(container, "/etc/hosts"), "localhost"));
    EXPECT_EQ(content(etc / "hosts"), "of the volume\n");
}

TEST_F(NamesTest, WorkInAUserNamespaceAndWithoutARoot) {
    Container container = named().add_namespace(Namespace::User);
    container.add_uid_map({0, 100'000, 1000}).add_gid_map({0, 100'000, 1000});
    fs::create_directories(in_image("etc"));
    for (const char* file : {"etc/hosts", "etc/hostname", "etc/resolv.conf"}) std::ofstream(in_image(file)).close();
    EXPECT_EQ(seen(container, "/etc/hostname"), "web\n");
    const std::string hosts = content("/etc/hosts");
    Container rootless = plain("rootless").add_namespace(Namespace::Mount).set_names({.servers = {"192.0.2.1"}});
    EXPECT_EQ(run(rootless, host_program({"cat", "/etc/resolv.conf"})).out, "nameserver 192.0.2.1\n");
    EXPECT_EQ(content("/etc/hosts"), hosts);
}

TEST_F(NamesTest, WorkForAnOrdinaryUser) {
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container box = session.create("box").add_namespaces({Namespace::User, Namespace::Mount}).map_root_to_caller();
        box.set_names({.servers = {"192.0.2.1"}});
        EXPECT_EQ(run(box, host_program({"cat", "/etc/resolv.conf"})).out, "nameserver 192.0.2.1\n");
    }));
}

TEST_F(NamesTest, NeedAMountNamespace) {
    EXPECT_TRUE(fails(
        [&] {
            (void)plain().set_names({}).start(host_program({"exit", "0"}));
        },
        Errc::InvalidConfig, {"files of names need a new mount namespace"}));
    EXPECT_TRUE(fails([&] { plain("other").set_names({.servers = {"dns.example"}}); }, Errc::InvalidConfig,
                      {"name server 'dns.example' is no IP address"}));
}

TEST_F(NamesTest, AreTheHostsIfNothingIsGiven) {
    cover("/etc/resolv.conf", "nameserver 192.0.2.7\nsearch host.example\n");
    cover("/etc/hosts", "127.0.0.1 localhost\n192.0.2.8 nas.example nas\n");
    Container container = named({.host_entries = true}).add_namespace(Namespace::Net);
    EXPECT_EQ(seen(container, "/etc/resolv.conf"), "nameserver 192.0.2.7\nsearch host.example\n");
    const std::string hosts = seen(container, "/etc/hosts");
    EXPECT_TRUE(contains(hosts, "\n192.0.2.8 nas.example nas\n"));
    EXPECT_TRUE(contains(hosts, "\n127.0.1.1 web\n"));
}

TEST_F(NamesTest, AStubResolverOfTheHostIsOfNoUseInAnotherNetwork) {
    mount_tmpfs("/run");
    fs::create_directories("/run/systemd/resolve");
    std::ofstream("/run/systemd/resolve/resolv.conf") << "nameserver 192.0.2.53\n";
    cover("/etc/resolv.conf", "nameserver 127.0.0.53\noptions edns0\n");
    EXPECT_EQ(seen(named(), "/etc/resolv.conf"), "nameserver 127.0.0.53\noptions edns0\n");
    const std::string other = seen(named().add_namespace(Namespace::Net), "/etc/resolv.conf");
    EXPECT_TRUE(contains(other, "reached only on the host"));
    EXPECT_TRUE(contains(other, "\nnameserver 192.0.2.53\noptions edns0\n"));
}

TEST_F(NamesTest, AsLongAsTheHostsFilesAreOfAUsualSize) {
    std::string many;
    while (many.size() < 900'000) many += "192.0.2.1 a-rather-long-name-that-somebody-wants-to-have-blocked.example\n";
    cover("/etc/hosts", many);
    Container container = named({.host_entries = true});
    EXPECT_TRUE(seen(container, "/etc/hosts").ends_with(many));
    cover("/etc/hosts", many + many);
    EXPECT_TRUE(fails(
        [&] {
            (void)container.start(program({"exit", "0"}));
        },
        std::errc::file_too_large, {"copy the host's '/etc/hosts'"}));
}

} // namespace
} // namespace ct::test
