// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "state/record.hpp"

namespace ct::internal {

/// What an AttachServer's socket is called, in the directory of its container.
inline constexpr const char* AttachSocket = "attach";

/// One version of a record file: another version has another token.
struct RecordToken {
    dev_t device = 0;
    ino_t inode = 0;
    timespec changed{};
    bool operator==(const RecordToken& other) const {
        return device == other.device && inode == other.inode && changed.tv_sec == other.changed.tv_sec &&
               changed.tv_nsec == other.changed.tv_nsec;
    }
};

struct StoredRecord {
    Record record;
    RecordToken token;
};

/// Excludes other threads of this process from one container's directory; see LockedEntry.
class ThreadLock {
public:
    explicit ThreadLock(std::string key);
    ThreadLock(ThreadLock&& other) noexcept;
    ThreadLock& operator=(ThreadLock&&) = delete;
    ~ThreadLock();

private:
    std::string key_;
};

/// One container's directory while no other process or thread changes it. For moments only: nothing that blocks may be
/// done meanwhile.
///
/// The lock is one of fcntl(2)'s that belong to the process, not to the open file as those of flock(2): a copy of the
/// host made by fork(2) does not hold it, so it goes with its holder, however that ends. What such a lock lacks, the
/// exclusion of threads, and that closing any descriptor of the file drops it, ThreadLock adds.
class LockedEntry {
public:
    LockedEntry(LockedEntry&&) noexcept = default;
    LockedEntry& operator=(LockedEntry&&) = delete;
    ~LockedEntry() = default;

    [[nodiscard]] std::optional<StoredRecord> read() const;
    /// Whether the record still is the version that \p token tells; cheaper than reading it.
    [[nodiscard]] bool is_current(const RecordToken& token) const noexcept;
    /// Puts the new version in the place of the old one: whoever reads sees either.
    RecordToken write(const Record& record);
    /// The same for a record of another kind.
    [[nodiscard]] std::optional<std::string> read_text() const;
    void write_text(std::string_view text);
    /// Adds a line to a file that is renamed to FILE.1 when it has become larger than \p limit. Other files are not
    /// concerned. \throws Error; then nothing was added
    void append_line(const char* file, std::string_view line, std::uint64_t limit);
    /// The name is free again.
    void remove() noexcept;

private:
    friend class Store;
    UniqueFd write_draft(std::string_view text, const std::string& path);
    LockedEntry(int store, std::string name, ThreadLock thread_lock)
        : store_(store), name_(std::move(name)), thread_lock_(std::move(thread_lock)) {}

    int store_;
    std::string name_;
    ThreadLock thread_lock_; ///< Outlives the descriptors.
    UniqueFd directory_;
    UniqueFd lock_;
};

/// The state directory: for each container a directory NAME with the files `record.json` and `lock`.
///
/// Everything in it is reached by descriptor and has to belong to this user: others cannot put records there that make
/// us signal or unmount anything.
class Store {
public:
    /// Makes the directory if it is missing. \throws Error if it is a link or belongs to, or can be written by, others
    explicit Store(std::string path);

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] const Viewpoint& viewpoint() const noexcept { return viewpoint_; }
    /// The directory of one container, for messages.
    [[nodiscard]] std::string path_of(const std::string& name) const;

    /// Waits for others, and makes the container's directory if it is missing.
    [[nodiscard]] LockedEntry lock(const std::string& name) const;
    /// The same, and empty if there is no such directory.
    [[nodiscard]] std::optional<LockedEntry> lock_present(const std::string& name) const;

    /// Without a lock: a version that is or was true. Empty if there is none.
    /// \throws Error with Errc::BadRecord
    [[nodiscard]] std::optional<StoredRecord> read(const std::string& name) const;
    /// Which version there is; none if there is none.
    [[nodiscard]] std::optional<RecordToken> token(const std::string& name) const noexcept;
    /// Everything that can be the name of a container.
    [[nodiscard]] std::vector<std::string> names() const;

    /// An inotify(7) descriptor that is readable when the record of \p name may have changed; empty if there is none.
    [[nodiscard]] UniqueFd watch(const std::string& name) const;
    /// Adds that to another one; "." is for new containers. \returns the number of the watch, or -1
    int watch_also(int watch, const std::string& name) const;

    /// Blocks until the record of \p name is another than \p token, or the process that \p pidfd refers to has ended.
    void wait_for_change(const std::string& name, const RecordToken& token, int pidfd) const;

    /// For what has to be told, and is no reason to fail.
    void set_warn(std::function<void(const std::string&)> warn) { warn_ = std::move(warn); }
    void warn(const std::string& text) const {
        if (warn_) warn_(text);
    }

private:
    enum class Missing { Make, Leave };
    std::optional<LockedEntry> lock(const std::string& name, Missing missing) const;
    [[nodiscard]] UniqueFd open_entry(const std::string& name) const;

    std::string path_;
    UniqueFd directory_;
    std::string key_; ///< Of the directory, for ThreadLock.
    Viewpoint viewpoint_;
    std::function<void(const std::string&)> warn_;
};

} // namespace ct::internal
