// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "config/network.hpp"
#include "config/paths.hpp"
#include "config/sysctls.hpp"
#include "config/validate.hpp"

/// The shape of single values.
namespace ct::internal {

namespace {

[[noreturn]] void reject(std::string violation) {
    throw Error::invalid_config({}, {std::move(violation)});
}

bool has_nul(std::string_view text) {
    return text.find('\0') != std::string_view::npos;
}

void check_path(std::string_view what, std::string_view path) {
    if (path.empty()) reject(concat(what, " is empty"));
    if (has_nul(path)) reject(concat(what, " has a NUL byte"));
    if (path.size() >= 4096) reject(concat(what, " is longer than 4095 bytes"));
}

/// A place inside the root.
void check_target(std::string_view what, std::string_view path) {
    check_path(what, path);
    if (path.front() != '/') reject(concat(what, " '", path, "' is not absolute"));
    for (std::size_t at = 0; at < path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        if (path.substr(at, end - at) == "..") reject(concat(what, " '", path, "' has a '..' in it"));
        at = end + 1;
    }
}

void check_options(std::string_view what, const std::vector<std::string>& options) {
    for (const std::string& option : options) {
        if (option.empty() || option[0] == '=' || has_nul(option)) {
            reject(concat(what, " has a malformed option '", option, "'"));
        }
    }
}

} // namespace

bool is_container_name(std::string_view name) {
    const auto allowed = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
               c == '-';
    };
    return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), allowed) && name[0] != '.' &&
           name[0] != '-';
}

void check_container_name(std::string_view name) {
    if (is_container_name(name)) return;
    throw Error::invalid_config(concat("container '", name, "'"),
                                {"a container's name is 1 to 64 of A-Z a-z 0-9 _ . -, not starting with . or -"});
}

void check_host_name(std::string_view what, std::string_view name) {
    if (has_nul(name)) reject(concat(what, " has a NUL byte"));
    if (name.size() > 64) reject(concat(what, " '", name, "' is longer than 64 bytes"));
}

void check_id_range(std::string_view what, const IdRange& range) {
    constexpr std::uint32_t invalid_id = ~0U;
    if (range.count == 0) reject(concat(what, " has an extent with no ids"));
    // The last id, (uid_t)-1, means "no change" to the kernel and cannot be mapped.
    if (range.count > invalid_id - range.inside || range.count > invalid_id - range.outside) {
        reject(concat(what, " extent ", range.inside, " ", range.outside, " ", range.count, " goes past the last id"));
    }
}

namespace {

void check_enumerators(const Mount& mount) {
    if (mount.access_time > AccessTime::Never ||
        mount.propagation.value_or(Propagation::Private) > Propagation::Unbindable) {
        reject(concat("mount on '", mount.target, "' has an unknown propagation or access time"));
    }
}

/// What is only for some kinds of mounts.
void check_kind(const Mount& mount) {
    const bool is_bind = mount.type.empty();
    if (mount.copy_up && mount.type != "tmpfs") {
        reject(concat("the mount on '", mount.target, "' cannot copy up: only a tmpfs can"));
    }
    if (mount.id_mapped && !is_bind) {
        reject(concat("the ", mount.type, " on '", mount.target, "' cannot be id-mapped: only a bind can"));
    }
    if (!mount.id_mapped && !(mount.uid_map.empty() && mount.gid_map.empty())) {
        reject(concat("the mount on '", mount.target, "' has id maps but is not id-mapped"));
    }
    if (mount.uid_map.empty() != mount.gid_map.empty()) {
        reject(concat("the bind on '", mount.target, "' needs both id maps, or none"));
    }
    for (const IdRange& range : mount.uid_map) check_id_range("uid map of a bind", range);
    for (const IdRange& range : mount.gid_map) check_id_range("gid map of a bind", range);
}

} // namespace

void check_mount(const Mount& mount) {
    check_target("mount target", mount.target);
    if (normal_path(mount.target) == "/") reject("a mount on '/' would hide the root; set the root or a private area");
    if (mount.type.empty()) {
        check_path(concat("source of the bind on '", mount.target, "'"), mount.source);
        if (!mount.options.empty()) {
            reject(concat("the bind on '", mount.target, "' has file system options; it takes only flags"));
        }
    } else {
        if (has_nul(mount.type) || has_nul(mount.source))
            reject(concat("mount on '", mount.target, "' has a NUL byte"));
        if (mount.recursive) reject(concat("the ", mount.type, " on '", mount.target, "' cannot be recursive"));
    }
    check_kind(mount);
    check_enumerators(mount);
    check_options(concat("mount on '", mount.target, "'"), mount.options);
}

void check_inner_path(std::string_view what, const std::string& path) {
    check_target(what, path);
    if (normal_path(path) == "/") reject(concat(what, " is the root itself"));
}

void check_device(const Device& device) {
    check_inner_path("path of a device", device.path);
    if ((device.mode & ~07777U) != 0) reject(concat("the mode of device '", device.path, "' has bits besides 07777"));
    // What fits into the kernel's dev_t.
    if (device.major >= 1U << 12U) reject(concat("device '", device.path, "' has a major number above 4095"));
    if (device.minor >= 1U << 20U) reject(concat("device '", device.path, "' has a minor number above 1048575"));
    if (device.type > DeviceType::Fifo) reject(concat("device '", device.path, "' is of an unknown type"));
}

namespace {

/// \param subject  "a hook of ..."
void check_command(std::string_view subject, const HookCommand& command) {
    const auto check_text = [&](const std::string& text) {
        if (has_nul(text)) reject(concat(subject, " has a NUL byte"));
    };
    if (command.argv.empty() || (command.argv.front().empty() && command.executable.empty())) {
        reject(concat(subject, " names no program"));
    }
    for (const std::string& argument : command.argv) check_text(argument);
    check_text(command.executable);
    for (const std::string& entry : command.environment.value_or(std::vector<std::string>{})) check_text(entry);
    check_text(command.working_directory);
}

} // namespace

void check_hooks(const Mount& mount, const MountHooks& hooks) {
    const std::string subject = concat("a hook of the mount on '", mount.target, '\'');
    const auto check = [&](const MountHook& hook) {
        if (const auto* callable = std::get_if<std::function<int()>>(&hook)) {
            if (!*callable) reject(concat(subject, " is an empty function"));
            return;
        }
        check_command(subject, std::get<HookCommand>(hook));
    };
    for (const MountHook& hook : hooks.before) check(hook);
    for (const MountHook& hook : hooks.after) check(hook);
}

void check_hook(const Hook& hook) {
    if (hook.point > HookPoint::Poststop) reject("a hook is for an unknown point");
    const std::string subject = concat("a ", to_string(hook.point), " hook");
    check_command(subject, hook.command);
    if (hook.time_limit <= std::chrono::milliseconds(0) || hook.time_limit > std::chrono::hours(24)) {
        reject(concat(subject, " has a time limit that is not between 1 ms and one day"));
    }
}

void check_annotation(const std::string& key, const std::string& value) {
    if (key.empty()) reject("an annotation has no key");
    if (has_nul(key) || has_nul(value)) reject(concat("annotation '", key, "' has a NUL byte"));
}

namespace {

void check_area(const BindDir& dir) {
    check_path("source of the private area", dir.source);
}

void check_area(const OverlayArea& overlay) {
    constexpr std::size_t most_lower = 500; // OVL_MAX_STACK
    if (overlay.lower.size() > most_lower) {
        reject(concat("the overlay has ", overlay.lower.size(), " lower directories; the kernel takes ", most_lower));
    }
    for (const std::string& lower : overlay.lower) check_path("lower directory of the overlay", lower);
    if (overlay.upper.empty() != overlay.work.empty()) {
        reject("an overlay takes an upper and a work directory, or neither");
    }
    if (overlay.upper.empty()) return;
    check_path("upper directory of the overlay", overlay.upper);
    check_path("work directory of the overlay", overlay.work);
    if (overlay.size != 0) reject("an overlay with an upper directory has no size; that is for a throw-away one");
}

void check_area(const TmpfsArea& tmpfs) {
    if ((tmpfs.mode & ~static_cast<mode_t>(07777)) != 0) reject("the tmpfs's mode has bits besides 07777");
}

void check_area(const ImageArea& image) {
    check_path("path of the image", image.path);
    if (has_nul(image.type)) reject("the image's file system type has a NUL byte");
    check_options(concat("the image '", image.path, "'"), image.options);
}

} // namespace

void check_private_area(const PrivateArea& area) {
    std::visit([](const auto& kind) { check_area(kind); }, area);
    check_target("target of the private area", target_of(area));
}

void check_root(const Root& root) {
    check_path("root", root.path);
    if (root.propagation.value_or(Propagation::Private) > Propagation::Unbindable) {
        reject("the root has an unknown propagation");
    }
}

void check_source(Namespace kind, const NamespaceSource& source) {
    if (const auto* path = std::get_if<NamespacePath>(&source)) {
        check_path(concat("path of the ", to_string(kind), " namespace"), path->path);
    } else if (const auto* fd = std::get_if<NamespaceFd>(&source); fd != nullptr && fd->fd < 0) {
        reject(concat("descriptor of the ", to_string(kind), " namespace is negative"));
    } else if (const auto* other = std::get_if<NamespaceOf>(&source)) {
        check_container_name(other->container);
    }
}

void check_spec(const Spec& spec) {
    check_cgroup(spec.cgroup);
    for (const auto& [kind, source] : spec.namespaces) check_source(kind, source);
    for (const IdRange& range : spec.uid_map) check_id_range("uid map", range);
    for (const IdRange& range : spec.gid_map) check_id_range("gid map", range);
    check_host_name("host name", spec.hostname);
    check_host_name("domain name", spec.domainname);
    for (const auto& [name, value] : spec.sysctls) check_sysctl(name, value);
    if (spec.root) check_root(*spec.root);
    if (spec.private_area) check_private_area(*spec.private_area);
    for (const Mount& mount : spec.mounts) check_mount(mount);
    for (const Device& device : spec.devices) check_device(device);
    check_network(spec.network);
    for (const std::string& path : spec.masked_paths) check_inner_path("masked path", path);
    for (const std::string& path : spec.read_only_paths) check_inner_path("read-only path", path);
    for (const Hook& hook : spec.hooks) check_hook(hook);
    for (const auto& [key, value] : spec.annotations) check_annotation(key, value);
}

} // namespace ct::internal
