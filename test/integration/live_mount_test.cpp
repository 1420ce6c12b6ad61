// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <atomic>
#include <thread>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class LiveMount : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped()) return;
        make_file("data/file", "text");
    }
    [[nodiscard]] Mount bind(std::string target = "/data") const {
        return {.source = (dir() / "data").string(), .target = std::move(target), .options = {}};
    }
    [[nodiscard]] static Mount tmpfs(std::string target, std::vector<std::string> options = {}) {
        return {.source = "tmpfs", .target = std::move(target), .type = "tmpfs", .options = std::move(options)};
    }
    Container running(const std::string& name = "box") { return started(isolated(name)); }
    Container in_user_namespace() {
        return started(isolated("user").add_namespace(Namespace::User).map_root_to_caller().add_default_mounts());
    }
    Container started(Container container) {
        (void)start_ready(container, program({"pause"}));
        running_.push_back(container);
        return container;
    }
    std::string out(Container& container, std::vector<std::string> args) {
        return run_entered(container, program(std::move(args))).out;
    }
    std::string err(Container& container, std::vector<std::string> args) {
        return run_entered(container, program(std::move(args))).err;
    }
    void TearDown() override {
        for (Container& container : running_) (void)container.stop(std::chrono::seconds{0});
        running_.clear();
        ContainerTest::TearDown();
    }

private:
    std::vector<Container> running_;
};

TEST_F(LiveMount, BindAppearsAndGoes) {
    for (Container container : {running(), in_user_namespace()}) {
        SCOPED_TRACE(container.name());
        const std::string before = host_mounts();
        container.mount(bind());
        EXPECT_EQ(out(container, {"cat", "/data/file"}), "text");
        EXPECT_EQ(host_mounts(), before);
        container.unmount("/data");
        EXPECT_EQ(out(container, {"ls", "/data"}), "");
        EXPECT_EQ(content(dir() / "data/file"), "text");
    }
}

TEST_F(LiveMount, FlagsHold) {
    for (Container container : {running(), in_user_namespace()}) {
        SCOPED_TRACE(container.name());
        Mount mount = bind();
        mount.read_only = mount.no_exec = true;
        container.mount(mount);
        EXPECT_TRUE(contains(err(container, {"write", "/data/file", "x"}), "EROFS"));
        EXPECT_TRUE(contains(out(container, {"statvfs", "/data"}), " ro noexec"));
    }
}

TEST_F(LiveMount, FileSystemsAppear) {
    for (Container container : {running(), in_user_namespace()}) {
        SCOPED_TRACE(container.name());
        container.mount(tmpfs("/tmp/deep", {"size=1m"}));
        EXPECT_EQ(out(container, {"statvfs", "/tmp/deep"}), "1048576\n");
    }
    Container container = running("proc");
    container.mount({.source = "proc", .target = "/proc", .type = "proc", .options = {}});
    EXPECT_TRUE(contains("\n" + out(container, {"ls", "/proc"}), "\n1\n"));
}

TEST_F(LiveMount, OfAFileAndItsEnd) {
    Container container = running();
    Mount mount = bind("/etc/file");
    mount.source = (dir() / "data/file").string();
    container.mount(mount);
    EXPECT_EQ(out(container, {"cat", "/etc/file"}), "text");
    container.unmount("/etc/file");
    EXPECT_EQ(out(container, {"cat", "/etc/file"}), "");
}

TEST_F(LiveMount, CopiesUpAndMapsIds) {
    make_file("image/var/file", "of the image");
    Container container = running();
    Mount copy = tmpfs("/var");
    copy.copy_up = true;
    container.mount(copy);
    EXPECT_EQ(out(container, {"cat", "/var/file"}), "of the image");
    ASSERT_EQ(::chown((dir() / "data/file").c_str(), 5, 5), 0);
    Mount mapped = bind();
    mapped.id_mapped = true;
    mapped.uid_map = mapped.gid_map = {{5, 33, 1}};
    container.mount(mapped);
    EXPECT_EQ(out(container, {"stat", "/data/file"}), "file 644 33:33 0:0\n");
}

TEST_F(LiveMount, IsNotPartOfTheSpecification) {
    Container container = running();
    const Spec before = container.spec();
    container.mount(bind());
    EXPECT_EQ(container.spec(), before);
    (void)container.stop(std::chrono::seconds{0});
    EXPECT_TRUE(contains(run(container, program({"ls", "/data/file"})).err, "ENOENT"));
}

TEST_F(LiveMount, OpenFilesOutliveTheMount) {
    Container container = running();
    container.mount(bind());
    ProcessSpec spec = program({"pause"});
    spec.working_directory = "/data";
    spec.stdio.out = Stdio::Pipe;
    Process inside = container.enter(spec);
    ASSERT_EQ(read_line(inside.stream(1)), "ready");
    container.unmount("/data");
    EXPECT_EQ(out(container, {"ls", "/data"}), "");
    inside.kill();
    inside.wait();
}

TEST_F(LiveMount, WorksInAnAdoptedContainer) {
    Container container = running();
    Container adopted = session().adopt("adopted", container.init().pid());
    adopted.mount(bind());
    EXPECT_EQ(out(container, {"cat", "/data/file"}), "text");
    adopted.unmount("/data");
    EXPECT_EQ(out(container, {"ls", "/data"}), "");
}

TEST_F(LiveMount, FailureLeavesNothing) {
    Container container = running();
    container.mount(tmpfs("/scratch"));
    const std::string files = tree(image());
    EXPECT_TRUE(fails([&] { container.mount(tmpfs("/new/dir", {"size=banana"})); }, std::errc::invalid_argument,
                      {"container 'box': mount tmpfs on '/new/dir': Invalid argument", "size"}));
    EXPECT_TRUE(fails([&] { container.mount(tmpfs("/scratch/dir", {"size=banana"})); }, std::errc::invalid_argument,
                      {"mount tmpfs on '/scratch/dir'"}));
    Mount missing = bind();
    missing.source = (dir() / "missing").string();
    EXPECT_TRUE(fails([&] { container.mount(missing); }, std::errc::no_such_file_or_directory,
                      {"container 'box': bind '", "missing' on '/data'"}));
    EXPECT_EQ(tree(image()), files);
    EXPECT_EQ(out(container, {"ls", "/scratch"}), "");
}

TEST_F(LiveMount, UnmountingWhatIsNoMountIsAnError) {
    Container container = running();
    EXPECT_TRUE(fails([&] { container.unmount("/bin"); }, std::errc::invalid_argument,
                      {"container 'box': unmount '/bin': Invalid argument", "nothing is mounted there"}));
    EXPECT_TRUE(fails([&] { container.unmount("/no/such"); }, std::errc::no_such_file_or_directory,
                      {"container 'box': unmount '/no/such'"}));
    EXPECT_TRUE(fails([&] { container.unmount("relative"); }, Errc::InvalidConfig, {"not absolute"}));
    EXPECT_TRUE(fails([&] { container.unmount("/"); }, Errc::InvalidConfig, {"the root itself"}));
}

TEST_F(LiveMount, NeedsARunningContainerWithMountsOfItsOwn) {
    Container stopped = isolated();
    EXPECT_TRUE(fails([&] { stopped.mount(bind()); }, Errc::InvalidState,
                      {"container 'box': mount", "it is stopped and has to be running"}));
    EXPECT_TRUE(fails([&] { stopped.unmount("/data"); }, Errc::InvalidState, {"container 'box': unmount"}));
    Container rooted = plain("rooted").set_root(image().string());
    (void)start_ready(rooted, program({"pause"}));
    EXPECT_TRUE(fails([&] { rooted.mount(bind()); }, Errc::InvalidState,
                      {"container 'rooted': mount '/data'", "no mount namespace of its own"}));
    (void)rooted.stop(std::chrono::seconds{0});
}

TEST_F(LiveMount, MalformedMountsAreRefused) {
    Container container = running();
    EXPECT_TRUE(fails([&] { container.mount(bind("/a/../b")); }, Errc::InvalidConfig, {"container 'box': ", "'..'"}));
    Mount mapped = bind();
    mapped.id_mapped = true;
    EXPECT_TRUE(fails([&] { container.mount(mapped); }, Errc::InvalidConfig, {"container 'box': mount", "id maps"}));
}

TEST_F(LiveMount, LinksInsideDoNotLeadOut) {
    make_file("outside/file", "outside");
    const std::string outside = tree(dir() / "outside");
    const std::string before = host_mounts();
    int number = 0;
    for (const std::string& link :
         {(dir() / "outside").string(), "../../../../../../.." + (dir() / "outside").string()}) {
        const std::string name = "/link" + std::to_string(++number);
        fs::create_symlink(link, image() / name.substr(1));
        Container container = running("box" + std::to_string(number));
        EXPECT_TRUE(fails([&] { container.mount(tmpfs(name)); }, std::errc::too_many_symbolic_link_levels, {name}));
        EXPECT_TRUE(
            fails([&] { container.mount(tmpfs(name + "/new")); }, std::errc::too_many_symbolic_link_levels, {}));
        EXPECT_EQ(tree(dir() / "outside"), outside);
        EXPECT_EQ(host_mounts(), before);
    }
}

TEST_F(LiveMount, UnmountFollowsNoLinkToAnotherMount) {
    Container container = started(isolated().add_default_mounts());
    fs::create_symlink("/dev", image() / "link");
    fs::create_symlink("/proc", image() / "last");
    EXPECT_TRUE(fails([&] { container.unmount("/link/shm"); }, std::errc::too_many_symbolic_link_levels,
                      {"container 'box': unmount '/link/shm'", "symbolic link"}));
    EXPECT_TRUE(fails([&] { container.unmount("/last"); }, std::errc::invalid_argument, {"unmount '/last'"}));
    EXPECT_TRUE(contains(out(container, {"ls", "/proc"}), "1\n"));
}

TEST_F(LiveMount, ProcessesInsideCannotRaceItOut) {
    make_dir("image/shared/dir");
    make_file("outside/file", "outside");
    fs::create_symlink("../../../../../../../.." + (dir() / "outside").string(), image() / "shared/link");
    const std::string outside = tree(dir() / "outside");
    const std::string before = host_mounts();
    Container container = running();
    std::atomic<bool> stop{false};
    std::thread swapper{[&] {
        const fs::path a = image() / "shared/dir";
        const fs::path b = image() / "shared/link";
        while (!stop.load()) ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
    }};
    for (int round = 0; round < 40; ++round) {
        try {
            container.mount(tmpfs("/shared/dir/new"));
            container.unmount("/shared/dir/new");
        } catch (const Error& error) {
            EXPECT_TRUE(contains(error.what(), "container 'box': "));
        }
        EXPECT_EQ(tree(dir() / "outside"), outside);
        EXPECT_EQ(host_mounts(), before);
    }
    stop = true;
    swapper.join();
}

TEST_F(LiveMount, ProtectedMountsOfAUserNamespaceStay) {
    mount_tmpfs(make_dir("image/sub"));
    Container container = in_user_namespace();
    EXPECT_TRUE(fails([&] { container.unmount("/sub"); }, std::errc::invalid_argument,
                      {"container 'user': unmount '/sub'", "protected by the user namespace"}));
}

TEST_F(LiveMount, UnprivilegedHostCanMountFileSystems) {
    CT_REQUIRE(Privilege::UserNamespaces);
    fs::permissions(image(), fs::perms{0777});
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session own;
        Container container = own.create("mine")
                                  .set_root(image().string())
                                  .add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::User})
                                  .map_root_to_caller();
        (void)start_ready(container, program({"pause"}));
        container.mount(tmpfs("/tmp", {"size=1m"}));
        EXPECT_EQ(run_entered(container, program({"statvfs", "/tmp"})).out, "1048576\n");
        EXPECT_TRUE(fails([&] { container.mount(bind()); }, std::errc::operation_not_permitted,
                          {"container 'mine': bind '", "CAP_SYS_ADMIN"}));
        container.unmount("/tmp");
        EXPECT_EQ(run_entered(container, program({"ls", "/tmp"})).out, "");
        (void)container.stop(std::chrono::seconds{0});
    }));
}

} // namespace
} // namespace ct::test
