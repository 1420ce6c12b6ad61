// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class Overlay : public ContainerTest {
protected:
    std::string make(const std::string& name) { return make_dir(name).string(); }
    OverlayArea kept() { return {.upper = make("upper"), .work = make("work")}; }
    std::string path(const std::string& name) const { return (dir() / name).string(); }

    static std::string cat(Container& container, const std::string& file) {
        return run(container, program({"cat", file})).out;
    }
    static ::testing::AssertionResult writes(Container& container, const std::string& file, const std::string& text) {
        return succeeded(run(container, program({"write", file, text})));
    }
    ::testing::AssertionResult start_fails(const OverlayArea& area, std::errc code,
                                           std::initializer_list<std::string_view> parts) {
        Container container = isolated("failing").set_private(area);
        return fails([&] { container.start(program({"exit", "0"})); }, code, parts);
    }
};

TEST_F(Overlay, TakesChangesOfTheRootDirectoryIntoItsUpperDirectory) {
    const std::string before = tree(image());
    Container container = isolated().set_private(kept());
    EXPECT_TRUE(writes(container, "/note", "text"));
    EXPECT_EQ(content(dir() / "upper/note"), "text");
    EXPECT_EQ(tree(image()), before);
}

TEST_F(Overlay, KeepsAnUpperDirectoryOverRestarts) {
    Container container = isolated().set_private(kept());
    EXPECT_TRUE(writes(container, "/note", "text"));
    EXPECT_EQ(cat(container, "/note"), "text");
}

TEST_F(Overlay, ForgetsAThrowAwayUpperDirectory) {
    const std::string before = tree(image());
    Container container = isolated().set_private(OverlayArea{});
    EXPECT_TRUE(writes(container, "/note", "text"));
    EXPECT_EQ(run(container, program({"ls", "/"})).out, "bin\n");
    EXPECT_EQ(tree(image()), before);
}

TEST_F(Overlay, LimitsAThrowAwayUpperDirectory) {
    Container container = isolated().set_private(OverlayArea{.size = 65536});
    const auto fill = [] {
        static char zeros[4096];
        const int file = ::open("/big", O_WRONLY | O_CREAT, 0600);
        int pages = 0;
        while (::write(file, zeros, sizeof zeros) == sizeof zeros) ++pages;
        return errno == ENOSPC ? pages : 255;
    };
    const ExitStatus status = run(container, {}, fill).status;
    EXPECT_GT(status.value, 0);
    EXPECT_LE(status.value, 16);
}

TEST_F(Overlay, ShowsTheTopmostOfItsLowerDirectories) {
    make_file("one/file", "one");
    make_file("one/first", "one");
    make_file("two/file", "two");
    make_file("two/second", "two");
    Container container = isolated().set_private(OverlayArea{.lower = {path("one"), path("two"), image().string()}});
    EXPECT_EQ(cat(container, "/file"), "one");
    EXPECT_EQ(cat(container, "/second"), "two");
    EXPECT_EQ(run(container, program({"ls", "/"})).out, "bin\nfile\nfirst\nsecond\n");
}

TEST_F(Overlay, GoesToATargetInTheRoot) {
    make_file("image/data/own", "own");
    make_file("one/file", "one");
    Container container = isolated().set_private(OverlayArea{.target = "/data"});
    EXPECT_EQ(cat(container, "/data/own"), "own"); // what is there is its lower directory
    EXPECT_TRUE(writes(container, "/data/new", "text"));
    EXPECT_FALSE(fs::exists(image() / "data/new"));
    container.set_private(OverlayArea{.lower = {path("one")}, .target = "/made/here"});
    EXPECT_EQ(cat(container, "/made/here/file"), "one");
}

TEST_F(Overlay, DoesNotLeaveTheRootByASymbolicLink) {
    fs::create_directory_symlink(dir(), image() / "link");
    make_dir("image/" + dir().string().substr(1)); // where the link leads inside
    Container container = isolated().set_private(OverlayArea{.target = "/link"});
    EXPECT_TRUE(writes(container, "/link/note", "text"));
    EXPECT_EQ(container.changes(), (std::vector<Change>{{"/link/note", ChangeKind::Added}}));
    EXPECT_FALSE(fs::exists(dir() / "note"));
}

TEST_F(Overlay, TakesManyLowerDirectories) {
    for (const std::size_t count : {64U, 120U}) {
        if (count > 80 && !kernel_is_at_least(6, 5)) GTEST_SKIP() << "more than 80 lower directories need Linux 6.5";
        OverlayArea area;
        for (std::size_t i = 0; i < count; ++i) {
            const std::string name = "layer" + std::to_string(i);
            make_file(name + "/file" + std::to_string(i), name);
            area.lower.push_back(path(name));
        }
        area.lower.push_back(image().string());
        Container container = isolated("box" + std::to_string(count)).set_private(area);
        EXPECT_EQ(cat(container, "/file0"), "layer0");
        EXPECT_EQ(cat(container, "/file" + std::to_string(count - 1)), "layer" + std::to_string(count - 1));
        EXPECT_TRUE(container.changes().empty());
    }
}

TEST_F(Overlay, TakesDirectoriesOfAnyNameAndPath) {
    for (const std::string name : {"with space, comma", "a:b:c", "back\\slash\\:", "new\nline", "quote\"'$"}) {
        make_file(name + "/lower/file", name);
        OverlayArea area{.lower = {path(name + "/lower"), image().string()},
                         .upper = make(name + "/upper"),
                         .work = make(name + "/work")};
        Container container = isolated().set_private(area);
        EXPECT_EQ(cat(container, "/file"), name);
        EXPECT_TRUE(writes(container, "/note", "text"));
        EXPECT_TRUE(fs::exists(dir() / name / "upper/note")) << name;
    }
    std::string deep = "deep";
    for (int i = 0; i < 15; ++i) deep += "/" + std::string(200, 'x');
    make_file(deep + "/file", "deep");
    Container container = isolated().set_private(OverlayArea{.lower = {path(deep), image().string()}});
    EXPECT_EQ(cat(container, "/file"), "deep");
}

TEST_F(Overlay, ShowsNoPathsOfTheHostInside) {
    for (const OverlayArea& area : {kept(), OverlayArea{}}) {
        Container container = isolated().add_default_mounts().set_private(area);
        const std::string mounts = run(container, program({"cat", "/proc/self/mountinfo"})).out;
        EXPECT_TRUE(contains(mounts, " - overlay overlay "));
        EXPECT_FALSE(contains(mounts, dir().string()));
        EXPECT_FALSE(contains(mounts, "upper ")); // no mount but the overlay itself
    }
}

TEST_F(Overlay, IsNotInTheHostsMountTable) {
    const std::string before = host_mounts();
    Container container = isolated().set_private(OverlayArea{});
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_EQ(host_mounts(), before);
    container.kill();
    container.wait();
}

TEST_F(Overlay, IsSeenByWhoEnters) {
    Container container = isolated().set_private(OverlayArea{});
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_TRUE(succeeded(run_entered(container, program({"write", "/note", "text"}))));
    EXPECT_EQ(run_entered(container, program({"cat", "/note"})).out, "text");
    container.kill();
    container.wait();
}

TEST_F(Overlay, IsReadOnlyWithTheRoot) {
    Container container = isolated().set_private(OverlayArea{});
    container.set_root({.path = image().string(), .read_only = true}).add_mount({.target = "/made", .type = "tmpfs"});
    EXPECT_TRUE(contains(run(container, program({"write", "/note", "text"})).err, "EROFS"));
    EXPECT_TRUE(writes(container, "/made/note", "text"));
    EXPECT_FALSE(fs::exists(image() / "made"));
}

TEST_F(Overlay, LooksLikeItsLowerDirectory) {
    fs::permissions(image(), fs::perms{01750});
    ASSERT_EQ(::chown(image().c_str(), 12, 34), 0);
    Container container = isolated().set_private(OverlayArea{});
    Container bound = isolated("bound");
    EXPECT_EQ(run(container, program({"stat", "/"})).out, run(bound, program({"stat", "/"})).out);
}

TEST_F(Overlay, WorksInAUserNamespace) {
    if (!kernel_is_at_least(6, 6)) GTEST_SKIP() << "before Linux 6.6 a tmpfs has no user extended attributes";
    for (const OverlayArea& area : {kept(), OverlayArea{}}) {
        if (!area.upper.empty()) {
            ASSERT_EQ(::chown(area.upper.c_str(), 100'000, 100'000), 0);
            ASSERT_EQ(::chown(area.work.c_str(), 100'000, 100'000), 0);
        }
        fs::create_directories(image() / "sub");
        make_file("image/sub/file");
        ASSERT_EQ(::chown((image() / "sub").c_str(), 100'000, 100'000), 0);
        ASSERT_EQ(::chown((image() / "sub/file").c_str(), 100'000, 100'000), 0);
        Container container = isolated(area.upper.empty() ? "box" : "kept").set_private(area);
        container.add_namespace(Namespace::User).add_uid_map({0, 100'000, 1000}).add_gid_map({0, 100'000, 1000});
        EXPECT_TRUE(exited(run(container, {},
                               [] {
                                   if (::unlink("/sub/file") != 0 || ::rmdir("/sub") != 0) return 1;
                                   return ::mkdir("/sub", 0755) == 0 && ::mkdir("/sub/new", 0755) == 0 ? 0 : 2;
                               })
                               .status,
                           0));
        EXPECT_EQ(container.changes(), (std::vector<Change>{{"/sub", ChangeKind::Modified},
                                                            {"/sub/file", ChangeKind::Deleted},
                                                            {"/sub/new", ChangeKind::Added}}));
    }
}

TEST_F(Overlay, WorksForAnOrdinaryUser) {
    CT_REQUIRE(Privilege::UserNamespaces);
    const OverlayArea area = kept();
    ASSERT_EQ(::chown(area.upper.c_str(), 1000, 1000), 0);
    ASSERT_EQ(::chown(area.work.c_str(), 1000, 1000), 0);
    const std::string layer = (make_dir("layers") / "one").string();
    ASSERT_EQ(::chown(path("layers").c_str(), 1000, 1000), 0);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session own;
        for (const OverlayArea& each : {area, OverlayArea{}}) {
            Container container = own.create("box").set_root(image().string()).set_private(each);
            container.add_namespaces({Namespace::User, Namespace::Mount, Namespace::Pid}).map_root_to_caller();
            EXPECT_TRUE(writes(container, "/note", "text"));
            EXPECT_EQ(container.changes(), (std::vector<Change>{{"/note", ChangeKind::Added}}));
            container.commit(layer);
            EXPECT_EQ(content(layer + "/note"), "text");
            container.discard();
            EXPECT_TRUE(container.changes().empty());
            fs::remove_all(layer);
        }
    }));
}

TEST_F(Overlay, RunsCallables) {
    Container container = isolated().set_private(OverlayArea{});
    EXPECT_TRUE(exited(run(container, {}, [] { return ::mkdir("/made", 0755); }).status, 0));
    EXPECT_EQ(container.changes(), (std::vector<Change>{{"/made", ChangeKind::Added}}));
}

TEST_F(Overlay, NeedsAMountNamespaceOfItsOwn) {
    Container container = plain().set_root(image().string()).set_private(OverlayArea{});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        Errc::InvalidConfig, {"a private area other than a directory needs a new mount namespace"}));
}

TEST_F(Overlay, NamesTheDirectoryThatIsMissing) {
    const std::string missing = path("missing");
    const auto no_file = std::errc::no_such_file_or_directory;
    EXPECT_TRUE(start_fails({.lower = {image().string(), missing}}, no_file,
                            {"container 'failing': open the lower directory of the overlay '" + missing + "'"}));
    EXPECT_TRUE(start_fails({.upper = missing, .work = make("work")}, no_file,
                            {"container 'failing': open the upper directory of the overlay '" + missing + "'"}));
    EXPECT_TRUE(start_fails({.upper = make("upper"), .work = missing}, no_file,
                            {"container 'failing': open the work directory of the overlay '" + missing + "'"}));
    make_file("file");
    EXPECT_TRUE(start_fails({.lower = {path("file")}}, std::errc::not_a_directory, {"'" + path("file") + "'"}));
}

TEST_F(Overlay, TellsUpperAndWorkDirectoriesThatDoNotGoTogether) {
    mount_tmpfs(dir() / "elsewhere");
    const std::string upper = make("upper");
    EXPECT_TRUE(start_fails({.upper = upper, .work = path("elsewhere")}, std::errc::cross_device_link,
                            {"'" + upper + "'", "'" + path("elsewhere") + "'", "on the same mount"}));
    EXPECT_TRUE(start_fails({.upper = upper, .work = make("upper/work")}, std::errc::invalid_argument,
                            {"neither may be, or be in, the other"}));
    EXPECT_TRUE(start_fails({.upper = upper, .work = upper}, std::errc::invalid_argument,
                            {"neither may be, or be in, the other"}));
}

TEST_F(Overlay, LendsItsUpperDirectoryToOneContainerAtATime) {
    const OverlayArea area = kept();
    Container first = isolated("first").set_private(area);
    const Process process = start_ready(first, program({"pause"}));
    EXPECT_TRUE(start_fails(area, std::errc::device_or_resource_busy,
                            {"lock the upper directory of the overlay '" + area.upper + "'", "another container"}));
    Session other;
    Container same = other.create("failing").set_spec(first.spec());
    EXPECT_TRUE(fails([&] { same.start(program({"exit", "0"})); }, std::errc::device_or_resource_busy, {area.upper}));
    EXPECT_TRUE(fails([&] { same.discard(); }, std::errc::device_or_resource_busy, {area.upper}));
    first.kill();
    first.wait();
    EXPECT_TRUE(exited(run(same, program({"exit", "0"})).status, 0));
}

TEST_F(Overlay, ExplainsDirectoriesThatAUserNamespaceMayNotUncover) {
    mount_tmpfs(make_dir("image/below"));
    Container container = isolated().set_private(OverlayArea{});
    container.add_namespace(Namespace::User).add_uid_map({0, 0, 1000}).add_gid_map({0, 0, 1000});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::invalid_argument,
        {"mount the overlay on '" + image().string() + "'", "nothing may be mounted below"}));
}

TEST_F(Overlay, LeavesNothingWhenTheStartFails) {
    const std::string before = tree(image());
    const OverlayArea area = kept();
    for (const OverlayArea& each : {area, OverlayArea{}, OverlayArea{.target = "/made/area"}}) {
        Container container = isolated().set_private(each);
        container.add_mount({.target = "/made/mount", .type = "tmpfs"});
        EXPECT_TRUE(fails([&] { container.start({.argv = {"/missing"}}); }, std::errc::no_such_file_or_directory, {}));
        EXPECT_EQ(tree(image()), before);
        EXPECT_TRUE(fs::is_empty(area.upper));
        EXPECT_TRUE(container.changes().empty());
    }
}

TEST_F(Overlay, HoldsAFewDescriptorsOnly) {
    Container container = isolated().set_private(OverlayArea{});
    const auto count = [] { return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()); };
    EXPECT_TRUE(writes(container, "/note", "text"));
    const auto before = count();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(writes(container, "/note", "text"));
    EXPECT_EQ(count(), before);
    container.discard();
    EXPECT_LT(count(), before);
}

TEST_F(Overlay, WorkDirectoryIsForOneContainerOnly) {
    OverlayArea area{.upper = make("upper"), .work = make("work")};
    Container first = isolated("first").set_private(area);
    (void)start_ready(first, program({"pause"}));
    area.upper = make("other");
    Container second = isolated("second").set_private(area);
    EXPECT_TRUE(fails(
        [&] {
            second.start(program({"exit", "0"}));
        },
        std::errc::device_or_resource_busy,
        {"container 'second': lock the work directory of the overlay '" + area.work + "'",
         "another container uses it"}));
    first.kill();
    first.wait();
    EXPECT_TRUE(exited(run(second, program({"exit", "0"})).status, 0));
}

} // namespace
} // namespace ct::test
