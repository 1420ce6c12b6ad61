// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <functional>

#include <gtest/gtest.h>

#include <ct/error.hpp>

#include "config/validate.hpp"

namespace ct::internal {
namespace {

/// What \p check finds wrong; empty if it accepts.
std::string violation(const std::function<void()>& check) {
    try {
        check();
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Errc::InvalidConfig);
        EXPECT_EQ(error.stage(), Stage::Configure);
        return error.violations().size() == 1 ? error.violations().front() : "not one violation";
    }
    return {};
}

const std::string Nul("/a\0b", 4);

TEST(ContainerName, AcceptsTheWholeAlphabet) {
    for (const std::string& name :
         {std::string("a"), std::string("_"), std::string("0"), std::string("Web-1.example_com"),
          std::string("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."), std::string(64, 'x')}) {
        EXPECT_EQ(violation([&] { check_container_name(name); }), "") << name;
    }
}

TEST(ContainerName, RefusesEverythingElse) {
    for (const std::string& name :
         {std::string(), std::string(65, 'x'), std::string(".a"), std::string("-a"), std::string("."),
          std::string(".."), std::string("a/b"), std::string("a b"), std::string("a\nb"), std::string("a\0b", 3),
          std::string("\xc3\xa4"), std::string("a:b"), std::string("a@"), std::string("a["), std::string("a`"),
          std::string("a{")}) {
        EXPECT_EQ(violation([&] { check_container_name(name); }),
                  "a container's name is 1 to 64 of A-Z a-z 0-9 _ . -, not starting with . or -")
            << name;
    }
}

TEST(ContainerName, StandsInTheSentence) {
    try {
        check_container_name("a b");
        FAIL() << "accepted";
    } catch (const Error& error) {
        EXPECT_TRUE(std::string_view(error.what()).starts_with("container 'a b': ")) << error.what();
    }
}

TEST(HostName, TakesUpTo64Bytes) {
    const auto check = [](const std::string& name) { return violation([&] { check_host_name("host name", name); }); };
    EXPECT_EQ(check(""), "");
    EXPECT_EQ(check(std::string(64, 'x')), "");
    EXPECT_EQ(check(std::string(65, 'x')), "host name '" + std::string(65, 'x') + "' is longer than 64 bytes");
    EXPECT_EQ(check(Nul), "host name has a NUL byte");
}

TEST(IdRangeShape, HasIdsAndEndsAtTheLastOne) {
    const auto check = [](IdRange range) { return violation([&] { check_id_range("uid map", range); }); };
    EXPECT_EQ(check({0, 1000, 1}), "");
    EXPECT_EQ(check({0, 0, 4294967295U}), "");
    EXPECT_EQ(check({4294967294U, 4294967294U, 1}), "");
    EXPECT_EQ(check({0, 1000, 0}), "uid map has an extent with no ids");
    EXPECT_EQ(check({4294967295U, 0, 1}), "uid map extent 4294967295 0 1 goes past the last id");
    EXPECT_EQ(check({0, 4294967295U, 1}), "uid map extent 0 4294967295 1 goes past the last id");
    EXPECT_EQ(check({1, 0, 4294967295U}), "uid map extent 1 0 4294967295 goes past the last id");
    EXPECT_EQ(check({0, 1, 4294967295U}), "uid map extent 0 1 4294967295 goes past the last id");
}

std::string check(const Mount& mount) {
    return violation([&] { check_mount(mount); });
}

TEST(MountShape, AcceptsBindsAndFileSystems) {
    EXPECT_EQ(check({.source = "/a", .target = "/b"}), "");
    EXPECT_EQ(check({.source = "a/../b", .target = "/c", .recursive = true, .read_only = true}), "");
    EXPECT_EQ(check({.source = "", .target = "/run", .type = "tmpfs", .options = {"size=1m", "nr_inodes=", "a"}}), "");
}

TEST(MountShape, TargetIsAPlaceInTheRoot) {
    const auto target = [](const std::string& path) { return check({.source = "/a", .target = path}); };
    EXPECT_EQ(target(""), "mount target is empty");
    EXPECT_EQ(target(Nul), "mount target has a NUL byte");
    EXPECT_EQ(target("/" + std::string(4095, 'x')), "mount target is longer than 4095 bytes");
    EXPECT_EQ(target("/" + std::string(4094, 'x')), "");
    EXPECT_EQ(target("run"), "mount target 'run' is not absolute");
    for (const char* path : {"/..", "/../a", "/a/..", "/a/../b", "/a//../b"}) {
        EXPECT_EQ(target(path), "mount target '" + std::string(path) + "' has a '..' in it");
    }
    for (const char* path : {"/a..", "/..a", "/.../a", "/a/./b", "/a/", "//a"}) EXPECT_EQ(target(path), "") << path;
}

TEST(MountShape, RootIsNoTarget) {
    for (const char* path : {"/", "//", "/.", "/./", "//.//."}) {
        EXPECT_EQ(check({.source = "/a", .target = path}),
                  "a mount on '/' would hide the root; set the root or a private area")
            << path;
    }
}

TEST(MountShape, BindHasASourceAndNoOptions) {
    EXPECT_EQ(check({.source = "", .target = "/b"}), "source of the bind on '/b' is empty");
    EXPECT_EQ(check({.source = Nul, .target = "/b"}), "source of the bind on '/b' has a NUL byte");
    EXPECT_EQ(check({.source = std::string(4096, 'x'), .target = "/b"}),
              "source of the bind on '/b' is longer than 4095 bytes");
    EXPECT_EQ(check({.source = "/a", .target = "/b", .options = {"ro"}}),
              "the bind on '/b' has file system options; it takes only flags");
}

TEST(MountShape, FileSystemIsNotRecursive) {
    EXPECT_EQ(check({.source = "", .target = "/b", .type = "tmpfs", .recursive = true}),
              "the tmpfs on '/b' cannot be recursive");
    EXPECT_EQ(check({.source = Nul, .target = "/b", .type = "tmpfs"}), "mount on '/b' has a NUL byte");
    EXPECT_EQ(check({.source = "", .target = "/b", .type = std::string("a\0", 2)}), "mount on '/b' has a NUL byte");
}

TEST(MountShape, OptionsHaveAKey) {
    const auto option = [](const std::string& text) {
        return check({.source = "", .target = "/b", .type = "tmpfs", .options = {"mode=755", text}});
    };
    EXPECT_EQ(option(""), "mount on '/b' has a malformed option ''");
    EXPECT_EQ(option("=1"), "mount on '/b' has a malformed option '=1'");
    EXPECT_NE(option(Nul), "");
}

TEST(PrivateAreaShape, HasASourceAndAPlaceInTheRoot) {
    const auto area = [](const BindDir& dir) { return violation([&] { check_private_area(dir); }); };
    EXPECT_EQ(area({.source = "/a"}), "");
    EXPECT_EQ(area({.source = "a", .target = "/b"}), "");
    EXPECT_EQ(area({.source = ""}), "source of the private area is empty");
    EXPECT_EQ(area({.source = Nul}), "source of the private area has a NUL byte");
    EXPECT_EQ(area({.source = "/a", .target = "b"}), "target of the private area 'b' is not absolute");
    EXPECT_EQ(area({.source = "/a", .target = "/b/.."}), "target of the private area '/b/..' has a '..' in it");
    EXPECT_EQ(area({.source = "/a", .target = ""}), "target of the private area is empty");
}

TEST(PrivateAreaShape, OfAnOverlay) {
    const auto area = [](const OverlayArea& overlay) { return violation([&] { check_private_area(overlay); }); };
    EXPECT_EQ(area({}), "");
    EXPECT_EQ(area({.lower = {"a", "/b"}, .upper = "/u", .work = "/w", .target = "/c"}), "");
    EXPECT_EQ(area({.lower = {"/a", ""}}), "lower directory of the overlay is empty");
    EXPECT_EQ(area({.lower = {Nul}}), "lower directory of the overlay has a NUL byte");
    EXPECT_EQ(area({.lower = std::vector<std::string>(501, "/a")}),
              "the overlay has 501 lower directories; the kernel takes 500");
    for (const OverlayArea& half : {OverlayArea{.upper = "/u"}, OverlayArea{.work = "/w"}})
        EXPECT_EQ(area(half), "an overlay takes an upper and a work directory, or neither");
    EXPECT_EQ(area({.upper = Nul, .work = "/w"}), "upper directory of the overlay has a NUL byte");
    EXPECT_EQ(area({.upper = "/u", .work = Nul}), "work directory of the overlay has a NUL byte");
    EXPECT_EQ(area({.upper = "/u", .work = "/w", .size = 1}),
              "an overlay with an upper directory has no size; that is for a throw-away one");
    EXPECT_EQ(area({.target = "b"}), "target of the private area 'b' is not absolute");
}

TEST(PrivateAreaShape, OfTmpfsAndImage) {
    const auto area = [](const PrivateArea& value) { return violation([&] { check_private_area(value); }); };
    EXPECT_EQ(area(TmpfsArea{.mode = 07777}), "");
    EXPECT_EQ(area(TmpfsArea{.mode = 010000}), "the tmpfs's mode has bits besides 07777");
    EXPECT_EQ(area(TmpfsArea{.target = "/.."}), "target of the private area '/..' has a '..' in it");
    EXPECT_EQ(area(ImageArea{.path = "a", .type = "xfs", .options = {"ro", "a=b"}}), "");
    EXPECT_EQ(area(ImageArea{}), "path of the image is empty");
    EXPECT_EQ(area(ImageArea{.path = "/a", .type = Nul}), "the image's file system type has a NUL byte");
    EXPECT_EQ(area(ImageArea{.path = "/a", .options = {"=b"}}), "the image '/a' has a malformed option '=b'");
}

TEST(RootShape, HasAPath) {
    const auto root = [](const std::string& path) { return violation([&] { check_root({.path = path}); }); };
    EXPECT_EQ(root("/srv"), "");
    EXPECT_EQ(root("../srv"), "");
    EXPECT_EQ(root(""), "root is empty");
    EXPECT_EQ(root(Nul), "root has a NUL byte");
    EXPECT_EQ(root(std::string(4096, 'x')), "root is longer than 4095 bytes");
}

TEST(NamespaceSourceShape, HasAPathOrADescriptor) {
    const auto source = [](const NamespaceSource& value) {
        return violation([&] { check_source(Namespace::Net, value); });
    };
    EXPECT_EQ(source(NewNamespace{}), "");
    EXPECT_EQ(source(NamespacePath{"/run/netns/a"}), "");
    EXPECT_EQ(source(NamespaceFd{0}), "");
    EXPECT_EQ(source(NamespacePath{}), "path of the net namespace is empty");
    EXPECT_EQ(source(NamespacePath{Nul}), "path of the net namespace has a NUL byte");
    EXPECT_EQ(source(NamespaceFd{}), "descriptor of the net namespace is negative");
}

TEST(SpecShape, ChecksEveryField) {
    const auto spec = [](const std::function<void(Spec&)>& edit) {
        Spec value;
        edit(value);
        return violation([&] { check_spec(value); });
    };
    EXPECT_EQ(spec([](Spec&) {}), "");
    EXPECT_NE(spec([](Spec& s) { s.namespaces[Namespace::Net] = NamespaceFd{}; }), "");
    EXPECT_EQ(spec([](Spec& s) { s.uid_map = {{0, 0, 1}, {0, 0, 0}}; }), "uid map has an extent with no ids");
    EXPECT_EQ(spec([](Spec& s) { s.gid_map = {{0, 0, 0}}; }), "gid map has an extent with no ids");
    EXPECT_EQ(spec([](Spec& s) { s.hostname = Nul; }), "host name has a NUL byte");
    EXPECT_EQ(spec([](Spec& s) { s.domainname = Nul; }), "domain name has a NUL byte");
    EXPECT_EQ(spec([](Spec& s) { s.root = Root{}; }), "root is empty");
    EXPECT_EQ(spec([](Spec& s) { s.private_area = BindDir{}; }), "source of the private area is empty");
    EXPECT_EQ(spec([](Spec& s) { s.mounts = {{.source = "/a", .target = "/b"}, {}}; }), "mount target is empty");
    EXPECT_EQ(spec([](Spec& s) { s.network.routes = {{}}; }), "the route 'default' has neither a gateway nor a device");
}

TEST(MountShape, KnowsWhatIsForWhichKind) {
    const auto check = [](const Mount& mount) { return violation([&] { check_mount(mount); }); };
    EXPECT_EQ(check({.target = "/a", .type = "tmpfs", .copy_up = true}), "");
    EXPECT_EQ(check({.target = "/a", .type = "ramfs", .copy_up = true}),
              "the mount on '/a' cannot copy up: only a tmpfs can");
    EXPECT_EQ(check({.target = "/a", .type = "tmpfs", .id_mapped = true}),
              "the tmpfs on '/a' cannot be id-mapped: only a bind can");
    EXPECT_EQ(check({.source = "/", .target = "/a", .uid_map = {{0, 1, 1}}, .gid_map = {{0, 1, 1}}}),
              "the mount on '/a' has id maps but is not id-mapped");
    EXPECT_EQ(check({.source = "/", .target = "/a", .id_mapped = true, .uid_map = {{0, 1, 1}}}),
              "the bind on '/a' needs both id maps, or none");
    EXPECT_EQ(check({.source = "/", .target = "/a", .id_mapped = true, .uid_map = {{0, 1, 0}}, .gid_map = {{0, 1, 1}}}),
              "uid map of a bind has an extent with no ids");
    EXPECT_EQ(check({.source = "/", .target = "/a", .access_time = static_cast<AccessTime>(9)}),
              "mount on '/a' has an unknown propagation or access time");
    EXPECT_EQ(check({.source = "/", .target = "/a", .propagation = static_cast<Propagation>(9)}),
              "mount on '/a' has an unknown propagation or access time");
}

TEST(RootShape, PropagationIsKnown) {
    EXPECT_EQ(violation([] { check_root({.path = "/", .propagation = static_cast<Propagation>(9)}); }),
              "the root has an unknown propagation");
}

TEST(DeviceShape, FitsIntoTheKernelsNumbers) {
    const auto check = [](const Device& device) { return violation([&] { check_device(device); }); };
    EXPECT_EQ(check({.path = "/dev/x", .major = 4095, .minor = 1048575, .mode = 07777}), "");
    EXPECT_EQ(check({.path = "/dev/x", .major = 4096}), "device '/dev/x' has a major number above 4095");
    EXPECT_EQ(check({.path = "/dev/x", .minor = 1048576}), "device '/dev/x' has a minor number above 1048575");
    EXPECT_EQ(check({.path = "/dev/x", .mode = 010000}), "the mode of device '/dev/x' has bits besides 07777");
    EXPECT_EQ(check({.path = "/."}), "path of a device is the root itself");
    EXPECT_EQ(check({.path = "x"}), "path of a device 'x' is not absolute");
}

TEST(WholeSpecShape, LooksAtDevicesAndMasks) {
    const auto check = [](const Spec& spec) { return violation([&] { check_spec(spec); }); };
    EXPECT_EQ(check({.devices = {{.path = "x"}}}), "path of a device 'x' is not absolute");
    EXPECT_EQ(check({.masked_paths = {"/"}}), "masked path is the root itself");
    EXPECT_EQ(check({.read_only_paths = {Nul}}), "read-only path has a NUL byte");
}

} // namespace
} // namespace ct::internal
