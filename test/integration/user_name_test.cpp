// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* Passwd = "root:x:0:0:root:/root:/bin/sh\n"
                               "app:x:1000:1001:An app:/srv:/bin/sh\n"
                               "1002:x:0:0:a name of digits:/:/bin/sh\n"
                               "other:x:1003:1004::/:/bin/sh\n";
constexpr const char* Group = "root:x:0:\n"
                              "app:x:1001:\n"
                              "video:x:44:other,app\n"
                              "audio:x:29:app\n"
                              "nobody-in-it:x:30:appendix,ap\n"
                              "again:x:44:app\n";

/// Users and groups by name; the image is the hostile part.
class UserName : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        make_file("image/etc/passwd", Passwd);
        make_file("image/etc/group", Group);
    }

    std::string ids(const std::string& name) {
        Container container = isolated();
        return ids_in(container, name);
    }
    static std::string ids_in(Container& container, const std::string& name) {
        ProcessSpec spec = program({"ids"});
        spec.user_name = name;
        const Finished finished = run(container, spec);
        EXPECT_TRUE(succeeded(finished));
        return finished.out;
    }
    static std::string lines_for(unsigned uid, unsigned gid, const std::string& groups) {
        const std::string u = std::to_string(uid);
        const std::string g = std::to_string(gid);
        return "uid " + u + " " + u + " " + u + "\ngid " + g + " " + g + " " + g + "\ngroups" + groups + "\n";
    }

    /// Whether a start as \p name fails so, and before anything of the container runs.
    ::testing::AssertionResult refused(const std::string& name, std::errc code,
                                       std::initializer_list<std::string_view> parts) {
        Container container = isolated();
        ProcessSpec spec = program({"ids"});
        spec.user_name = name;
        return fails([&] { container.start(spec); }, code, parts);
    }
    void replace(const std::string& file, const std::string& text) {
        fs::remove_all(image() / file);
        make_file("image/" + file, text);
    }
};

TEST_F(UserName, HasTheGroupsOfTheContainersFiles) {
    EXPECT_EQ(ids("app"), lines_for(1000, 1001, " 29 44 1001")) << "the kernel sorts them";
    EXPECT_EQ(ids("root"), lines_for(0, 0, " 0"));
    EXPECT_EQ(ids("other"), lines_for(1003, 1004, " 44 1004"));
}

TEST_F(UserName, WithAGroupHasThatOneAlone) {
    EXPECT_EQ(ids("app:audio"), lines_for(1000, 29, ""));
    EXPECT_EQ(ids("app:7"), lines_for(1000, 7, ""));
    EXPECT_EQ(ids("5:video"), lines_for(5, 44, ""));
    EXPECT_EQ(ids("5:6"), lines_for(5, 6, ""));
}

TEST_F(UserName, OfDigitsIsANumberWhateverTheFileSays) {
    EXPECT_EQ(ids("1002"), lines_for(1002, 0, " 0")) << "the user of that name would be root";
    EXPECT_EQ(ids("1000"), lines_for(1000, 1001, " 29 44 1001"));
    EXPECT_EQ(ids("4711"), lines_for(4711, 0, " 0"));
}

TEST_F(UserName, NumbersNeedNoFiles) {
    fs::remove_all(image() / "etc");
    EXPECT_EQ(ids("4711:12"), lines_for(4711, 12, ""));
    EXPECT_EQ(ids("4711"), lines_for(4711, 0, " 0"));
    EXPECT_TRUE(refused("app", std::errc::no_such_file_or_directory,
                        {"container 'box': ", "user 'app'", "container's '/etc/passwd'"}));
    EXPECT_TRUE(refused("5:video", std::errc::no_such_file_or_directory, {"group 'video'", "'/etc/group'"}));
}

TEST_F(UserName, WithoutAGroupFileHasNoFurtherGroups) {
    fs::remove(image() / "etc/group");
    EXPECT_EQ(ids("app"), lines_for(1000, 1001, " 1001"));
}

TEST_F(UserName, ThatIsUnknownIsNamed) {
    EXPECT_TRUE(refused("nosuch", static_cast<std::errc>(ENODATA),
                        {"container 'box': find user 'nosuch' in the container's '/etc/passwd': ", "no entry"}));
    EXPECT_TRUE(refused("ap", static_cast<std::errc>(ENODATA), {"'ap'"}));
    EXPECT_TRUE(refused("apple", static_cast<std::errc>(ENODATA), {"'apple'"}));
    EXPECT_TRUE(refused("app:nosuch", static_cast<std::errc>(ENODATA), {"group 'nosuch'", "'/etc/group'"}));
}

TEST_F(UserName, ThatIsNoneIsAViolation) {
    Container container = isolated();
    for (const char* const name :
         {"4294967295", "4294967296", "99999999999999999999", "-1", "+5", ":5", "app:", "a:b:c", "a\nb"}) {
        ProcessSpec spec = program({"ids"});
        spec.user_name = name;
        EXPECT_TRUE(fails([&] { container.start(spec); }, Errc::InvalidConfig, {"container 'box': "})) << name;
    }
}

TEST_F(UserName, MalformedEntryIsNobody) {
    for (const char* const fields :
         {"", "x", "x:", "x:5", "x::5", "x:-1:5", "x:4294967295:5", "x:4294967296:5", "x:18446744073709551616:5",
          "x:0x10:5", "x: 5:5", "x:5:", "x:5:4294967295", "x:5:a"}) {
        replace("etc/passwd", "app:" + std::string(fields) + "\nlast:x:9:9::/:\n");
        EXPECT_TRUE(refused("app", std::errc::invalid_argument, {"user 'app'", "malformed"})) << fields;
        EXPECT_EQ(ids("last"), lines_for(9, 9, " 9"));
    }
    replace("etc/group", "g:x:4294967295:app\n");
    replace("etc/passwd", Passwd);
    EXPECT_TRUE(refused("app", std::errc::invalid_argument, {"groups of user 'app'", "malformed"}));
    EXPECT_TRUE(refused("app:g", std::errc::invalid_argument, {"group 'g'", "malformed"}));
}

TEST_F(UserName, OddLinesAreNobodysEntry) {
    std::string text = "\n\n:::\n+app\n#app:x:1:1::/:\n";
    text += std::string("app\0:x:0:0::/:\n", 15);
    text += std::string(100000, 'a') + ":x:0:0::/:\n";
    text += "app" + std::string(300, 'p') + ":x:0:0::/:\n";
    text += " app:x:0:0::/:\napp :x:0:0::/:\n";
    replace("etc/passwd", text + "app:x:12:34::/:"); // no end of line either
    std::string group("a:b\n::\nx:x:5:app\0\nx:x:5:\0app\n", 29);
    group += std::string(70000, ',') + "\ny:x:6:,,app,\nz:x:7:app";
    replace("etc/group", group);
    EXPECT_EQ(ids("app"), lines_for(12, 34, " 6 7 34"));
}

TEST_F(UserName, FirstEntryCounts) {
    replace("etc/passwd", "app:x:5:6::/:\napp:x:0:0::/:\n");
    EXPECT_EQ(ids("app"), lines_for(5, 6, " 6 29 44"));
}

TEST_F(UserName, FileOfAMillionLinesIsSearched) {
    std::string passwd;
    std::string group;
    for (int i = 0; i < 1'000'000; ++i) {
        passwd += "user" + std::to_string(i) + ":x:" + std::to_string(i + 5000) + ":1::/:\n";
        group += "group" + std::to_string(i) + ":x:" + std::to_string(i + 5000) + ":\n";
    }
    replace("etc/passwd", passwd + "app:x:1000:1001::/:\n");
    replace("etc/group", group + "video:x:44:app\n");
    EXPECT_EQ(ids("app"), lines_for(1000, 1001, " 44 1001"));
}

TEST_F(UserName, EndlessFileIsRefused) {
    // Sparse: 256 MiB of NUL bytes.
    ASSERT_EQ(::truncate((image() / "etc/passwd").c_str(), off_t{256} << 20), 0);
    EXPECT_TRUE(refused("nosuch", std::errc::file_too_large, {"'/etc/passwd'", "128 MiB"}));
}

TEST_F(UserName, MoreGroupsThanThereIsRoomForAreRefused) {
    std::string group;
    for (int i = 0; i < 1023; ++i) group += "g:x:" + std::to_string(i + 5000) + ":app\n";
    replace("etc/group", group);
    ProcessSpec spec = program({"status"});
    spec.user_name = "app";
    {
        Container container = isolated();
        EXPECT_TRUE(succeeded(run(container, spec)));
    }
    replace("etc/group", group + "g:x:4999:app\n");
    EXPECT_TRUE(refused("app", std::errc::argument_list_too_long, {"user 'app'", "1024"}));
}

TEST_F(UserName, FileThatIsNoneIsRefused) {
    const fs::path passwd = image() / "etc/passwd";
    fs::remove(passwd);
    ASSERT_EQ(::mkfifo(passwd.c_str(), 0666), 0);
    EXPECT_TRUE(refused("app", std::errc::operation_not_supported, {"'/etc/passwd'", "not a regular file"}));
    EXPECT_TRUE(refused("1000", std::errc::operation_not_supported, {"'/etc/passwd'", "not a regular file"}));
    fs::remove(passwd);
    fs::create_directory(passwd);
    EXPECT_TRUE(refused("app", std::errc::is_a_directory, {"'/etc/passwd'", "not a regular file"}));
    fs::remove(passwd);
    for (const dev_t device : {::makedev(1, 5), ::makedev(1, 9), ::makedev(10, 4711)}) { // also one without a driver
        ASSERT_EQ(::mknod(passwd.c_str(), S_IFCHR | 0666, device), 0);
        EXPECT_TRUE(refused("app", std::errc::operation_not_supported, {"'/etc/passwd'", "not a regular file"}));
        fs::remove(passwd);
    }
    ASSERT_EQ(::mknod(passwd.c_str(), S_IFSOCK | 0666, 0), 0);
    EXPECT_TRUE(refused("app", std::errc::operation_not_supported, {"'/etc/passwd'", "not a regular file"}));
}

TEST_F(UserName, LinkLeadsNowhereButIntoTheImage) {
    const fs::path passwd = image() / "etc/passwd";
    const auto link = [&](const std::string& to) {
        fs::remove(passwd);
        fs::create_symlink(to, passwd);
    };
    make_file("secret", "app:x:0:0::/:\n");
    const std::string outside = (dir() / "secret").string();
    for (const std::string& to : {outside, "../../../../../.." + outside}) {
        link(to);
        EXPECT_TRUE(refused("app", std::errc::no_such_file_or_directory, {"'/etc/passwd'"})) << to;
    }
    link("passwd");
    EXPECT_TRUE(refused("app", std::errc::too_many_symbolic_link_levels, {"'/etc/passwd'"}));
    make_file("image/real", "app:x:77:78::/:\n");
    link("../../../../real");
    EXPECT_EQ(ids("app"), lines_for(77, 78, " 29 44 78"));
    link("/real");
    EXPECT_EQ(ids("app"), lines_for(77, 78, " 29 44 78"));
}

TEST_F(UserName, LinkThroughProcIsNotFollowed) {
    make_file("secret", "app:x:0:0::/:\n");
    const fs::path passwd = image() / "etc/passwd";
    // A /proc of the host's processes, whose roots are the host's.
    Container container = isolated().add_mount({.source = "/proc", .target = "/proc", .recursive = true});
    const std::string host = "/proc/" + std::to_string(::getpid()) + "/root";
    for (const std::string way : {host.c_str(), "/proc/self/root", "/proc/self/cwd"}) {
        fs::remove(passwd);
        fs::create_symlink(way + (dir() / "secret").string(), passwd);
        ProcessSpec spec = program({"ids"});
        spec.user_name = "app";
        EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::too_many_symbolic_link_levels,
                          {"'/etc/passwd'", "link of /proc"}))
            << way;
    }
}

TEST_F(UserName, IsOfTheMountedFile) {
    make_file("other-passwd", "app:x:500:501::/:\n");
    Container container =
        isolated().add_mount({.source = (dir() / "other-passwd").string(), .target = "/etc/passwd", .options = {}});
    EXPECT_EQ(ids_in(container, "app"), lines_for(500, 501, " 29 44 501"));
}

TEST_F(UserName, WorksWithChrootAndWithoutARoot) {
    Container chroot = session().create("chroot").set_root(image().string());
    EXPECT_EQ(ids_in(chroot, "app"), lines_for(1000, 1001, " 29 44 1001"));
    Container bare = plain("bare");
    ProcessSpec spec = host_program({"ids"});
    spec.user_name = "root";
    EXPECT_TRUE(contains(run(bare, spec).out, "uid 0 0 0\ngid 0 0 0\n"));
}

TEST_F(UserName, OfAnEnteringProcessIsLookedUpInside) {
    for (Container& container :
         std::vector<Container>{isolated("pivot"), session().create("chroot").set_root(image().string())}) {
        const Process init = start_ready(container, program({"pause"}));
        ProcessSpec spec = program({"ids"});
        spec.user_name = "app:audio";
        EXPECT_EQ(run_entered(container, spec).out, lines_for(1000, 29, ""));
        spec.user_name = "nosuch";
        EXPECT_TRUE(fails([&] { container.enter(spec); }, static_cast<std::errc>(ENODATA), {"'nosuch'"}));
        container.kill();
        container.wait();
    }
}

TEST_F(UserName, OfACallableIsLookedUpInside) {
    Container container = isolated();
    ProcessSpec spec;
    spec.user_name = "app";
    EXPECT_TRUE(succeeded(run(container, spec, [] { return ::getuid() == 1000 && ::getgid() == 1001 ? 0 : 1; })));
}

TEST_F(UserName, UnderAReaperIsThatOfTheProgram) {
    Container container = isolated();
    ProcessSpec spec = program({"ids"});
    spec.user_name = "app";
    spec.init = Init::Reaper;
    EXPECT_EQ(run(container, spec).out, lines_for(1000, 1001, " 29 44 1001"));
}

TEST_F(UserName, OwnsItsStreams) {
    Container container = isolated().add_default_mounts();
    ProcessSpec spec = program({"write", "/proc/self/fd/1", "reopened"});
    spec.user_name = "app";
    spec.stdio.in = Stdio::Pipe;
    EXPECT_EQ(run(container, spec).out, "reopened");
    spec = program({"write", "/dev/tty", "reopened"});
    spec.user_name = "app";
    spec.terminal = TerminalSize{};
    const Process process = container.start(spec);
    EXPECT_EQ(read_line(process.terminal()), "reopened");
    EXPECT_TRUE(exited(container.wait(), 0));
}

TEST_F(UserName, StreamsOfTheHostStayItsOwn) {
    const fs::path file = make_file("output");
    const int fd = ::open(file.c_str(), O_WRONLY | O_CLOEXEC);
    Container container = isolated();
    ProcessSpec spec = program({"exit", "0"});
    spec.user_name = "app";
    spec.fds = {{.target = 1, .source = fd}, {.target = 5, .source = fd}};
    container.start(spec);
    EXPECT_TRUE(exited(container.wait(), 0));
    struct stat status {};
    EXPECT_EQ(::fstat(fd, &status), 0);
    EXPECT_EQ(status.st_uid, 0U);
    ::close(fd);
}

TEST_F(UserName, IsOneOfTheUserNamespace) {
    for (const char* const mount_point : {"image/proc", "image/sys", "image/dev"}) make_dir(mount_point);
    Container container = isolated().add_namespace(Namespace::User).add_default_mounts();
    container.add_uid_map({0, 100000, 2000}).add_gid_map({0, 200000, 2000});
    EXPECT_EQ(ids_in(container, "app"), lines_for(1000, 1001, " 29 44 1001"));
    ProcessSpec spec = program({"write", "/proc/self/fd/1", "reopened"});
    spec.user_name = "app";
    EXPECT_EQ(run(container, spec).out, "reopened");
    replace("etc/passwd", "app:x:3000:5::/:\n");
    EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::invalid_argument,
                      {"change to user 'app'", "not mapped in the user namespace"}));
    spec.user_name = "3000:5";
    EXPECT_TRUE(fails([&] { container.start(spec); }, Errc::InvalidConfig, {"user 3000 is not in the uid map"}));
}

TEST_F(UserName, OfAnUnprivilegedHostIsItself) {
    CT_REQUIRE(Privilege::UserNamespaces);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("box").set_root(image().string()).map_root_to_caller();
        container.add_namespaces({Namespace::User, Namespace::Mount, Namespace::Pid});
        ProcessSpec spec = program({"ids"});
        spec.user_name = "root";
        EXPECT_TRUE(contains(run(container, spec).out, "uid 0 0 0\ngid 0 0 0\n"));
        spec.user_name = "app";
        EXPECT_TRUE(fails([&] { container.start(spec); }, std::errc::invalid_argument, {"user 'app'", "not mapped"}));
    }));
}

TEST_F(UserName, HasOnlyItsCapabilities) {
    Container container = isolated();
    ProcessSpec spec = program({"caps"});
    spec.user_name = "app";
    EXPECT_TRUE(contains(run(container, spec).out, "permitted 0\neffective 0\n"));
    spec.capabilities = {"NET_RAW"};
    EXPECT_EQ(run(container, spec).out,
              "permitted 2000\neffective 2000\ninheritable 2000\nbounding 2000\nambient 2000\n");
}

} // namespace
} // namespace ct::test
