// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ct/hooks.hpp>
#include <ct/process.hpp>
#include <ct/spec.hpp>

/// What can be said of a configuration without looking at the host. Pure functions.
namespace ct::internal {

[[nodiscard]] bool is_container_name(std::string_view name);

/// Each throws ct::Error with Errc::InvalidConfig for a malformed value.
void check_container_name(std::string_view name);
void check_host_name(std::string_view what, std::string_view name);
void check_id_range(std::string_view what, const IdRange& range);
void check_mount(const Mount& mount);
/// A place inside the root, but not the root.
void check_inner_path(std::string_view what, const std::string& path);
void check_device(const Device& device);
void check_hooks(const Mount& mount, const MountHooks& hooks);
void check_hook(const Hook& hook);
void check_annotation(const std::string& key, const std::string& value);
void check_private_area(const PrivateArea& area);
void check_root(const Root& root);
void check_cgroup(const Cgroup& cgroup);
void check_controller_value(const ControllerValue& value);
void check_limits(const Limits& limits);
void check_source(Namespace kind, const NamespaceSource& source);
/// All of the above for everything in \p spec.
void check_spec(const Spec& spec);

/// What a process will run.
enum class Runs { Program, Callable };
/// Whether the process is the container's first or enters it.
enum class Role { First, Entering };

/// The contradictions between the fields of \p spec and \p process, each as one clause; empty if there are none.
[[nodiscard]] std::vector<std::string> violations(const Spec& spec, const ProcessSpec& process, Runs runs, Role role);

/// The same for a container that is held without a process.
[[nodiscard]] std::vector<std::string> held_violations(const Spec& spec);

/// The part of it that is about mounts.
[[nodiscard]] std::vector<std::string> mount_violations(const Spec& spec);

/// The part of it that is about the attributes of ct/attributes.hpp.
void attribute_violations(std::vector<std::string>& found, const Spec& spec, const ProcessSpec& process, Runs runs);

/// The part of it that is about limits; all that can be told without the host.
void limit_violations(std::vector<std::string>& found, const Limits& limits);

/// Whether the specification makes (or, for `has_namespace`, makes or joins) a namespace of that kind.
[[nodiscard]] bool makes_namespace(const Spec& spec, Namespace kind);
[[nodiscard]] bool has_namespace(const Spec& spec, Namespace kind);

/// Whom the streams that are made for a process shall belong to, as the host's ids; the last id means "as it is".
struct StreamOwner {
    std::uint32_t uid = ~0U;
    std::uint32_t gid = ~0U;
    bool operator==(const StreamOwner&) const = default;
};
/// The user that \p process runs as, or the container's root if that is to pass them on; if the specification tells.
[[nodiscard]] std::optional<StreamOwner> stream_owner(const Spec& spec, const ProcessSpec& process);

/// Whether the process may restrict itself just before its program is executed: by no_new_privileges or CAP_SYS_ADMIN.
/// Else a seccomp filter comes before the change of user.
[[nodiscard]] bool confined_last(const ProcessSpec& process);

/// Whether the private area takes the place of the root directory itself.
[[nodiscard]] bool covers_root(const PrivateArea& area);
/// Where in the root it goes.
[[nodiscard]] const std::string& target_of(const PrivateArea& area);

} // namespace ct::internal
