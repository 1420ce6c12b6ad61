// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <csignal>
#include <cstdlib>
#include <fstream>

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class MountHooksTest : public ContainerTest {
protected:
    [[nodiscard]] static Mount tmpfs(std::string target = "/tmp") {
        return {.source = "tmpfs", .target = std::move(target), .type = "tmpfs", .options = {"mode=755"}};
    }
    /// The program of the image, by its path on the host.
    [[nodiscard]] HookCommand command(std::vector<std::string> args) const {
        args.insert(args.begin(), (image() / "bin/test_init").string());
        return {.argv = std::move(args)};
    }
    [[nodiscard]] std::string at_host(const std::string& path) const { return image().string() + path; }
};

TEST_F(MountHooksTest, CommandsRunBeforeAndAfterTheMount) {
    Container container = isolated().add_mount(
        tmpfs(), {.before = {command({"mkdir", at_host("/tmp")}), command({"write", at_host("/tmp/before"), "below"})},
                  .after = {command({"write", at_host("/tmp/after"), "in the mount"})}});
    EXPECT_EQ(run(container, program({"cat", "/tmp/after"})).out, "in the mount");
    EXPECT_EQ(content(image() / "tmp/before"), "below");
    EXPECT_FALSE(fs::exists(image() / "tmp/after"));
}

TEST_F(MountHooksTest, CallablesRunBeforeAndAfterTheMount) {
    const std::string text = "in the mount";
    const pid_t host = ::getpid();
    const auto before = [&] {
        fs::create_directory(at_host("/tmp"));
        std::ofstream{at_host("/tmp/before")} << (::getpid() == host ? "the host itself" : "a copy");
        return 0;
    };
    const auto after = [&] {
        std::ofstream{at_host("/tmp/after")} << text;
        return 0;
    };
    Container container = isolated().add_mount(tmpfs(), {.before = {before}, .after = {after}});
    EXPECT_EQ(run(container, program({"cat", "/tmp/after"})).out, text);
    EXPECT_EQ(content(image() / "tmp/before"), "a copy");
    EXPECT_FALSE(fs::exists(image() / "tmp/after"));
}

TEST_F(MountHooksTest, CallablesGoTogetherWithACallable) {
    const auto after = [&] { return ::mkdir(at_host("/tmp/made").c_str(), 0755); };
    Container container = isolated().add_mount(tmpfs(), {.before = {}, .after = {after}});
    EXPECT_TRUE(exited(run(container, {}, [] { return ::access("/tmp/made", F_OK) == 0 ? 7 : 8; }).status, 7));
}

TEST_F(MountHooksTest, SeeTheContainersMountsButNotItsRoot) {
    const std::string before = host_mounts();
    Container container =
        isolated().add_mount(tmpfs(), {.before = {},
                                       .after = {command({"mount", "tmpfs", at_host("/tmp")}),
                                                 command({"write", at_host("/tmp/file"), "in the second one"})}});
    EXPECT_EQ(run(container, program({"cat", "/tmp/file"})).out, "in the second one");
    EXPECT_EQ(host_mounts(), before);
}

TEST_F(MountHooksTest, RunInOrder) {
    const std::string log = (dir() / "log").string();
    const auto note = [log](const char* word) -> std::function<int()> {
        return [=] {
            std::ofstream{log, std::ios::app} << word << '\n';
            return 0;
        };
    };
    Container container = isolated()
                              .add_mount(tmpfs("/a"), {.before = {note("a1"), note("a2")}, .after = {note("a3")}})
                              .add_mount(tmpfs("/b"), {.before = {note("b1")}, .after = {}});
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    EXPECT_EQ(content(log), "a1\na2\na3\nb1\n");
}

TEST_F(MountHooksTest, CommandHasTheEnvironmentAndDirectoryItIsGiven) {
    make_dir("work");
    make_file("script", "#!/bin/sh\necho \"$WORD $(pwd) $(umask)\" >result\n");
    fs::permissions(dir() / "script", fs::perms{0755});
    HookCommand hook{.argv = {(dir() / "script").string()}};
    hook.environment = {"WORD=word", "PATH=/usr/bin:/bin"};
    hook.working_directory = (dir() / "work").string();
    const mode_t mask = ::umask(027);
    Container container = isolated().add_mount(tmpfs(), {.before = {hook}, .after = {}});
    const Finished finished = run(container, program({"exit", "0"}));
    ::umask(mask);
    EXPECT_TRUE(succeeded(finished));
    EXPECT_EQ(content(dir() / "work/result"), "word " + (dir() / "work").string() + " 0027\n");
}

TEST_F(MountHooksTest, CommandIsSearchedInItsPath) {
    HookCommand hook{.argv = {"test_init", "write", (dir() / "made").string(), "text"}};
    hook.environment = {"PATH=/nowhere:" + (image() / "bin").string()};
    Container container = isolated().add_mount(tmpfs(), {.before = {hook}, .after = {}});
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    EXPECT_EQ(content(dir() / "made"), "text");
}

TEST_F(MountHooksTest, CommandHasNoneOfTheHostsDescriptors) {
    const std::string list = (dir() / "fds").string();
    make_file("script", "#!/bin/sh\nls /proc/$$/fd >" + list + "\n");
    fs::permissions(dir() / "script", fs::perms{0755});
    const int inheritable = ::dup(0); // as a careless host has them
    Container container =
        isolated().add_mount(tmpfs(), {.before = {HookCommand{.argv = {(dir() / "script").string()}}}, .after = {}});
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    ::close(inheritable);
    // 10 or 255 is the shell's own, for the script.
    for (const std::string& fd : lines(content(list))) EXPECT_TRUE(fd.size() > 1 || fd < "3") << fd;
}

TEST_F(MountHooksTest, FailureOfACommandNamesTheMount) {
    const std::string before = tree(image());
    Container container = isolated().add_mount(tmpfs("/new/dir"), {.before = {}, .after = {command({"exit", "3"})}});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::operation_canceled,
        {"container 'box': run '", "test_init' after the mount on '/new/dir': Operation canceled",
         "it exited with code 3"}));
    EXPECT_EQ(tree(image()), before);
}

TEST_F(MountHooksTest, DeathOfACommandIsTold) {
    Container container =
        isolated().add_mount(tmpfs(), {.before = {command({"raise", std::to_string(SIGTERM)})}, .after = {}});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::operation_canceled, {"before the mount on '/tmp'", "killed by signal 15 (SIGTERM)"}));
}

TEST_F(MountHooksTest, MissingCommandIsReported) {
    for (const char* name : {"/no/such/hook", "no-such-hook"}) {
        Container container = isolated().add_mount(tmpfs(), {.before = {HookCommand{.argv = {name}}}, .after = {}});
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::no_such_file_or_directory, {"run '" + std::string{name} + "' before the mount on '/tmp'"}));
    }
}

TEST_F(MountHooksTest, FailureOfACallableNamesTheMount) {
    Container container = isolated().add_mount(tmpfs(), {.before = {[] { return 5; }}, .after = {}});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::operation_canceled,
        {"container 'box': run a callable before the mount on '/tmp'", "it exited with code 5"}));
}

TEST_F(MountHooksTest, EndOfTheProcessInACallableIsReported) {
    Container container = isolated().add_mount(tmpfs(), {.before = {[]() -> int { ::_exit(0); }}, .after = {}});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        Errc::ChildDied, {"run a callable before the mount on /tmp"}));
}

TEST_F(MountHooksTest, RunAsRootOfTheUserNamespace) {
    const auto made = [&] { return ::mkdir(at_host("/tmp/made").c_str(), 0755); };
    Container container = isolated()
                              .add_namespace(Namespace::User)
                              .map_root_to_caller()
                              .add_mount(tmpfs(), {.before = {command({"exit", "0"})}, .after = {made}});
    EXPECT_EQ(run(container, program({"stat", "/tmp/made"})).out, "dir 755 0:0 0:0\n");
}

TEST_F(MountHooksTest, WorkForAnUnprivilegedUser) {
    CT_REQUIRE(Privilege::UserNamespaces);
    fs::permissions(image(), fs::perms{0777});
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session own;
        Container container = own.create("mine")
                                  .set_root(image().string())
                                  .add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::User})
                                  .map_root_to_caller()
                                  .add_mount(tmpfs(), {.before = {command({"exit", "0"}), [] { return 0; }},
                                                       .after = {command({"write", at_host("/tmp/x"), "text"})}});
        EXPECT_EQ(run(container, program({"cat", "/tmp/x"})).out, "text");
    }));
}

TEST_F(MountHooksTest, AreKeptBesideTheSpecification) {
    Container container = isolated().add_mount(tmpfs(), {.before = {[] { return 5; }}, .after = {}});
    const Spec spec = container.spec();
    EXPECT_THROW(container.start(program({"exit", "0"})), Error);
    container.set_spec(spec);
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
}

TEST_F(MountHooksTest, MalformedOnesAreRefusedAtOnce) {
    Container container = isolated();
    EXPECT_TRUE(fails([&] { container.add_mount(tmpfs(), {.before = {HookCommand{}}, .after = {}}); },
                      Errc::InvalidConfig, {"hook of the mount on '/tmp' names no program"}));
    EXPECT_TRUE(fails([&] { container.add_mount(tmpfs(), {.before = {}, .after = {std::function<int()>{}}}); },
                      Errc::InvalidConfig, {"hook of the mount on '/tmp' is an empty function"}));
    EXPECT_TRUE(container.spec().mounts.empty());
}

} // namespace
} // namespace ct::test
