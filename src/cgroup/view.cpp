// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/view.hpp"

#include <algorithm>
#include <sstream>

namespace ct::internal {

namespace {

CgroupView::Tree tree_of(const Group& group) {
    CgroupView::Tree tree{group.path, "unified", {}};
    if (group.hierarchy->version == 2) return tree;
    // "cpu,cpuacct", "name=systemd"
    std::istringstream parts(group.hierarchy->name);
    tree.name.clear();
    for (std::string part; std::getline(parts, part, ',');) {
        constexpr std::string_view named = "name=";
        if (part.starts_with(named)) part.erase(0, named.size());
        tree.name += (tree.name.empty() ? "" : ",") + part;
        tree.links.push_back(std::move(part));
    }
    if (tree.links.size() == 1) tree.links.clear();
    return tree;
}

} // namespace

CgroupView view_of(const Groups& groups, const Hierarchies& hierarchies) {
    CgroupView view;
    // A hierarchy without controllers beside version 2 is somebody's own affair.
    view.in_tmpfs = std::any_of(hierarchies.all().begin(), hierarchies.all().end(), [](const Hierarchy& hierarchy) {
        return hierarchy.version == 1 && !hierarchy.controllers.empty();
    });
    for (const Group& group : groups.all()) {
        if (view.in_tmpfs || group.hierarchy->version == 2) view.trees.push_back(tree_of(group));
    }
    return view;
}

} // namespace ct::internal
