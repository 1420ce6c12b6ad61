// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "state/store.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/inotify.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include <ct/state.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "config/validate.hpp"

namespace ct {

std::string default_state_directory() {
    const char* const runtime = ::secure_getenv("XDG_RUNTIME_DIR");
    return internal::concat(runtime != nullptr && *runtime == '/' ? runtime : "/run", "/libct");
}

namespace internal {

namespace {

constexpr const char* RecordFile = "record.json";
constexpr const char* DraftFile = "record.json.new";
constexpr const char* LockFile = "lock";
/// More than any specification that can be started: an argument list alone may have 2 MiB.
constexpr off_t MaxRecord = 16 << 20;

Error failed(std::string_view action, const std::string& path) {
    return sys::error(errno, Stage::State, action, path);
}

[[noreturn]] void distrust(const std::string& path, std::string_view why) {
    throw Error(Errc::BadRecord, Stage::State, "trust", path, why);
}

/// What is ours, and nobody else can write to.
void check_owner(const struct stat& status, const std::string& path) {
    if (status.st_uid != ::geteuid()) distrust(path, concat("it belongs to user ", status.st_uid));
    if ((status.st_mode & 022U) != 0) distrust(path, "others can write to it");
}

UniqueFd open_at(int directory, const char* name, int flags, mode_t mode = 0) {
    int fd;
    do {
        fd = ::openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW, mode);
    } while (fd < 0 && errno == EINTR);
    UniqueFd file(fd);
    return file ? sys::above_stdio(std::move(file), Stage::State, "open a record") : std::move(file);
}

RecordToken token_of(const struct stat& status) {
    return {status.st_dev, status.st_ino, status.st_ctim};
}

std::string read_all(int fd, off_t size, const std::string& path) {
    std::string text(static_cast<std::size_t>(size), '\0');
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t count = ::read(fd, text.data() + done, text.size() - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw failed("read", path);
        if (count == 0) break;
        done += static_cast<std::size_t>(count);
    }
    text.resize(done);
    return text;
}

void write_all(int fd, std::string_view text, const std::string& path) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw failed("write", path);
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

struct StoredText {
    std::string text;
    RecordToken token;
};

/// \param directory  of the container
std::optional<StoredText> read_text_from(int directory, const std::string& path) {
    // Opening must not wait for the writer of a fifo.
    const UniqueFd file = open_at(directory, RecordFile, O_RDONLY | O_NONBLOCK);
    if (!file && errno == ENOENT) return std::nullopt;
    if (!file && errno == ELOOP) distrust(path, "it is a symbolic link");
    struct stat status {};
    if (!file || ::fstat(file.get(), &status) < 0) throw failed("open", path);
    if (!S_ISREG(status.st_mode) || status.st_size > MaxRecord) distrust(path, "it is no record of libct");
    check_owner(status, path);
    return StoredText{read_all(file.get(), status.st_size, path), token_of(status)};
}

std::optional<StoredRecord> read_from(int directory, const std::string& name, const std::string& path) {
    const std::optional<StoredText> found = read_text_from(directory, path);
    if (!found) return std::nullopt;
    try {
        StoredRecord stored{read_record(found->text), found->token};
        if (stored.record.name != name) distrust(path, concat("it is about container '", stored.record.name, "'"));
        return stored;
    } catch (const Error& error) {
        if (!error.path().empty()) throw;
        throw Error(error.code(), Stage::State, "read", path, error.hint());
    }
}

struct Held {
    std::mutex mutex;
    std::condition_variable changed;
    std::set<std::string> keys;
    pid_t process = ::getpid();

    /// A copy made by fork(2) has none of the threads that hold them.
    void forget_after_fork() {
        if (process == ::getpid()) return;
        keys.clear();
        process = ::getpid();
    }
};

Held& held() {
    static Held instance;
    return instance;
}

} // namespace

ThreadLock::ThreadLock(std::string key) : key_(std::move(key)) {
    std::unique_lock lock(held().mutex);
    held().forget_after_fork();
    held().changed.wait(lock, [&] { return !held().keys.contains(key_); });
    held().keys.insert(key_);
}

ThreadLock::ThreadLock(ThreadLock&& other) noexcept : key_(std::exchange(other.key_, {})) {}

ThreadLock::~ThreadLock() {
    if (key_.empty()) return;
    {
        const std::lock_guard lock(held().mutex);
        held().keys.erase(key_);
    }
    held().changed.notify_all();
}

std::optional<StoredRecord> LockedEntry::read() const {
    return read_from(directory_.get(), name_, concat(name_, '/', RecordFile));
}

bool LockedEntry::is_current(const RecordToken& token) const noexcept {
    struct stat status {};
    return ::fstatat(directory_.get(), RecordFile, &status, AT_SYMLINK_NOFOLLOW) == 0 && token_of(status) == token;
}

std::optional<std::string> LockedEntry::read_text() const {
    auto found = read_text_from(directory_.get(), concat(name_, '/', RecordFile));
    if (!found) return std::nullopt;
    return std::move(found->text);
}

UniqueFd LockedEntry::write_draft(std::string_view text, const std::string& path) {
    UniqueFd file = open_at(directory_.get(), DraftFile, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!file) throw failed("create", path);
    write_all(file.get(), text, path);
    return file;
}

RecordToken LockedEntry::write(const Record& record) {
    const std::string path = concat(name_, '/', DraftFile);
    const UniqueFd file = write_draft(write_record(record), path);
    // A saved specification outlives a crash of the machine if the state directory does.
    if (record.saved && record.phase == Phase::Idle && ::fsync(file.get()) < 0) throw failed("write", path);
    struct stat status {};
    if (::renameat(directory_.get(), DraftFile, directory_.get(), RecordFile) < 0 || ::fstat(file.get(), &status) < 0) {
        throw failed("rename", path);
    }
    return token_of(status);
}

void LockedEntry::write_text(std::string_view text) {
    const std::string path = concat(name_, '/', DraftFile);
    (void)write_draft(text, path);
    if (::renameat(directory_.get(), DraftFile, directory_.get(), RecordFile) < 0) throw failed("rename", path);
}

void LockedEntry::remove() noexcept {
    // The lock last: who waits for it sees that it has no name any more, and looks for the directory again.
    for (const char* file : {AttachSocket, RecordFile, DraftFile, LockFile}) ::unlinkat(directory_.get(), file, 0);
    ::unlinkat(store_, name_.c_str(), AT_REMOVEDIR);
}

Store::Store(std::string path) : path_(std::move(path)), viewpoint_(Viewpoint::here()) {
    (void)ProcessId::self();
    if (path_.empty() || path_.front() != '/') {
        throw Error(Errc::InvalidConfig, Stage::State, "open the state directory", path_, "it has to be absolute");
    }
    if (::mkdir(path_.c_str(), 0700) < 0 && errno != EEXIST) {
        throw sys::error(errno, Stage::State, "make the state directory", path_,
                         path_ == default_state_directory() ? "XDG_RUNTIME_DIR can name another place" : "");
    }
    directory_ = open_at(AT_FDCWD, path_.c_str(), O_RDONLY | O_DIRECTORY);
    if (!directory_ && (errno == ELOOP || errno == ENOTDIR)) distrust(path_, "it is no directory, or a link to one");
    struct stat status {};
    if (!directory_ || ::fstat(directory_.get(), &status) < 0) throw failed("open the state directory", path_);
    check_owner(status, path_);
    key_ = concat(status.st_dev, ':', status.st_ino, ':');
}

std::string Store::path_of(const std::string& name) const {
    return concat(path_, '/', name);
}

UniqueFd Store::open_entry(const std::string& name) const {
    UniqueFd directory = open_at(directory_.get(), name.c_str(), O_RDONLY | O_DIRECTORY);
    if (!directory && errno == ENOENT) return directory;
    if (!directory && (errno == ELOOP || errno == ENOTDIR)) distrust(path_of(name), "it is no directory");
    struct stat status {};
    if (!directory || ::fstat(directory.get(), &status) < 0) throw failed("open", path_of(name));
    check_owner(status, path_of(name));
    return directory;
}

LockedEntry Store::lock(const std::string& name) const {
    return std::move(*lock(name, Missing::Make));
}

std::optional<LockedEntry> Store::lock_present(const std::string& name) const {
    return lock(name, Missing::Leave);
}

std::optional<LockedEntry> Store::lock(const std::string& name, Missing missing) const {
    LockedEntry entry(directory_.get(), name, ThreadLock(concat(key_, name)));
    for (;;) {
        entry.lock_.reset();
        entry.directory_ = open_entry(name);
        if (!entry.directory_) {
            if (missing == Missing::Leave) return std::nullopt;
            if (::mkdirat(directory_.get(), name.c_str(), 0700) < 0 && errno != EEXIST) {
                throw failed("make", path_of(name));
            }
            continue;
        }
        entry.lock_ = open_at(entry.directory_.get(), LockFile, O_RDWR | O_CREAT | O_NONBLOCK, 0600);
        if (!entry.lock_ && errno == ENOENT) continue; // it is being removed
        if (!entry.lock_) throw failed("open", concat(path_of(name), '/', LockFile));
        struct flock whole {};
        whole.l_type = F_WRLCK;
        while (::fcntl(entry.lock_.get(), F_SETLKW, &whole) < 0) {
            // EDEADLK: the kernel thinks of processes, but it is another thread that has what the holder waits for.
            if (errno != EINTR && errno != EDEADLK) throw failed("lock", concat(path_of(name), '/', LockFile));
            ::sched_yield();
        }
        struct stat status {};
        if (::fstat(entry.lock_.get(), &status) == 0 && status.st_nlink > 0) return entry;
    }
}

std::optional<StoredRecord> Store::read(const std::string& name) const {
    const UniqueFd directory = open_entry(name);
    if (!directory) return std::nullopt;
    return read_from(directory.get(), name, concat(path_of(name), '/', RecordFile));
}

std::optional<RecordToken> Store::token(const std::string& name) const noexcept {
    struct stat status {};
    const std::string path = concat(name, '/', RecordFile);
    if (::fstatat(directory_.get(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return std::nullopt;
    return token_of(status);
}

std::vector<std::string> Store::names() const {
    UniqueFd copy = open_at(directory_.get(), ".", O_RDONLY | O_DIRECTORY);
    if (!copy) throw failed("open the state directory", path_);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy.get()), &::closedir);
    if (!stream) throw failed("read the state directory", path_);
    (void)copy.release(); // it is the stream's
    std::vector<std::string> names;
    while (const dirent* const entry = ::readdir(stream.get())) {
        const std::string name = entry->d_name;
        if (is_container_name(name)) names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
}

UniqueFd Store::watch(const std::string& name) const {
    UniqueFd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!watch) throw failed("watch", path_of(name));
    watch = sys::above_stdio(std::move(watch), Stage::State, "watch a record");
    if (watch_also(watch.get(), name) < 0) return {};
    return watch;
}

int Store::watch_also(int watch, const std::string& name) const {
    const int added =
        ::inotify_add_watch(watch, concat("/proc/self/fd/", directory_.get(), '/', name).c_str(),
                            (name == "." ? IN_CREATE : IN_MOVED_TO | IN_DELETE) | IN_ONLYDIR | IN_DONT_FOLLOW);
    if (added < 0 && errno != ENOENT && errno != ENOTDIR) throw failed("watch", path_of(name));
    return added;
}

void Store::wait_for_change(const std::string& name, const RecordToken& token, int pidfd) const {
    const UniqueFd watch = this->watch(name);
    if (!watch) return;
    for (;;) {
        const auto present = read(name); // after the watch was set: no change is missed
        if (!present || !(present->token == token)) return;
        std::array<pollfd, 2> fds{{{watch.get(), POLLIN, 0}, {pidfd, POLLIN, 0}}};
        if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) throw failed("watch", path_of(name));
        if (fds[1].revents != 0) return;
        alignas(inotify_event) std::array<char, 4096> events{};
        while (::read(watch.get(), events.data(), events.size()) > 0) continue;
    }
}

} // namespace internal

} // namespace ct
