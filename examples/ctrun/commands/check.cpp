// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// check: what the host offers.
#include <iostream>

#include "../json.hpp"
#include "../table.hpp"
#include "commands.hpp"

namespace ctrun {

int execute(const CheckCommand& command) {
    const std::vector<ct::HostFeature> features = ct::Session().capabilities();
    if (command.json) {
        Json list = Json::array();
        for (const ct::HostFeature& feature : features) {
            list.push_back({{"name", feature.name},
                            {"available", feature.available},
                            {"detail", feature.detail},
                            {"remedy", feature.remedy}});
        }
        print_json(list);
        return 0;
    }
    Table table({"FEATURE", "THERE", "WHAT OR WHY"});
    for (const ct::HostFeature& feature : features) {
        table.add({feature.name, feature.available ? "yes" : "no", feature.detail});
        if (!feature.remedy.empty()) table.add({"", "", "get it by: " + feature.remedy});
    }
    table.print(std::cout);
    return 0;
}

} // namespace ctrun
