// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "cgroup/walk.hpp"

#include <dirent.h>
#include <fcntl.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "base/sys.hpp"
#include "base/unique_fd.hpp"

namespace ct::internal {

namespace {

constexpr int DirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct CloseDirectory {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

std::vector<std::string> names_below(int group) {
    std::vector<std::string> names;
    UniqueFd fd(::openat(group, ".", DirectoryFlags));
    if (!fd) return names; // it is gone, or closed to us, which shows when it is to be removed
    const std::unique_ptr<DIR, CloseDirectory> directory(::fdopendir(fd.get()));
    if (!directory) throw sys::error(errno, Stage::Cgroup, "list groups");
    (void)fd.release();
    while (const dirent* const entry = ::readdir(directory.get())) {
        const std::string_view name = entry->d_name;
        if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
    }
    return names;
}

} // namespace

void walk_groups(int top, GroupVisitor& visitor) {
    struct Level {
        std::string name;
        std::vector<std::string> below; ///< Still to be visited.
    };
    // The way back is "..": a group is never moved to another one.
    UniqueFd here(::openat(top, ".", DirectoryFlags));
    if (!here) throw sys::error(errno, Stage::Cgroup, "open a cgroup");
    visitor.visit(here.get());
    std::vector<Level> way{{{}, names_below(here.get())}};
    for (;;) {
        if (way.back().below.empty()) {
            if (way.size() == 1) return;
            here = UniqueFd(::openat(here.get(), "..", DirectoryFlags));
            if (!here) throw sys::error(errno, Stage::Cgroup, "open the cgroup above", way.back().name);
            const std::string name = std::move(way.back().name);
            way.pop_back();
            visitor.ascend(here.get(), name);
            continue;
        }
        std::string name = std::move(way.back().below.back());
        way.back().below.pop_back();
        if (!visitor.descend(here.get(), name)) continue;
        UniqueFd next(::openat(here.get(), name.c_str(), DirectoryFlags));
        if (!next) {
            if (errno != ENOENT) visitor.refused(name, errno);
            continue;
        }
        here = std::move(next);
        visitor.visit(here.get());
        way.push_back({std::move(name), names_below(here.get())});
    }
}

} // namespace ct::internal
