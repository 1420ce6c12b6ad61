// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "config/names.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "config/ip_address.hpp"
#include "config/network.hpp"
#include "config/paths.hpp"
#include "config/validate.hpp"

namespace ct::internal {

namespace {

constexpr std::size_t MostServers = 3; // MAXNS of <resolv.h>

[[noreturn]] void reject(std::string violation) {
    throw Error::invalid_config({}, {std::move(violation)});
}

/// What could not be mistaken for more than one word of a line.
bool is_word(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(),
                                        [](unsigned char c) { return c > ' ' && c < 0x7f && c != '#' && c != ';'; });
}

bool is_name(std::string_view name) {
    const auto allowed = [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
               c == '.';
    };
    return !name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), allowed) &&
           name.front() != '.' && name.find("..") == std::string_view::npos;
}

void check_name(std::string_view what, std::string_view name) {
    if (is_name(name)) return;
    if (name.size() > 253) reject(concat(what, " '", name.substr(0, 64), "...' is longer than 253 bytes"));
    reject(concat(what, " '", name, "' is no name"));
}

void check_host_address(std::string_view what, std::string_view text) {
    if (text.find('/') == std::string_view::npos && parse_address(text)) return;
    reject(concat(what, " '", text.substr(0, 64), "' is no IP address"));
}

/// The words of a line up to a comment.
std::vector<std::string_view> words_of(std::string_view line) {
    constexpr std::string_view blanks = " \t\r\v\f";
    line = line.substr(0, line.find_first_of("#;"));
    std::vector<std::string_view> words;
    for (std::size_t at = line.find_first_not_of(blanks); at != std::string_view::npos;) {
        const std::size_t end = std::min(line.find_first_of(blanks, at), line.size());
        words.push_back(line.substr(at, end - at));
        at = line.find_first_not_of(blanks, end);
    }
    return words;
}

template <typename Use>
void for_each_line(std::string_view text, const Use& use) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        use(words_of(text.substr(0, end)));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

bool is_loopback(std::string_view text) {
    const auto address = parse_address(text);
    if (!address) return false;
    if (address->family == AF_INET) return address->bytes[0] == 127;
    auto loopback = decltype(address->bytes){};
    loopback[15] = 1;
    return address->bytes == loopback;
}

/// What such a file says.
struct Resolver {
    std::vector<std::string> servers;
    std::vector<std::string> search;
    std::vector<std::string> options;
};

Resolver parse_resolver(std::string_view text) {
    Resolver found;
    for_each_line(text, [&](const std::vector<std::string_view>& words) {
        if (words.size() < 2) return;
        if (words[0] == "nameserver") found.servers.emplace_back(words[1]);
        if (words[0] == "search") found.search.assign(words.begin() + 1, words.end());
        if (words[0] == "domain") found.search.assign(1, std::string(words[1]));
        if (words[0] == "options") found.options.insert(found.options.end(), words.begin() + 1, words.end());
    });
    return found;
}

/// A server that only the host's own network reaches: on its loopback device, or on the link of a zone
/// ("fe80::1%eth0").
bool is_of_host(std::string_view server) {
    return is_loopback(server) || server.find('%') != std::string_view::npos;
}

std::string line_of(std::string_view word, const std::vector<std::string>& values) {
    return values.empty() ? "" : concat(word, " ", join(values, " "), "\n");
}

} // namespace

void check_names(const Names& names) {
    if (names.servers.size() > MostServers) {
        reject(concat("there are ", names.servers.size(), " name servers; programs ask no more than ", MostServers));
    }
    for (const std::string& server : names.servers) check_host_address("name server", server);
    std::size_t length = 0;
    for (const std::string& domain : names.search) {
        if (domain == "." && names.search.size() == 1) continue;
        check_name("search domain", domain);
        length += domain.size() + 1;
    }
    if (names.search.size() > 32 || length > 2048) {
        reject("the list of search domains is longer than 32 names or 2048 bytes");
    }
    for (const std::string& option : names.options) {
        if (!is_word(option) || option.size() > 64) {
            reject(concat("option '", option.substr(0, 64), "' of the resolver is malformed"));
        }
    }
    for (const HostEntry& host : names.hosts) {
        check_host_address("address of a host", host.address);
        if (host.names.empty()) reject(concat("the host '", host.address, "' has no name"));
        for (const std::string& name : host.names) check_name("name of a host", name);
    }
}

void names_violations(std::vector<std::string>& found, const Spec& spec) {
    if (!spec.network.names) return;
    if (!makes_namespace(spec, Namespace::Mount)) found.push_back("files of names need a new mount namespace");
    if (!spec.hostname.empty() && !is_name(spec.hostname)) {
        found.push_back(concat("the host name '", spec.hostname, "' cannot stand in /etc/hosts"));
    }
}

std::vector<std::string_view> name_files(const Spec& spec) {
    std::vector<std::string_view> files;
    if (!spec.network.names) return files;
    for (const std::string_view path : {ResolvConf, Hosts, HostNameFile}) {
        if (path == HostNameFile && spec.hostname.empty()) continue;
        const bool mounted = std::any_of(spec.mounts.begin(), spec.mounts.end(),
                                         [&](const Mount& mount) { return normal_path(mount.target) == path; });
        if (!mounted) files.push_back(path);
    }
    return files;
}

bool takes_host_servers(const Names& names) noexcept {
    return names.servers.empty();
}

bool has_loopback_server(std::string_view resolv_conf) {
    const Resolver resolver = parse_resolver(resolv_conf);
    return std::any_of(resolver.servers.begin(), resolver.servers.end(),
                       [](const std::string& server) { return is_loopback(server); });
}

std::string resolv_conf_text(const Names& names, std::string_view host, std::string_view behind_stub,
                             bool own_network) {
    Resolver resolver{names.servers, names.search, names.options};
    std::string text;
    if (takes_host_servers(names)) {
        Resolver found = parse_resolver(host);
        if (own_network) {
            const bool stub = has_loopback_server(host);
            if (std::erase_if(found.servers, is_of_host) > 0) {
                text = "# A server of the host's /etc/resolv.conf can be reached only on the host.\n";
            }
            if (stub && found.servers.empty()) {
                found.servers = parse_resolver(behind_stub).servers;
                std::erase_if(found.servers, is_of_host);
                if (!found.servers.empty()) text += "# Those that it asks itself:\n";
            }
        }
        if (found.servers.size() > MostServers) found.servers.resize(MostServers);
        resolver.servers = std::move(found.servers);
        if (names.search.empty()) resolver.search = std::move(found.search);
        if (names.options.empty()) resolver.options = std::move(found.options);
    }
    for (const std::string& server : resolver.servers) text += concat("nameserver ", server, "\n");
    return text + line_of("search", resolver.search) + line_of("options", resolver.options);
}

std::string hosts_text(const Spec& spec, std::string_view host) {
    std::string text = "127.0.0.1 localhost\n"
                       "::1 localhost ip6-localhost ip6-loopback\n"
                       "ff02::1 ip6-allnodes\n"
                       "ff02::2 ip6-allrouters\n";
    const std::string& name = spec.hostname;
    if (!name.empty()) {
        const std::size_t dot = name.find('.');
        const std::string own = dot == std::string::npos ? name : concat(name, " ", name.substr(0, dot));
        std::string lines;
        for (const NetworkDevice& device : spec.network.devices) {
            for (const Address& address : addresses_of(device)) {
                lines += concat(address.address.substr(0, address.address.find('/')), " ", own, "\n");
            }
        }
        // As long as nobody else is to know where it is.
        text += lines.empty() ? concat("127.0.1.1 ", own, "\n") : lines;
    }
    for (const HostEntry& entry : spec.network.names->hosts) {
        text += concat(entry.address, " ", join(entry.names, " "), "\n");
    }
    if (!spec.network.names->host_entries) return text;
    for_each_line(host, [&](const std::vector<std::string_view>& words) {
        if (words.size() < 2 || is_loopback(words[0]) || !parse_address(words[0])) return;
        for (const std::string_view word : words) text += concat(word, word.data() == words.back().data() ? "\n" : " ");
    });
    return text;
}

} // namespace ct::internal
