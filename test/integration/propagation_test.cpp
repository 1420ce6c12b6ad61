// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <fstream>

#include <sys/mount.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

/// The optional fields of the topmost mount on \p target: "shared", "master", "unbindable", or nothing for private.
std::string propagation_of(const std::string& mountinfo, const std::string& target) {
    std::string found = "no mount";
    for (const std::string& line : lines(mountinfo)) {
        std::istringstream fields{line};
        std::string field;
        for (int skipped = 0; skipped < 5; ++skipped) fields >> field;
        if (field != target) continue;
        fields >> field; // options
        found.clear();
        while (fields >> field && field != "-") found += (found.empty() ? "" : " ") + field.substr(0, field.find(':'));
    }
    return found;
}

class PropagationTest : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped()) return;
        mount_tmpfs(make_dir("data")); // a shared mount, as its parent is
        make_dir("data/sub");
    }
    [[nodiscard]] Mount bind(std::optional<Propagation> propagation = {}) const {
        return {.source = (dir() / "data").string(), .target = "/data", .options = {}, .propagation = propagation};
    }
    [[nodiscard]] Container with_proc(const std::string& name = "box") { return isolated(name).add_default_mounts(); }
    std::string seen(Container container, const std::string& target) {
        const Finished finished = run(container, program({"cat", "/proc/self/mountinfo"}));
        EXPECT_TRUE(succeeded(finished));
        return propagation_of(finished.out, target);
    }
    /// Whether a mount that is made inside is seen on the host.
    bool goes_out(Container container, const std::string& target) {
        const Process process = start_ready(container, program({"pause"}));
        EXPECT_TRUE(succeeded(run_entered(container, program({"mount", "tmpfs", target}))));
        const std::string place = (dir() / "data/sub").string();
        const bool out = contains(host_mounts(), " " + place + " ");
        if (out) ::umount2(place.c_str(), MNT_DETACH);
        container.kill();
        container.wait();
        return out;
    }
    /// Whether a mount that is made on the host is seen inside.
    bool comes_in(Container container, const std::string& target) {
        const Process process = start_ready(container, program({"pause"}));
        const std::string place = (dir() / "data/sub").string();
        EXPECT_EQ(::mount("late", place.c_str(), "tmpfs", 0, nullptr), 0);
        const std::string inside = run_entered(container, program({"cat", "/proc/self/mountinfo"})).out;
        EXPECT_EQ(::umount2(place.c_str(), 0), 0);
        container.kill();
        container.wait();
        return contains(inside, " " + target + " ");
    }
};

TEST_F(PropagationTest, BindsAreSlavesByDefault) {
    EXPECT_EQ(seen(with_proc("a").add_mount(bind()), "/data"), "master");
    EXPECT_TRUE(comes_in(with_proc("b").add_mount(bind()), "/data/sub"));
    EXPECT_FALSE(goes_out(with_proc("c").add_mount(bind()), "/data/sub"));
}

TEST_F(PropagationTest, PrivateBindsLetNothingThrough) {
    EXPECT_EQ(seen(with_proc("a").add_mount(bind(Propagation::Private)), "/data"), "");
    EXPECT_FALSE(comes_in(with_proc("b").add_mount(bind(Propagation::Private)), "/data/sub"));
    EXPECT_FALSE(goes_out(with_proc("c").add_mount(bind(Propagation::Private)), "/data/sub"));
}

TEST_F(PropagationTest, SharedBindsLetMountsOut) {
    EXPECT_EQ(seen(with_proc("a").add_mount(bind(Propagation::Shared)), "/data"), "shared");
    EXPECT_TRUE(comes_in(with_proc("b").add_mount(bind(Propagation::Shared)), "/data/sub"));
    EXPECT_TRUE(goes_out(with_proc("c").add_mount(bind(Propagation::Shared)), "/data/sub"));
}

TEST_F(PropagationTest, UnbindableIsShown) {
    EXPECT_EQ(seen(with_proc().add_mount(bind(Propagation::Unbindable)), "/data"), "unbindable");
}

TEST_F(PropagationTest, RecursiveBindsTakeWhatIsBelowAlong) {
    mount_tmpfs(dir() / "data/sub");
    Mount mount = bind(Propagation::Private);
    mount.recursive = true;
    EXPECT_EQ(seen(with_proc().add_mount(mount), "/data/sub"), "");
    mount.propagation.reset();
    EXPECT_EQ(seen(with_proc("slave").add_mount(mount), "/data/sub"), "master");
}

TEST_F(PropagationTest, FileSystemsCanBeShared) {
    Mount tmpfs{.source = "tmpfs", .target = "/tmp", .type = "tmpfs", .options = {}};
    EXPECT_EQ(seen(with_proc("private").add_mount(tmpfs), "/tmp"), "");
    tmpfs.propagation = Propagation::Shared;
    EXPECT_EQ(seen(with_proc("shared").add_mount(tmpfs), "/tmp"), "shared");
}

TEST_F(PropagationTest, OfTheRoot) {
    const auto root = [&](std::optional<Propagation> propagation) {
        return with_proc().set_root(Root{.path = image().string(), .propagation = propagation});
    };
    EXPECT_EQ(seen(root({}), "/"), "master");
    EXPECT_EQ(seen(root(Propagation::Slave), "/"), "master");
    EXPECT_EQ(seen(root(Propagation::Private), "/"), "");
    EXPECT_EQ(seen(root(Propagation::Unbindable), "/"), "unbindable");
    EXPECT_EQ(seen(root(Propagation::Shared), "/"), "shared master");
}

TEST_F(PropagationTest, PrivateRootKeepsLaterMountsOut) {
    mount_tmpfs(make_dir("data/root"));
    make_image(dir() / "data/root");
    make_dir("data/root/late");
    for (const bool is_private : {false, true}) {
        Root root{.path = (dir() / "data/root").string()};
        if (is_private) root.propagation = Propagation::Private;
        Container container = isolated(is_private ? "private" : "slave").add_default_mounts().set_root(root);
        const Process process = start_ready(container, program({"pause"}));
        const std::string place = (dir() / "data/root/late").string();
        EXPECT_EQ(::mount("late", place.c_str(), "tmpfs", 0, nullptr), 0);
        const std::string inside = run_entered(container, program({"cat", "/proc/self/mountinfo"})).out;
        EXPECT_EQ(static_cast<bool>(contains(inside, " /late ")), !is_private);
        EXPECT_EQ(::umount2(place.c_str(), 0), 0);
        container.kill();
        container.wait();
    }
}

TEST_F(PropagationTest, SharedRootStaysApartFromTheHost) {
    const std::string before = host_mounts();
    make_dir("image/sub");
    Container container = with_proc().set_root(Root{.path = image().string(), .propagation = Propagation::Shared});
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_TRUE(succeeded(run_entered(container, program({"mount", "tmpfs", "/sub"}))));
    EXPECT_EQ(host_mounts(), before);
    container.kill();
    container.wait();
}

class AccessTimes : public PropagationTest {};

TEST_F(AccessTimes, AndSymlinkFlagsAreSet) {
    struct {
        AccessTime access_time;
        const char* shown;
        const char* not_shown;
    } const cases[] = {{AccessTime::Never, "noatime", "relatime"},
                       {AccessTime::Relative, "relatime", "noatime"},
                       {AccessTime::Strict, "rw", "atime"}};
    for (const auto& [access_time, shown, not_shown] : cases) {
        for (const bool is_bind : {true, false}) {
            Mount mount = bind();
            if (!is_bind) mount = {.source = "tmpfs", .target = "/data", .type = "tmpfs", .options = {}};
            mount.access_time = access_time;
            mount.no_directory_access_time = mount.no_symlinks = true;
            Container container = with_proc().add_mount(mount);
            const std::string mountinfo = run(container, program({"cat", "/proc/self/mountinfo"})).out;
            const std::size_t at = mountinfo.find(" /data ");
            ASSERT_NE(at, std::string::npos) << mountinfo;
            std::string options = mountinfo.substr(at + 7, mountinfo.find(' ', at + 7) - at - 7);
            EXPECT_TRUE(contains(options, "nodiratime"));
            EXPECT_TRUE(contains(options, "nosymfollow"));
            options.erase(options.find("nodiratime"), 10);
            EXPECT_TRUE(contains(options, shown));
            EXPECT_FALSE(contains(options, not_shown)) << options;
        }
    }
}

TEST_F(AccessTimes, LinksOfAMountAreNotFollowed) {
    std::filesystem::create_symlink("/bin", dir() / "data/link");
    Mount mount = bind();
    mount.no_symlinks = true;
    Container container = with_proc().add_mount(mount);
    EXPECT_TRUE(contains(run(container, program({"ls", "/data/link"})).err, "ELOOP"));
    EXPECT_EQ(run(container, program({"readlink", "/data/link"})).out, "/bin\n");
}

} // namespace
} // namespace ct::test
