// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>

#include <algorithm>
#include <climits>

#include "area/dir_chain.hpp"
#include "area/overlay_view.hpp"

namespace ct {

std::string_view to_string(ChangeKind kind) noexcept {
    switch (kind) {
    case ChangeKind::Added: return "added";
    case ChangeKind::Modified: return "modified";
    case ChangeKind::Deleted: return "deleted";
    }
    return "unknown";
}

namespace internal {

namespace {

/// What the lower directories together show under a name.
struct Below {
    struct stat status {};
    bool exists = false;
    std::vector<std::size_t> merged; ///< The layers whose directories of that name it is made of.
};

class Lister {
public:
    explicit Lister(const OverlayView& view) : view_(view), upper_(view.upper.get(), view.upper_shown) {
        for (std::size_t i = 0; i < view.lower.size(); ++i) {
            layers_.push_back({DirChain(view.lower[i].get(), "(lower directory)"), true});
        }
        path_ = view.target;
    }

    std::vector<Change> run() {
        begin(false);
        while (!levels_.empty()) {
            if (levels_.back().next == levels_.back().directories.size()) {
                end();
                continue;
            }
            const Directory directory = levels_.back().directories[levels_.back().next++];
            descend(directory);
        }
        return std::move(changes_);
    }

private:
    struct Layer {
        DirChain chain;
        bool present; ///< It has the present directory: its chain is as deep as the upper one.
    };
    struct Directory {
        std::string name;
        bool is_new; ///< Nothing below shows through.
    };
    struct Level {
        std::vector<Directory> directories; ///< To look into.
        std::size_t next = 0;
        std::size_t path_length = 0;
        bool opaque = false;
    };

    [[nodiscard]] bool fits(const std::string& name) const { return path_.size() + 1 + name.size() < PATH_MAX; }

    void report(const std::string& name, ChangeKind kind) { changes_.push_back({path_ + '/' + name, kind}); }

    Below look_below(const std::string& name) const {
        Below below;
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            if (!layers_[i].present) continue;
            struct stat status {};
            if (!layers_[i].chain.look(name, status)) continue;
            if (is_whiteout(status)) break;
            const bool is_directory = S_ISDIR(status.st_mode);
            if (!below.exists) {
                below.exists = true;
                below.status = status;
            } else if (!is_directory) {
                break;
            }
            if (!is_directory) break;
            below.merged.push_back(i);
            const UniqueFd directory = layers_[i].chain.find(name);
            if (directory && is_opaque_at(directory.get())) break;
        }
        return below;
    }

    /// By O_PATH a directory has no attributes.
    [[nodiscard]] bool is_opaque_at(int directory) const {
        const UniqueFd readable(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return readable && is_opaque(readable.get(), view_.user_xattr);
    }

    void begin(bool opaque) {
        Level& level = levels_.emplace_back();
        level.path_length = path_.size();
        level.opaque = opaque;
        std::vector<std::string> names = upper_.names();
        if (opaque) {
            for (const Layer& layer : layers_) {
                if (!layer.present) continue;
                const std::vector<std::string> more = layer.chain.names();
                names.insert(names.end(), more.begin(), more.end());
            }
            std::sort(names.begin(), names.end());
            names.erase(std::unique(names.begin(), names.end()), names.end());
        }
        for (const std::string& name : names) {
            if (fits(name)) compare(level, name);
        }
    }

    void compare(Level& level, const std::string& name) {
        const Below below = look_below(name);
        struct stat status {};
        if (!upper_.look(name, status) || is_whiteout(status)) {
            // Without a whiteout it can only be missing in an opaque directory, or have gone just now.
            if (below.exists && (level.opaque || is_whiteout(status))) report(name, ChangeKind::Deleted);
            return;
        }
        const bool merges = S_ISDIR(status.st_mode) && !below.merged.empty();
        if (!below.exists) {
            report(name, ChangeKind::Added);
        } else if (!merges || level.opaque || status.st_mode != below.status.st_mode ||
                   status.st_uid != below.status.st_uid || status.st_gid != below.status.st_gid ||
                   is_opaque_at(upper_.find(name).get())) {
            report(name, ChangeKind::Modified);
        }
        if (S_ISDIR(status.st_mode)) level.directories.push_back({name, !merges});
    }

    void descend(const Directory& directory) {
        const Below below = directory.is_new ? Below{} : look_below(directory.name);
        if (!upper_.try_enter(directory.name)) return; // gone meanwhile
        const bool opaque = levels_.back().opaque || is_opaque(upper_.fd(), view_.user_xattr);
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            Layer& layer = layers_[i];
            const bool merged = std::find(below.merged.begin(), below.merged.end(), i) != below.merged.end();
            layer.present = merged && layer.present && layer.chain.try_enter(directory.name);
        }
        path_ += '/';
        path_ += directory.name;
        begin(opaque);
    }

    void end() {
        levels_.pop_back();
        if (levels_.empty()) return;
        for (Layer& layer : layers_) {
            if (layer.present) layer.chain.leave();
        }
        upper_.leave();
        for (Layer& layer : layers_) layer.present = layer.chain.depth() == upper_.depth();
        path_.resize(levels_.back().path_length);
    }

    const OverlayView& view_;
    DirChain upper_;
    std::vector<Layer> layers_;
    std::vector<Level> levels_;
    std::string path_;
    std::vector<Change> changes_;
};

} // namespace

std::vector<Change> list_changes(const OverlayView& view) {
    return Lister(view).run();
}

} // namespace internal

} // namespace ct
