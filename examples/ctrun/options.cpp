// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "options.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include <unistd.h>

#include "adder.hpp"
#include "attribute_values.hpp"
#include "cgroup_options.hpp"
#include "hook_options.hpp"
#include "limits.hpp"
#include "network_options.hpp"
#include "seccomp.hpp"
#include "values.hpp"

namespace ctrun {

namespace {

/// A specification with nothing but the caller's map. The container that it is asked of is none that the user knows.
ct::Spec subordinate_ids() {
    const std::string name = "map-subids";
    ct::Session session;
    try {
        return session.create(name).map_subordinate_ids().spec();
    } catch (const ct::Error& error) {
        std::string text = error.what();
        const std::string subject = "container '" + name + "': ";
        if (text.starts_with(subject)) text.erase(0, subject.size());
        throw std::runtime_error("--map-subids: " + text);
    }
}

void add_namespace_options(Adder& add, ct::Spec& spec) {
    add.group("Namespaces");
    add.option("--new", "KIND,...",
               "Make namespaces: mount, pid, net, uts, ipc, user, cgroup, time;\n"
               "all is every one but user and time",
               [&](const std::string& text) {
                   for (const ct::Namespace kind : parse_kinds(text)) spec.namespaces[kind] = ct::NewNamespace{};
               });
    add.option("--join", "KIND=PATH",
               "Join the namespace of that file, such as /proc/PID/ns/net,\n"
               "or of a running container: KIND=container:NAME",
               [&](const std::string& text) {
                   auto [kind, source] = parse_join(text);
                   spec.namespaces[kind] = std::move(source);
               });
    add.option("--uid-map", "IN:OUT:COUNT", "Map user ids of the new user namespace",
               [&](const std::string& text) { spec.uid_map.push_back(parse_id_range(text)); });
    add.option("--gid-map", "IN:OUT:COUNT", "Map group ids of the new user namespace",
               [&](const std::string& text) { spec.gid_map.push_back(parse_id_range(text)); });
    add.flag("--map-root", "Make a user namespace where root is the caller; needs no privilege", [&] {
        spec.namespaces[ct::Namespace::User] = ct::NewNamespace{};
        spec.uid_map.push_back({.inside = 0, .outside = ::geteuid()});
        spec.gid_map.push_back({.inside = 0, .outside = ::getegid()});
    });
    add.flag("--map-subids", "The same, and above root the caller's ids of /etc/subuid and /etc/subgid", [&] {
        const ct::Spec mapped = subordinate_ids();
        spec.namespaces[ct::Namespace::User] = ct::NewNamespace{};
        std::ranges::copy(mapped.uid_map, std::back_inserter(spec.uid_map));
        std::ranges::copy(mapped.gid_map, std::back_inserter(spec.gid_map));
    });
    add.option("--setgroups", "POLICY", "Whether setgroups(2) works in it: auto, allow, deny",
               [&](const std::string& text) { spec.setgroups = parse_setgroups(text); });
    add.option("--hostname", "NAME", "Set the host name", [&](const std::string& text) { spec.hostname = text; });
    add.option("--domainname", "NAME", "Set the NIS domain name",
               [&](const std::string& text) { spec.domainname = text; });
    add.option("--time-offset", "CLOCK=SECONDS", "Set a clock of the new time namespace ahead: monotonic, boottime",
               [&](const std::string& text) { parse_time_offset(text, spec.time_offsets); });
    add.option("--sysctl", "NAME=VALUE", "Set a kernel parameter of one of the container's namespaces",
               [&](const std::string& text) {
                   auto [name, value] = parse_assignment(text);
                   spec.sysctls[std::move(name)] = std::move(value);
               });
}

void add_file_options(Adder& add, ct::Spec& spec) {
    const auto root = [&]() -> ct::Root& { return spec.root ? *spec.root : spec.root.emplace(); };
    add.group("Files");
    add.option("--root", "DIR", "Make DIR the root directory", [root](const std::string& text) { root().path = text; });
    add.flag("--read-only", "Make the root's file system read-only", [root] { root().read_only = true; });
    add.option("--private", "DIR[:TARGET[:ro]]", "Bind DIR into the root, over all of it without TARGET",
               [&](const std::string& text) { spec.private_area = parse_private(text); });
    add.option("--overlay", "KEY=VALUE,...",
               "Take all changes into an upper directory;\n"
               "keys are lower (repeated), upper and work, or size, target",
               [&](const std::string& text) { spec.private_area = parse_overlay(text); });
    add.option("--tmpfs-root", "size=SIZE[,mode=MODE]", "Put an empty tmpfs over the root directory",
               [&](const std::string& text) { spec.private_area = parse_tmpfs_root(text); });
    add.option("--image", "FILE[:TARGET[:FLAG,...]]",
               "Mount the file system in FILE over the root, or at TARGET;\n"
               "flags are ro, type=TYPE and its own options",
               [&](const std::string& text) { spec.private_area = parse_image(text); });
    add.option("--bind", "SRC:DST[:FLAG,...]",
               "Bind a file or directory of the host;\n"
               "flags are rbind, ro, nosuid, nodev, noexec, idmap, private and more",
               [&](const std::string& text) { spec.mounts.push_back(parse_bind(text)); });
    add.option("--tmpfs", "DST[:OPTION,...]", "Mount an empty tmpfs; options are the flags and tmpfs(5)'s own",
               [&](const std::string& text) { spec.mounts.push_back(parse_tmpfs(text)); });
    add.option("--mount", "type=T,source=S,target=D[,OPTION]...", "Mount anything; type=bind is a bind",
               [&](const std::string& text) { spec.mounts.push_back(parse_mount(text)); });
    add.option("--root-propagation", "MODE", "private, slave (the default), shared or unbindable",
               [root](const std::string& text) { root().propagation = parse_propagation(text); });
    add.option("--proc-mode", "MODE", "The default /proc: new, or bind-host for the host's",
               [&](const std::string& text) { spec.proc_mode = parse_proc_mode(text); });
    add.option("--device", "PATH[:DST[:MODE]]", "Make a device of the host available",
               [&](const std::string& text) { spec.devices.push_back(parse_device(text)); });
    add.option("--mask", "PATH", "Hide a file or directory inside",
               [&](const std::string& text) { spec.masked_paths.push_back(text); });
    add.option("--read-only-path", "PATH", "Make a path inside read-only, with all that is mounted below",
               [&](const std::string& text) { spec.read_only_paths.push_back(text); });
    add.flag("--default-masks", "Hide or protect what tells of the whole machine in /proc and /sys",
             [&] { ct::add_default_masks(spec); });
    add.flag("--default-mounts", "Mount /proc, /sys and a small /dev first, with the default devices",
             [&] { spec.default_mounts = true; });
    add.flag("--default-devices", "Make /dev/null, zero, full, random, urandom, tty and their links",
             [&] { spec.default_devices = true; });
}

void add_environment(ct::ProcessSpec& spec, const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) {
        spec.add_environment[text.substr(0, equals)] = text.substr(equals + 1);
    } else if (const char* const value = std::getenv(text.c_str())) {
        spec.add_environment[text] = value;
    } else {
        throw std::invalid_argument("'" + text + "' is neither NAME=VALUE nor a variable that is set");
    }
}

void add_privilege_options(Adder& add, ct::ProcessSpec& spec) {
    add.group("Privileges and limits");
    add.option("--user", "UID[:GID[,GROUP]...]",
               "User, group (by default the same number) and further groups;\n"
               "or USER[:GROUP] by name, as the container's own files have it",
               [&](const std::string& text) { parse_user(spec, text); });
    add.option("--umask", "OCTAL", "File mode creation mask",
               [&](const std::string& text) { spec.umask = static_cast<mode_t>(parse_number(text, 0777, 8)); });
    add.option("--cap", "NAME,...", "Have exactly these capabilities", [&](const std::string& text) {
        if (!spec.capabilities) spec.capabilities.emplace();
        std::ranges::copy(split(text, ','), std::back_inserter(*spec.capabilities));
    });
    add.flag("--cap-drop-all", "Have no capability but those of --cap", [&] {
        if (!spec.capabilities) spec.capabilities.emplace();
    });
    add.option("--cap-set", "SET=NAME,...",
               "Have exactly these in the bounding, permitted, effective,\n"
               "inheritable or ambient set, and none in those not given",
               [&](const std::string& text) {
                   if (!spec.capability_sets) spec.capability_sets.emplace();
                   parse_capability_set(*spec.capability_sets, text);
               });
    add.option("--securebits", "NAME,...", "noroot, no-setuid-fixup, keep-caps, no-cap-ambient-raise; also NAME-locked",
               [&](const std::string& text) { spec.secure_bits = parse_secure_bits(text); });
    add.option("--apparmor", "PROFILE", "AppArmor profile",
               [&](const std::string& text) { spec.labels.apparmor = text; });
    add.option("--selinux", "LABEL", "SELinux label", [&](const std::string& text) { spec.labels.selinux = text; });
    add.option("--keyring", "NAME", "Join the session keyring of that name; - is a new one without a name",
               [&](const std::string& text) { spec.session_keyring.emplace().name = text == "-" ? "" : text; });
    const auto seccomp = [&]() -> ct::Seccomp& { return spec.seccomp ? *spec.seccomp : spec.seccomp.emplace(); };
    add.option("--seccomp", "FILE|default",
               "Filter system calls: libct's own profile, or one in\n"
               "JSON as OCI runtimes take it",
               [&](const std::string& text) { set_profile(spec.seccomp, text); });
    add.option("--seccomp-rule", "CALL,...=ACTION",
               "Before the profile's rules; actions are allow, log,\n"
               "kill, trap and the name of an errno",
               [seccomp](const std::string& text) { add_rule(seccomp(), text); });
    const auto landlock = [&]() -> ct::Landlock& { return spec.landlock ? *spec.landlock : spec.landlock.emplace(); };
    const auto landlock_path = [&add, landlock](const char* name, const char* help, bool ct::LandlockPath::*right) {
        add.option(name, "PATH", help, [landlock, right](const std::string& text) {
            ct::LandlockPath rule{.path = text};
            rule.*right = true;
            landlock().paths.push_back(rule);
        });
    };
    landlock_path("--landlock-read", "By Landlock, read files only below these", &ct::LandlockPath::read);
    landlock_path("--landlock-write", "By Landlock, write only below these", &ct::LandlockPath::write);
    landlock_path("--landlock-exec", "By Landlock, execute files only below these", &ct::LandlockPath::execute);
    add.option("--landlock-bind", "PORT", "By Landlock, bind no TCP port but these",
               [landlock](const std::string& text) { add_port(landlock().bind_ports, text); });
    add.option("--landlock-connect", "PORT", "By Landlock, connect to no TCP port but these",
               [landlock](const std::string& text) { add_port(landlock().connect_ports, text); });
    add.flag("--no-new-privs", "Let no program gain privileges", [&] { spec.no_new_privileges = true; });
    add.option("--rlimit", "NAME=SOFT[:HARD]", "Resource limit such as nofile=1024:4096 or core=unlimited",
               [&](const std::string& text) { spec.limits.push_back(parse_limit(text)); });
}

void add_scheduling_options(Adder& add, ct::ProcessSpec& spec) {
    ct::Scheduling& scheduling = spec.scheduling;
    add.group("Scheduling");
    add.option("--nice", "N", "Nice value, -20 to 19",
               [&](const std::string& text) { scheduling.nice = parse_integer(text, -20, 19); });
    add.option("--sched", "POLICY[:PRIORITY][,reset-on-fork]",
               "other, batch, idle, fifo, rr,\nor deadline:RUNTIME:DEADLINE[:PERIOD] in microseconds",
               [&](const std::string& text) { scheduling.scheduler = parse_scheduler(text); });
    add.option("--ioprio", "CLASS[:LEVEL]", "rt, be or idle; level 0 to 7",
               [&](const std::string& text) { scheduling.io_priority = parse_io_priority(text); });
    add.option("--affinity", "LIST", "Run on these CPUs only, such as 0-3,5",
               [&](const std::string& text) { scheduling.cpus = parse_list(text); });
    add.option("--timer-slack", "NANOSECONDS", "How late timers may be", [&](const std::string& text) {
        scheduling.timer_slack = std::chrono::nanoseconds(parse_number(text, 1'000'000'000'000));
    });
    add.option("--mempolicy", "MODE[:NODES[:FLAG,...]]",
               "default, local, preferred, preferred-many, bind, interleave,\n"
               "weighted-interleave; static, relative, balancing",
               [&](const std::string& text) { spec.memory_policy = parse_memory_policy(text); });
    add.option("--oom-score-adj", "N", "-1000 (never killed when memory runs out) to 1000",
               [&](const std::string& text) { spec.oom_score_adj = parse_integer(text, -1000, 1000); });
    add.option("--personality", "NAME,...", "linux or linux32, and flags such as no-randomize",
               [&](const std::string& text) { spec.personality = parse_personality(text); });
}

} // namespace

void add_container_options(Adder& add, ct::Spec& spec) {
    add_namespace_options(add, spec);
    add_file_options(add, spec);
    add_cgroup_options(add, spec);
    add_limit_options(add, spec.cgroup.limits);
    add.flag("--limits-after-setup", "Limit the container once it is set up, not already while it is",
             [&] { spec.cgroup.limits_after_set_up = true; });
    add_network_options(add, spec);
    add_hook_options(add, spec);
}

void add_process_options(Adder& add, ProcessOptions& process) {
    ct::ProcessSpec& spec = process.spec;
    add.group("Process");
    add.flag("-t,--tty", "Give the command a terminal of its own, connected to this one",
             [&] { process.terminal = true; });
    add.option("--stdin", "MODE", "inherit, null", [&](const std::string& text) { spec.stdio.in = parse_stdio(text); });
    add.option("--stdout", "MODE", "inherit, null",
               [&](const std::string& text) { spec.stdio.out = parse_stdio(text); });
    add.option("--stderr", "MODE", "inherit, null, stdout (the same as standard output)",
               [&](const std::string& text) { spec.stdio.err = parse_stdio(text); });
    add.option("--fd", "TARGET=SOURCE", "Pass on descriptor SOURCE as TARGET; others but 0, 1, 2 are closed",
               [&](const std::string& text) { spec.fds.push_back(parse_fd(text)); });
    add.option("--env", "NAME[=VALUE]", "Set a variable, or pass on ctrun's own",
               [&](const std::string& text) { add_environment(spec, text); });
    add.flag("--clear-env", "Start with an empty environment but for --env", [&] { spec.environment.emplace(); });
    add.option("--workdir", "DIR", "Working directory",
               [&](const std::string& text) { spec.working_directory = text; });
    add.flag("--init", "Run the command under a tiny init that reaps orphans and hands on signals",
             [&] { spec.init = ct::Init::Reaper; });
    add.flag("--setsid", "Start a session", [&] { spec.new_session = true; });
    add.option("--pdeathsig", "SIGNAL", "Send this to the command if ctrun dies, KILL for example",
               [&](const std::string& text) { spec.parent_death_signal = parse_signal(text); });
    add_privilege_options(add, spec);
    add_scheduling_options(add, spec);
}

} // namespace ctrun
