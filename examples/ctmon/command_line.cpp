// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "command_line.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/concat.hpp"

namespace ctmon {

namespace {

using ct::internal::concat;
using Line = CommandLine;

/// Where the value of an option goes; its type is what may be given.
using Target = std::variant<bool Line::*, std::string Line::*, std::optional<std::string> Line::*, int Line::*,
                            std::int64_t Line::*, std::vector<std::string> Line::*>;

struct Option {
    std::string_view name;
    char letter; ///< NUL: none.
    Target target;
    std::string_view meaning; ///< Empty: not shown.

    [[nodiscard]] bool is_flag() const noexcept { return std::holds_alternative<bool Line::*>(target); }
};

// No std::array: GCC 12 would put it where it can be written, and each monitor would have a copy.
constexpr Option Known[] = {
    Option{"api-version", '\0', &Line::api_version_1, "Version 1 of the reports; what follows it is ignored"},
    Option{"bundle", 'b', &Line::bundle, "Directory of the bundle"},
    Option{"cid", 'c', &Line::cid, "ID of the container"},
    Option{"conmon-pidfile", 'P', &Line::conmon_pidfile, "File for the process ID of the monitor"},
    Option{"container-pidfile", 'p', &Line::container_pidfile, "File for the process ID of the container"},
    Option{"pidfile", '\0', &Line::container_pidfile, ""},
    Option{"cuuid", 'u', &Line::cuuid, "Unique ID of the container, or of a session of --exec"},
    Option{"exec", 'e', &Line::exec, "Run a command in a running container"},
    Option{"exec-attach", '\0', &Line::exec_attach, "Wait for a client to attach before --exec begins"},
    Option{"exec-process-spec", '\0', &Line::exec_process_spec, "File that describes the process of --exec"},
    Option{"exit-command", '\0', &Line::exit_command, "Program to run at the end of the container"},
    Option{"exit-command-arg", '\0', &Line::exit_command_args, "Argument for the exit command (repeatable)"},
    Option{"exit-delay", '\0', &Line::exit_delay, "Seconds to wait before the exit command"},
    Option{"exit-dir", '\0', &Line::exit_dir, "Directory for the file with the exit status"},
    Option{"full-attach", '\0', &Line::full_attach, "Put the attach socket into the bundle; no --socket-dir-path"},
    Option{"leave-stdin-open", '\0', &Line::leave_stdin_open, "Keep stdin open when the clients have gone"},
    Option{"log-level", '\0', &Line::level, "error, warning (default), info, debug or trace"},
    Option{"log-path", 'l', &Line::log_paths, "k8s-file:PATH, journald, passthrough or none (repeatable)"},
    Option{"log-size-max", '\0', &Line::log_size_max, "Bytes at which a log file is replaced"},
    Option{"log-global-size-max", '\0', &Line::log_global_size_max, "Bytes after which nothing more is logged"},
    Option{"log-tag", '\0', &Line::log_tag, "Tag of the entries in journald"},
    Option{"log-label", '\0', &Line::labels, "LABEL=VALUE, another field of the entries in journald (repeatable)"},
    Option{"no-container-partial-message", '\0', &Line::no_partial_message,
           "Do not mark entries in journald that are parts of lines"},
    Option{"log-rotate", '\0', &Line::log_rotate, "Keep old log files at --log-size-max"},
    Option{"log-max-files", '\0', &Line::log_max_files, "How many old log files are kept"},
    Option{"log-allowlist-dir", '\0', &Line::log_allowlist_dirs, "Directory that log files may be in (repeatable)"},
    Option{"name", 'n', &Line::name, "Name of the container"},
    Option{"no-new-keyring", '\0', &Line::no_new_keyring, "Have the runtime make no session keyring"},
    Option{"no-pivot", '\0', &Line::no_pivot, "Have the runtime use no pivot_root(2)"},
    Option{"no-sync-log", '\0', &Line::no_sync_log, "Do not sync the log to the disk at the end"},
    Option{"persist-dir", '0', &Line::persist_dir, "Directory for what is to stay of the container"},
    Option{"replace-listen-pid", '\0', &Line::replace_listen_pid, "Set LISTEN_PID to the runtime's process ID"},
    Option{"restore", '\0', &Line::checkpoint, "Restore the container from this checkpoint"},
    Option{"restore-arg", '\0', &Line::runtime_opts, ""},
    Option{"runtime", 'r', &Line::runtime, "Program of the OCI runtime"},
    Option{"runtime-arg", '\0', &Line::runtime_args, "Option for the runtime, before its command (repeatable)"},
    Option{"runtime-opt", '\0', &Line::runtime_opts, "Option for the runtime's command (repeatable)"},
    Option{"sdnotify-socket", '\0', &Line::sdnotify_socket, "Socket of the service manager, for sd_notify(3)"},
    Option{"seccomp-notify-plugins", '\0', &Line::ignored, ""},
    Option{"seccomp-notify-socket", '\0', &Line::ignored, ""},
    Option{"socket-dir-path", '\0', &Line::socket_dir_path, "Directory for links to attach sockets"},
    Option{"stdin", 'i', &Line::stdin_open, "Give the container a pipe as its stdin"},
    Option{"sync", '\0', &Line::sync, "Stay in the foreground"},
    Option{"syslog", '\0', &Line::syslog, "Also write messages to the system log"},
    Option{"systemd-cgroup", 's', &Line::systemd_cgroup, "Have the runtime make cgroups through systemd"},
    Option{"terminal", 't', &Line::terminal, "Give the container a terminal"},
    Option{"timeout", 'T', &Line::timeout, "Seconds after which the container is killed"},
    Option{"version", '\0', &Line::version, "Show the version"},
    Option{"help", 'h', &Line::help, "Show this"},
    Option{"help-all", '?', &Line::help, ""},
};

/// Refuses a command line for how it is written.
template <typename... Parts>
[[noreturn]] void malformed(const Parts&... parts) {
    throw Refused(concat("conmon: option parsing failed: ", parts...));
}

template <typename Number>
Number integer(const std::string& text, std::string_view option) {
    static_assert(sizeof(Number) <= sizeof(long long));
    char* end = nullptr;
    errno = 0;
    const long long value = std::strtoll(text.c_str(), &end, 0);
    if (text.empty() || *end != '\0') malformed("Cannot parse integer value '", text, "' for ", option);
    if (errno == ERANGE || value < std::numeric_limits<Number>::min() || value > std::numeric_limits<Number>::max()) {
        malformed("Integer value '", text, "' for ", option, " out of range");
    }
    return static_cast<Number>(value);
}

/// \param as_given  the option with its dashes
void set(Line& line, const Option& option, const std::string& value, std::string_view as_given) {
    std::visit(
        [&](const auto member) {
            auto& to = line.*member;
            using Value = std::decay_t<decltype(to)>;
            if constexpr (std::is_same_v<Value, bool>) {
                to = true;
            } else if constexpr (std::is_integral_v<Value>) {
                to = integer<Value>(value, as_given);
            } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
                to.push_back(value);
            } else {
                to = value;
            }
        },
        option.target);
}

class Reader {
public:
    explicit Reader(const std::vector<std::string>& arguments) : arguments_(arguments) {}

    Line read() {
        while (next_ < arguments_.size() && !line_.help) {
            const std::string& argument = arguments_[next_++];
            if (argument == "--") break;
            if (argument.starts_with("--")) {
                read_long(argument);
            } else if (argument.size() > 1 && argument.front() == '-') {
                read_short(argument);
            } // else it is ignored, as the 1 of `--api-version 1`
        }
        return std::move(line_);
    }

private:
    void read_long(const std::string& argument) {
        const std::size_t equals = argument.find('=');
        const std::string as_given = argument.substr(0, equals);
        const auto* const option = std::ranges::find(Known, std::string_view(as_given).substr(2), &Option::name);
        if (option == std::end(Known)) malformed("Unknown option ", argument);
        if (equals != std::string::npos) {
            set(line_, *option, argument.substr(equals + 1), as_given);
        } else {
            set(line_, *option, option->is_flag() ? std::string() : value_of(as_given), as_given);
        }
    }

    /// One of the bundled options may have a value, which is the next argument.
    void read_short(const std::string& argument) {
        bool has_value = false;
        for (const char letter : argument.substr(1)) {
            const auto* const option = std::ranges::find(Known, letter, &Option::letter);
            if (option == std::end(Known)) malformed("Unknown option ", argument);
            const std::string as_given{'-', letter};
            if (!option->is_flag() && std::exchange(has_value, true)) malformed("Error parsing option ", as_given);
            set(line_, *option, option->is_flag() ? std::string() : value_of(as_given), as_given);
        }
    }

    const std::string& value_of(std::string_view option) {
        if (next_ == arguments_.size()) malformed("Missing argument for ", option);
        return arguments_[next_++];
    }

    const std::vector<std::string>& arguments_;
    std::size_t next_ = 0;
    Line line_;
};

} // namespace

CommandLine read_command_line(const std::vector<std::string>& arguments) {
    return Reader(arguments).read();
}

std::string usage() {
    constexpr std::size_t column = 39;
    std::string text = "Usage:\n"
                       "  conmon [OPTION...] - a monitor of one container\n"
                       "  conmon serve SOCKET - one of many containers; see ctmon(8)\n"
                       "  conmon at SOCKET COMMAND - what such a one is to do\n"
                       "\nOptions:\n";
    for (const Option& option : Known) {
        if (option.meaning.empty()) continue;
        std::string line = "  ";
        if (option.letter != '\0') line += concat('-', option.letter, ", ");
        line += concat("--", option.name, option.is_flag() ? "" : " VALUE");
        line.append(line.size() < column ? column - line.size() : 1, ' ');
        text += concat(line, option.meaning, '\n');
    }
    return text;
}

} // namespace ctmon
