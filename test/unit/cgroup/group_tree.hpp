// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// Directories in the place of groups.
class GroupTree {
public:
    GroupTree() {
        std::string name = (std::filesystem::temp_directory_path() / "ct-groups-XXXXXX").string();
        dir_ = ::mkdtemp(name.data());
    }
    ~GroupTree() { std::filesystem::remove_all(dir_); }
    GroupTree(const GroupTree&) = delete;
    GroupTree& operator=(const GroupTree&) = delete;

    /// \param name  of the hierarchy; empty for version 2
    void add(const std::string& name, std::vector<Controller> controllers) {
        auto hierarchy = std::make_unique<Hierarchy>();
        hierarchy->version = name.empty() ? 2 : 1;
        hierarchy->name = name;
        hierarchy->controllers = std::move(controllers);
        Group group;
        group.hierarchy = hierarchy.get();
        group.name = name.empty() ? "unified" : name;
        group.path = (dir_ / group.name).string();
        std::filesystem::create_directory(group.path);
        group.directory.reset(::open(group.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        hierarchies_.push_back(std::move(hierarchy));
        groups_.push_back(std::move(group));
    }
    void write(const std::string& path, std::string_view text) const { std::ofstream(dir_ / path) << text; }
    [[nodiscard]] const std::filesystem::path& dir() const { return dir_; }
    /// Once all are there.
    [[nodiscard]] Groups take() { return Groups(std::move(groups_)); }

private:
    std::filesystem::path dir_;
    std::vector<std::unique_ptr<Hierarchy>> hierarchies_;
    std::vector<Group> groups_;
};

} // namespace ct::internal
