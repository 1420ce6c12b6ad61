// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <ct/ct.hpp>

/// The command line.
namespace ctrun {

class Adder;

/// What all commands that start a process have in common.
struct ProcessOptions {
    ct::ProcessSpec spec;
    bool terminal = false;
    std::optional<std::chrono::milliseconds> timeout;
};

/// When the files of a log are renamed.
struct Rotation {
    ct::Bytes size = {}; ///< 0: never.
    unsigned files = 1;  ///< How many old ones are kept.
};

/// A container that goes on without ctrun.
struct DetachedOptions {
    bool detached = false;
    bool interactive = false; ///< Its standard input is for those who attach.
    /// What parse_log() knows; or what it writes goes to the end of this file; empty: nowhere.
    std::string log = {};
    Rotation rotation = {};
};

/// Where containers have their cgroups.
struct GroupOptions {
    std::optional<std::string> parent;
    ct::CgroupManager manager = ct::CgroupManager::Cgroupfs;
};

struct RunCommand {
    std::string name; ///< Empty: to be generated.
    GroupOptions groups;
    ct::Spec spec;
    ProcessOptions process;
    DetachedOptions detached;
};

struct CreateCommand {
    std::string name;
    ct::Spec spec;
    ProcessOptions process;
};

struct StartCommand {
    std::string name;
    GroupOptions groups;
    DetachedOptions detached{.detached = true};
    std::optional<std::chrono::milliseconds> timeout;
};

struct ExecCommand {
    std::string name;
    ProcessOptions process;
};

/// A container without a process, kept by the names of its namespaces.
struct HoldCommand {
    std::string name;
    std::string directory; ///< Empty: the default.
    std::string netns;     ///< Empty: none.
    ct::Spec spec;
};

struct UnpinCommand {
    std::string name;
    std::string directory;
    std::string netns;
};

struct MountCommand {
    std::string name;
    ct::Mount mount;
};

struct UnmountCommand {
    std::string name;
    std::string target;
};

struct UpdateCommand {
    std::string name;
    ct::Limits limits;
};

/// Changes of a running container's network, or without any a look at it.
struct NetworkCommand {
    std::string name;
    ct::Network added;
    std::vector<std::string> removed_devices;
    std::vector<ct::Route> removed_routes;
    bool json = false;
};

struct ListCommand {
    bool json = false;
};

struct InspectCommand {
    std::string name;
    bool json = false;
};

struct PsCommand {
    std::string name;
    bool json = false;
};

struct StatsCommand {
    std::vector<std::string> names; ///< Empty: all that run.
    bool json = false;
    bool once = false;
    std::optional<std::chrono::milliseconds> interval;
};

struct LogsCommand {
    std::string name;
    std::string log; ///< As of parse_log(); empty: what the container's record says.
    bool follow = false;
    bool timestamps = false;
    std::optional<ct::LogTime> since;
    std::optional<std::uint64_t> tail;
};

struct AttachCommand {
    std::string name;
    std::string detach_keys; ///< The bytes that are typed to end ctrun; empty: none.
    bool input = true;
};

struct EventsCommand {
    std::vector<std::string> names; ///< Empty: all.
    bool follow = true;
    std::optional<ct::LogTime> since;
};

struct DiffCommand {
    std::string name;
    bool json = false;
};

struct CommitCommand {
    std::string name;
    std::string directory;
};

struct PauseCommand {
    std::string name;
};

struct UnpauseCommand {
    std::string name;
};

struct KillCommand {
    std::string name;
    int signal = 9;
};

struct StopCommand {
    std::string name;
    int signal = 15;
    std::chrono::milliseconds grace{10'000};
};

struct RemoveCommand {
    std::vector<std::string> names;
    bool force = false;
};

/// What this host offers.
struct CheckCommand {
    bool json = false;
};

/// The user asked for help, and this is it.
struct HelpCommand {
    std::string text;
};

using Command =
    std::variant<RunCommand, CreateCommand, StartCommand, ExecCommand, HoldCommand, UnpinCommand, MountCommand,
                 UnmountCommand, UpdateCommand, NetworkCommand, ListCommand, InspectCommand, PsCommand, StatsCommand,
                 LogsCommand, AttachCommand, EventsCommand, DiffCommand, CommitCommand, PauseCommand, UnpauseCommand,
                 KillCommand, StopCommand, RemoveCommand, CheckCommand, HelpCommand>;

/// \throws std::runtime_error with what is wrong with the command line.
Command parse_command_line(int argc, const char* const* argv);

/// The options of a container's specification.
void add_container_options(Adder& add, ct::Spec& spec);
/// The options of a process.
void add_process_options(Adder& add, ProcessOptions& process);

} // namespace ctrun
