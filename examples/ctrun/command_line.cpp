// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <iterator>
#include <stdexcept>

#include "adder.hpp"
#include "cgroup_options.hpp"
#include "limits.hpp"
#include "log.hpp"
#include "network_options.hpp"
#include "options.hpp"
#include "values.hpp"

namespace ctrun {

namespace {

constexpr const char* RunExamples = R"(Examples:
  A shell in a container of its own, on the present terminal:
    ctrun run -t --root /srv/debian --new all --hostname box --default-mounts --default-devices -- /bin/sh

  As an ordinary user, with the host's files read-only and nothing else of the host in sight:
    ctrun run --new user,all --map-root --root / --read-only --default-mounts -- /bin/sh -c id

  A service with data of its own, without privileges, which goes on when ctrun has ended:
    ctrun run -d --name web --root /srv/web --new all --default-mounts --bind /srv/data:/data:ro,noexec \
        --user 33:33 --cap net_bind_service --no-new-privs --rlimit nofile=1024 --log /var/log/web.log -- httpd -f

Options may be repeated where that makes sense; of single values the last one counts.
The exit status is the command's, 128+N if signal N killed it, 124 after --timeout, 125 if ctrun failed,
126 if the command cannot be executed, and 127 if it was not found. See ctrun(1).)";

constexpr const char* CreateExamples = R"(Example:
    ctrun create web --root /srv/web --new all --default-mounts -- httpd -f
    ctrun start web

The container is kept until 'ctrun rm'. See ctrun(1).)";

constexpr const char* ExecExamples = R"(Examples:
    ctrun exec web -- ps
    ctrun exec -t web -- /bin/sh

The exit status is the same as that of ctrun run. See ctrun(1).)";

constexpr const char* LogsExamples = R"(Examples:
    ctrun logs -f --tail 10 web
    ctrun logs --since 1h30m --timestamps web
    ctrun logs --log k8s-file:/var/log/web.log web

What went to standard error goes there. A container that is not saved is forgotten at its end: then
the log has to be named. See ctrun(1).)";

constexpr const char* AttachExamples = R"(Example:
    ctrun run -d -t --name box --root /srv/debian --new all --default-mounts -- /bin/sh
    ctrun attach box

The container has to be one of 'ctrun run -d' with --interactive, --tty or --log. See ctrun(1).)";

/// CLI11 knows nothing of the command after "--".
class Formatter final : public CLI::Formatter {
public:
    std::string make_usage(const CLI::App* app, std::string) const override {
        if (app->get_parent() == nullptr) return "Usage: ctrun SUBCOMMAND ...\n";
        std::string usage = "Usage: ctrun " + app->get_name() + " [OPTION]...";
        for (const CLI::Option* option : app->get_options())
            if (option->get_positional())
                usage += ' ' + option->get_name(true) + (option->get_items_expected_max() > 1 ? "..." : "");
        for (const char* name : {"run", "create", "exec"})
            if (app->get_name() == name) usage += " -- COMMAND [ARGUMENT]...";
        return usage + "\n";
    }
};

/// \returns \p text, which parse_log() takes
const std::string& checked_log(const std::string& text) {
    (void)parse_log(text);
    return text;
}

Rotation parse_rotation(const std::string& text) {
    const std::size_t colon = text.find(':');
    Rotation rotation{.size = ct::Bytes{parse_size(text.substr(0, colon))}};
    if (rotation.size.count == 0) throw std::invalid_argument("the size of --log-rotate has to be more than 0");
    if (colon != std::string::npos)
        rotation.files = static_cast<unsigned>(parse_number(text.substr(colon + 1), 10'000));
    return rotation;
}

/// The subcommands and what was said of them.
class Parser {
public:
    Parser() {
        app_.require_subcommand(0, 1);
        auto formatter = std::make_shared<Formatter>();
        formatter->column_width(36);
        app_.formatter(formatter);
        app_.footer("Each subcommand explains itself with --help.");
        add_starting();
        add_holding();
        add_mounting();
        add_looking();
        add_following();
        add_ending();
    }

    Command parse(int argc, const char* const* argv);

private:
    template <typename Result>
    CLI::App& subcommand(const char* name, const char* help, Result& result, const char* footer = "") {
        CLI::App* const app = app_.add_subcommand(name, help);
        app->footer(footer);
        app->final_callback([this, &result] { command_ = &result; });
        return *app;
    }
    static void add_name(CLI::App& app, std::string& name) {
        app.add_option("NAME", name, "The container's name")->required();
    }
    static void add_log(Adder& add, DetachedOptions& detached) {
        add.option("--log", "LOG",
                   "Log what it writes: k8s-file:FILE, json-file:FILE, plain:FILE, journald or syslog; or, for a "
                   "detached container, a FILE to which it appends itself",
                   [&](const std::string& text) { detached.log = checked_log(text); });
        add.option("--log-rotate", "SIZE[:COUNT]",
                   "Rename the file of the log before it grows beyond SIZE, and keep COUNT old ones; by default 1",
                   [&](const std::string& text) { detached.rotation = parse_rotation(text); });
    }
    static void add_interactive(Adder& add, DetachedOptions& detached) {
        add.flag("-i,--interactive", "In the background: keep its standard input open for ctrun attach",
                 [&] { detached.interactive = true; });
    }
    static void add_timeout(Adder& add, std::optional<std::chrono::milliseconds>& timeout) {
        add.option("--timeout", "SECONDS", "Then send SIGTERM, and 5 seconds later SIGKILL",
                   [&](const std::string& text) { timeout = parse_seconds(text); });
    }
    void add_starting();
    void add_holding();
    void add_mounting();
    void add_looking();
    void add_following();
    void add_ending();
    Command take(const std::vector<std::string>& argv);
    [[nodiscard]] std::runtime_error wrong(const std::string& text) const;

    /// Options that would have no effect beside the others.
    template <typename Chosen>
    void check(const Chosen&) const {}
    void check_rotation(const DetachedOptions& detached) const {
        if (detached.rotation.size.count == 0) return;
        const auto log = parse_log(detached.log);
        if (!log || !std::holds_alternative<ct::LogFile>(*log))
            throw wrong("--log-rotate is for a --log of k8s-file, json-file or plain");
    }
    void check(const RunCommand& run) const {
        const DetachedOptions& detached = run.detached;
        if (detached.detached && run.process.timeout) throw wrong("--timeout is not for a detached container");
        check_rotation(detached);
        if (detached.interactive && !detached.detached) throw wrong("--interactive is for a detached container");
        const bool attachable = detached.interactive || (detached.detached && run.process.terminal);
        if (attachable && !detached.log.empty() && !parse_log(detached.log))
            throw wrong("--log of a file alone is not for --interactive or --tty; see plain:FILE");
        if (detached.log.empty()) return;
        const bool has_driver = parse_log(detached.log).has_value();
        if (detached.detached) return;
        if (!has_driver) throw wrong("--log of a file alone is for a detached container; see --detach");
        if (run.process.terminal) throw wrong("what goes to this terminal is not logged: --log is not for --tty");
        if (run.process.timeout) throw wrong("--timeout is not for --log");
    }
    void check(const StartCommand& start) const {
        const DetachedOptions& detached = start.detached;
        if (detached.detached && start.timeout) throw wrong("--timeout is not for a detached container; see --attach");
        if (!detached.detached && !detached.log.empty()) throw wrong("--log is not for --attach");
        check_rotation(detached);
        if (detached.interactive && !detached.detached) throw wrong("--interactive is not for --attach");
        if (detached.interactive && !detached.log.empty() && !parse_log(detached.log))
            throw wrong("--log of a file alone is not for --interactive; see plain:FILE");
    }

    CLI::App app_{"Runs commands in containers.", "ctrun"};
    RunCommand run_;
    CreateCommand create_;
    StartCommand start_;
    ExecCommand exec_;
    HoldCommand hold_;
    UnpinCommand unpin_;
    MountCommand mount_;
    UnmountCommand unmount_;
    UpdateCommand update_;
    NetworkCommand network_;
    ListCommand list_;
    InspectCommand inspect_;
    PsCommand ps_;
    StatsCommand stats_;
    LogsCommand logs_;
    AttachCommand attach_;
    EventsCommand events_;
    DiffCommand diff_;
    CommitCommand commit_;
    PauseCommand pause_;
    UnpauseCommand unpause_;
    KillCommand kill_;
    StopCommand stop_;
    RemoveCommand remove_;
    CheckCommand check_;
    std::variant<std::monostate, RunCommand*, CreateCommand*, StartCommand*, ExecCommand*, HoldCommand*, UnpinCommand*,
                 MountCommand*, UnmountCommand*, UpdateCommand*, NetworkCommand*, ListCommand*, InspectCommand*,
                 PsCommand*, StatsCommand*, LogsCommand*, AttachCommand*, EventsCommand*, DiffCommand*, CommitCommand*,
                 PauseCommand*, UnpauseCommand*, KillCommand*, StopCommand*, RemoveCommand*, CheckCommand*>
        command_;
};

void Parser::add_starting() {
    Adder run(subcommand("run", "Run a command in a new container", run_, RunExamples));
    run.group("Container");
    run.option("--name", "NAME", "Name for the other subcommands; by default one is made up",
               [&](const std::string& text) { run_.name = text; });
    run.flag("-d,--detach", "Do not wait: print the name, and let the container go on",
             [&] { run_.detached.detached = true; });
    add_interactive(run, run_.detached);
    add_log(run, run_.detached);
    add_timeout(run, run_.process.timeout);
    add_group_place_options(run, run_.groups);
    add_container_options(run, run_.spec);
    add_process_options(run, run_.process);

    CLI::App& create_app = subcommand("create", "Save a container without starting it", create_, CreateExamples);
    add_name(create_app, create_.name);
    Adder create(create_app);
    add_container_options(create, create_.spec);
    add_process_options(create, create_.process);

    CLI::App& start_app = subcommand("start", "Start a saved container, detached", start_);
    add_name(start_app, start_.name);
    Adder start(start_app);
    start.group("Options");
    start.flag("-a,--attach", "Stay with it, with these standard streams, as 'ctrun run' does",
               [&] { start_.detached.detached = false; });
    add_group_place_options(start, start_.groups);
    add_interactive(start, start_.detached);
    add_log(start, start_.detached);
    add_timeout(start, start_.timeout);

    CLI::App& exec_app = subcommand("exec", "Run a command in a running container", exec_, ExecExamples);
    add_name(exec_app, exec_.name);
    Adder exec(exec_app);
    add_timeout(exec, exec_.process.timeout);
    add_process_options(exec, exec_.process);
}

void Parser::add_holding() {
    const auto add_directory = [](Adder& add, std::string& directory) {
        add.group("Container");
        add.option("--directory", "DIR", "Where the namespaces have their names; by default one in /run/libct-ns",
                   [&directory](const std::string& text) { directory = text; });
    };
    const auto add_netns = [](Adder& add, std::string& name, const char* help) {
        add.option("--netns", "NAME", help, [&name](const std::string& text) { name = text; });
    };
    CLI::App& hold_app =
        subcommand("hold", "Set up a container without a process, kept by the names of its namespaces", hold_,
                   "Prints the directory with the names, for --join of ctrun run or nsenter(1). See ctrun(1).");
    add_name(hold_app, hold_.name);
    Adder hold(hold_app);
    add_directory(hold, hold_.directory);
    add_netns(hold, hold_.netns, "Name its network for ip-netns(8), too");
    add_container_options(hold, hold_.spec);

    CLI::App& unpin_app = subcommand("unpin", "Take away what ctrun hold has made", unpin_);
    add_name(unpin_app, unpin_.name);
    Adder unpin(unpin_app);
    add_directory(unpin, unpin_.directory);
    add_netns(unpin, unpin_.netns, "Take that name of ip-netns(8) away, too");
}

void Parser::add_mounting() {
    CLI::App& mount_app = subcommand("mount", "Mount in a running container", mount_,
                                     "The mount is described as for --mount of ctrun run. See ctrun(1).");
    add_name(mount_app, mount_.name);
    const auto parse = [&](const std::string& text) {
        try {
            mount_.mount = parse_mount(text);
        } catch (const std::invalid_argument& error) {
            throw CLI::ValidationError("MOUNT", error.what());
        }
    };
    mount_app.add_option_function<std::string>("MOUNT", parse, "type=TYPE,source=SOURCE,target=TARGET[,OPTION]...")
        ->required();

    CLI::App& unmount_app = subcommand("umount", "Unmount in a running container", unmount_,
                                       "Files that are open there stay open. See ctrun(1).");
    add_name(unmount_app, unmount_.name);
    unmount_app.add_option("TARGET", unmount_.target, "What is mounted there is unmounted")->required();

    CLI::App& update_app = subcommand("update", "Change what a running container may use", update_,
                                      "It has to have been started with the controllers concerned. See ctrun(1).");
    add_name(update_app, update_.name);
    Adder update(update_app);
    add_limit_options(update, update_.limits);
    add_device_rule_options(update, update_.limits);

    CLI::App& network_app = subcommand("network", "Show or change the network of a running container", network_,
                                       "Changes last as long as the container runs. See ctrun(1).");
    add_name(network_app, network_.name);
    Adder network(network_app);
    network.option("--attach", "KIND[:KEY=VALUE,...]", "Add a device, described as for --network of ctrun run",
                   [&](const std::string& text) { parse_network(network_.added, text); });
    network.option("--detach", "DEVICE", "Remove a device, or return it to the host",
                   [&](const std::string& text) { network_.removed_devices.push_back(text); });
    network.option("--attach-route", "DESTINATION[,KEY=VALUE...]", "Add a route, described as for --route of ctrun run",
                   [&](const std::string& text) { network_.added.routes.push_back(parse_route(text)); });
    network.option("--detach-route", "DESTINATION[,KEY=VALUE...]", "Remove one",
                   [&](const std::string& text) { network_.removed_routes.push_back(parse_route(text)); });
    network_app.add_flag("--json", network_.json, "Print JSON, for programs");
}

void Parser::add_looking() {
    const char* const json = "Print JSON, for programs";
    subcommand("check", "Say what this host offers to containers, and how to get what is missing", check_)
        .add_flag("--json", check_.json, json);
    subcommand("list", "List the containers", list_).add_flag("--json", list_.json, json);
    CLI::App& inspect = subcommand("inspect", "Show all that is known of a container", inspect_);
    add_name(inspect, inspect_.name);
    inspect.add_flag("--json", inspect_.json, json);
    CLI::App& ps = subcommand("ps", "List the processes of a container", ps_);
    add_name(ps, ps_.name);
    ps.add_flag("--json", ps_.json, json);
    CLI::App& diff = subcommand("diff", "List what a container has changed in its overlay", diff_);
    add_name(diff, diff_.name);
    diff.add_flag("--json", diff_.json, json);
    CLI::App& commit = subcommand("commit", "Copy what a container has changed in its overlay", commit_);
    add_name(commit, commit_.name);
    commit.add_option("DIRECTORY", commit_.directory, "Where to; missing or empty")->required();
}

void Parser::add_following() {
    CLI::App& stats_app = subcommand("stats", "Show what containers use, as their cgroups tell", stats_,
                                     "On a terminal again and again, until all that were named have ended.");
    stats_app.add_option("NAME", stats_.names, "The containers' names; by default all that run");
    stats_app.add_flag("--json", stats_.json, "Print JSON, for programs");
    stats_app.add_flag("--no-stream", stats_.once, "Once, also on a terminal: what they have used up to now");
    Adder(stats_app).option("--interval", "TIME",
                            "Again and again, that far apart, from 100ms on; by default 1s on a terminal",
                            [&](const std::string& text) {
                                stats_.interval = parse_duration(text);
                                if (*stats_.interval < std::chrono::milliseconds(100))
                                    throw std::invalid_argument("it is less than 100ms");
                            });

    CLI::App& logs_app = subcommand("logs", "Show what a container has written", logs_, LogsExamples);
    add_name(logs_app, logs_.name);
    logs_app.add_flag("-f,--follow", logs_.follow, "Go on until the container has ended");
    logs_app.add_flag("-t,--timestamps", logs_.timestamps, "Print the time before each line");
    Adder logs(logs_app);
    logs.option("--since", "TIME",
                "Only what was written then or later: 2024-02-29T23:59:58Z, or 10m for that long ago",
                [&](const std::string& text) { logs_.since = parse_since(text); });
    logs.option("--tail", "NUMBER", "Only so many lines from the end",
                [&](const std::string& text) { logs_.tail = parse_number(text); });
    logs.option("--log", "LOG", "Read this log, as of ctrun run --log, rather than where the container is known to log",
                [&](const std::string& text) { logs_.log = checked_log(text); });

    CLI::App& attach_app = subcommand("attach", "Connect these standard streams to a container in the background",
                                      attach_, AttachExamples);
    add_name(attach_app, attach_.name);
    attach_app.add_flag_callback(
        "--no-stdin", [&] { attach_.input = false; }, "Only show what it writes from now on");
    attach_.detach_keys = parse_keys("ctrl-p,ctrl-q");
    Adder(attach_app)
        .option("--detach-keys", "KEY[,KEY...]", "What is typed to leave the container alone; by default ctrl-p,ctrl-q",
                [&](const std::string& text) { attach_.detach_keys = parse_keys(text); });

    CLI::App& events_app = subcommand("events", "Show what becomes of containers, as lines of JSON", events_);
    events_app.add_option("NAME", events_.names, "The containers' names; by default all");
    events_app.add_flag_callback(
        "--no-follow", [&] { events_.follow = false; }, "Show what is recorded, and end");
    Adder(events_app)
        .option("--since", "TIME", "Begin with what is recorded of that time, as for ctrun logs",
                [&](const std::string& text) { events_.since = parse_since(text); });
}

void Parser::add_ending() {
    add_name(subcommand("pause", "Freeze all processes of a container", pause_), pause_.name);
    add_name(subcommand("unpause", "Let a paused container go on", unpause_), unpause_.name);

    CLI::App& kill_app = subcommand("kill", "Send a signal to the first process of a container", kill_);
    add_name(kill_app, kill_.name);
    Adder(kill_app).option("-s,--signal", "SIGNAL", "By default KILL",
                           [&](const std::string& text) { kill_.signal = parse_signal(text); });

    CLI::App& stop_app = subcommand("stop", "Ask a container to end, then kill it", stop_);
    add_name(stop_app, stop_.name);
    Adder stop(stop_app);
    stop.option("--grace", "SECONDS", "Time between the two; by default 10",
                [&](const std::string& text) { stop_.grace = parse_seconds(text); });
    stop.option("-s,--signal", "SIGNAL", "To ask with; by default TERM",
                [&](const std::string& text) { stop_.signal = parse_signal(text); });

    CLI::App& remove_app = subcommand("rm", "Remove saved containers", remove_);
    remove_app.add_option("NAME", remove_.names, "The containers' names")->required();
    remove_app.add_flag("-f,--force", remove_.force, "Kill them first if they are running");
}

Command Parser::parse(int argc, const char* const* argv) {
    // What follows "--" is not CLI11's business: it would take "[x]" for a list.
    const char* const* const end = argv + argc;
    const char* const* const mark = std::find(argv, end, std::string_view("--"));
    std::vector<std::string> words(std::make_reverse_iterator(mark), std::make_reverse_iterator(argv + 1));
    try {
        app_.parse(words);
    } catch (const CLI::CallForHelp&) {
        return HelpCommand{CLI::detail::find_and_replace(app_.help(), "\n\n\n", "\n\n")};
    } catch (const CLI::ParseError& error) {
        const bool takes_command =
            app_.got_subcommand("run") || app_.got_subcommand("create") || app_.got_subcommand("exec");
        const char* const reminder = mark == end && takes_command ? "; the command goes after '--'" : "";
        throw wrong(error.what() + std::string(reminder));
    }
    return take({std::min(mark + 1, end), end});
}

/// \param text  what is wrong with the command line
std::runtime_error Parser::wrong(const std::string& text) const {
    std::string subcommand;
    for (const CLI::App* const app : app_.get_subcommands()) subcommand = app->get_name() + " ";
    return std::runtime_error(text + " (see ctrun " + subcommand + "--help)");
}

/// \param argv  what followed "--"
Command Parser::take(const std::vector<std::string>& argv) {
    return std::visit(
        [&](auto chosen) -> Command {
            if constexpr (std::is_same_v<decltype(chosen), std::monostate>) {
                throw wrong("no subcommand was given");
            } else {
                if constexpr (requires { chosen->process; }) {
                    if (argv.empty()) throw wrong("there is no command after '--'");
                    chosen->process.spec.argv = argv;
                } else if (!argv.empty()) {
                    throw wrong("this subcommand takes no command after '--'");
                }
                check(*chosen);
                return std::move(*chosen);
            }
        },
        command_);
}

} // namespace

Command parse_command_line(int argc, const char* const* argv) {
    return Parser().parse(argc, argv);
}

} // namespace ctrun
