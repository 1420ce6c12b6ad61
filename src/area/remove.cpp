// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "area/dir_chain.hpp"

namespace ct::internal {

namespace {

/// Whether the directory's owner was in the way, who may be the caller, and now is not.
bool make_writable(int directory) {
    return errno == EACCES && ::chmod(proc_path(directory).c_str(), 0700) == 0;
}

void remove_entry(const DirChain& chain, const std::string& name, int flags) {
    const auto remove = [&] { return ::unlinkat(chain.fd(), name.c_str(), flags) == 0 || errno == ENOENT; };
    if (!remove() && !(make_writable(chain.fd()) && remove())) throw chain.error("remove", name);
}

bool enter(DirChain& chain, const std::string& name) {
    try {
        return chain.try_enter(name);
    } catch (const Error& error) {
        const UniqueFd child = chain.find(name);
        errno = error.code().value();
        if (!child || !make_writable(child.get())) throw;
        return chain.try_enter(name);
    }
}

} // namespace

void remove_contents(int top, const std::string& shown) {
    struct Level {
        std::string name;                     ///< Of the directory itself.
        std::vector<std::string> directories; ///< In it, still to be removed.
    };
    DirChain chain(top, shown);
    std::vector<Level> levels;
    const auto begin = [&](std::string name) {
        Level& level = levels.emplace_back();
        level.name = std::move(name);
        for (std::string& entry : chain.names()) {
            struct stat status {};
            if (!chain.look(entry, status)) continue;
            if (S_ISDIR(status.st_mode)) {
                level.directories.push_back(std::move(entry));
            } else {
                remove_entry(chain, entry, 0);
            }
        }
    };
    begin({});
    for (;;) {
        if (levels.back().directories.empty()) {
            const std::string name = std::move(levels.back().name);
            levels.pop_back();
            if (levels.empty()) return;
            chain.leave();
            remove_entry(chain, name, AT_REMOVEDIR);
            continue;
        }
        std::string name = std::move(levels.back().directories.back());
        levels.back().directories.pop_back();
        if (enter(chain, name)) {
            begin(std::move(name));
        } else {
            remove_entry(chain, name, AT_REMOVEDIR); // fails if something is mounted on it
        }
    }
}

} // namespace ct::internal
