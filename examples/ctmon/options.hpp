// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace ctmon {

enum class Mode : std::uint8_t { Create, Restore, Exec };

enum class Level : std::uint8_t { Error, Warning, Info, Debug, Trace };

/// Where the output goes, besides those who are attached.
struct LogDrivers {
    bool passthrough = false; ///< The container has the monitor's own streams: there is nothing to log.
    bool journald = false;
    std::optional<std::string> file = {}; ///< k8s-file; the path as given.
    bool operator==(const LogDrivers&) const = default;
};

/// The command line, checked. Paths are as given: relative ones start from the current directory.
struct Options {
    Mode mode = Mode::Create;
    bool api_version_1 = false; ///< Reports have the key "data", and those of exec come twice.
    std::string cid;
    std::string cuuid;
    std::string name;
    std::string bundle; ///< Empty: none, an exec that nobody attaches to.
    std::string container_pidfile;
    std::string conmon_pidfile; ///< Empty: none; the same for all that follow.
    std::string runtime;
    std::vector<std::string> runtime_args;
    std::vector<std::string> runtime_opts;
    std::string restore;
    std::string exec_process_spec;
    bool exec_attach = false;
    bool systemd_cgroup = false;
    bool no_pivot = false;
    bool no_new_keyring = false;
    bool replace_listen_pid = false;
    bool terminal = false;
    bool stdin_open = false; ///< --stdin
    bool leave_stdin_open = false;
    bool sync = false;
    bool full_attach = false;
    std::string socket_dir_path = "/var/run/crio";
    LogDrivers log;
    std::int64_t log_size_max = -1;        ///< Bytes; not positive: no limit.
    std::int64_t log_global_size_max = -1; ///< The same.
    bool log_rotate = false;
    int log_max_files = 1;
    std::vector<std::string> log_allowlist_dirs;
    std::string log_tag;
    std::vector<std::pair<std::string, std::string>> log_labels;
    bool no_partial_message = false;
    bool no_sync_log = false;
    std::string exit_dir;
    std::string persist_dir;
    std::string exit_command;
    std::vector<std::string> exit_command_args;
    int exit_delay = 0; ///< Seconds.
    int timeout = 0;    ///< Seconds; not positive: none.
    std::string sdnotify_socket;
    Level log_level = Level::Warning;
    bool syslog = false;
};

/// The command line is refused: the text, with its prefix, is for standard error.
class Refused : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// What the command line asks for that is done at once: the text is for standard output.
struct Answer {
    std::string text;
};

struct Request {
    std::optional<Answer> answer = {}; ///< --help or --version.
    Options options = {};
    std::vector<std::string> warnings = {}; ///< For the messages, once these are set up.
};

/// Reads and checks the command line, and sets what it leaves to be the default.
/// \param arguments  without the program's name
/// \throws Refused
[[nodiscard]] Request parse(const std::vector<std::string>& arguments);

/// Whether a log may be at \p log_path: its directory is one of --log-allowlist-dir or is below one, symbolic links
/// followed. parse() has looked; another look belongs before each time the file is opened.
[[nodiscard]] bool is_allowed(const Options& options, const std::string& log_path);

} // namespace ctmon
