// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <fcntl.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "cgroup/groups.hpp"

namespace ct::internal {

/// Groups that are directories with ordinary files, which keep what is written to them.
class FakeGroups {
public:
    FakeGroups() {
        std::string pattern = (std::filesystem::temp_directory_path() / "ct-groups-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a directory for the test");
        root_ = pattern;
    }
    FakeGroups(const FakeGroups&) = delete;
    FakeGroups& operator=(const FakeGroups&) = delete;
    ~FakeGroups() { std::filesystem::remove_all(root_); }

    /// Adds a hierarchy in which the container's group has these files.
    FakeGroups& add(int version, std::vector<Controller> controllers,
                    const std::vector<std::pair<std::string, std::string>>& files = {}) {
        Hierarchy& hierarchy = hierarchies_.emplace_back();
        hierarchy.version = version;
        hierarchy.mount_point = (root_ / std::to_string(hierarchies_.size())).string();
        hierarchy.root = "/";
        hierarchy.controllers = std::move(controllers);
        hierarchy.writable = true;
        const std::filesystem::path directory = hierarchy.mount_point + "/box";
        std::filesystem::create_directories(directory);
        write(directory / "cgroup.procs", "");
        std::string names;
        for (const Controller controller : hierarchy.controllers) names += std::string(to_string(controller)) + ' ';
        if (version == 2) write(directory / "cgroup.controllers", names);
        for (const auto& [name, text] : files) write(directory / name, text);
        return *this;
    }

    [[nodiscard]] Groups groups() const {
        std::vector<Group> list;
        for (const Hierarchy& hierarchy : hierarchies_) {
            Group group;
            group.hierarchy = &hierarchy;
            group.path = hierarchy.mount_point + "/box";
            group.directory.reset(::open(group.path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
            group.name = "box";
            list.push_back(std::move(group));
        }
        return Groups(std::move(list));
    }

    /// Of the hierarchy that was added as number \p index.
    [[nodiscard]] std::filesystem::path path(const std::string& file, int index = 1) const {
        return root_ / std::to_string(index) / "box" / file;
    }
    [[nodiscard]] std::string text(const std::string& file, int index = 1) const {
        std::ifstream stream(path(file, index));
        return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    }

private:
    static void write(const std::filesystem::path& path, const std::string& text) { std::ofstream(path) << text; }

    std::filesystem::path root_;
    std::list<Hierarchy> hierarchies_;
};

} // namespace ct::internal
