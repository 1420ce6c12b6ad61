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

Device zero(std::string path = "/dev/nought") {
    return {.path = std::move(path), .major = 1, .minor = 5, .mode = 0640, .uid = 3, .gid = 4};
}

class Devices : public ContainerTest {
protected:
    Container in_user_namespace(const std::string& name = "user") {
        return isolated(name).add_namespace(Namespace::User).map_root_to_caller();
    }
};

TEST_F(Devices, AreMadeWithModeAndOwner) {
    const mode_t before = ::umask(077);
    Container container = isolated().add_default_mounts().add_device(zero()).add_device(
        {.path = "/dev/deep/er/disk", .type = DeviceType::Block, .major = 259, .minor = 70000, .mode = 0600});
    const Finished finished = run(container, program({"stat", "/dev/nought"}));
    ::umask(before);
    EXPECT_EQ(finished.out, "char 640 3:4 1:5\n");
    EXPECT_EQ(run(container, program({"read-device", "/dev/nought"})).out, "8\n");
    EXPECT_EQ(run(container, program({"stat", "/dev/deep/er/disk"})).out, "other 600 0:0 259:70000\n");
}

TEST_F(Devices, AreMadeInTheRootDirectory) {
    Container container = isolated().add_device(zero("/nought"));
    EXPECT_EQ(run(container, program({"stat", "/nought"})).out, "char 640 3:4 1:5\n");
}

TEST_F(Devices, OfTheHostAreBoundInAUserNamespace) {
    Container container =
        in_user_namespace().add_default_mounts().add_device({.path = "/dev/zero", .major = 1, .minor = 5});
    EXPECT_EQ(run(container, program({"read-device", "/dev/zero"})).out, "8\n");
}

TEST_F(Devices, WithoutANodeOnTheHostCannotBeBound) {
    Container container = in_user_namespace().add_device({.path = "/dev/nothing", .major = 4000, .minor = 5});
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::no_such_device,
        {"container 'user': find the host's node of device 4000:5 for '/dev/nothing'", "bound"}));
}

TEST_F(Devices, SameNodeOfTheImageWillDo) {
    make_dir("image/dev");
    ASSERT_EQ(::mknod((image() / "dev/nought").c_str(), S_IFCHR | 0600, makedev(1, 5)), 0);
    Container container = isolated().add_device(zero());
    EXPECT_EQ(run(container, program({"stat", "/dev/nought"})).out, "char 600 0:0 1:5\n");
}

TEST_F(Devices, AnotherFileOfTheImageIsReplacedOnRequest) {
    make_dir("image/dev");
    make_file("image/dev/nought", "text");
    Device device = zero();
    device.replace = true;
    Container container = isolated().add_device(device);
    EXPECT_EQ(run(container, program({"stat", "/dev/nought"})).out, "char 640 3:4 1:5\n");
    EXPECT_EQ(run(container, program({"stat", "/dev/nought"})).out, "char 640 3:4 1:5\n");
    fs::remove(image() / "dev/nought");
    make_dir("image/dev/nought");
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::is_a_directory, {"container 'box': make the device '/dev/nought'"}));
    EXPECT_TRUE(fs::is_directory(image() / "dev/nought"));
}

TEST_F(Devices, FifosAreMadeInAnyUserNamespace) {
    const Device fifo{.path = "/dev/fifo", .type = DeviceType::Fifo, .mode = 0640};
    for (Container container : {isolated("plain"), in_user_namespace()}) {
        container.add_default_mounts().add_device(fifo);
        EXPECT_EQ(run(container, program({"stat", "/dev/fifo"})).out, "other 640 0:0 0:0\n");
    }
}

TEST_F(Devices, AnotherFileOfTheImageIsAnError) {
    make_dir("image/dev");
    make_file("outside", "outside");
    const auto expect_refused = [&] {
        Container container = isolated().add_device(zero());
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::file_exists, {"container 'box': make the device '/dev/nought': File exists", "another file"}));
        fs::remove(image() / "dev/nought");
    };
    make_file("image/dev/nought", "file");
    expect_refused();
    ASSERT_EQ(::mkfifo((image() / "dev/nought").c_str(), 0600), 0);
    expect_refused();
    ASSERT_EQ(::mknod((image() / "dev/nought").c_str(), S_IFCHR | 0600, makedev(1, 3)), 0);
    expect_refused();
    fs::create_symlink(dir() / "outside", image() / "dev/nought");
    expect_refused();
    fs::create_symlink(dir() / "new", image() / "dev/nought");
    expect_refused();
    EXPECT_FALSE(fs::exists(dir() / "new"));
    EXPECT_EQ(content(dir() / "outside"), "outside");
}

TEST_F(Devices, LinkToADirectoryDoesNotLeadOut) {
    make_dir("outside");
    for (const std::string& link :
         {(dir() / "outside").string(), "../../../../../../.." + (dir() / "outside").string()}) {
        fs::remove(image() / "dev");
        fs::create_symlink(link, image() / "dev");
        for (Container container :
             {isolated("made").add_device(zero()),
              in_user_namespace("bound").add_device({.path = "/dev/zero", .major = 1, .minor = 5})}) {
            EXPECT_TRUE(fails(
                [&] {
                    container.start(program({"exit", "0"}));
                },
                std::errc::too_many_symbolic_link_levels, {"/dev"}));
        }
        EXPECT_TRUE(fs::is_empty(dir() / "outside"));
    }
}

TEST_F(Devices, OfTheHostAreDescribed) {
    const Device device = device_of_host("/dev/null");
    EXPECT_EQ(device.path, "/dev/null");
    EXPECT_EQ(device.type, DeviceType::Character);
    EXPECT_EQ(device.major, 1U);
    EXPECT_EQ(device.minor, 3U);
    EXPECT_EQ(device.mode, 0666U);
    EXPECT_TRUE(fails([] { (void)device_of_host("/dev/no-such"); }, std::errc::no_such_file_or_directory,
                      {"look at the device '/dev/no-such'"}));
    EXPECT_TRUE(fails([] { (void)device_of_host("/etc/passwd"); }, std::errc::no_such_device, {"another kind"}));
}

TEST_F(Devices, MalformedOnesAreRefusedAtOnce) {
    Container container = isolated();
    const auto refused = [&](const Device& device, std::string_view part) {
        EXPECT_TRUE(fails([&] { container.add_device(device); }, Errc::InvalidConfig, {part}));
    };
    refused({.path = ""}, "path of a device");
    refused({.path = "dev/null"}, "not absolute");
    refused({.path = "/dev/../null"}, "'..'");
    refused({.path = "/"}, "the root itself");
    refused({.path = "/x", .major = 4096}, "major number");
    refused({.path = "/x", .minor = 1U << 20U}, "minor number");
    refused({.path = "/x", .mode = 0100666}, "mode");
    EXPECT_TRUE(fails(
        [&] {
            plain("p").add_device(zero()).start(host_program({"exit", "0"}));
        },
        Errc::InvalidConfig, {"devices need a new mount namespace"}));
    EXPECT_TRUE(fails(
        [&] {
            isolated("i").add_device(zero()).add_device(zero()).start(program({"exit", "0"}));
        },
        Errc::InvalidConfig, {"two devices at '/dev/nought'"}));
}

/// What failing starts leave.
class Leftovers : public ContainerTest {
protected:
    void expect_nothing_left(Container container) {
        const std::string before = tree(dir());
        EXPECT_TRUE(fails([&] { container.start({.argv = {"/no/such/program"}}); },
                          std::errc::no_such_file_or_directory, {"/no/such/program"}));
        EXPECT_EQ(tree(dir()), before);
    }
};

TEST_F(Leftovers, NodesInTheImagesOwnDevGo) {
    make_dir("image/dev");
    expect_nothing_left(isolated("default").add_default_devices());
    expect_nothing_left(isolated("own").add_device(zero()).add_device(zero("/a/b/nought")));
    expect_nothing_left(isolated("user").add_namespace(Namespace::User).map_root_to_caller().add_default_devices());
}

TEST_F(Leftovers, HundredsOfMountPointsGo) {
    Container container = isolated();
    for (int number = 0; number < 150; ++number) {
        const std::string target = "/many/" + std::to_string(number) + "/deep";
        container.add_mount({.source = "tmpfs", .target = target, .type = "tmpfs", .options = {}});
    }
    expect_nothing_left(container);
    EXPECT_TRUE(fails(
        [&] {
            container.start({.argv = {}}, [] { return 0; }).wait();
            container.wait();
            throw Error(std::make_error_code(std::errc::interrupted), Stage::Exec, "it started");
        },
        std::errc::interrupted, {"it started"}));
    EXPECT_TRUE(fs::exists(image() / "many/149/deep"));
}

TEST_F(Leftovers, MountPointsInTheSourceOfABindGo) {
    make_dir("data");
    make_dir("private");
    const Mount bind{.source = (dir() / "data").string(), .target = "/data", .options = {}};
    const Mount inner{.source = "tmpfs", .target = "/data/a/b", .type = "tmpfs", .options = {}};
    const Mount area{.source = "tmpfs", .target = "/area/a", .type = "tmpfs", .options = {}};
    expect_nothing_left(isolated("bind").add_mount(bind).add_mount(inner).add_device(zero("/data/nought")));
    expect_nothing_left(isolated("area")
                            .set_private(BindDir{.source = (dir() / "private").string(), .target = "/area"})
                            .add_mount(area));
    Mount dev = bind;
    dev.target = "/dev";
    expect_nothing_left(isolated("dev").add_mount(dev).add_default_mounts());
}

TEST_F(Leftovers, MountPointsInUseByOthersStay) {
    make_dir("data");
    const Mount bind{.source = (dir() / "data").string(), .target = "/data", .options = {}};
    const Mount inner{.source = "tmpfs", .target = "/data/sub", .type = "tmpfs", .options = {"size=1m"}};
    Container other = isolated("other").add_mount(bind).add_mount(inner);
    const Process process = start_ready(other, program({"pause"}));
    Container container = isolated().add_mount(bind).add_mount(inner);
    Mount more = inner;
    more.target = "/data/more";
    container.add_mount(more);
    EXPECT_THROW(container.start({.argv = {"/no/such/program"}}), Error);
    EXPECT_EQ(run_entered(other, program({"statvfs", "/data/sub"})).out, "1048576\n");
    other.kill();
    other.wait();
}

} // namespace
} // namespace ct::test
