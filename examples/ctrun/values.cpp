// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstring>
#include <optional>
#include <stdexcept>

#include <fcntl.h>
#include <strings.h>
#include <sys/resource.h>

namespace ctrun {

namespace {

[[noreturn]] void reject(std::string_view text, std::string_view expected) {
    throw std::invalid_argument("'" + std::string(text) + "' is not " + std::string(expected));
}

bool same_word(const std::string& left, const std::string& right) {
    return ::strcasecmp(left.c_str(), right.c_str()) == 0;
}

std::uint32_t parse_id(std::string_view text) {
    return static_cast<std::uint32_t>(parse_number(text, std::numeric_limits<std::uint32_t>::max()));
}

int parse_descriptor(std::string_view text) {
    return static_cast<int>(parse_number(text, std::numeric_limits<int>::max()));
}

/// The two sides of the first \p separator in \p text.
std::pair<std::string, std::string> halves(std::string_view text, char separator, std::string_view expected) {
    const std::size_t at = text.find(separator);
    if (at == std::string_view::npos) reject(text, expected);
    return {std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
}

ct::Namespace parse_kind(std::string_view text) {
    using enum ct::Namespace;
    if (text == "mount") return Mount; // the kernel says mnt
    for (const ct::Namespace kind : {Mount, Pid, Net, Uts, Ipc, User, Cgroup, Time})
        if (ct::to_string(kind) == text) return kind;
    reject(text, "a kind of namespace (mount, pid, net, uts, ipc, user, cgroup, time, all)");
}

std::optional<ct::Propagation> find_propagation(std::string_view word) {
    if (word == "private") return ct::Propagation::Private;
    if (word == "slave") return ct::Propagation::Slave;
    if (word == "shared") return ct::Propagation::Shared;
    if (word == "unbindable") return ct::Propagation::Unbindable;
    return std::nullopt;
}

/// idmap or idmap=IN:OUT:COUNT; several ranges are several words.
bool set_id_map(ct::Mount& mount, std::string_view word) {
    constexpr std::string_view prefix = "idmap=";
    if (word != "idmap" && !word.starts_with(prefix)) return false;
    mount.id_mapped = true;
    if (word == "idmap") return true;
    mount.uid_map.push_back(parse_id_range(word.substr(prefix.size())));
    mount.gid_map = mount.uid_map;
    return true;
}

/// Sets the flag called \p word; false if there is none of that name.
bool set_flag(ct::Mount& mount, std::string_view word) {
    if (word == "ro") return mount.read_only = true;
    if (word == "rbind") return mount.recursive = true;
    if (word == "nosuid") return mount.no_suid = true;
    if (word == "nodev") return mount.no_dev = true;
    if (word == "noexec") return mount.no_exec = true;
    if (word == "nosymfollow") return mount.no_symlinks = true;
    if (word == "nodiratime") return mount.no_directory_access_time = true;
    if (word == "copyup") return mount.copy_up = true;
    if (const auto propagation = find_propagation(word)) {
        mount.propagation = propagation;
        return true;
    }
    for (const auto& [name, time] : {std::pair{"noatime", ct::AccessTime::Never},
                                     {"relatime", ct::AccessTime::Relative},
                                     {"strictatime", ct::AccessTime::Strict}}) {
        if (word != name) continue;
        mount.access_time = time;
        return true;
    }
    return set_id_map(mount, word);
}

std::uint64_t parse_limit_value(std::string_view text) {
    return text == "unlimited" ? ct::ResourceLimit::Unlimited : parse_number(text);
}

struct LimitName {
    const char* name;
    int resource;
};

constexpr std::array LimitNames{
    LimitName{"as", RLIMIT_AS},
    LimitName{"core", RLIMIT_CORE},
    LimitName{"cpu", RLIMIT_CPU},
    LimitName{"data", RLIMIT_DATA},
    LimitName{"fsize", RLIMIT_FSIZE},
    LimitName{"locks", RLIMIT_LOCKS},
    LimitName{"memlock", RLIMIT_MEMLOCK},
    LimitName{"msgqueue", RLIMIT_MSGQUEUE},
    LimitName{"nice", RLIMIT_NICE},
    LimitName{"nofile", RLIMIT_NOFILE},
    LimitName{"nproc", RLIMIT_NPROC},
    LimitName{"rss", RLIMIT_RSS},
    LimitName{"rtprio", RLIMIT_RTPRIO},
    LimitName{"rttime", RLIMIT_RTTIME},
    LimitName{"sigpending", RLIMIT_SIGPENDING},
    LimitName{"stack", RLIMIT_STACK},
};

} // namespace

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    for (;;) {
        const std::size_t at = text.find(separator);
        parts.emplace_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

std::uint64_t parse_number(std::string_view text, std::uint64_t max, int base) {
    std::uint64_t value = 0;
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value, base);
    if (error != std::errc{} || stopped != end) reject(text, base == 8 ? "an octal number" : "a number");
    if (value > max) reject(text, "at most " + std::to_string(max));
    return value;
}

std::chrono::seconds parse_seconds(std::string_view text) {
    if (text.empty() || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
        reject(text, "a whole number of seconds");
    return std::chrono::seconds(parse_number(text, 1'000'000'000));
}

std::chrono::milliseconds parse_duration(std::string_view text) {
    constexpr std::array units{std::pair{"ms", 1ULL}, std::pair{"s", 1000ULL}, std::pair{"m", 60'000ULL},
                               std::pair{"h", 3'600'000ULL}, std::pair{"d", 86'400'000ULL}};
    constexpr std::string_view expected = "a time such as 10m, 1h30m, 500ms or a number of seconds";
    constexpr std::uint64_t most = 100'000'000'000'000; // 3000 years
    if (text.empty()) reject(text, expected);
    if (text.find_first_not_of("0123456789") == std::string_view::npos)
        return std::chrono::milliseconds(parse_number(text, most / 1000) * 1000);
    std::uint64_t sum = 0;
    for (std::string_view rest = text; !rest.empty();) {
        const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
        const std::size_t end = std::min(rest.find_first_of("0123456789", digits), rest.size());
        const std::string_view word = rest.substr(digits, end - digits);
        const auto* const unit = std::ranges::find_if(units, [&](const auto& each) { return word == each.first; });
        if (digits == 0 || unit == units.end()) reject(text, expected);
        sum += parse_number(rest.substr(0, digits), most / unit->second) * unit->second;
        if (sum > most) reject(text, expected);
        rest.remove_prefix(end);
    }
    return std::chrono::milliseconds(sum);
}

std::string parse_keys(std::string_view text) {
    constexpr std::string_view prefix = "ctrl-";
    std::string keys;
    if (text.empty()) return keys;
    for (const std::string& word : split(text, ',')) {
        const char last = word.empty() ? '\0' : word.back();
        const bool control = word.size() == prefix.size() + 1 && word.starts_with(prefix) &&
                             ((last >= 'a' && last <= 'z') || (last >= '@' && last <= '_'));
        if (!control && word.size() != 1) reject(text, "a list of keys such as ctrl-p,ctrl-q");
        keys += control ? static_cast<char>(last & 0x1f) : last;
    }
    return keys;
}

ct::LogTime parse_since(std::string_view text) {
    if (const auto time = ct::parse_rfc3339(text)) return *time;
    try {
        return std::chrono::time_point_cast<ct::LogTime::duration>(std::chrono::system_clock::now()) -
               std::min<std::chrono::nanoseconds>(parse_duration(text), std::chrono::hours(24 * 365 * 50));
    } catch (const std::invalid_argument&) {
        reject(text, "a time such as 2024-02-29T23:59:58Z, or how long ago, such as 10m");
    }
}

std::vector<ct::Namespace> parse_kinds(std::string_view text) {
    using enum ct::Namespace;
    std::vector<ct::Namespace> kinds;
    for (const std::string& word : split(text, ',')) {
        if (word == "all") {
            kinds.insert(kinds.end(), {Mount, Pid, Net, Uts, Ipc, Cgroup});
        } else {
            kinds.push_back(parse_kind(word));
        }
    }
    return kinds;
}

std::pair<ct::Namespace, ct::NamespaceSource> parse_join(std::string_view text) {
    constexpr std::string_view container = "container:";
    const auto [kind, source] = halves(text, '=', "KIND=PATH");
    if (source.starts_with(container)) return {parse_kind(kind), ct::NamespaceOf{source.substr(container.size())}};
    return {parse_kind(kind), ct::NamespacePath{source}};
}

void parse_time_offset(std::string_view text, ct::TimeOffsets& offsets) {
    const auto [clock, amount] = halves(text, '=', "CLOCK=SECONDS");
    double seconds = 0;
    const auto [end, error] = std::from_chars(amount.data(), amount.data() + amount.size(), seconds);
    constexpr double century = 100.0 * 366 * 86400; // what a duration of nanoseconds surely holds
    if (error != std::errc{} || end != amount.data() + amount.size() || !(std::abs(seconds) <= century))
        reject(amount, "a number of seconds, up to 100 years");
    const auto offset = std::chrono::nanoseconds(std::llround(seconds * 1e9));
    if (clock != "monotonic" && clock != "boottime") reject(clock, "a clock (monotonic, boottime)");
    (clock == "monotonic" ? offsets.monotonic : offsets.boottime) = offset;
}

std::pair<std::string, std::string> parse_assignment(std::string_view text) {
    return halves(text, '=', "NAME=VALUE");
}

ct::IdRange parse_id_range(std::string_view text) {
    const auto parts = split(text, ':');
    if (parts.size() != 3) reject(text, "INSIDE:OUTSIDE:COUNT");
    return {.inside = parse_id(parts[0]), .outside = parse_id(parts[1]), .count = parse_id(parts[2])};
}

ct::SetGroups parse_setgroups(std::string_view text) {
    if (text == "auto") return ct::SetGroups::Auto;
    if (text == "allow") return ct::SetGroups::Allow;
    if (text == "deny") return ct::SetGroups::Deny;
    reject(text, "auto, allow or deny");
}

ct::BindDir parse_private(std::string_view text) {
    const auto parts = split(text, ':');
    if (parts.size() > 3 || (parts.size() == 3 && parts[2] != "ro")) reject(text, "DIR[:TARGET[:ro]]");
    ct::BindDir dir{.source = parts[0], .read_only = parts.size() == 3};
    if (parts.size() > 1) dir.target = parts[1];
    return dir;
}

std::uint64_t parse_size(std::string_view text) {
    constexpr std::string_view units = "kmg";
    const std::size_t unit = text.empty() ? std::string_view::npos : units.find(static_cast<char>(text.back() | 0x20));
    if (unit == std::string_view::npos) return parse_number(text);
    const std::size_t shift = 10 * (unit + 1);
    text.remove_suffix(1);
    return parse_number(text, std::numeric_limits<std::uint64_t>::max() >> shift) << shift;
}

ct::OverlayArea parse_overlay(std::string_view text) {
    ct::OverlayArea overlay;
    for (const std::string& word : split(text, ',')) {
        const auto [key, value] = halves(word, '=', "KEY=VALUE");
        if (key == "lower") {
            overlay.lower.push_back(value);
        } else if (key == "upper") {
            overlay.upper = value;
        } else if (key == "work") {
            overlay.work = value;
        } else if (key == "size") {
            overlay.size = parse_size(value);
        } else if (key == "target") {
            overlay.target = value;
        } else {
            reject(word, "one of lower=DIR, upper=DIR, work=DIR, size=SIZE, target=DIR");
        }
    }
    return overlay;
}

ct::TmpfsArea parse_tmpfs_root(std::string_view text) {
    ct::TmpfsArea tmpfs;
    for (const std::string& word : split(text, ',')) {
        const auto [key, value] = halves(word, '=', "KEY=VALUE");
        if (key == "size") {
            tmpfs.size = parse_size(value);
        } else if (key == "mode") {
            tmpfs.mode = static_cast<mode_t>(parse_number(value, 07777, 8));
        } else {
            reject(word, "size=SIZE or mode=OCTAL");
        }
    }
    return tmpfs;
}

ct::ImageArea parse_image(std::string_view text) {
    const auto parts = split(text, ':');
    if (parts.size() > 3) reject(text, "FILE[:TARGET[:FLAG,...]]");
    ct::ImageArea image{.path = parts[0]};
    if (parts.size() > 1) image.target = parts[1];
    if (parts.size() < 3) return image;
    for (const std::string& word : split(parts[2], ',')) {
        if (word == "ro") {
            image.read_only = true;
        } else if (word.starts_with("type=")) {
            image.type = word.substr(5);
        } else {
            image.options.push_back(word);
        }
    }
    return image;
}

ct::Mount parse_bind(std::string_view text) {
    const auto [source, rest] = halves(text, ':', "SOURCE:TARGET[:FLAG,...]");
    const std::size_t colon = rest.find(':');
    ct::Mount mount;
    mount.source = source;
    mount.target = rest.substr(0, colon);
    if (colon != std::string::npos)
        for (const std::string& word : split(std::string_view(rest).substr(colon + 1), ','))
            if (!set_flag(mount, word)) reject(word, "a flag of a bind; see ctrun(1)");
    return mount;
}

ct::Mount parse_tmpfs(std::string_view text) {
    const std::size_t colon = text.find(':');
    ct::Mount mount;
    mount.source = mount.type = "tmpfs";
    mount.target = text.substr(0, colon);
    if (colon != std::string_view::npos)
        for (const std::string& word : split(text.substr(colon + 1), ','))
            if (!set_flag(mount, word)) mount.options.push_back(word);
    return mount;
}

ct::Mount parse_mount(std::string_view text) {
    ct::Mount mount;
    for (const std::string& word : split(text, ',')) {
        const std::size_t equals = word.find('=');
        const std::string key = word.substr(0, equals);
        const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
        if (key == "type") {
            mount.type = value == "bind" ? "" : value;
        } else if (key == "source" || key == "src") {
            mount.source = value;
        } else if (key == "target" || key == "dst") {
            mount.target = value;
        } else if (!set_flag(mount, word)) {
            mount.options.push_back(word);
        }
    }
    if (mount.target.empty()) reject(text, "type=TYPE,source=SOURCE,target=TARGET[,OPTION...]");
    if (!mount.type.empty() && mount.source.empty()) mount.source = mount.type;
    return mount;
}

ct::Propagation parse_propagation(std::string_view text) {
    if (const auto propagation = find_propagation(text)) return *propagation;
    reject(text, "private, slave, shared or unbindable");
}

ct::ProcMode parse_proc_mode(std::string_view text) {
    if (text == "new") return ct::ProcMode::New;
    if (text == "bind-host") return ct::ProcMode::BindHost;
    reject(text, "new or bind-host");
}

ct::Device parse_device(std::string_view text) {
    const auto parts = split(text, ':');
    if (parts.size() > 3) reject(text, "PATH[:TARGET[:MODE]]");
    ct::Device device = ct::device_of_host(parts[0]);
    if (parts.size() > 1 && !parts[1].empty()) device.path = parts[1];
    if (parts.size() > 2) device.mode = static_cast<std::uint32_t>(parse_number(parts[2], 07777, 8));
    return device;
}

ct::ResourceLimit parse_limit(std::string_view text) {
    const auto [name, values] = halves(text, '=', "NAME=SOFT[:HARD]");
    const auto* found = std::find_if(LimitNames.begin(), LimitNames.end(), [&name = name](const LimitName& known) {
        return same_word(name, known.name) || same_word(name, std::string("RLIMIT_") + known.name);
    });
    if (found == LimitNames.end()) reject(name, "a resource limit; see prlimit(1)");
    const auto parts = split(values, ':');
    if (parts.size() > 2) reject(text, "NAME=SOFT[:HARD]");
    return {
        .resource = found->resource, .soft = parse_limit_value(parts.front()), .hard = parse_limit_value(parts.back())};
}

int parse_signal(std::string_view text) {
    const std::string word(text);
    for (int number = 1; number < SIGRTMIN; ++number) {
        const char* const name = ::sigabbrev_np(number);
        if (name != nullptr && (same_word(word, name) || same_word(word, std::string("SIG") + name))) return number;
    }
    return static_cast<int>(parse_number(text, static_cast<std::uint64_t>(SIGRTMAX)));
}

ct::FdMapping parse_fd(std::string_view text) {
    const auto [target, source] = halves(text, '=', "TARGET=SOURCE");
    const ct::FdMapping mapping{.target = parse_descriptor(target), .source = parse_descriptor(source)};
    // Checked before ctrun opens files of its own, which could come to lie at that number.
    if (::fcntl(mapping.source, F_GETFD) < 0) reject(source, "an open descriptor");
    return mapping;
}

ct::Stdio parse_stdio(std::string_view text) {
    if (text == "inherit") return ct::Stdio::Inherit;
    if (text == "null") return ct::Stdio::Null;
    if (text == "stdout") return ct::Stdio::Output;
    reject(text, "inherit, null or, for standard error, stdout");
}

} // namespace ctrun
