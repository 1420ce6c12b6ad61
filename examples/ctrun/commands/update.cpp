// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// update: what a running container may use.
#include "commands.hpp"

namespace ctrun {

int execute(const UpdateCommand& command) {
    ct::Session session = open_session();
    session.open(command.name).update(command.limits);
    return 0;
}

} // namespace ctrun
