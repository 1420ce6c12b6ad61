// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <array>
#include <string_view>
#include <tuple>

#include <ct/process.hpp>
#include <ct/spec.hpp>

#include "state/fields.hpp"
#include "state/network_fields.hpp"

/// The fields of every structure of a specification, and their names in JSON: a new field takes one line here. What a
/// line is about is only its type's business, see json.hpp.
namespace ct::internal {

template <>
struct Words<SetGroups> {
    static constexpr std::array<std::string_view, 3> list{"auto", "allow", "deny"};
};
template <>
struct Words<Stdio> {
    static constexpr std::array<std::string_view, 5> list{"inherit", "null", "pipe", "output", "closed"};
};
template <>
struct Words<Init> {
    static constexpr std::array<std::string_view, 2> list{"none", "reaper"};
};
template <>
struct Words<SchedulingPolicy> {
    static constexpr std::array<std::string_view, 6> list{"other", "batch", "idle", "fifo", "rr", "deadline"};
};
template <>
struct Words<IoClass> {
    static constexpr std::array<std::string_view, 3> list{"rt", "be", "idle"};
};
template <>
struct Words<MemoryPolicyMode> {
    static constexpr std::array<std::string_view, 7> list{
        "default", "preferred", "bind", "interleave", "local", "preferred_many", "weighted_interleave"};
};
template <>
struct Words<SeccompAction::Kind> {
    static constexpr std::array<std::string_view, 7> list{"allow", "errno", "kill_process", "kill_thread",
                                                          "trap",  "log",   "notify"};
};
template <>
struct Words<SeccompCondition::Comparison> {
    static constexpr std::array<std::string_view, 7> list{"equal",   "not_equal",        "less",        "less_or_equal",
                                                          "greater", "greater_or_equal", "masked_equal"};
};
template <>
struct Words<SeccompArchitecture> {
    static constexpr std::array<std::string_view, 5> list{"x86_64", "x86", "x32", "aarch64", "arm"};
};
template <>
struct Words<Propagation> {
    static constexpr std::array<std::string_view, 4> list{"private", "slave", "shared", "unbindable"};
};
template <>
struct Words<AccessTime> {
    static constexpr std::array<std::string_view, 4> list{"default", "relative", "strict", "never"};
};
template <>
struct Words<Controller> {
    static constexpr std::array<std::string_view, 14> list{"cpu",      "cpuacct",    "cpuset",  "memory",  "pids",
                                                           "io",       "devices",    "freezer", "hugetlb", "net_cls",
                                                           "net_prio", "perf_event", "rdma",    "misc"};
};
template <>
struct Words<CgroupMount> {
    static constexpr std::array<std::string_view, 3> list{"none", "ro", "rw"};
};
template <>
struct Words<DeviceClass> {
    static constexpr std::array<std::string_view, 3> list{"all", "character", "block"};
};
template <>
struct Words<DeviceType> {
    static constexpr std::array<std::string_view, 3> list{"character", "block", "fifo"};
};
template <>
struct Words<ProcMode> {
    static constexpr std::array<std::string_view, 2> list{"new", "bind_host"};
};
template <>
struct Words<HookPoint> {
    static constexpr std::array<std::string_view, 4> list{"createRuntime", "createContainer", "poststart", "poststop"};
};
template <>
struct Words<Namespace> {
    static constexpr std::array<std::string_view, 8> list{"mnt", "pid", "net", "uts", "ipc", "user", "cgroup", "time"};
};

template <>
struct Fields<NewNamespace> {
    static constexpr const char* name = "new";
    static constexpr std::tuple<> list{};
};
template <>
struct Fields<NamespacePath> {
    static constexpr const char* name = "path";
    static constexpr std::tuple list{field("path", &NamespacePath::path)};
};
template <>
struct Fields<NamespaceFd> {
    static constexpr const char* name = "descriptor";
    static constexpr std::tuple list{own_field("fd", &NamespaceFd::fd)};
};
template <>
struct Fields<NamespaceOf> {
    static constexpr const char* name = "container";
    static constexpr std::tuple list{field("container", &NamespaceOf::container)};
};
template <>
struct Fields<TimeOffsets> {
    static constexpr std::tuple list{
        field("monotonic", &TimeOffsets::monotonic),
        field("boottime", &TimeOffsets::boottime),
    };
};
template <>
struct Fields<IdRange> {
    static constexpr std::tuple list{
        field("inside", &IdRange::inside),
        field("outside", &IdRange::outside),
        field("count", &IdRange::count),
    };
};
template <>
struct Fields<Root> {
    static constexpr std::tuple list{
        field("path", &Root::path),
        field("read_only", &Root::read_only),
        field("propagation", &Root::propagation),
        field("host_mounts", &Root::host_mounts),
    };
};
template <>
struct Fields<BindDir> {
    static constexpr const char* name = "bind";
    static constexpr std::tuple list{
        field("source", &BindDir::source),
        field("target", &BindDir::target),
        field("read_only", &BindDir::read_only),
    };
};
template <>
struct Fields<OverlayArea> {
    static constexpr const char* name = "overlay";
    static constexpr std::tuple list{
        field("lower", &OverlayArea::lower), field("upper", &OverlayArea::upper),   field("work", &OverlayArea::work),
        field("size", &OverlayArea::size),   field("target", &OverlayArea::target),
    };
};
template <>
struct Fields<TmpfsArea> {
    static constexpr const char* name = "tmpfs";
    static constexpr std::tuple list{
        field("size", &TmpfsArea::size),
        field("mode", &TmpfsArea::mode),
        field("target", &TmpfsArea::target),
    };
};
template <>
struct Fields<ImageArea> {
    static constexpr const char* name = "image";
    static constexpr std::tuple list{
        field("path", &ImageArea::path),       field("type", &ImageArea::type),
        field("target", &ImageArea::target),   field("read_only", &ImageArea::read_only),
        field("options", &ImageArea::options),
    };
};
template <>
struct Fields<Mount> {
    static constexpr std::tuple list{
        field("source", &Mount::source),
        field("target", &Mount::target),
        field("type", &Mount::type),
        field("options", &Mount::options),
        field("recursive", &Mount::recursive),
        field("read_only", &Mount::read_only),
        field("no_suid", &Mount::no_suid),
        field("no_dev", &Mount::no_dev),
        field("no_exec", &Mount::no_exec),
        field("no_symlinks", &Mount::no_symlinks),
        field("access_time", &Mount::access_time),
        field("no_directory_access_time", &Mount::no_directory_access_time),
        field("propagation", &Mount::propagation),
        field("copy_up", &Mount::copy_up),
        field("id_mapped", &Mount::id_mapped),
        field("uid_map", &Mount::uid_map),
        field("gid_map", &Mount::gid_map),
        field("stacked", &Mount::stacked),
    };
};
template <>
struct Fields<Device> {
    static constexpr std::tuple list{
        field("path", &Device::path),   field("type", &Device::type), field("major", &Device::major),
        field("minor", &Device::minor), field("mode", &Device::mode), field("uid", &Device::uid),
        field("gid", &Device::gid),     field("replace", &Device::replace),
    };
};
template <>
struct Fields<IoLimit> {
    static constexpr std::tuple list{
        field("major", &IoLimit::major),
        field("minor", &IoLimit::minor),
        field("read_per_second", &IoLimit::read_per_second),
        field("write_per_second", &IoLimit::write_per_second),
        field("reads_per_second", &IoLimit::reads_per_second),
        field("writes_per_second", &IoLimit::writes_per_second),
        field("weight", &IoLimit::weight),
    };
};
template <>
struct Fields<DeviceRule> {
    static constexpr std::tuple list{
        field("allow", &DeviceRule::allow), field("type", &DeviceRule::type), field("major", &DeviceRule::major),
        field("minor", &DeviceRule::minor), field("read", &DeviceRule::read), field("write", &DeviceRule::write),
        field("make", &DeviceRule::make),
    };
};
template <>
struct Fields<Limits> {
    static constexpr std::tuple list{
        field("memory_max", &Limits::memory_max),
        field("memory_high", &Limits::memory_high),
        field("memory_low", &Limits::memory_low),
        field("memory_min", &Limits::memory_min),
        field("swap_max", &Limits::swap_max),
        field("oom_group", &Limits::oom_group),
        field("cpus", &Limits::cpus),
        field("cpu_period", &Limits::cpu_period),
        field("cpu_weight", &Limits::cpu_weight),
        field("cpu_idle", &Limits::cpu_idle),
        field("cpuset_cpus", &Limits::cpuset_cpus),
        field("cpuset_mems", &Limits::cpuset_mems),
        field("pids_max", &Limits::pids_max),
        field("io_weight", &Limits::io_weight),
        field("io", &Limits::io),
        field("hugetlb", &Limits::hugetlb),
        field("devices", &Limits::devices),
        field("net_class", &Limits::net_class),
        field("net_priority", &Limits::net_priority),
    };
};
template <>
struct Fields<ControllerValue> {
    static constexpr std::tuple list{
        field("controller", &ControllerValue::controller),
        field("file", &ControllerValue::file),
        field("value", &ControllerValue::value),
    };
};
template <>
struct Fields<Cgroup> {
    static constexpr std::tuple list{
        field("own_group", &Cgroup::own_group),
        field("use_existing", &Cgroup::use_existing),
        field("controllers", &Cgroup::controllers),
        field("named_hierarchies", &Cgroup::named_hierarchies),
        field("limits", &Cgroup::limits),
        field("values", &Cgroup::values),
        field("limits_after_set_up", &Cgroup::limits_after_set_up),
        field("born_frozen", &Cgroup::born_frozen),
        field("mount", &Cgroup::mount),
    };
};
template <>
struct Fields<HookCommand> {
    static constexpr std::tuple list{
        field("argv", &HookCommand::argv),
        field("executable", &HookCommand::executable),
        field("environment", &HookCommand::environment),
        field("working_directory", &HookCommand::working_directory),
    };
};
template <>
struct Fields<Hook> {
    static constexpr std::tuple list{
        field("point", &Hook::point),
        field("command", &Hook::command),
        field("time_limit", &Hook::time_limit),
    };
};
template <>
struct Fields<Spec> {
    static constexpr std::tuple list{
        field("namespaces", &Spec::namespaces),
        field("uid_map", &Spec::uid_map),
        field("gid_map", &Spec::gid_map),
        field("setgroups", &Spec::setgroups),
        field("hostname", &Spec::hostname),
        field("domainname", &Spec::domainname),
        field("time_offsets", &Spec::time_offsets),
        field("sysctls", &Spec::sysctls),
        field("root", &Spec::root),
        field("private_area", &Spec::private_area),
        field("mounts", &Spec::mounts),
        field("default_mounts", &Spec::default_mounts),
        field("default_devices", &Spec::default_devices),
        field("proc_mode", &Spec::proc_mode),
        field("devices", &Spec::devices),
        field("masked_paths", &Spec::masked_paths),
        field("read_only_paths", &Spec::read_only_paths),
        field("cgroup", &Spec::cgroup),
        field("network", &Spec::network),
        field("hooks", &Spec::hooks),
        field("annotations", &Spec::annotations),
    };
};

template <>
struct Fields<StandardStreams> {
    static constexpr std::tuple list{
        field("in", &StandardStreams::in),
        field("out", &StandardStreams::out),
        field("err", &StandardStreams::err),
    };
};
template <>
struct Fields<TerminalSize> {
    static constexpr std::tuple list{
        field("rows", &TerminalSize::rows),
        field("columns", &TerminalSize::columns),
    };
};
template <>
struct Fields<User> {
    static constexpr std::tuple list{
        field("uid", &User::uid),
        field("gid", &User::gid),
        field("groups", &User::groups),
    };
};
template <>
struct Fields<ResourceLimit> {
    static constexpr std::tuple list{
        field("resource", &ResourceLimit::resource),
        field("soft", &ResourceLimit::soft),
        field("hard", &ResourceLimit::hard),
    };
};
template <>
struct Fields<FdMapping> {
    static constexpr std::tuple list{
        field("target", &FdMapping::target),
        own_field("source", &FdMapping::source),
        field("path", &FdMapping::path),
    };
};
template <>
struct Fields<CapabilitySets> {
    static constexpr std::tuple list{
        field("bounding", &CapabilitySets::bounding),   field("permitted", &CapabilitySets::permitted),
        field("effective", &CapabilitySets::effective), field("inheritable", &CapabilitySets::inheritable),
        field("ambient", &CapabilitySets::ambient),
    };
};
template <>
struct Fields<SecurityLabels> {
    static constexpr std::tuple list{
        field("apparmor", &SecurityLabels::apparmor),
        field("selinux", &SecurityLabels::selinux),
    };
};
template <>
struct Fields<Scheduler> {
    static constexpr std::tuple list{
        field("policy", &Scheduler::policy),   field("priority", &Scheduler::priority),
        field("runtime", &Scheduler::runtime), field("deadline", &Scheduler::deadline),
        field("period", &Scheduler::period),   field("reset_on_fork", &Scheduler::reset_on_fork),
    };
};
template <>
struct Fields<IoPriority> {
    static constexpr std::tuple list{
        field("io_class", &IoPriority::io_class),
        field("level", &IoPriority::level),
    };
};
template <>
struct Fields<Scheduling> {
    static constexpr std::tuple list{
        field("nice", &Scheduling::nice),
        field("scheduler", &Scheduling::scheduler),
        field("io_priority", &Scheduling::io_priority),
        field("cpus", &Scheduling::cpus),
        field("timer_slack", &Scheduling::timer_slack),
    };
};
template <>
struct Fields<MemoryPolicy> {
    static constexpr std::tuple list{
        field("mode", &MemoryPolicy::mode),
        field("nodes", &MemoryPolicy::nodes),
        field("static_nodes", &MemoryPolicy::static_nodes),
        field("relative_nodes", &MemoryPolicy::relative_nodes),
        field("numa_balancing", &MemoryPolicy::numa_balancing),
    };
};
template <>
struct Fields<SessionKeyring> {
    static constexpr std::tuple list{
        field("name", &SessionKeyring::name),
    };
};
template <>
struct Fields<SeccompAction> {
    static constexpr std::tuple list{
        field("kind", &SeccompAction::kind),
        field("error_number", &SeccompAction::error_number),
    };
};
template <>
struct Fields<SeccompCondition> {
    static constexpr std::tuple list{
        field("argument", &SeccompCondition::argument),
        field("comparison", &SeccompCondition::comparison),
        field("value", &SeccompCondition::value),
        field("mask", &SeccompCondition::mask),
    };
};
template <>
struct Fields<SeccompRule> {
    static constexpr std::tuple list{
        field("system_calls", &SeccompRule::system_calls),
        field("action", &SeccompRule::action),
        field("conditions", &SeccompRule::conditions),
    };
};
template <>
struct Fields<Seccomp> {
    static constexpr std::tuple list{
        field("default_action", &Seccomp::default_action),
        field("rules", &Seccomp::rules),
        field("architectures", &Seccomp::architectures),
        field("foreign_action", &Seccomp::foreign_action),
        field("log", &Seccomp::log),
    };
};
template <>
struct Fields<LandlockPath> {
    static constexpr std::tuple list{
        field("path", &LandlockPath::path),
        field("read", &LandlockPath::read),
        field("write", &LandlockPath::write),
        field("execute", &LandlockPath::execute),
    };
};
template <>
struct Fields<Landlock> {
    static constexpr std::tuple list{
        field("paths", &Landlock::paths),
        field("bind_ports", &Landlock::bind_ports),
        field("connect_ports", &Landlock::connect_ports),
        field("scope_abstract_sockets", &Landlock::scope_abstract_sockets),
        field("scope_signals", &Landlock::scope_signals),
    };
};
template <>
struct Fields<ProcessSpec> {
    static constexpr std::tuple list{
        field("argv", &ProcessSpec::argv),
        field("executable", &ProcessSpec::executable),
        field("search_path", &ProcessSpec::search_path),
        field("init", &ProcessSpec::init),
        field("environment", &ProcessSpec::environment),
        field("add_environment", &ProcessSpec::add_environment),
        field("working_directory", &ProcessSpec::working_directory),
        field("user", &ProcessSpec::user),
        field("user_name", &ProcessSpec::user_name),
        field("user_needs_entry", &ProcessSpec::user_needs_entry),
        field("more_groups", &ProcessSpec::more_groups),
        field("umask", &ProcessSpec::umask),
        field("capabilities", &ProcessSpec::capabilities),
        field("capability_sets", &ProcessSpec::capability_sets),
        field("bounding_capabilities", &ProcessSpec::bounding_capabilities),
        field("secure_bits", &ProcessSpec::secure_bits),
        field("no_new_privileges", &ProcessSpec::no_new_privileges),
        field("labels", &ProcessSpec::labels),
        field("seccomp", &ProcessSpec::seccomp),
        field("landlock", &ProcessSpec::landlock),
        field("scheduling", &ProcessSpec::scheduling),
        field("memory_policy", &ProcessSpec::memory_policy),
        field("oom_score_adj", &ProcessSpec::oom_score_adj),
        field("personality", &ProcessSpec::personality),
        field("session_keyring", &ProcessSpec::session_keyring),
        field("limits", &ProcessSpec::limits),
        field("new_session", &ProcessSpec::new_session),
        field("parent_death_signal", &ProcessSpec::parent_death_signal),
        field("stdio", &ProcessSpec::stdio),
        field("terminal", &ProcessSpec::terminal),
        own_field("controlling_terminal", &ProcessSpec::controlling_terminal),
        field("fds", &ProcessSpec::fds),
        field("inherit_fds", &ProcessSpec::inherit_fds),
    };
};

} // namespace ct::internal
