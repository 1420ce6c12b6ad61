// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// diff, commit: what a container has changed in its overlay.
#include <iostream>

#include "../json.hpp"
#include "../table.hpp"
#include "commands.hpp"

namespace ctrun {

int execute(const DiffCommand& command) {
    ct::Session session = open_session();
    const std::vector<ct::Change> changes = session.open(command.name).changes();
    if (command.json) {
        Json list = Json::array();
        for (const ct::Change& change : changes)
            list.push_back({{"path", change.path}, {"kind", std::string(to_string(change.kind))}});
        print_json(list);
        return 0;
    }
    Table table;
    for (const ct::Change& change : changes) table.add({std::string(to_string(change.kind)), change.path});
    table.print(std::cout);
    return 0;
}

int execute(const CommitCommand& command) {
    ct::Session session = open_session();
    session.open(command.name).commit(command.directory);
    return 0;
}

} // namespace ctrun
