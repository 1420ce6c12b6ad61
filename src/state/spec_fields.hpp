// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <array>
#include <string_view>
#include <tuple>

#include <ct/process.hpp>
#include <ct/spec.hpp>

/// The fields of every structure of a specification, and their names in JSON: a new field takes one line here. What a
/// line is about is only its type's business, see json.hpp.
namespace ct::internal {

template <typename Struct, typename Value>
struct Field {
    const char* name;
    Value Struct::*member;
};

/// A field that means something only to the process that has set it: it is not written, and a specification that has
/// it set cannot be saved.
template <typename Struct, typename Value>
struct OwnField {
    const char* name;
    Value Struct::*member;
};

template <typename Struct, typename Value>
constexpr Field<Struct, Value> field(const char* name, Value Struct::*member) {
    return {name, member};
}
template <typename Struct, typename Value>
constexpr OwnField<Struct, Value> own_field(const char* name, Value Struct::*member) {
    return {name, member};
}

/// `list` is a tuple of all fields; `name` is what the structure is called as an alternative of a variant.
template <typename Struct>
struct Fields;

/// The words for an enumeration's values, in their order.
template <typename Enum>
struct Words;

template <>
struct Words<SetGroups> {
    static constexpr std::array<std::string_view, 3> list{"auto", "allow", "deny"};
};
template <>
struct Words<Stdio> {
    static constexpr std::array<std::string_view, 4> list{"inherit", "null", "pipe", "output"};
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
struct Fields<Mount> {
    static constexpr std::tuple list{
        field("source", &Mount::source),   field("target", &Mount::target),       field("type", &Mount::type),
        field("options", &Mount::options), field("recursive", &Mount::recursive), field("read_only", &Mount::read_only),
        field("no_suid", &Mount::no_suid), field("no_dev", &Mount::no_dev),       field("no_exec", &Mount::no_exec),
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
        field("root", &Spec::root),
        field("private_area", &Spec::private_area),
        field("mounts", &Spec::mounts),
        field("default_mounts", &Spec::default_mounts),
        field("default_devices", &Spec::default_devices),
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
    };
};
template <>
struct Fields<ProcessSpec> {
    static constexpr std::tuple list{
        field("argv", &ProcessSpec::argv),
        field("executable", &ProcessSpec::executable),
        field("environment", &ProcessSpec::environment),
        field("add_environment", &ProcessSpec::add_environment),
        field("working_directory", &ProcessSpec::working_directory),
        field("user", &ProcessSpec::user),
        field("umask", &ProcessSpec::umask),
        field("capabilities", &ProcessSpec::capabilities),
        field("no_new_privileges", &ProcessSpec::no_new_privileges),
        field("limits", &ProcessSpec::limits),
        field("new_session", &ProcessSpec::new_session),
        field("parent_death_signal", &ProcessSpec::parent_death_signal),
        field("stdio", &ProcessSpec::stdio),
        field("terminal", &ProcessSpec::terminal),
        field("fds", &ProcessSpec::fds),
    };
};

} // namespace ct::internal
