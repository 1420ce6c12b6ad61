// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <map>

#include <boost/filesystem/operations.hpp>

#include "area/dir_chain.hpp"
#include "area/overlay_view.hpp"
#include "base/concat.hpp"
#include "base/sys.hpp"

namespace ct::internal {

namespace {

/// What an overlay notes about the lower files that those in its upper directory come from. Its other marks, such as
/// opacity, have a meaning in a lower directory, too.
bool is_private_attribute(std::string_view name, bool user_xattr) {
    constexpr std::array names{"origin", "impure", "nlink", "upper", "uuid"};
    return std::any_of(names.begin(), names.end(),
                       [&](const char* each) { return name == overlay_attribute(each, user_xattr); });
}

/// Copies the tree below one directory into another one.
class Copier {
public:
    Copier(const OverlayView& view, int target, const std::string& shown, FileIdentity staging)
        : view_(view), from_(view.upper.get(), view.upper_shown), to_(target, shown), staging_(staging) {}

    /// \param links  an empty directory in which files with several names are found again
    void run(int links) {
        links_ = links;
        begin();
        while (!levels_.empty()) {
            if (levels_.back().directories.empty()) {
                end();
                continue;
            }
            const std::string name = std::move(levels_.back().directories.back());
            levels_.back().directories.pop_back();
            if (!from_.try_enter(name)) continue; // gone meanwhile
            if (::mkdirat(to_.fd(), name.c_str(), 0700) < 0) throw to_.error("make the directory", name);
            if (!to_.try_enter(name)) throw to_.error("open", name);
            begin();
        }
    }

private:
    struct Level {
        struct stat status {};
        std::vector<std::string> directories; ///< To be copied.
    };

    void begin() {
        Level& level = levels_.emplace_back();
        if (::fstat(from_.fd(), &level.status) < 0) throw from_.error("look at");
        for (const std::string& name : from_.names()) {
            struct stat status {};
            if (!from_.look(name, status)) continue;
            if (identity_of(status) == staging_) {
                errno = EINVAL;
                throw from_.error("copy into itself");
            }
            if (S_ISDIR(status.st_mode)) {
                level.directories.push_back(name);
            } else {
                copy_file(name);
            }
        }
    }

    /// Last of all its contents, which would change its times.
    void end() {
        const struct stat status = levels_.back().status;
        levels_.pop_back();
        copy_attributes(proc_path(from_.fd()), proc_path(to_.fd()), {});
        if (::fchown(to_.fd(), status.st_uid, status.st_gid) < 0 || ::fchmod(to_.fd(), status.st_mode & 07777U) < 0) {
            throw to_.error("set owner and mode of");
        }
        const std::array times{status.st_atim, status.st_mtim};
        if (::futimens(to_.fd(), times.data()) < 0) throw to_.error("set the times of");
        if (levels_.empty()) return;
        from_.leave();
        to_.leave();
    }

    void copy_file(const std::string& name) {
        // From here on it is this very file, whatever takes its name.
        const UniqueFd file = from_.find(name);
        if (!file) return; // gone meanwhile
        struct stat status {};
        if (::fstat(file.get(), &status) < 0) throw from_.error("look at", name);
        if (S_ISDIR(status.st_mode)) return; // meanwhile
        if (status.st_nlink > 1 && !is_whiteout(status) && link_known(status, name)) return;
        switch (status.st_mode & S_IFMT) {
        case S_IFREG: copy_regular(file, status, name); break;
        case S_IFLNK: copy_symlink(file, name); break;
        default:
            if (::mknodat(to_.fd(), name.c_str(), status.st_mode & S_IFMT, status.st_rdev) < 0) {
                throw to_.error("make", name);
            }
        }
        finish_file(file, status, name);
        if (status.st_nlink > 1 && !is_whiteout(status)) remember(status, name);
    }

    void copy_regular(const UniqueFd& file, const struct stat& status, const std::string& name) {
        const UniqueFd source(::open(proc_path(file.get()).c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        if (!source) throw from_.error("open", name);
        const UniqueFd target(
            ::openat(to_.fd(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!target) throw to_.error("make", name);
        // Its holes are no data, however long they are.
        for (off_t at = 0; at < status.st_size;) {
            const off_t data = ::lseek(source.get(), at, SEEK_DATA);
            if (data < 0 && errno == ENXIO) break;
            const off_t hole = data < 0 ? -1 : ::lseek(source.get(), data, SEEK_HOLE);
            if (hole < 0) throw from_.error("read", name);
            const off_t end = std::min(hole, status.st_size);
            if (::lseek(target.get(), data, SEEK_SET) < 0) throw to_.error("write", name);
            off_t position = data;
            while (position < end) {
                constexpr off_t most = off_t{1} << 30;
                const ssize_t sent = ::sendfile(target.get(), source.get(), &position,
                                                static_cast<std::size_t>(std::min(end - position, most)));
                if (sent < 0 && errno != EINTR) throw to_.error("copy to", name);
                if (sent == 0) break; // it has become shorter
            }
            at = end;
        }
        if (::ftruncate(target.get(), status.st_size) < 0) throw to_.error("write", name);
    }

    void copy_symlink(const UniqueFd& file, const std::string& name) {
        std::array<char, PATH_MAX> content{};
        const ssize_t length = ::readlinkat(file.get(), "", content.data(), content.size() - 1);
        if (length < 0) throw from_.error("read the link", name);
        if (::symlinkat(content.data(), to_.fd(), name.c_str()) < 0) throw to_.error("make the link", name);
    }

    /// Nobody else reaches the copy yet: its name is what was just made.
    void finish_file(const UniqueFd& file, const struct stat& status, const std::string& name) {
        if (::fchownat(to_.fd(), name.c_str(), status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) < 0) {
            throw to_.error("set the owner of", name);
        }
        // After the owner, whose change clears capabilities and set-id bits.
        copy_attributes(proc_path(file.get()), concat(proc_path(to_.fd()), '/', name), name);
        if (!S_ISLNK(status.st_mode) && ::fchmodat(to_.fd(), name.c_str(), status.st_mode & 07777U, 0) < 0) {
            throw to_.error("set the mode of", name);
        }
        const std::array times{status.st_atim, status.st_mtim};
        if (::utimensat(to_.fd(), name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) < 0) {
            throw to_.error("set the times of", name);
        }
    }

    /// \param source  a link of /proc to the file, so that nothing is opened
    void copy_attributes(const std::string& source, const std::string& target, const std::string& name) {
        std::vector<char> list(XATTR_LIST_MAX);
        const ssize_t length = ::listxattr(source.c_str(), list.data(), list.size());
        if (length < 0 && errno == ENOTSUP) return;
        if (length < 0) throw from_.error("list the attributes of", name);
        std::vector<char> value;
        for (const char* attribute = list.data(); attribute < list.data() + length;
             attribute += std::string_view(attribute).size() + 1) {
            if (is_private_attribute(attribute, view_.user_xattr)) continue;
            value.resize(XATTR_SIZE_MAX);
            const ssize_t size = ::getxattr(source.c_str(), attribute, value.data(), value.size());
            if (size < 0 && errno == ENODATA) continue; // gone meanwhile
            if (size < 0) throw from_.error(concat("read the attribute ", attribute, " of"), name);
            // A directory is given by its descriptor, a file by its name in one.
            const int error =
                name.empty() ? ::setxattr(target.c_str(), attribute, value.data(), static_cast<std::size_t>(size), 0)
                             : ::lsetxattr(target.c_str(), attribute, value.data(), static_cast<std::size_t>(size), 0);
            if (error < 0) throw to_.error(concat("set the attribute ", attribute, " of"), name);
        }
    }

    bool link_known(const struct stat& status, const std::string& name) {
        const auto found = known_.find(identity_of(status));
        if (found == known_.end()) return false;
        if (::linkat(links_, std::to_string(found->second).c_str(), to_.fd(), name.c_str(), 0) < 0) {
            throw to_.error("make the hard link", name);
        }
        return true;
    }

    /// By a name of its own, as the copy's may be too deep down for any path.
    void remember(const struct stat& status, const std::string& name) {
        const std::size_t number = known_.size();
        if (::linkat(to_.fd(), name.c_str(), links_, std::to_string(number).c_str(), 0) < 0) {
            throw to_.error("make a hard link to", name);
        }
        known_.emplace(identity_of(status), number);
    }

    const OverlayView& view_;
    DirChain from_;
    DirChain to_;
    const FileIdentity staging_;
    int links_ = -1;
    std::vector<Level> levels_;
    std::map<FileIdentity, std::size_t> known_;
};

/// A new directory beside the one to be made, gone again unless it was renamed.
class Staging {
public:
    Staging(int parent, const std::string& shown) : parent_(parent) {
        for (int attempt = 0; !fd_; ++attempt) {
            std::uint64_t number = 0;
            (void)::getrandom(&number, sizeof number, 0);
            name_ = concat(".libct-commit-", number);
            shown_ = concat(shown, '/', name_);
            if (::mkdirat(parent, name_.c_str(), 0700) < 0) {
                if (errno == EEXIST && attempt < 100) continue;
                throw sys::error(errno, Stage::Root, "make the directory", shown_);
            }
            fd_ = UniqueFd(::openat(parent, name_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (!fd_) {
                const int error = errno;
                ::unlinkat(parent, name_.c_str(), AT_REMOVEDIR);
                throw sys::error(error, Stage::Root, "open", shown_);
            }
        }
        // What its parent would have it hand on to all files in it.
        ::fremovexattr(fd_.get(), "system.posix_acl_default");
        ::fremovexattr(fd_.get(), "system.posix_acl_access");
    }
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;
    ~Staging() {
        if (renamed_) return;
        try {
            remove_contents(fd_.get(), shown_);
        } catch (const std::exception&) {
            // What is in the way of this was in the way of the copy, and is reported.
        }
        ::unlinkat(parent_, name_.c_str(), AT_REMOVEDIR);
    }

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] const std::string& shown() const { return shown_; }

    /// \returns false, with errno, if \p name is there and not an empty directory, among others
    bool rename(const std::string& name) {
        renamed_ = ::renameat(parent_, name_.c_str(), parent_, name.c_str()) == 0;
        return renamed_;
    }

private:
    const int parent_;
    std::string name_;
    std::string shown_;
    UniqueFd fd_;
    bool renamed_ = false;
};

void check_free(int parent, const std::string& name, const std::string& shown) {
    const UniqueFd present(::openat(parent, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!present && errno == ENOENT) return;
    struct stat status {};
    if (!present || ::fstat(present.get(), &status) < 0) throw sys::error(errno, Stage::Root, "open", shown);
    if (!S_ISDIR(status.st_mode)) throw sys::error(EEXIST, Stage::Root, "commit to", shown);
    if (!DirChain(present.get(), shown).names().empty()) {
        throw sys::error(ENOTEMPTY, Stage::Root, "commit to", shown, "the directory has to be missing or empty");
    }
}

} // namespace

void copy_upper(const OverlayView& view, const std::string& directory) {
    namespace fs = boost::filesystem;
    boost::system::error_code error;
    const fs::path path = fs::weakly_canonical(directory, error);
    if (error) throw sys::error(error.value(), Stage::Root, "commit to", directory);
    if (path.empty() || !path.has_filename() || path.filename() == "/") {
        throw sys::error(EINVAL, Stage::Root, "commit to", directory);
    }
    const std::string name = path.filename().string();
    const std::string parent_path = fs::absolute(path).parent_path().string();
    const UniqueFd parent = sys::open(parent_path, O_PATH | O_DIRECTORY, Stage::Root, "commit into");
    check_free(parent.get(), name, directory);
    Staging staging(parent.get(), parent_path);
    struct stat status {};
    if (::fstat(staging.fd(), &status) < 0) throw sys::error(errno, Stage::Root, "look at", staging.shown());
    Copier copier(view, staging.fd(), staging.shown(), identity_of(status));
    {
        const Staging links(parent.get(), parent_path);
        copier.run(links.fd());
    }
    if (!staging.rename(name)) {
        throw sys::error(errno, Stage::Root, "commit to", directory,
                         errno == EBUSY || errno == EXDEV ? "something is mounted on it" : "");
    }
}

} // namespace ct::internal
