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

/// A container that goes on without ctrun.
struct DetachedOptions {
    bool detached = false;
    std::string log; ///< What it writes goes to the end of this file; empty: nowhere.
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
    DetachedOptions detached{.detached = true, .log = {}};
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
    std::vector<std::string> names;
    bool json = false;
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

using Command = std::variant<RunCommand, CreateCommand, StartCommand, ExecCommand, HoldCommand, UnpinCommand,
                             MountCommand, UnmountCommand, UpdateCommand, ListCommand, InspectCommand, PsCommand,
                             StatsCommand, DiffCommand, CommitCommand, PauseCommand, UnpauseCommand, KillCommand,
                             StopCommand, RemoveCommand, CheckCommand, HelpCommand>;

/// \throws std::runtime_error with what is wrong with the command line.
Command parse_command_line(int argc, const char* const* argv);

/// The options of a container's specification.
void add_container_options(Adder& add, ct::Spec& spec);
/// The options of a process.
void add_process_options(Adder& add, ProcessOptions& process);

} // namespace ctrun
