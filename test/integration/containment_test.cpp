// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What a hostile image can try with symbolic links: whatever is mounted, made or bound, it happens inside the root.
#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

struct Escape {
    const char* name;
    /// The content of the link, given the directory outside that it is after.
    std::string (*link)(const fs::path& outside);
};

std::string climb(const fs::path& outside) {
    return "../../../../../../../../../../../.." + outside.string();
}

const Escape Escapes[] = {
    {"Absolute", [](const fs::path& outside) { return outside.string(); }},
    {"Climbing", climb},
    {"AbsoluteAndClimbing", [](const fs::path& outside) { return "/" + climb(outside); }},
    {"Relative", [](const fs::path&) { return std::string{"../outside"}; }},
    {"DanglingAbsolute", [](const fs::path& outside) { return (outside / "new").string(); }},
    {"DanglingClimbing", [](const fs::path& outside) { return climb(outside / "new"); }},
};

class LinkInTheImage : public ContainerTest, public ::testing::WithParamInterface<Escape> {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped()) return;
        make_file("outside/file", "outside");
        make_dir("outside/sub");
        make_file("bait", "bait");
        content_ = GetParam().link(dir() / "outside");
    }

    void link(const std::string& name) { fs::create_symlink(content_, image() / name); }

    /// Starts, allowed to fail with the kernel's word for a link that leads nowhere, and looks at what happened
    /// outside.
    void expect_contained(Container container) {
        const std::string outside = tree(dir() / "outside");
        const std::string mounts = host_mounts();
        try {
            const Process process = start_ready(container, program({"pause"}));
            EXPECT_EQ(host_mounts(), mounts);
            container.kill();
            container.wait();
        } catch (const Error& error) {
            EXPECT_TRUE(error.code() == std::errc::too_many_symbolic_link_levels ||
                        error.code() == std::errc::no_such_file_or_directory ||
                        error.code() == std::errc::not_a_directory)
                << error.what();
            EXPECT_TRUE(contains(error.what(), "container 'box': "));
            EXPECT_FALSE(error.path().empty());
        }
        EXPECT_EQ(tree(dir() / "outside"), outside);
        EXPECT_EQ(content(dir() / "outside/file"), "outside");
    }

    std::string content_;
};

INSTANTIATE_TEST_SUITE_P(Escapes, LinkInTheImage, ::testing::ValuesIn(Escapes),
                         [](const auto& param_info) { return std::string{param_info.param.name}; });

TEST_P(LinkInTheImage, DoesNotLeadAMountOut) {
    link("link");
    expect_contained(isolated().add_mount({.source = "tmpfs", .target = "/link", .type = "tmpfs", .options = {}}));
}

TEST_P(LinkInTheImage, DoesNotLeadANewDirectoryOut) {
    link("link");
    expect_contained(isolated().add_mount({.source = "tmpfs", .target = "/link/a/b", .type = "tmpfs", .options = {}}));
}

TEST_P(LinkInTheImage, DoesNotLeadABindOut) {
    link("link");
    expect_contained(isolated().add_mount({.source = make_dir("data").string(), .target = "/link/sub", .options = {}}));
}

TEST_P(LinkInTheImage, DoesNotLeadAFileBindOut) {
    link("link");
    expect_contained(
        isolated().add_mount({.source = (dir() / "bait").string(), .target = "/link/file", .options = {}}));
}

TEST_P(LinkInTheImage, DoesNotLeadANewFileOut) {
    link("link");
    expect_contained(isolated().add_mount({.source = (dir() / "bait").string(), .target = "/link/x", .options = {}}));
}

TEST_P(LinkInTheImage, AsTheLastPartOfAFileBindDoesNotLeadOut) {
    content_ = GetParam().link(dir() / "outside" / "file");
    link("link");
    expect_contained(isolated().add_mount({.source = (dir() / "bait").string(), .target = "/link", .options = {}}));
}

TEST_P(LinkInTheImage, DoesNotLeadDevicesOut) {
    link("dev");
    expect_contained(isolated().add_default_devices());
}

TEST_P(LinkInTheImage, DoesNotLeadBoundDevicesOut) {
    link("dev");
    expect_contained(isolated().add_namespace(Namespace::User).map_root_to_caller().add_default_devices());
}

TEST_P(LinkInTheImage, InPlaceOfADeviceDoesNotLeadOut) {
    content_ = GetParam().link(dir() / "outside" / "file");
    make_dir("image/dev");
    link("dev/null");
    const std::string outside = tree(dir() / "outside");
    for (Container container :
         {isolated("made").add_default_devices(),
          isolated("bound").add_namespace(Namespace::User).map_root_to_caller().add_default_devices()}) {
        try {
            const Process process = start_ready(container, program({"pause"}));
            container.kill();
            container.wait();
        } catch (const Error& error) {
            EXPECT_TRUE(contains(error.what(), "/dev/null"));
        }
        EXPECT_EQ(tree(dir() / "outside"), outside);
        EXPECT_EQ(content(dir() / "outside/file"), "outside");
    }
}

TEST_P(LinkInTheImage, DoesNotLeadDefaultMountsOut) {
    for (const char* name : {"proc", "sys", "dev"}) link(name);
    expect_contained(isolated().add_default_mounts());
}

TEST_P(LinkInTheImage, DoesNotLeadThePrivateAreaOut) {
    link("link");
    expect_contained(isolated().set_private(BindDir{.source = make_dir("data").string(), .target = "/link"}));
}

TEST_P(LinkInTheImage, DoesNotLeadThePrivateAreaOutOnTheHost) {
    link("link");
    const std::string outside = tree(dir() / "outside");
    Container container =
        plain().set_root(image().string()).set_private(BindDir{.source = make_dir("data").string(), .target = "/link"});
    try {
        const Process process = start_ready(container, program({"pause"}));
        EXPECT_FALSE(contains(host_mounts(), (dir() / "outside").string() + " "));
        container.kill();
        container.wait();
    } catch (const Error& error) {
        EXPECT_TRUE(contains(error.what(), "container 'box': "));
    }
    EXPECT_EQ(tree(dir() / "outside"), outside);
}

class HostileImage : public ContainerTest {};

TEST_F(HostileImage, LinkToADirectoryInsideIsFollowedInside) {
    make_dir("image/real/data");
    fs::create_symlink("/real", image() / "link");
    make_file("data/file");
    Container container =
        isolated().add_mount({.source = (dir() / "data").string(), .target = "/link/data", .options = {}});
    EXPECT_EQ(run(container, program({"ls", "/real/data"})).out, "file\n");
}

TEST_F(HostileImage, ClimbingLinkStopsAtTheRoot) {
    make_dir("image/deep/er");
    make_dir("image/real");
    fs::create_symlink("../../../../../real", image() / "deep/er/link");
    make_file("data/file");
    Container container =
        isolated().add_mount({.source = (dir() / "data").string(), .target = "/deep/er/link", .options = {}});
    EXPECT_EQ(run(container, program({"ls", "/real"})).out, "file\n");
}

TEST_F(HostileImage, LoopIsReportedWithThePath) {
    fs::create_symlink("b", image() / "a");
    fs::create_symlink("a", image() / "b");
    const std::string before = tree(image());
    for (const char* target : {"/a", "/a/below"}) {
        Container container =
            isolated().add_mount({.source = "tmpfs", .target = target, .type = "tmpfs", .options = {}});
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::too_many_symbolic_link_levels,
            {"container 'box': mount tmpfs on '" + std::string{target} + "'", "symbolic links"}));
    }
    EXPECT_EQ(tree(image()), before);
}

TEST_F(HostileImage, DanglingLinkIsReportedWithThePath) {
    fs::create_symlink("/nowhere", image() / "a");
    const std::string before = tree(image());
    Container container = isolated().add_mount({.source = "tmpfs", .target = "/a", .type = "tmpfs", .options = {}});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::too_many_symbolic_link_levels, {"container 'box': mount tmpfs on '/a'"}));
    EXPECT_EQ(tree(image()), before);
}

TEST_F(HostileImage, MagicLinksOfProcLeadNowhere) {
    for (const char* target : {"/proc/self/root/x", "/proc/self/cwd", "/proc/thread-self/cwd/y"}) {
        Container container = isolated()
                                  .add_mount({.source = "proc", .target = "/proc", .type = "proc", .options = {}})
                                  .add_mount({.source = "tmpfs", .target = target, .type = "tmpfs", .options = {}});
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::too_many_symbolic_link_levels,
            {"container 'box': mount tmpfs on '" + std::string{target} + "'"}));
    }
}

TEST_F(HostileImage, WorkingDirectoryLinkStaysInside) {
    make_file("outside/file");
    fs::create_symlink(dir() / "outside", image() / "link");
    Container container = isolated();
    ProcessSpec spec = program({"ls", "."});
    spec.working_directory = "/link";
    EXPECT_TRUE(
        fails([&] { container.start(spec); }, std::errc::no_such_file_or_directory, {"container 'box': ", "'/link'"}));
}

TEST_F(HostileImage, LinkToTheHostsProgramIsNotFollowed) {
    fs::create_symlink("/proc/self/exe", image() / "bin" / "exe");
    fs::create_symlink((dir() / "image/bin/test_init").string(), image() / "bin" / "host");
    Container container = isolated();
    for (const char* path : {"/bin/exe", "/bin/host"})
        EXPECT_TRUE(fails([&] { container.start({.argv = {path}}); }, std::errc::no_such_file_or_directory,
                          {"container 'box': ", path}));
}

TEST_F(HostileImage, FileInPlaceOfADirectoryIsReported) {
    make_file("image/proc");
    Container container = isolated().add_default_mounts();
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::not_a_directory, {"container 'box': mount proc on '/proc': Not a directory"}));
}

} // namespace
} // namespace ct::test
