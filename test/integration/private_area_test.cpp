// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

/// With a mount namespace and without: what is seen inside is the same.
class PrivateArea : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped()) return;
        make_file("data/file", "private");
        make_dir("image/area");
    }

    std::string data() const { return (dir() / "data").string(); }
    Container chrooted() { return plain("chrooted").set_root(image().string()); }
    std::vector<Container> both(const BindDir& area) {
        return {isolated("pivoted").set_private(area), chrooted().set_private(area)};
    }
};

TEST_F(PrivateArea, IsSeenInside) {
    for (Container& container : both({.source = data(), .target = "/area"}))
        EXPECT_EQ(run(container, program({"cat", "/area/file"})).out, "private") << container.name();
}

TEST_F(PrivateArea, MakesItsTargetWithAMountNamespace) {
    Container container = isolated().set_private(BindDir{.source = data(), .target = "/new/area"});
    EXPECT_EQ(run(container, program({"cat", "/new/area/file"})).out, "private");
}

TEST_F(PrivateArea, NeedsItsTargetWithoutAMountNamespace) {
    Container container = chrooted().set_private(BindDir{.source = data(), .target = "/new/area"});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::no_such_file_or_directory, {"container 'chrooted': ", "'/new/area'", "No such file or directory"}));
    EXPECT_FALSE(fs::exists(image() / "new"));
}

TEST_F(PrivateArea, GoesOverTheRootByDefault) {
    make_image(dir() / "data");
    for (Container& container : both({.source = data()}))
        EXPECT_EQ(run(container, program({"ls", "/"})).out, "bin\nfile\n") << container.name();
}

TEST_F(PrivateArea, TakesWrites) {
    for (Container& container : both({.source = data(), .target = "/area"})) {
        EXPECT_TRUE(succeeded(run(container, program({"write", "/area/" + container.name(), "text"}))));
        EXPECT_EQ(content(dir() / "data" / container.name()), "text");
    }
}

TEST_F(PrivateArea, IsReadOnlyOnRequest) {
    for (Container& container : both({.source = data(), .target = "/area", .read_only = true})) {
        const Finished finished = run(container, program({"write", "/area/file", "text"}));
        EXPECT_TRUE(exited(finished.status, 1)) << container.name();
        EXPECT_TRUE(contains(finished.err, "EROFS")) << container.name();
    }
    EXPECT_EQ(content(dir() / "data/file"), "private");
}

TEST_F(PrivateArea, OverTheRootIsReadOnlyOnRequest) {
    make_image(dir() / "data");
    for (Container& container : both({.source = data(), .read_only = true})) {
        const Finished finished = run(container, program({"write", "/file", "text"}));
        EXPECT_TRUE(contains(finished.err, "EROFS")) << container.name();
    }
}

TEST_F(PrivateArea, IsNotRecursive) {
    mount_tmpfs(make_dir("data/sub"));
    make_file("data/sub/below");
    for (Container& container : both({.source = data(), .target = "/area"}))
        EXPECT_EQ(run(container, program({"ls", "/area/sub"})).out, "") << container.name();
}

TEST_F(PrivateArea, IsNotInTheHostsMountTableWithAMountNamespace) {
    const std::string before = host_mounts();
    Container container = isolated().set_private(BindDir{.source = data(), .target = "/area"});
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_EQ(host_mounts(), before);
    container.kill();
    container.wait();
}

TEST_F(PrivateArea, IsInTheHostsMountTableOnlyWhileItRunsWithoutOne) {
    const std::string before = host_mounts();
    Container container = chrooted().set_private(BindDir{.source = data(), .target = "/area"});
    for (int i = 0; i < 2; ++i) {
        const Process process = start_ready(container, program({"pause"}));
        EXPECT_TRUE(contains(host_mounts(), (image() / "area").string() + " "));
        container.kill();
        container.wait();
        EXPECT_EQ(host_mounts(), before);
    }
}

TEST_F(PrivateArea, IsUnmountedWhenTheStartFails) {
    const std::string before = host_mounts();
    const std::string files = tree(image());
    Container container = chrooted().set_private(BindDir{.source = data(), .target = "/area"});
    EXPECT_TRUE(fails([&] { container.start({.argv = {"/missing"}}); }, std::errc::no_such_file_or_directory,
                      {"container 'chrooted': ", "/missing"}));
    EXPECT_EQ(host_mounts(), before);
    EXPECT_EQ(tree(image()), files);
}

TEST_F(PrivateArea, IsUnmountedWhenTheSessionCloses) {
    const std::string before = host_mounts();
    Container container = chrooted().set_private(BindDir{.source = data(), .target = "/area"});
    const Process process = start_ready(container, program({"pause"}));
    close_session();
    EXPECT_EQ(host_mounts(), before);
}

TEST_F(PrivateArea, IsUnmountedWhenStateSeesTheEnd) {
    const std::string before = host_mounts();
    Container container = chrooted().set_private(BindDir{.source = data(), .target = "/area"});
    const Process process = container.start(program({"exit", "0"}));
    process.wait();
    EXPECT_EQ(container.state(), State::Stopped);
    EXPECT_EQ(host_mounts(), before);
}

TEST_F(PrivateArea, IsUnmountedThoughAnEnteredProcessStillUsesIt) {
    const std::string before = host_mounts();
    Container container = chrooted().set_private(BindDir{.source = data(), .target = "/area"});
    const Process first = start_ready(container, program({"pause"}));
    ProcessSpec spec = program({"pause"});
    spec.working_directory = "/area";
    spec.stdio.out = Stdio::Pipe;
    const Process entered = container.enter(spec);
    EXPECT_EQ(read_line(entered.stream(1)), "ready");
    first.kill();
    container.wait();
    EXPECT_EQ(host_mounts(), before);
    entered.kill();
    entered.wait();
}

TEST_F(PrivateArea, OfTwoContainersWithOneRootAreIndependent) {
    make_file("other/file", "other");
    make_dir("image/one");
    make_dir("image/two");
    const std::string before = host_mounts();
    Container one = chrooted().set_private(BindDir{.source = data(), .target = "/one"});
    Container two = plain("two")
                        .set_root(image().string())
                        .set_private(BindDir{.source = (dir() / "other").string(), .target = "/two"});
    const Process first = start_ready(one, program({"pause"}));
    const Process second = start_ready(two, program({"pause"}));
    first.kill();
    one.wait();
    EXPECT_EQ(run_entered(two, program({"cat", "/two/file"})).out, "other");
    second.kill();
    two.wait();
    EXPECT_EQ(host_mounts(), before);
}

TEST_F(PrivateArea, ThatIsMissingIsReported) {
    const std::string source = (dir() / "missing").string();
    for (Container& container : both({.source = source, .target = "/area"}))
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::no_such_file_or_directory, {"container '" + container.name() + "': ", source}));
}

TEST_F(PrivateArea, ThatIsAFileIsReported) {
    for (Container& container : both({.source = (dir() / "data/file").string(), .target = "/area"}))
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::not_a_directory, {"container '" + container.name() + "': ", "data/file"}));
}

TEST_F(PrivateArea, IsClearedAgain) {
    Container container = isolated().set_private(BindDir{.source = data(), .target = "/area"}).clear_private();
    EXPECT_EQ(run(container, program({"ls", "/area"})).out, "");
}

} // namespace
} // namespace ct::test
