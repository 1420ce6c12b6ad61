// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "child/handshake.hpp"

/// The plan of a new process: an array of steps with everything ready in memory, decided and allocated by the parent.
/// The child only performs them. See Documentation/design/child-plan.md.
namespace ct::internal {

/// What a step does; in brackets the type of its arguments.
enum class Op : std::uint32_t {
    DieWithParent,  ///< SIGKILL if the parent's thread ends during the set-up, and now if it has ended already.
    EnterDirectory, ///< fchdir to one of the host's descriptors. [FdArgs]
    JoinNamespace,  ///< setns(2). [JoinArgs]
    JoinGroup,      ///< A cgroup of version 1, by its file `tasks`. [FdArgs]
    UnshareFds,     ///< Leave the host's descriptor table, keeping only the low part of it. [FdArgs]
    UnshareTime,    ///< A new time namespace for what comes next, and for children.
    EnterOwnTime,   ///< The time namespace that was unshared; its offsets are final then. [FdArgs] the host's /proc
    ResetSignals,   ///< Default disposition for every signal.
    AwaitParent,    ///< Until the parent has done its tasks for this moment, such as id maps. [AwaitArgs]
    BecomeRoot,     ///< User and group 0 of the user namespace. [CredentialsArgs]
    NotDumpable,    ///< Nobody inside the container may look into this copy of the host's memory.
    NewSession,     ///< setsid(2)
    ControllingTerminal, ///< TIOCSCTTY [FdArgs]
    SlavePropagation,    ///< Of all mounts: the host's come in, none go out.
    AttachRoot,          ///< Bind the root directory onto itself, or the private area onto it. [AttachRootArgs]
    AttachOverlay,       ///< The private area, an overlay. [OverlayArgs]
    AttachFileSystem,    ///< The private area, a new file system over the root directory. [MountArgs]
    AttachTree,          ///< The private area, a mount that the parent has made. [TreeArgs]
    OpenRoot,            ///< That directory is what targets are resolved in. [PathArgs]
    RootPropagation,     ///< Of the attached root and all below, or after the pivot of "/". [PropagationArgs]
    Mount,               ///< [MountArgs]
    MakeNameFiles,       ///< In a file system of their own. [NameFilesArgs]
    BindNameFile,        ///< [NameFileArgs]
    MountCgroups,        ///< The container's own groups, for it to see. [CgroupMountArgs]
    Unmount,             ///< [PathArgs]
    RunCommand,          ///< A hook. [CommandArgs]
    RunCallable,         ///< A hook, in a copy of the host's memory. [CallableArgs]
    OpenDirectory,       ///< In the root, for the nodes and links that follow. [DirectoryArgs]
    MakeNode,            ///< [NodeArgs]
    BindNode,            ///< A node of the host, where none can be made. [BindNodeArgs]
    MakeSymlink,         ///< [SymlinkArgs]
    ReadOnlyPath,        ///< [MaskArgs]
    MaskPath,            ///< [MaskArgs]
    ReadOnlyRoot,        ///< The root's mount, once all is mounted in it.
    PivotRoot,           ///< pivot_root(2) into the attached root; the old one is gone.
    ChangeRoot,          ///< chroot(2) [PathArgs], to the current directory if there is no path.
    OpenNetlink,         ///< A socket of rtnetlink(7), for what follows; it is closed with the rest.
    FindLink,            ///< The index of a link. [FindLinkArgs]
    Netlink,             ///< One request of rtnetlink(7). [NetlinkArgs]
    HostName,            ///< [TextArgs]
    DomainName,          ///< [TextArgs]
    ResourceLimit,       ///< [LimitArgs]
    DropBoundingSet,     ///< [CapabilityArgs]
    KeepCapabilities,    ///< Over the change of user.
    FindUser,            ///< In the container's /etc/passwd. [UserArgs]
    FindGroup,           ///< In its /etc/group. [UserArgs]
    FindMemberships,     ///< All groups of the user in its /etc/group. [UserArgs]
    OwnStreams,          ///< What was made for the process becomes the user's. [OwnStreamsArgs]
    SetCredentials,      ///< [CredentialsArgs]
    SetCapabilities,     ///< [CapabilitySetsArgs]
    RaiseAmbient,        ///< [CapabilityArgs]
    NoNewPrivileges,
    WriteProc,         ///< A file of the host's /proc. [ProcWriteArgs]
    Call,              ///< One system call with all its arguments. [CallArgs]
    CpuAffinity,       ///< [AffinityArgs]
    WorkingDirectory,  ///< [PathArgs]
    ClearUmask,        ///< For the files that the set-up creates.
    RestoreUmask,      ///< What it was before ClearUmask.
    SetUmask,          ///< [NumberArgs]
    ParentDeathSignal, ///< [NumberArgs] also undoes DieWithParent.
    MapFds,            ///< [FdMapArgs]
    OpenFile,          ///< A file of the container, for the process. [OpenFileArgs]
    UnblockSignals,
    FindProgram,     ///< What Op::Exec would do, up to execve(2): afterwards files may be out of reach. [ExecArgs]
    LandlockRuleset, ///< [LandlockRulesetArgs]
    LandlockPath,    ///< Adds a rule for what is at a path, or below it. [LandlockPathArgs]
    LandlockPort,    ///< [LandlockPortArgs]
    LandlockEnforce, ///< The rules, from now on.
    Seccomp,         ///< From now on the filter applies. [SeccompArgs]
    StartReaper,     ///< What follows is done by a child of this process, which becomes the reaper. [ReaperArgs]
    ExecReaper,      ///< [ExecReaperArgs]
    Finish,          ///< All that there was to do is done: end with 0, without executing anything.
    Exec,            ///< [ExecArgs]
};

/// When the child waits for the parent.
enum class Await : std::uint32_t {
    Birth,   ///< Before all else, still in the host's descriptor table.
    Mounted, ///< All is mounted, but the root is not changed yet.
    SetUp,   ///< Namespaces, files and names are set up; the process itself is not.
    Created, ///< Handshake::created is full; the parent takes note of it.
    Filter,  ///< Not an Op::AwaitParent, but within Op::Seccomp: the filter is installed.
    Freeze,  ///< Nothing is left but to run the callable, once the container is thawed.
};

struct AwaitArgs {
    Await moment;
};
struct FdArgs {
    std::int32_t fd;
};
struct NumberArgs {
    std::uint64_t value;
};
struct PathArgs {
    const char* path;
};
struct TextArgs {
    const char* text;
    std::size_t length;
};
struct ProcWriteArgs {
    std::int32_t proc; ///< The host's /proc.
    const char* path;  ///< Below it.
    const char* text;
    std::size_t length;
};
struct JoinArgs {
    std::int32_t fd;     ///< Of a namespace, or a pidfd.
    std::uint32_t kinds; ///< CLONE_NEW* flags.
};
struct AttachRootArgs {
    const char* source;
    const char* root;
    bool recursive;
};
struct MountOption {
    const char* key;
    const char* value; ///< Null for a flag.
};
struct MountArgs {
    const char* source;
    const char* target;
    const char* type; ///< Null for a bind.
    const MountOption* options;
    std::uint32_t option_count;
    const char* data;          ///< The options as mount(2) takes them; null if they cannot be written so.
    std::uint64_t attributes;  ///< MOUNT_ATTR_* to set
    std::uint64_t cleared;     ///< and those to clear before: nothing, or MOUNT_ATTR__ATIME.
    std::uint64_t flags;       ///< Attributes as mount(2) takes them: MS_*.
    std::uint64_t propagation; ///< MS_PRIVATE or the like; 0 leaves it as it is.
    std::int32_t tree = -1;    ///< A bind that the parent has prepared.
    bool recursive;
    bool target_is_file;
    bool takes_paths; ///< Options may be paths, relative to the working directory.
    bool copy_up;
};
struct PropagationArgs {
    std::uint64_t propagation; ///< MS_PRIVATE or the like.
    bool pivoted;              ///< "/" alone is meant, not the attached root with all below.
};
struct CommandArgs {
    const char* const* candidates; ///< Paths to try, null at the end.
    const char* const* argv;
    const char* const* envp;
    const char* directory; ///< Or null: the present one.
    /// What it reads, all but the pid of this process and a closing brace; or null: it has the host's streams.
    const char* state = nullptr;
    std::size_t state_length = 0;
    std::int64_t time_limit = 0; ///< Nanoseconds; 0 for none.
};
struct CallableArgs {
    int (*call)(const void* callable);
    const void* callable;
};
/// A path inside the root that is masked or made read-only.
struct MaskArgs {
    const char* path;
    const char* base;         ///< "/proc" or "/sys", which has to be of the file system `magic`; or null.
    const char* below;        ///< `path` relative to `base`.
    std::uint32_t magic;      ///< Of `base`, see statfs(2).
    bool base_may_be_missing; ///< The specification mounts nothing there.
};
/// Where a private area goes.
struct AreaPlace {
    const char* root;   ///< In place of the root directory, by its path on the host; or null:
    const char* target; ///< in the root, which is attached already.
};
struct OverlayArgs {
    AreaPlace place;
    const char* const* lower; ///< Directories of the host; if none, the place itself.
    std::uint32_t lower_count;
    const char* upper; ///< Null for a throw-away one, which is offered to the parent in UpperSlot.
    const char* work;
    const char* size; ///< Of the throw-away one; null for the kernel's own limit.
    bool user_xattr;  ///< Keep marks where a user namespace may write them.

    static constexpr std::uint32_t MaxLower = 500; ///< As the kernel has it (OVL_MAX_STACK).
    static constexpr std::uint32_t UpperSlot = 3;
};
struct TreeArgs {
    AreaPlace place;
    std::int32_t fd; ///< Attached nowhere yet.
};
struct DirectoryArgs {
    const char* path;
    bool passing; ///< On a file system that is gone with the container: what is made there need not be remembered.
};
struct NodeArgs {
    const char* name;
    std::uint32_t mode;
    std::uint32_t major;
    std::uint32_t minor;
    std::uint32_t uid;
    std::uint32_t gid;
    bool owned; ///< Set owner and mode.
    bool replace;
};
struct BindNodeArgs {
    const char* source; ///< The host's node.
    const char* target;
    std::uint32_t type; ///< S_IFCHR or S_IFBLK
    std::uint32_t major;
    std::uint32_t minor;
};
struct SymlinkArgs {
    const char* name;
    const char* content;
};
struct FindLinkArgs {
    const char* name;
    std::int32_t* index; ///< Where it goes.
};
/// The index of a link in a request.
struct LinkIndex {
    std::uint32_t offset;
    const std::int32_t* index; ///< Known since an Op::FindLink.
};
struct NetlinkArgs {
    char* message; ///< All but these indexes.
    std::uint32_t size;
    const LinkIndex* links;
    std::uint32_t link_count;
};
/// A cgroup of the container.
struct CgroupTree {
    const char* source; ///< Its path on the host.
    const char* name;   ///< Of its directory in the tmpfs.
    const char* place;  ///< Where it is mounted in the root.
};
struct CgroupMountArgs {
    const MountArgs* tmpfs; ///< With a directory for each group; null: the only group takes its place.
    const CgroupTree* trees;
    std::uint32_t tree_count;
    const SymlinkArgs* links; ///< In the tmpfs.
    std::uint32_t link_count;
    std::uint64_t attributes; ///< Of each mount: MOUNT_ATTR_*, all of which are the same as flags of mount(2).

    static constexpr std::uint32_t MaxTrees = 32; ///< More than there are controllers.
};
struct NamedText {
    const char* name;
    const char* text;
    std::size_t length;
};
struct NameFilesArgs {
    const MountArgs* tmpfs;
    const NamedText* files;
    std::uint32_t count;
};
struct NameFileArgs {
    const char* name; ///< In that tmpfs.
    const char* target;
    std::uint64_t attributes; ///< MOUNT_ATTR_*, which are the same as flags of mount(2).
    bool last;                ///< The rest of the tmpfs is out of sight from then on.
};
struct LimitArgs {
    std::int32_t resource;
    std::uint64_t limit[2]; ///< Soft and hard, as struct rlimit64 has them.
};
struct CapabilityArgs {
    std::uint64_t set;  ///< Bit N is capability N.
    std::uint32_t last; ///< The highest capability that the kernel knows.
};
struct CapabilitySetsArgs {
    std::uint64_t permitted;
    std::uint64_t effective;
    std::uint64_t inheritable;
    bool not_for_root; ///< Do nothing if the process has become user 0.
};
/// Who the process will be, as the child itself found out.
struct UserIds {
    static constexpr std::uint32_t NameSize = 256;
    static constexpr std::uint32_t HomeSize = 1024;
    static constexpr std::uint32_t MaxGroups = 1024;
    std::uint32_t uid;
    std::uint32_t gid;
    std::uint32_t group_count;
    char name[NameSize];       ///< Empty if there is no entry.
    char home_entry[HomeSize]; ///< "HOME=/..." of the entry; "HOME=/" if there is none.
    std::uint32_t groups[MaxGroups];
};
struct UserArgs {
    const char* user;  ///< Null: the one that has ids->uid.
    const char* group; ///< Null for Op::FindMemberships.
    bool with_groups;  ///< The group is that of the user's entry.
    UserIds* ids;
    bool needs_entry = false; ///< Also a user that is a number.
};
struct OwnStreamsArgs {
    const std::int32_t* fds;
    std::uint32_t count;
    const UserIds* ids;
};
struct CredentialsArgs {
    const std::uint32_t* groups;
    std::uint32_t group_count;
    std::uint32_t uid;
    std::uint32_t gid;
    bool set_groups;                ///< False where setgroups(2) is denied to this user namespace.
    const UserIds* found = nullptr; ///< Instead of all that, if not null.
};
struct CallArgs {
    std::int64_t number;
    std::uint64_t arguments[5];
};
struct AffinityArgs {
    static constexpr std::uint32_t MaxCpus = 8192; // of any kernel
    const std::uint64_t* mask;
    std::uint32_t bytes;
};
struct FdMove {
    std::int32_t from;
    std::int32_t to; ///< The same number: only made to survive exec.
};
struct FdRange {
    std::uint32_t first;
    std::uint32_t last;
};
struct FdMapArgs {
    const FdMove* moves; ///< In this order; the parent has broken the cycles.
    std::uint32_t move_count;
    const FdRange* closed; ///< Then these are closed.
    std::uint32_t closed_count;
};
struct OpenFileArgs {
    const char* path;
    std::int32_t target; ///< The number that it gets.
};
/// The program that the host process runs.
struct HostProgram {
    std::uint64_t inode;
    std::uint32_t device_major;
    std::uint32_t device_minor;
};
struct ExecArgs {
    const char* const* candidates; ///< Paths to try, null at the end.
    const char* const* argv;
    const char* const* envp;
    const HostProgram* host_program = nullptr; ///< Which must not be executed, or null.
};

struct LandlockRulesetArgs {
    std::uint64_t attributes[3]; ///< landlock_ruleset_attr: handled file rights, handled ports, scopes.
    std::size_t size;            ///< As much of it as the kernel knows.
};
struct LandlockPathArgs {
    const char* path;
    std::uint64_t access;      ///< LANDLOCK_ACCESS_FS_*
    std::uint64_t file_access; ///< Those that something besides a directory can have.
};
struct LandlockPortArgs {
    std::uint64_t port;
    std::uint64_t access; ///< LANDLOCK_ACCESS_NET_*
};
struct SeccompArgs {
    const void* program; ///< A struct sock_fprog.
    std::uint32_t flags; ///< SECCOMP_FILTER_FLAG_*
    bool awaits_parent;  ///< Which takes the listener, and who could not be woken by a system call any more.
    bool closes_listener;
    bool dies_with_parent; ///< While it waits for the parent, in place of the death signal below.
    std::uint64_t death_signal;
};
struct ExecReaperArgs {
    std::int32_t fd;         ///< The program.
    const char* const* argv; ///< argv[1] is the text in ReaperArgs.
};

struct Step {
    Op op;
    const void* args;
};

struct StepList {
    const Step* steps;
    std::uint32_t count;
};

struct ReaperArgs {
    char* pid_text; ///< Where the child's pid is written; has room for it.
    StepList steps; ///< Of the reaper, once the child has executed its program.
};

/// Everything the child needs; all pointers lead into memory that outlives it (or is copied along with it).
struct ChildPlan {
    StepList steps;
    Handshake* handshake;
};
static_assert(std::is_trivially_destructible_v<ChildPlan>);

} // namespace ct::internal
