// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/resource.h>

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/validate.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A specification and process without contradictions, for a test to break.
struct Violations : ::testing::Test {
    Spec spec;
    ProcessSpec process{.argv = {"/bin/true"}};

    [[nodiscard]] std::vector<std::string> found(Role role = Role::First) const {
        return violations(spec, process, Runs::Program, role);
    }
    void make(Namespace kind) { spec.namespaces[kind] = NewNamespace{}; }
    void join(Namespace kind) { spec.namespaces[kind] = NamespacePath{"/run/ns"}; }
    void make_user_namespace() {
        make(Namespace::User);
        spec.uid_map = {{0, 100000, 1000}};
        spec.gid_map = {{0, 100000, 1000}};
    }
};

class NamespaceViolations : public Violations {};
class FileViolations : public Violations {};
class ProcessViolations : public Violations {};
class StreamViolations : public Violations {};
class CredentialViolations : public Violations {};

TEST_F(Violations, PlainProcessHasNone) {
    EXPECT_THAT(found(), IsEmpty());
}

TEST_F(Violations, WholeContainerHasNone) {
    make_user_namespace();
    for (const Namespace kind : {Namespace::Mount, Namespace::Pid, Namespace::Net, Namespace::Uts, Namespace::Ipc,
                                 Namespace::Cgroup, Namespace::Time}) {
        make(kind);
    }
    spec.setgroups = SetGroups::Allow;
    spec.hostname = "box";
    spec.domainname = "example";
    spec.root = Root{.path = "/srv", .read_only = true};
    spec.private_area = BindDir{.source = "/data", .target = "/data"};
    spec.mounts = {{.source = "", .target = "/run", .type = "tmpfs"},
                   {.source = "", .target = "/tmp", .type = "tmpfs"}};
    spec.default_mounts = true;
    spec.default_devices = true;
    process.environment = {"A=1", "B="};
    process.add_environment = {{"C", "=2"}};
    process.user = User{999, 0, {5, 999}};
    process.umask = 0777;
    process.working_directory = "/";
    process.capabilities = {"ALL", "net_admin"};
    process.limits = {{RLIMIT_NOFILE, 1, ResourceLimit::Unlimited}, {RLIMIT_CORE, 0, 0}};
    process.parent_death_signal = SIGRTMAX;
    process.stdio = {Stdio::Null, Stdio::Pipe, Stdio::Output};
    process.fds = {{.target = 3, .source = 9}, {.target = 4, .source = 9}};
    EXPECT_THAT(found(), IsEmpty());
}

TEST_F(Violations, AreReportedTogether) {
    spec.hostname = "box";
    spec.mounts = {{.source = "/", .target = "/a"}};
    process.argv = {};
    process.environment = {"novalue"};
    process.umask = 01777;
    process.capabilities = {"CAP_FLY"};
    EXPECT_THAT(found(), ElementsAre("a host name needs a uts namespace", "mounts need a new mount namespace",
                                     "argv is empty", "malformed environment variable 'novalue'",
                                     "unknown capability 'CAP_FLY'", "the umask has bits besides 0777"));
}

TEST_F(Violations, EnteringIsNotAboutTheContainer) {
    spec.hostname = "box";
    spec.mounts = {{.source = "/", .target = "/a"}};
    process.umask = 01777;
    EXPECT_THAT(found(Role::Entering), ElementsAre("the umask has bits besides 0777"));
}

TEST_F(NamespaceViolations, IdMapsNeedANewUserNamespace) {
    spec.uid_map = {{0, 0, 1}};
    EXPECT_THAT(found(), ElementsAre("id maps need a new user namespace"));
    spec = {};
    spec.gid_map = {{0, 0, 1}};
    EXPECT_THAT(found(), ElementsAre("id maps need a new user namespace"));
    join(Namespace::User);
    EXPECT_THAT(found(), ElementsAre("id maps need a new user namespace"));
}

TEST_F(NamespaceViolations, SetgroupsPolicyNeedsANewUserNamespace) {
    for (const SetGroups policy : {SetGroups::Allow, SetGroups::Deny}) {
        spec.setgroups = policy;
        EXPECT_THAT(found(), ElementsAre("a setgroups policy needs a new user namespace"));
    }
}

TEST_F(NamespaceViolations, NewUserNamespaceNeedsBothMaps) {
    make(Namespace::User);
    EXPECT_THAT(found(), ElementsAre("a new user namespace needs a uid map", "a new user namespace needs a gid map"));
    spec.uid_map = {{0, 0, 1}};
    EXPECT_THAT(found(), ElementsAre("a new user namespace needs a gid map"));
    spec.namespaces.clear();
    spec.uid_map.clear();
    join(Namespace::User);
    EXPECT_THAT(found(), IsEmpty());
}

TEST_F(NamespaceViolations, ExtentsDoNotOverlapOnEitherSide) {
    make_user_namespace();
    spec.uid_map = {{100, 0, 10}, {0, 1000, 101}};
    EXPECT_THAT(found(), ElementsAre("extents of the uid map overlap at inside id 100"));
    spec.uid_map = {{100, 0, 10}, {0, 9, 100}};
    EXPECT_THAT(found(), ElementsAre("extents of the uid map overlap at outside id 9"));
    spec.uid_map = {{100, 100, 10}, {0, 0, 100}, {110, 110, 4294967185U}};
    EXPECT_THAT(found(), IsEmpty());
    spec.gid_map = {{0, 0, 1}, {0, 0, 1}};
    EXPECT_THAT(found(), ElementsAre("extents of the gid map overlap at inside id 0",
                                     "extents of the gid map overlap at outside id 0"));
}

TEST_F(NamespaceViolations, KernelTakes340Extents) {
    make_user_namespace();
    for (std::uint32_t id = 1000; spec.uid_map.size() < 340; id += 2) spec.uid_map.push_back({id, id + 200000, 1});
    EXPECT_THAT(found(), IsEmpty());
    spec.uid_map.push_back({9999, 999999, 1});
    EXPECT_THAT(found(), ElementsAre("the uid map has 341 extents; the kernel takes 340"));
}

TEST_F(NamespaceViolations, NamesNeedAUtsNamespaceNewOrJoined) {
    spec.hostname = "box";
    spec.domainname = "example";
    EXPECT_THAT(found(), ElementsAre("a host name needs a uts namespace", "a domain name needs a uts namespace"));
    join(Namespace::Uts);
    EXPECT_THAT(found(), IsEmpty());
    make(Namespace::Uts);
    EXPECT_THAT(found(), IsEmpty());
}

TEST_F(FileViolations, JoinedMountNamespaceHasItsOwnRoot) {
    join(Namespace::Mount);
    spec.root = Root{.path = "/srv"};
    EXPECT_THAT(found(), ElementsAre("a joined mount namespace has its own root; none can be set"));
}

TEST_F(FileViolations, ReadOnlyRootNeedsANewMountNamespace) {
    spec.root = Root{.path = "/srv", .read_only = true};
    EXPECT_THAT(found(), ElementsAre("a read-only root needs a new mount namespace"));
    make(Namespace::Mount);
    EXPECT_THAT(found(), IsEmpty());
}

TEST_F(FileViolations, MountsOfTheHostsAreAskedFor) {
    spec.root = Root{.path = "/srv"};
    spec.mounts = {{.source = "tmpfs", .target = "/t", .type = "tmpfs"}};
    spec.devices = {{.path = "/dev/null"}};
    EXPECT_THAT(found(), ElementsAre("devices need a new mount namespace", "mounts need a new mount namespace"));
    spec.root->host_mounts = true;
    EXPECT_THAT(found(), IsEmpty());
    spec.root->path = "//";
    EXPECT_THAT(found(), ElementsAre("mounts of the host's need a root below '/'"));
    spec.root->path = "/srv";
    make(Namespace::Mount);
    EXPECT_THAT(found(), ElementsAre("mounts of the host's need its mount namespace"));
}

TEST_F(FileViolations, PrivateAreaNeedsARoot) {
    spec.private_area = BindDir{.source = "/data"};
    EXPECT_THAT(found(), ElementsAre("a private area needs a root"));
    spec.root = Root{.path = "/srv"};
    EXPECT_THAT(found(), IsEmpty());
}

TEST_F(FileViolations, PrivateAreasOtherThanDirectoriesNeedANewMountNamespace) {
    spec.root = Root{.path = "/srv"};
    for (const PrivateArea& area : std::vector<PrivateArea>{OverlayArea{}, TmpfsArea{}, ImageArea{.path = "/a"}}) {
        spec.private_area = area;
        EXPECT_THAT(found(), ElementsAre("a private area other than a directory needs a new mount namespace"));
    }
    make(Namespace::Mount);
    EXPECT_THAT(found(), IsEmpty());
}

TEST_F(FileViolations, MountsNeedANewMountNamespace) {
    spec.mounts = {{.source = "/", .target = "/a"}};
    spec.default_mounts = true;
    const auto expected =
        ElementsAre("mounts need a new mount namespace", "the default mounts need a new mount namespace");
    EXPECT_THAT(found(), expected);
    join(Namespace::Mount);
    EXPECT_THAT(found(), expected);
    make(Namespace::Mount);
    EXPECT_THAT(found(), IsEmpty());
}

TEST_F(FileViolations, DefaultDevicesNeedANewMountNamespace) {
    spec.default_devices = true;
    EXPECT_THAT(found(), ElementsAre("the default devices need a new mount namespace"));
    spec.default_mounts = true; // they bring the devices, so one sentence is enough
    EXPECT_THAT(found(), ElementsAre("the default mounts need a new mount namespace"));
}

TEST_F(FileViolations, TargetHasOneMount) {
    make(Namespace::Mount);
    spec.mounts = {{.source = "/", .target = "/a"}, {.source = "/", .target = "/b"}, {.source = "/x", .target = "/a"}};
    EXPECT_THAT(found(), ElementsAre("two mounts on '/a'"));
    spec.mounts = {{.source = "/", .target = "/a/b"}, {.source = "/", .target = "/a//./b/"}};
    EXPECT_THAT(found(), ElementsAre("two mounts on '/a//./b/'"));
    spec.mounts.back().stacked = true;
    EXPECT_THAT(found(), ElementsAre());
}

TEST_F(ProcessViolations, ProgramHasAName) {
    process.argv = {};
    EXPECT_THAT(found(), ElementsAre("argv is empty"));
    process.executable = "/bin/true";
    EXPECT_THAT(found(), ElementsAre("argv is empty"));
    process.argv = {""};
    EXPECT_THAT(found(), IsEmpty());
    process.executable = "";
    EXPECT_THAT(found(), ElementsAre("the program's name is empty"));
}

TEST_F(ProcessViolations, MoreGroupsAreOfAUserByName) {
    process.more_groups = {5};
    EXPECT_THAT(found(), ElementsAre("more groups, and the need for an entry, are of a user given by name"));
    process.user_name = "www";
    EXPECT_THAT(found(), IsEmpty());
    process.more_groups.resize(513);
    EXPECT_THAT(found(), ElementsAre("there are more than 512 more groups"));
}

TEST_F(ProcessViolations, BoundingSetIsGivenOnce) {
    process.bounding_capabilities = {{"CAP_KILL", "CAP_FLY"}};
    EXPECT_THAT(found(), ElementsAre("unknown capability 'CAP_FLY'"));
    process.bounding_capabilities = {{"CAP_KILL"}};
    process.capabilities.emplace();
    EXPECT_THAT(found(), ElementsAre("the bounding set is given twice"));
}

TEST_F(ProcessViolations, ProgramHasNoNulByte) {
    process.argv = {"/bin/true", std::string("a\0b", 3)};
    EXPECT_THAT(found(), ElementsAre("argv has a NUL byte"));
    process.argv = {"/bin/true"};
    process.executable = std::string("/\0", 2);
    EXPECT_THAT(found(), ElementsAre("argv has a NUL byte"));
}

TEST_F(ProcessViolations, CallableTakesNoArgv) {
    const auto found_for_callable = [&] { return violations(spec, process, Runs::Callable, Role::First); };
    EXPECT_THAT(found_for_callable(), ElementsAre("a callable takes no argv"));
    process.argv = {};
    EXPECT_THAT(found_for_callable(), IsEmpty());
    process.executable = "/bin/true";
    EXPECT_THAT(found_for_callable(), ElementsAre("a callable takes no argv"));
}

TEST_F(ProcessViolations, EnvironmentIsNameAndValue) {
    process.environment = {"A=1", "", "B", "=C", "D=="};
    process.environment->push_back(std::string("E=\0", 3));
    EXPECT_THAT(found(), ElementsAre("malformed environment variable ''", "malformed environment variable 'B'",
                                     "malformed environment variable '=C'", "malformed environment variable 'E='"));
}

TEST_F(ProcessViolations, AddedEnvironmentHasNamesWithoutValues) {
    process.add_environment = {{"", "1"}, {"A=B", "2"}, {"C", "a=b"}, {"D", std::string("\0", 1)}};
    EXPECT_THAT(found(), ElementsAre("malformed environment variable ''", "malformed environment variable 'A=B'",
                                     "value of D has a NUL byte"));
}

TEST_F(ProcessViolations, ResourceLimitsExistOnceAndInOrder) {
    process.limits = {{-1, 0, 0}, {static_cast<int>(RLIM_NLIMITS), 0, 0}};
    EXPECT_THAT(found(), ElementsAre("unknown resource limit -1",
                                     "unknown resource limit " + std::to_string(static_cast<int>(RLIM_NLIMITS))));
    process.limits = {{RLIMIT_CPU, 1, 2}, {RLIMIT_CPU, 1, 2}};
    EXPECT_THAT(found(), ElementsAre("resource limit 0 is set twice"));
    process.limits = {{RLIMIT_CPU, 2, 1}};
    EXPECT_THAT(found(), ElementsAre("resource limit 0 is softly above its hard limit"));
    process.limits = {{RLIMIT_CPU, ResourceLimit::Unlimited, 1}};
    EXPECT_THAT(found(), ElementsAre("resource limit 0 is softly above its hard limit"));
}

TEST_F(ProcessViolations, UmaskHasOnlyPermissions) {
    process.umask = 01000;
    EXPECT_THAT(found(), ElementsAre("the umask has bits besides 0777"));
}

TEST_F(ProcessViolations, ParentDeathSignalIsASignal) {
    for (const int number : {-1, SIGRTMAX + 1}) {
        process.parent_death_signal = number;
        EXPECT_THAT(found(), ElementsAre("unknown parent-death signal " + std::to_string(number)));
    }
}

TEST_F(ProcessViolations, WorkingDirectoryIsAbsolute) {
    process.working_directory = "tmp";
    EXPECT_THAT(found(), ElementsAre("working directory 'tmp' is not absolute"));
    process.working_directory = std::string("/\0", 2);
    EXPECT_THAT(found(), ElementsAre("working directory has a NUL byte"));
}

TEST_F(StreamViolations, OutputIsOnlyForTheErrorStream) {
    process.stdio = {Stdio::Output, Stdio::Output, Stdio::Output};
    EXPECT_THAT(found(),
                ElementsAre("standard input cannot be Stdio::Output", "standard output cannot be Stdio::Output"));
}

TEST_F(StreamViolations, TerminalIsTheStandardStreams) {
    process.terminal = TerminalSize{};
    EXPECT_THAT(found(), IsEmpty());
    process.stdio.err = Stdio::Null;
    EXPECT_THAT(found(), ElementsAre("with a terminal the standard streams cannot be set"));
}

TEST_F(StreamViolations, DescriptorsAreNotNegative) {
    process.fds = {{.target = -1, .source = 3}, {.target = 4, .source = -1}};
    EXPECT_THAT(found(), ElementsAre("negative descriptor in the map -1=3", "negative descriptor in the map 4=-1"));
}

TEST_F(StreamViolations, FilesOfTheContainerAreAbsolute) {
    process.fds = {{.target = 3, .path = "/dev/console"}};
    EXPECT_THAT(found(), IsEmpty());
    process.fds = {{.target = 3, .source = 4, .path = "dev"}};
    EXPECT_THAT(found(), ElementsAre("descriptor 3 is both one of the host's and a file inside",
                                     "the file 'dev' for a descriptor is not absolute"));
}

TEST_F(StreamViolations, DescriptorsAreMappedOrAllInherited) {
    process.inherit_fds = true;
    EXPECT_THAT(found(), IsEmpty());
    process.fds = {{.target = 3, .source = 4}};
    EXPECT_THAT(found(), ElementsAre("descriptors cannot be mapped if all are inherited"));
}

TEST_F(StreamViolations, ControllingTerminalNeedsASession) {
    process.controlling_terminal = 5;
    EXPECT_THAT(found(),
                ElementsAre("a controlling terminal of the host's needs a new session, and no other terminal"));
    process.new_session = true;
    EXPECT_THAT(found(), IsEmpty());
}

TEST_F(StreamViolations, DescriptorIsMappedOnce) {
    process.fds = {{.target = 3, .source = 5}, {.target = 4, .source = 5}, {.target = 3, .source = 6}};
    EXPECT_THAT(found(), ElementsAre("descriptor 3 is mapped twice"));
}

TEST_F(StreamViolations, StandardStreamIsSetInOneWay) {
    process.fds = {{.target = 0, .source = 7}, {.target = 1, .source = 7}, {.target = 2, .source = 7}};
    EXPECT_THAT(found(), IsEmpty());
    const auto both = [](int number) {
        return "descriptor " + std::to_string(number) + " is both mapped and a standard stream that was set";
    };
    process.stdio.in = Stdio::Null;
    EXPECT_THAT(found(), ElementsAre(both(0)));
    process.stdio = {Stdio::Inherit, Stdio::Pipe, Stdio::Output};
    EXPECT_THAT(found(), ElementsAre(both(1), both(2)));
    process.stdio = {};
    process.terminal = TerminalSize{};
    EXPECT_THAT(found(), ElementsAre(both(0), both(1), both(2)));
}

TEST_F(CredentialViolations, LastIdIsNobody) {
    process.user = User{4294967295U, 4294967295U};
    EXPECT_THAT(found(), ElementsAre("user id 4294967295 is not a user", "group id 4294967295 is not a group"));
}

TEST_F(CredentialViolations, UserAndGroupsAreMapped) {
    make_user_namespace();
    process.user = User{1000, 1001, {999, 1002}};
    EXPECT_THAT(found(), ElementsAre("user 1000 is not in the uid map", "group 1002 is not in the gid map",
                                     "group 1001 is not in the gid map"));
    spec.uid_map.push_back({1000, 0, 1});
    spec.gid_map.push_back({1001, 0, 2});
    EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CredentialViolations, WithoutAUserNamespaceEveryUserIsThere) {
    process.user = User{1000, 1001, {1002}};
    EXPECT_THAT(found(), IsEmpty());
}

TEST_F(CredentialViolations, SupplementaryGroupsNeedSetgroups) {
    make_user_namespace();
    spec.setgroups = SetGroups::Deny;
    process.user = User{0, 0};
    EXPECT_THAT(found(), IsEmpty());
    process.user->groups = {1};
    EXPECT_THAT(found(), ElementsAre("supplementary groups need setgroups, which is denied"));
}

TEST_F(CredentialViolations, EveryUnknownCapabilityIsNamed) {
    process.capabilities = {"net_admin", "fly", "", "CAP_CHOWN"};
    EXPECT_THAT(found(), ElementsAre("unknown capability 'fly'", "unknown capability ''"));
}

TEST_F(FileViolations, PrivateAreaCoversTheRootByAnySpelling) {
    for (const char* target : {"/", "//", "/.", "/./"})
        EXPECT_TRUE(covers_root(BindDir{.source = "/a", .target = target}));
    for (const char* target : {"/a", "/.a", "/a/."})
        EXPECT_FALSE(covers_root(BindDir{.source = "/a", .target = target}));
}

TEST_F(NamespaceViolations, MakingIsNotJoining) {
    make(Namespace::Net);
    join(Namespace::Pid);
    EXPECT_TRUE(makes_namespace(spec, Namespace::Net) && has_namespace(spec, Namespace::Net));
    EXPECT_TRUE(!makes_namespace(spec, Namespace::Pid) && has_namespace(spec, Namespace::Pid));
    EXPECT_TRUE(!makes_namespace(spec, Namespace::Uts) && !has_namespace(spec, Namespace::Uts));
}

TEST_F(FileViolations, NewThingsNeedAMountNamespaceToo) {
    spec.root = Root{.path = "/srv", .propagation = Propagation::Private};
    spec.devices = {{.path = "/dev/x"}};
    spec.masked_paths = {"/a"};
    EXPECT_THAT(found(),
                ElementsAre("a root's propagation needs a new mount namespace", "devices need a new mount namespace",
                            "masked and read-only paths need a new mount namespace"));
}

TEST_F(FileViolations, ProcModeIsOfTheDefaultMounts) {
    make(Namespace::Mount);
    spec.proc_mode = ProcMode::BindHost;
    EXPECT_THAT(found(), ElementsAre("a proc mode needs default mounts"));
    spec.default_mounts = true;
    EXPECT_THAT(found(), IsEmpty());
}

TEST_F(FileViolations, DevicesHaveTheirPlacesForThemselves) {
    make(Namespace::Mount);
    spec.devices = {{.path = "/dev/x"}, {.path = "/dev//x"}};
    EXPECT_THAT(found(), ElementsAre("two devices at '/dev//x'"));
}

TEST_F(FileViolations, MappedBindNeedsMapsThatDoNotOverlap) {
    make(Namespace::Mount);
    spec.mounts = {{.source = "/", .target = "/a", .id_mapped = true}};
    EXPECT_THAT(found(), ElementsAre("the id-mapped bind on '/a' needs id maps, or a user namespace"));
    make_user_namespace();
    EXPECT_THAT(found(), IsEmpty());
    spec.mounts[0].uid_map = spec.mounts[0].gid_map = {{0, 5, 2}, {1, 9, 1}};
    EXPECT_THAT(found(), ElementsAre("extents of the uid map of the bind on '/a' overlap at inside id 1",
                                     "extents of the gid map of the bind on '/a' overlap at inside id 1"));
}

TEST_F(NamespaceViolations, CgroupMount) {
    spec.cgroup.mount = CgroupMount::ReadOnly;
    EXPECT_THAT(found(), ElementsAre("mounting the container's cgroups needs a new mount namespace"));
    make(Namespace::Mount);
    EXPECT_THAT(found(), IsEmpty());
    spec.cgroup.mount = CgroupMount::Writable;
    EXPECT_THAT(found(), ElementsAre("a writable cgroup mount needs a new cgroup namespace or a user namespace, lest "
                                     "the container changes its own limits"));
    make(Namespace::Cgroup);
    EXPECT_THAT(found(), IsEmpty());
    spec.namespaces.erase(Namespace::Cgroup);
    make_user_namespace();
    EXPECT_THAT(found(), IsEmpty());
    spec.default_mounts = true;
    EXPECT_THAT(found(), ElementsAre("mounting the container's cgroups with the default mounts needs a root"));
    spec.root = Root{.path = "/image"};
    EXPECT_THAT(found(), IsEmpty());
}

} // namespace
} // namespace ct::internal
