// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Failing on purpose: each specification here is wrong in one way, and the sentence says in which.
#include <map>

#include <sys/resource.h>
#include <sys/stat.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

/// What a case may change: a good container and a good process.
struct Draft {
    fs::path dir;
    fs::path image;
    Spec spec;
    ProcessSpec process;

    void file(const char* name) const { fs::copy_file(image / "bin/test_init", dir / name); }
    void add(Mount mount) { spec.mounts.push_back(std::move(mount)); }
    void unshare(Namespace kind) { spec.namespaces[kind] = NewNamespace{}; }
    /// Without the namespaces of the good container.
    void share_all() { spec.namespaces.clear(); }
};

struct BadSpec {
    const char* name;
    void (*spoil)(Draft& draft);
    std::error_code code;
    /// What what() returns; "%" stands for the test's directory, a "*" at the end for whatever follows.
    const char* message;
};

std::error_code system_error(int number) {
    return {number, std::system_category()};
}

Mount tmpfs(std::string target, std::vector<std::string> options = {}) {
    return {.source = "tmpfs", .target = std::move(target), .type = "tmpfs", .options = std::move(options)};
}

Mount bind(const fs::path& source, std::string target) {
    return {.source = source.string(), .target = std::move(target), .options = {}};
}

class BadSpecs : public ContainerTest, public ::testing::WithParamInterface<BadSpec> {
protected:
    std::string expanded(std::string text) const {
        for (std::size_t at = 0; (at = text.find('%', at)) != std::string::npos;) text.replace(at, 1, dir().string());
        return text;
    }

    void expect_message(const std::string& message) const {
        std::string expected = expanded(GetParam().message);
        if (!expected.ends_with('*')) {
            EXPECT_EQ(message, expected);
            return;
        }
        expected.pop_back();
        EXPECT_TRUE(message.starts_with(expected)) << message;
    }
};

TEST_P(BadSpecs, IsExplainedAndLeavesNothing) {
    Container container = isolated();
    Draft draft{dir(), image(), container.spec(), program({"exit", "0"})};
    GetParam().spoil(draft);
    const std::string files = tree(image());
    const HostState before = HostState::capture();
    std::optional<Error> error;
    try {
        container.set_spec(draft.spec);
        container.start(draft.process);
    } catch (const Error& caught) {
        error = caught;
    }
    ASSERT_TRUE(error.has_value()) << "it was started";
    expect_message(error->what());
    EXPECT_EQ(error->code(), GetParam().code) << error->what();
    EXPECT_EQ(container.state(), State::Stopped);
    EXPECT_EQ(before.difference(HostState::capture()), "");
    EXPECT_EQ(tree(image()), files);
}

const std::error_code Invalid = make_error_code(Errc::InvalidConfig);

const BadSpec Roots[] = {
    {"RootIsMissing", [](Draft& draft) { draft.spec.root->path = (draft.dir / "missing").string(); },
     system_error(ENOENT), "container 'box': open the root '%/missing': No such file or directory"},
    {"RootIsAFile",
     [](Draft& draft) {
         draft.file("file");
         draft.spec.root->path = (draft.dir / "file").string();
     },
     system_error(ENOTDIR), "container 'box': open the root '%/file': Not a directory"},
    {"RootIsALinkLoop",
     [](Draft& draft) {
         fs::create_symlink("loop", draft.dir / "loop");
         draft.spec.root->path = (draft.dir / "loop").string();
     },
     system_error(ELOOP), "container 'box': open the root '%/loop': Too many levels of symbolic links"},
    {"RootIsEmpty", [](Draft& draft) { draft.spec.root->path = ""; }, Invalid, "container 'box': root is empty"},
    {"RootReadOnlyWithoutMountNamespace",
     [](Draft& draft) {
         draft.share_all();
         draft.spec.root->read_only = true;
     },
     Invalid, "container 'box': start: a read-only root needs a new mount namespace"},
    {"PrivateAreaWithoutRoot",
     [](Draft& draft) {
         draft.spec.root.reset();
         draft.spec.private_area = BindDir{.source = "/tmp"};
     },
     Invalid, "container 'box': start: a private area needs a root"},
    {"PrivateAreaIsMissing",
     [](Draft& draft) {
         draft.spec.private_area = BindDir{(draft.dir / "missing").string(), "/area"};
     },
     system_error(ENOENT), "container 'box': open the private area '%/missing': No such file or directory"},
};

const BadSpec MountCases[] = {
    {"BindSourceIsMissing", [](Draft& draft) { draft.add(bind(draft.dir / "missing", "/data")); }, system_error(ENOENT),
     "container 'box': bind on '/data' from '%/missing': No such file or directory"},
    {"MountTargetIsRelative", [](Draft& draft) { draft.add(tmpfs("tmp")); }, Invalid,
     "container 'box': mount target 'tmp' is not absolute"},
    {"MountTargetClimbs", [](Draft& draft) { draft.add(tmpfs("/a/../../etc")); }, Invalid,
     "container 'box': mount target '/a/../../etc' has a '..' in it"},
    {"MountTargetIsALinkLoop",
     [](Draft& draft) {
         fs::create_symlink("loop", draft.image / "loop");
         draft.add(tmpfs("/loop"));
     },
     system_error(ELOOP), "container 'box': mount tmpfs on '/loop': Too many levels of symbolic links; *"},
    {"MountTargetIsBelowAFile", [](Draft& draft) { draft.add(tmpfs("/bin/test_init/x")); }, system_error(ENOTDIR),
     "container 'box': mount tmpfs on '/bin/test_init/x': Not a directory; *"},
    {"MountTargetIsTooLong", [](Draft& draft) { draft.add(tmpfs("/" + std::string(300, 'x'))); },
     system_error(ENAMETOOLONG), "container 'box': mount tmpfs on '/xxxxxxxx*"},
    {"FileSystemIsUnknown",
     [](Draft& draft) {
         draft.add({"none", "/x", "no-such-fs", {}});
     },
     system_error(ENODEV), "container 'box': mount no-such-fs on '/x': No such device; *"},
    {"MountOptionIsBad", [](Draft& draft) { draft.add(tmpfs("/x", {"size=banana"})); }, system_error(EINVAL),
     "container 'box': mount tmpfs on '/x': Invalid argument; *"},
    {"MountWithoutMountNamespace",
     [](Draft& draft) {
         draft.share_all();
         draft.add(tmpfs("/x"));
     },
     Invalid, "container 'box': start: mounts need a new mount namespace"},
    {"DefaultMountsWithoutMountNamespace",
     [](Draft& draft) {
         draft.share_all();
         draft.spec.default_mounts = true;
     },
     Invalid, "container 'box': start: the default mounts need a new mount namespace"},
    {"BindHasOptions", [](Draft& draft) { draft.add({.source = "/tmp", .target = "/x", .options = {"size=1m"}}); },
     Invalid, "container 'box': the bind on '/x' has file system options; it takes only flags"},
    {"DirectoryIsBoundOnAFile", [](Draft& draft) { draft.add(bind("/tmp", InitPath)); }, system_error(ENOTDIR),
     "container 'box': bind '/tmp' on '/bin/test_init': Not a directory; *"},
};

const BadSpec NamespaceCases[] = {
    {"JoinedNamespaceIsMissing",
     [](Draft& draft) { draft.spec.namespaces[Namespace::Net] = NamespacePath{(draft.dir / "missing").string()}; },
     system_error(ENOENT), "container 'box': join net namespace '%/missing': No such file or directory"},
    {"JoinedNamespaceIsOfAnotherKind",
     [](Draft& draft) { draft.spec.namespaces[Namespace::Net] = NamespacePath{"/proc/self/ns/uts"}; },
     system_error(EINVAL), "container 'box': join net namespace '/proc/self/ns/uts': Invalid argument*"},
    {"JoinedNamespaceIsAFile",
     [](Draft& draft) {
         draft.file("file");
         draft.spec.namespaces[Namespace::Ipc] = NamespacePath{(draft.dir / "file").string()};
     },
     system_error(EINVAL), "container 'box': join ipc namespace '%/file': Invalid argument*"},
    {"JoinedMountNamespaceAndRoot",
     [](Draft& draft) { draft.spec.namespaces[Namespace::Mount] = NamespacePath{"/proc/self/ns/mnt"}; }, Invalid,
     "container 'box': start: a joined mount namespace has its own root; none can be set"},
    {"IdMapsOverlap",
     [](Draft& draft) {
         draft.unshare(Namespace::User);
         draft.spec.uid_map = {{0, 1000, 10}, {5, 2000, 10}};
         draft.spec.gid_map = {{0, 1000, 10}};
         draft.process.user = User{};
     },
     Invalid, "container 'box': start: extents of the uid map overlap at inside id 5"},
    {"IdMapWithoutUserNamespace",
     [](Draft& draft) {
         draft.spec.uid_map = {{0, 1000, 10}};
     },
     Invalid, "container 'box': start: id maps need a new user namespace"},
    {"UserNamespaceWithoutIdMap", [](Draft& draft) { draft.unshare(Namespace::User); }, Invalid,
     "container 'box': start: a new user namespace needs a uid map; a new user namespace needs a gid map"},
    {"IdMapExtentIsEmpty",
     [](Draft& draft) {
         draft.unshare(Namespace::User);
         draft.spec.uid_map = {{0, 1000, 0}};
     },
     Invalid, "container 'box': uid map has an extent with no ids"},
    {"HostNameWithoutUtsNamespace",
     [](Draft& draft) {
         draft.share_all();
         draft.spec.hostname = "x";
     },
     Invalid, "container 'box': start: a host name needs a uts namespace"},
    {"HostNameIsTooLong", [](Draft& draft) { draft.spec.hostname = std::string(65, 'h'); }, Invalid,
     "container 'box': host name 'hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh' is longer than 64 "
     "bytes"},
};

const BadSpec ProcessCases[] = {
    {"CapabilityIsUnknown", [](Draft& draft) { draft.process.capabilities = std::vector<std::string>{"CAP_FLY"}; },
     Invalid, "container 'box': start: unknown capability 'CAP_FLY'"},
    {"ProgramIsADirectory", [](Draft& draft) { draft.process.argv = {"/bin"}; }, system_error(EACCES),
     "container 'box': exec '/bin': Permission denied; it is a directory"},
    {"ProgramIsMissing", [](Draft& draft) { draft.process.argv = {"/bin/sh"}; }, system_error(ENOENT),
     "container 'box': exec '/bin/sh': No such file or directory"},
    {"ArgumentsAreMissing", [](Draft& draft) { draft.process.argv = {}; }, Invalid,
     "container 'box': start: argv is empty"},
    {"ProgramNameIsEmpty", [](Draft& draft) { draft.process.argv = {""}; }, Invalid,
     "container 'box': start: the program's name is empty"},
    {"ArgumentHasANulByte",
     [](Draft& draft) {
         draft.process.argv.push_back(std::string{"a\0b", 3});
     },
     Invalid, "container 'box': start: argv has a NUL byte"},
    {"WorkingDirectoryIsMissing", [](Draft& draft) { draft.process.working_directory = "/missing"; },
     system_error(ENOENT), "container 'box': change to the working directory '/missing': No such file or directory"},
    {"WorkingDirectoryIsAFile", [](Draft& draft) { draft.process.working_directory = InitPath; }, system_error(ENOTDIR),
     "container 'box': change to the working directory '/bin/test_init': Not a directory"},
    {"WorkingDirectoryIsRelative", [](Draft& draft) { draft.process.working_directory = "srv"; }, Invalid,
     "container 'box': start: working directory 'srv' is not absolute"},
    {"VariableHasNoName", [](Draft& draft) { draft.process.environment = std::vector<std::string>{"=x"}; }, Invalid,
     "container 'box': start: malformed environment variable '=x'"},
    {"VariableHasNoValue", [](Draft& draft) { draft.process.environment = std::vector<std::string>{"HOME"}; }, Invalid,
     "container 'box': start: malformed environment variable 'HOME'"},
    {"LimitIsUnknown",
     [](Draft& draft) {
         draft.process.limits = {{99, 1, 1}};
     },
     Invalid, "container 'box': start: unknown resource limit 99"},
    {"LimitIsSoftlyAboveItself",
     [](Draft& draft) {
         draft.process.limits = {{RLIMIT_NOFILE, 10, 5}};
     },
     Invalid, "container 'box': start: resource limit 7 *"},
    {"UmaskHasOtherBits", [](Draft& draft) { draft.process.umask = 01000; }, Invalid,
     "container 'box': start: the umask has bits besides 0777"},
    {"DeathSignalIsUnknown", [](Draft& draft) { draft.process.parent_death_signal = 99; }, Invalid,
     "container 'box': start: unknown parent-death signal 99"},
    {"DescriptorIsClosed",
     [](Draft& draft) {
         draft.process.fds = {{5, 9999}};
     },
     system_error(EBADF), "container 'box': map descriptor 5 to 'fd 9999': Bad file descriptor"},
    {"DescriptorIsMappedTwice",
     [](Draft& draft) {
         draft.process.fds = {{5, 0}, {5, 1}};
     },
     Invalid, "container 'box': start: descriptor 5 is mapped twice"},
    {"DescriptorIsNegative",
     [](Draft& draft) {
         draft.process.fds = {{-1, 0}};
     },
     Invalid, "container 'box': start: negative descriptor in the map -1=0"},
    {"InputIsOutput", [](Draft& draft) { draft.process.stdio.in = Stdio::Output; }, Invalid,
     "container 'box': start: standard input cannot be Stdio::Output"},
    {"TerminalAndPipes",
     [](Draft& draft) {
         draft.process.terminal = TerminalSize{};
         draft.process.stdio.in = Stdio::Pipe;
     },
     Invalid, "container 'box': start: with a terminal the standard streams cannot be set"},
    {"UserIsNobodyAtAll",
     [](Draft& draft) {
         draft.process.user = User{~0U, 0};
     },
     Invalid, "container 'box': start: user id 4294967295 is not a user"},
    {"SeveralAtOnce",
     [](Draft& draft) {
         draft.share_all();
         draft.spec.hostname = "x";
         draft.add(tmpfs("/x"));
         draft.process.argv = {};
         draft.process.capabilities = std::vector<std::string>{"CAP_FLY", "CHOWN", "SWIM"};
     },
     Invalid,
     "container 'box': start: a host name needs a uts namespace; mounts need a new mount namespace; argv is empty; "
     "unknown capability 'CAP_FLY'; unknown capability 'SWIM'"},
};

const auto name_of = [](const ::testing::TestParamInfo<BadSpec>& info) { return std::string{info.param.name}; };
INSTANTIATE_TEST_SUITE_P(Root, BadSpecs, ::testing::ValuesIn(Roots), name_of);
INSTANTIATE_TEST_SUITE_P(Mounts, BadSpecs, ::testing::ValuesIn(MountCases), name_of);
INSTANTIATE_TEST_SUITE_P(Namespaces, BadSpecs, ::testing::ValuesIn(NamespaceCases), name_of);
INSTANTIATE_TEST_SUITE_P(Process, BadSpecs, ::testing::ValuesIn(ProcessCases), name_of);

class SeveralViolations : public ContainerTest {};

TEST_F(SeveralViolations, AreListedOneByOne) {
    Container container = plain().set_hostname("x").set_domainname("y");
    try {
        container.start({});
        FAIL() << "it was started";
    } catch (const Error& error) {
        EXPECT_EQ(error.violations(),
                  (std::vector<std::string>{"a host name needs a uts namespace", "a domain name needs a uts namespace",
                                            "argv is empty"}));
        EXPECT_EQ(error.stage(), Stage::Configure);
        EXPECT_TRUE(error.code() == std::errc::invalid_argument);
    }
}

TEST_F(SeveralViolations, AreFoundBeforeAnythingIsTouched) {
    Container container = isolated().add_mount(tmpfs("/new/dir"));
    const std::string before = tree(image());
    EXPECT_TRUE(fails([&] { container.start({}); }, Errc::InvalidConfig, {"argv is empty"}));
    EXPECT_EQ(tree(image()), before);
}

TEST_F(SeveralViolations, SettersReportTheirOwnArgumentAtOnce) {
    Container container = plain();
    const Spec before = container.spec();
    EXPECT_TRUE(fails([&] { container.set_root(""); }, Errc::InvalidConfig, {"container 'box': root"}));
    EXPECT_TRUE(
        fails([&] { container.add_mount(tmpfs("x")); }, Errc::InvalidConfig, {"container 'box': mount target 'x'"}));
    EXPECT_TRUE(fails(
        [&] {
            container.set_hostname(std::string{"a\0b", 3});
        },
        Errc::InvalidConfig, {"container 'box': host name"}));
    EXPECT_TRUE(fails([&] { container.add_uid_map({0, ~0U, 1}); }, Errc::InvalidConfig, {"container 'box': uid map"}));
    EXPECT_TRUE(fails([&] { container.set_private(BindDir{.source = ""}); }, Errc::InvalidConfig,
                      {"container 'box': ", "private area"}));
    EXPECT_TRUE(fails([&] { container.join_namespace(Namespace::Net, ""); }, Errc::InvalidConfig,
                      {"container 'box': ", "net namespace"}));
    EXPECT_EQ(container.spec(), before);
}

} // namespace
} // namespace ct::test
