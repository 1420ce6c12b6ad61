// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include "../options.hpp"

/// What each subcommand does. Returns ctrun's exit status.
namespace ctrun {

/// What shells and their like have agreed on.
enum ExitCode { TimedOut = 124, OwnFailure = 125, CannotExecute = 126, NotFound = 127 };

/// A session that finds, and is found by, the other programs of this user.
ct::Session open_session(const GroupOptions& groups = {});

int execute(const RunCommand& command);
int execute(const CreateCommand& command);
int execute(const StartCommand& command);
int execute(const ExecCommand& command);

int execute(const HoldCommand& command);
int execute(const UnpinCommand& command);

int execute(const MountCommand& command);
int execute(const UnmountCommand& command);
int execute(const UpdateCommand& command);
int execute(const NetworkCommand& command);

int execute(const ListCommand& command);
int execute(const InspectCommand& command);
int execute(const PsCommand& command);
int execute(const StatsCommand& command);

int execute(const LogsCommand& command);
int execute(const AttachCommand& command);
int execute(const EventsCommand& command);

int execute(const DiffCommand& command);
int execute(const CommitCommand& command);

int execute(const PauseCommand& command);
int execute(const UnpauseCommand& command);
int execute(const KillCommand& command);
int execute(const StopCommand& command);
int execute(const RemoveCommand& command);

int execute(const CheckCommand& command);
int execute(const HelpCommand& command);

} // namespace ctrun
