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
        return add(version == 2 ? "" : std::string(to_string(controllers.front())), std::move(controllers), files);
    }
    /// \param name  of the hierarchy; empty for version 2, which is called "unified" below
    FakeGroups& add(const std::string& name, std::vector<Controller> controllers,
                    const std::vector<std::pair<std::string, std::string>>& files = {}) {
        const int version = name.empty() ? 2 : 1;
        Hierarchy& hierarchy = hierarchies_.emplace_back();
        hierarchy.version = version;
        hierarchy.name = name;
        hierarchy.mount_point = (root_ / (name.empty() ? "unified" : name)).string();
        hierarchy.root = "/";
        hierarchy.controllers = std::move(controllers);
        hierarchy.writable = true;
        const std::filesystem::path directory = hierarchy.mount_point + "/box";
        std::filesystem::create_directories(directory);
        write_file(directory / "cgroup.procs", "");
        std::string names;
        for (const Controller controller : hierarchy.controllers) names += std::string(to_string(controller)) + ' ';
        if (version == 2) write_file(directory / "cgroup.controllers", names);
        for (const auto& [file, text] : files) write_file(directory / file, text);
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

    /// Of the group in the hierarchy that was added first.
    [[nodiscard]] std::filesystem::path path(const std::string& file) const {
        return hierarchies_.front().mount_point + "/box/" + file;
    }
    [[nodiscard]] std::string text(const std::string& file) const {
        std::ifstream stream(path(file));
        return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    }
    /// The group in the hierarchy of that name.
    [[nodiscard]] std::filesystem::path group(const std::string& hierarchy) const { return root_ / hierarchy / "box"; }
    /// \param path  the name of the hierarchy and that of the file
    void write(const std::string& path, const std::string& text) const {
        const std::size_t slash = path.find('/');
        write_file(group(path.substr(0, slash)) / path.substr(slash + 1), text);
    }

private:
    static void write_file(const std::filesystem::path& path, const std::string& text) { std::ofstream(path) << text; }

    std::filesystem::path root_;
    std::list<Hierarchy> hierarchies_;
};

} // namespace ct::internal
