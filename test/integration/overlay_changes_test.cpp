// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What becomes of the changes in an overlay, also when who makes them is hostile.
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct {

void PrintTo(const Change& change, std::ostream* out); // NOLINT(readability-identifier-naming): GoogleTest's name
void PrintTo(const Change& change, std::ostream* out) {
    *out << to_string(change.kind) << ' ' << change.path;
}

namespace test {
namespace {

namespace fs = std::filesystem;
using enum ChangeKind;
using Changes = std::vector<Change>;

struct stat status_of(const fs::path& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) throw std::system_error{errno, std::system_category(), path.string()};
    return status;
}

std::string attribute(const fs::path& path, const char* name) {
    std::array<char, 256> value{};
    const ssize_t size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    return size < 0 ? std::string{"("} + std::strerror(errno) + ")"
                    : std::string(value.data(), static_cast<std::size_t>(size));
}

class OverlayChanges : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped()) return;
        make_file("image/etc/config", "old");
        make_file("image/etc/other", "other");
        make_file("image/lib/deep/file", "deep");
    }

    Container overlaid(const std::string& name = "box") { return isolated(name).set_private(OverlayArea{}); }
    Container kept(const std::string& name = "box") {
        return isolated(name).set_private(
            OverlayArea{.upper = make_dir("upper").string(), .work = make_dir("work").string()});
    }
    /// Runs \p body inside; it returns 0 if all went well.
    static void change(Container& container, const std::function<int()>& body) {
        EXPECT_TRUE(succeeded(run(container, {}, body)));
    }
    std::string layer(const std::string& name = "layer") const { return (dir() / name).string(); }
    /// The names in a directory of the test's.
    std::vector<std::string> names(const fs::path& path) const {
        std::vector<std::string> found;
        for (const auto& entry : fs::directory_iterator{path}) found.push_back(entry.path().filename());
        std::sort(found.begin(), found.end());
        return found;
    }
};

TEST_F(OverlayChanges, AreNoneAtFirst) {
    Container container = overlaid();
    EXPECT_TRUE(container.changes().empty());
    change(container, [] { return 0; });
    EXPECT_TRUE(container.changes().empty());
}

TEST_F(OverlayChanges, AreListedByKind) {
    for (Container& container : std::vector{overlaid("throwaway"), kept("kept")}) {
        change(container, [] {
            const int file = ::open("/etc/config", O_WRONLY | O_TRUNC);
            if (file < 0 || ::write(file, "new", 3) != 3) return 1;
            if (::unlink("/etc/other") != 0 || ::mkdir("/made", 0755) != 0 || ::mkdir("/made/sub", 0755) != 0) return 2;
            return ::chmod("/lib", 0700);
        });
        EXPECT_EQ(container.changes(), (Changes{{"/lib", Modified},
                                                {"/made", Added},
                                                {"/etc/config", Modified},
                                                {"/etc/other", Deleted},
                                                {"/made/sub", Added}}))
            << container.name();
    }
}

TEST_F(OverlayChanges, OfDirectoriesThatWereReplacedAreListedOneByOne) {
    make_file("image/etc/sub/gone");
    Container container = overlaid();
    change(container, [] {
        if (::unlink("/etc/config") != 0 || ::unlink("/etc/other") != 0 || ::unlink("/etc/sub/gone") != 0) return 1;
        if (::rmdir("/etc/sub") != 0 || ::rmdir("/etc") != 0 || ::mkdir("/etc", 0755) != 0) return 2;
        return ::mknod("/etc/config", S_IFIFO | 0600, 0);
    });
    EXPECT_EQ(container.changes(),
              (Changes{{"/etc", Modified}, {"/etc/config", Modified}, {"/etc/other", Deleted}, {"/etc/sub", Deleted}}));
}

TEST_F(OverlayChanges, OfTypesAreModifications) {
    Container container = overlaid();
    change(container, [] {
        if (::unlink("/etc/config") != 0 || ::mkdir("/etc/config", 0755) != 0) return 1;
        if (::mkdir("/etc/config/in", 0755) != 0) return 2;
        if (::unlink("/lib/deep/file") != 0 || ::rmdir("/lib/deep") != 0) return 3;
        return ::symlink("/host", "/lib/deep");
    });
    EXPECT_EQ(container.changes(),
              (Changes{{"/etc/config", Modified}, {"/etc/config/in", Added}, {"/lib/deep", Modified}}));
}

TEST_F(OverlayChanges, AreComparedWithAllLowerDirectories) {
    make_file("top/etc/config", "top");
    make_dir("top/lib/deep");
    ASSERT_EQ(::mknod((dir() / "top/etc/other").c_str(), S_IFCHR, 0), 0); // deleted there
    ASSERT_EQ(::setxattr((dir() / "top/lib/deep").c_str(), "trusted.overlay.opaque", "y", 1, 0), 0);
    Container container = isolated().set_private(OverlayArea{.lower = {(dir() / "top").string(), image().string()}});
    change(container, [] {
        if (::unlink("/etc/config") != 0) return 1;
        if (::mknod("/etc/other", S_IFREG | 0600, 0) != 0) return 2;
        return ::mknod("/lib/deep/file", S_IFREG | 0600, 0);
    });
    EXPECT_EQ(container.changes(),
              (Changes{{"/etc/config", Deleted}, {"/etc/other", Added}, {"/lib/deep/file", Added}}));
}

TEST_F(OverlayChanges, AreSeenWhileItRuns) {
    Container container = overlaid();
    const Process process = start_ready(container, program({"pause"}));
    EXPECT_TRUE(succeeded(run_entered(container, program({"write", "/note", "text"}))));
    EXPECT_EQ(container.changes(), (Changes{{"/note", Added}}));
    container.commit(layer());
    EXPECT_EQ(content(dir() / "layer/note"), "text");
    EXPECT_TRUE(fails([&] { container.discard(); }, Errc::InvalidState,
                      {"container 'box': discard the changes", "it is running and has to be stopped"}));
    container.kill();
    container.wait();
    EXPECT_EQ(container.changes(), (Changes{{"/note", Added}}));
}

TEST_F(OverlayChanges, OfAThrowAwayUpperLiveUntilTheNextStart) {
    Container container = overlaid();
    change(container, [] { return ::mkdir("/one", 0755); });
    EXPECT_THROW(container.start({.argv = {"/missing"}}), Error);
    EXPECT_EQ(container.changes(), (Changes{{"/one", Added}}));
    change(container, [] { return ::mkdir("/two", 0755); });
    EXPECT_EQ(container.changes(), (Changes{{"/two", Added}}));
}

TEST_F(OverlayChanges, NeedAnOverlay) {
    Container container = isolated().set_private(TmpfsArea{.target = "/tmp"});
    EXPECT_TRUE(fails([&] { (void)container.changes(); }, Errc::InvalidState,
                      {"container 'box': list the changes", "its private area is no overlay"}));
    EXPECT_TRUE(fails([&] { container.commit(layer()); }, Errc::InvalidState, {"no overlay"}));
    EXPECT_TRUE(fails([&] { container.discard(); }, Errc::InvalidState, {"no overlay"}));
    EXPECT_TRUE(fails([&] { overlaid("other").commit(layer()); }, Errc::InvalidState,
                      {"container 'other': commit the changes to '" + layer() + "'", "never started"}));
}

TEST_F(OverlayChanges, CommittedAreALowerDirectoryLikeTheRest) {
    Container container = overlaid();
    change(container, [] {
        if (::unlink("/etc/other") != 0 || ::mkdir("/made", 01711) != 0) return 1;
        if (::unlink("/lib/deep/file") != 0 || ::rmdir("/lib/deep") != 0 || ::mkdir("/lib/deep", 0755) != 0) return 2;
        return ::mknod("/made/file", S_IFREG | 0640, 0);
    });
    container.commit(layer());
    const Changes changes = container.changes();
    Container next = isolated("next").set_private(OverlayArea{.lower = {layer(), image().string()}});
    EXPECT_EQ(run(next, program({"ls", "/etc"})).out, "config\n");
    EXPECT_EQ(run(next, program({"ls", "/lib/deep"})).out, "");
    EXPECT_EQ(run(next, program({"ls", "/made"})).out, "file\n");
    EXPECT_TRUE(next.changes().empty());
    // And it is an upper directory like the one it was copied from.
    Container again = isolated("again").set_private(OverlayArea{.upper = layer(), .work = make_dir("work").string()});
    EXPECT_EQ(again.changes(), changes);
}

TEST_F(OverlayChanges, AreCommittedFaithfully) {
    Container container = kept();
    change(container, [] {
        const int file = ::open("/data", O_WRONLY | O_CREAT, 0600);
        if (::pwrite(file, "start", 5, 0) != 5 || ::pwrite(file, "end", 3, 100'000'000) != 3) return 1;
        if (::fchown(file, 12, 34) != 0 || ::fchmod(file, 06751) != 0) return 2;
        if (::fsetxattr(file, "user.mine", "value", 5, 0) != 0) return 3;
        const timespec times[2] = {{1'000'000, 1}, {2'000'000, 2}};
        if (::futimens(file, times) != 0 || ::link("/data", "/etc/data") != 0) return 4;
        if (::symlink("/etc/shadow", "/link") != 0 || ::lchown("/link", 56, 78) != 0) return 5;
        if (::mknod("/pipe", S_IFIFO | 0620, 0) != 0 || ::mknod("/disk", S_IFBLK | 0660, makedev(7, 200)) != 0)
            return 6;
        if (::mkdir("/sealed", 0) != 0 || ::utimensat(AT_FDCWD, "/sealed", times, 0) != 0) return 7;
        return ::chown("/sealed", 90, 90);
    });
    const mode_t before = ::umask(0777);
    container.commit(layer());
    ::umask(before);
    const fs::path copy = layer();
    for (const char* name : {"", "data", "link", "pipe", "disk", "sealed", "etc"}) {
        const struct stat original = status_of(dir() / "upper" / name);
        const struct stat copied = status_of(copy / name);
        EXPECT_EQ(copied.st_mode, original.st_mode) << name;
        EXPECT_EQ(copied.st_uid, original.st_uid) << name;
        EXPECT_EQ(copied.st_gid, original.st_gid) << name;
        EXPECT_EQ(copied.st_rdev, original.st_rdev) << name;
        EXPECT_EQ(copied.st_nlink, original.st_nlink) << name;
        EXPECT_EQ(copied.st_mtim.tv_sec, original.st_mtim.tv_sec) << name;
        EXPECT_EQ(copied.st_mtim.tv_nsec, original.st_mtim.tv_nsec) << name;
        if (!S_ISDIR(original.st_mode)) {
            EXPECT_EQ(copied.st_size, original.st_size) << name;
        }
    }
    EXPECT_EQ(status_of(copy / "data").st_ino, status_of(copy / "etc/data").st_ino);
    EXPECT_LT(status_of(copy / "data").st_blocks, 1000) << "its hole was filled";
    EXPECT_EQ(content(copy / "data").substr(100'000'000), "end");
    EXPECT_EQ(attribute(copy / "data", "user.mine"), "value");
    EXPECT_EQ(fs::read_symlink(copy / "link"), "/etc/shadow");
    EXPECT_EQ(attribute(copy / "etc", "trusted.overlay.origin"), "(No data available)");
}

TEST_F(OverlayChanges, AreCommittedOnlyToADirectoryThatIsMissingOrEmpty) {
    Container container = overlaid();
    change(container, [] { return ::mkdir("/made", 0755); });
    make_file("full/file", "precious");
    const std::vector<std::string> before = names(dir());
    EXPECT_TRUE(fails([&] { container.commit(layer("full")); }, std::errc::directory_not_empty,
                      {"container 'box': commit to '" + layer("full") + "'", "missing or empty"}));
    EXPECT_TRUE(fails([&] { container.commit(layer("full/file")); }, std::errc::file_exists, {layer("full/file")}));
    EXPECT_TRUE(fails([&] { container.commit(layer("missing/layer")); }, std::errc::no_such_file_or_directory,
                      {layer("missing")}));
    EXPECT_EQ(names(dir()), before);
    EXPECT_EQ(content(dir() / "full/file"), "precious");
    make_dir("empty");
    container.commit(layer("empty") + "/");
    EXPECT_EQ(names(dir() / "empty"), (std::vector<std::string>{"made"}));
}

TEST_F(OverlayChanges, AreCommittedWhollyOrNotAtAll) {
    mount_tmpfs(dir() / "small", "size=64k,nr_inodes=20");
    Container container = overlaid();
    change(container, [] {
        for (int i = 0; i < 40; ++i)
            if (::mkdir(("/made" + std::to_string(i)).c_str(), 0) != 0) return 1;
        return 0;
    });
    EXPECT_TRUE(fails([&] { container.commit(layer("small/layer")); }, std::errc::no_space_on_device,
                      {"container 'box': make the directory '", layer("small")}));
    EXPECT_TRUE(names(dir() / "small").empty());
    EXPECT_EQ(container.changes().size(), 40U);
}

TEST_F(OverlayChanges, AreNotCommittedIntoTheUpperDirectoryItself) {
    Container container = kept();
    change(container, [] { return ::mkdir("/made", 0755); });
    EXPECT_TRUE(
        fails([&] { container.commit(layer("upper/layer")); }, std::errc::invalid_argument, {"copy into itself"}));
    EXPECT_EQ(container.changes(), (Changes{{"/made", Added}}));
}

TEST_F(OverlayChanges, AreDiscarded) {
    for (Container& container : std::vector{overlaid("throwaway"), kept("kept")}) {
        change(container, [] {
            if (::unlink("/etc/other") != 0 || ::mkdir("/made", 0755) != 0) return 1;
            return ::mknod("/made/pipe", S_IFIFO | 0600, 0);
        });
        container.discard();
        EXPECT_TRUE(container.changes().empty()) << container.name();
        EXPECT_EQ(run(container, program({"ls", "/etc"})).out, "config\nother\n") << container.name();
        EXPECT_EQ(container.state(), State::Stopped);
    }
    EXPECT_TRUE(fs::is_empty(dir() / "upper"));
}

/// A container that has made everything that could lead somebody astray who walks through its files.
class HostileChanges : public OverlayChanges {
protected:
    void SetUp() override {
        OverlayChanges::SetUp();
        if (IsSkipped()) return;
        precious_ = make_dir("precious");
        make_file("precious/file", "precious");
        make_file("precious/sub/file", "precious");
    }

    void TearDown() override {
        if (!precious_.empty()) {
            EXPECT_EQ(content(precious_ / "file"), "precious");
            EXPECT_EQ(content(precious_ / "sub/file"), "precious");
        }
        OverlayChanges::TearDown();
    }

    int astray() const {
        if (::symlink(precious_.c_str(), "/out") != 0 || ::symlink("..", "/up") != 0) return 1;
        if (::symlink((precious_ / "file").c_str(), "/etc/link") != 0) return 2;
        if (::mkdir("/bad\nname", 0755) != 0 || ::mkdir("/bad\nname/\x1b[31m\xff", 0755) != 0) return 3;
        if (::mknod("/pipe", S_IFIFO | 0600, 0) != 0 || ::mknod("/disk", S_IFBLK | 0600, makedev(7, 0)) != 0) return 4;
        if (::mknod("/tty", S_IFCHR | 0600, makedev(5, 0)) != 0 || ::mkdir("/sealed", 0) != 0) return 5;
        if (::symlink(precious_.c_str(), "/sealed/out") != 0) return 6;
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, "/socket");
        const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
        if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return 7;
        const int sparse = ::open("/sparse", O_WRONLY | O_CREAT, 0600);
        if (::pwrite(sparse, "x", 1, (1LL << 40) - 1) != 1) return 8;
        // The way out of a directory that is another's by now.
        if (::symlink(precious_.c_str(), "/lib/link") != 0) return 9;
        return 0;
    }

    fs::path precious_;
};

TEST_F(HostileChanges, AreListedCommittedAndDiscarded) {
    for (Container& container : std::vector{overlaid("throwaway"), kept("kept")}) {
        change(container, [this] { return astray(); });
        const Changes changes = container.changes();
        EXPECT_EQ(changes.size(), 13U);
        EXPECT_NE(std::find(changes.begin(), changes.end(), Change{"/bad\nname/\x1b[31m\xff", Added}), changes.end());
        const fs::path copy = layer(container.name() + "-layer");
        container.commit(copy.string());
        EXPECT_EQ(fs::read_symlink(copy / "out"), precious_);
        EXPECT_EQ(fs::read_symlink(copy / "sealed/out"), precious_);
        EXPECT_EQ(status_of(copy / "sparse").st_size, 1LL << 40);
        EXPECT_LT(status_of(copy / "sparse").st_blocks, 1000);
        EXPECT_TRUE(S_ISSOCK(status_of(copy / "socket").st_mode));
        EXPECT_TRUE(S_ISBLK(status_of(copy / "disk").st_mode));
        container.discard();
        EXPECT_TRUE(container.changes().empty());
    }
}

TEST_F(HostileChanges, MayBeTenThousandLevelsDeep) {
    constexpr int depth = 10'000;
    mount_tmpfs(dir() / "fast");
    const OverlayArea area{.upper = make_dir("fast/upper").string(), .work = make_dir("fast/work").string()};
    Container container = isolated().set_private(area);
    change(container, [] {
        for (int i = 0; i < depth; ++i)
            if (::mkdir("d", 0755) != 0 || ::chdir("d") != 0) return 1;
        return ::mknod("bottom", S_IFREG | 0600, 0) == 0 ? 0 : 2;
    });
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    const rlimit few{64, files.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    EXPECT_EQ(container.changes().size(), 2047U); // as many as a path can name
    container.commit(layer("fast/layer"));
    // The same once more with as many levels below.
    Container next = isolated("next").set_private(
        OverlayArea{.lower = {layer("fast/layer"), image().string()}, .upper = area.upper, .work = area.work});
    EXPECT_TRUE(next.changes().empty());
    ::setrlimit(RLIMIT_NOFILE, &files);
    change(next, [] {
        for (int i = 0; i < depth; ++i)
            if (::chdir("d") != 0) return 1;
        return ::access("bottom", F_OK);
    });
    next.discard();
    EXPECT_TRUE(fs::is_empty(area.upper));
}

TEST_F(HostileChanges, MayGoOnWhileTheyAreRead) {
    // Directories are moved about and swapped with links to the host, as fast as it goes.
    Container container = overlaid();
    const auto swap = [this] {
        const std::string link = precious_.string();
        for (int i = 0; i < 8; ++i) ::mkdir(("/d" + std::to_string(i)).c_str(), 0755);
        if (::mkdir("/d0/a", 0755) != 0 || ::mkdir("/d0/a/b", 0755) != 0 || ::mkdir("/d0/a/b/c", 0755) != 0) return 1;
        if (::symlink(link.c_str(), "/s") != 0 || ::write(1, "ready\n", 6) != 6) return 2;
        for (int from = 0;; from = (from + 1) % 8) {
            const std::string old = "/d" + std::to_string(from);
            const std::string next = "/d" + std::to_string((from + 1) % 8);
            ::renameat2(AT_FDCWD, (old + "/a").c_str(), AT_FDCWD, (next + "/a").c_str(), 0);
            ::renameat2(AT_FDCWD, old.c_str(), AT_FDCWD, "/s", RENAME_EXCHANGE);
            ::renameat2(AT_FDCWD, old.c_str(), AT_FDCWD, "/s", RENAME_EXCHANGE);
        }
    };
    ProcessSpec spec;
    spec.stdio.out = Stdio::Pipe;
    const Process process = container.start(spec, swap);
    ASSERT_EQ(read_line(process.stream(1)), "ready");
    int committed = 0;
    for (int round = 0; round < 200 || committed == 0; ++round) {
        ASSERT_LT(round, 100'000);
        const std::string target = layer("layer" + std::to_string(round));
        try {
            for (const Change& change : container.changes()) EXPECT_FALSE(contains(change.path, "/sub"));
            container.commit(target);
            ++committed;
            for (const auto& entry : fs::recursive_directory_iterator{target})
                EXPECT_NE(entry.path().filename(), "file");
            fs::remove_all(target);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), std::errc::resource_unavailable_try_again) << error.what();
            EXPECT_FALSE(fs::exists(target));
        }
    }
    container.kill();
    container.wait();
    for (const std::string& name : names(dir())) EXPECT_FALSE(name.starts_with(".libct")) << name;
}

} // namespace
} // namespace test
} // namespace ct
