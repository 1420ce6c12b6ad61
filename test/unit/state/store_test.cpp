// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ct/error.hpp>
#include <ct/state.hpp>

#include "state/cleanup.hpp"
#include "state/registration.hpp"
#include "state/store.hpp"

namespace ct::internal {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class StoreTest : public ::testing::Test {
protected:
    StoreTest() {
        std::string path = (fs::temp_directory_path() / "libct-store-XXXXXX").string();
        if (::mkdtemp(path.data()) != nullptr) dir_ = path;
    }
    ~StoreTest() override { fs::remove_all(dir_); }

    [[nodiscard]] std::string path() const { return dir_ / "state"; }
    [[nodiscard]] const fs::path& dir() const { return dir_; }

    static Record record(const std::string& name) {
        Record record;
        record.name = name;
        record.viewpoint = Viewpoint::here();
        record.owner = ProcessId::self();
        return record;
    }
    void put(const std::string& name, const std::string& text) const {
        fs::create_directories(path() + "/" + name);
        std::ofstream(path() + "/" + name + "/record.json") << text;
    }

private:
    fs::path dir_;
};

template <typename Action>
std::string error_of(Action action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    return "none";
}

mode_t mode_of(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
}

TEST_F(StoreTest, MakesPrivateDirectoriesAndFiles) {
    const Store store(path());
    auto entry = store.lock("box");
    entry.write(record("box"));
    EXPECT_EQ(mode_of(path()), 0700U);
    EXPECT_EQ(mode_of(path() + "/box"), 0700U);
    EXPECT_EQ(mode_of(path() + "/box/record.json"), 0600U);
    EXPECT_EQ(mode_of(path() + "/box/lock"), 0600U);
    EXPECT_THAT(store.names(), ElementsAre("box"));
    entry.remove();
    EXPECT_THAT(store.names(), IsEmpty());
    EXPECT_TRUE(fs::is_empty(path()));
}

TEST_F(StoreTest, RefusesADirectoryThatOthersCouldUse) {
    EXPECT_THAT(error_of([] { Store("state"); }), HasSubstr("has to be absolute"));
    EXPECT_THAT(error_of([&] { Store(path() + "/no/state"); }), HasSubstr("No such file"));
    fs::create_directory_symlink(dir(), path());
    EXPECT_THAT(error_of([&] { Store{path()}; }), HasSubstr("it is no directory, or a link to one"));
    fs::remove(path());
    std::ofstream(path()) << "a file";
    EXPECT_THAT(error_of([&] { Store{path()}; }), HasSubstr("it is no directory"));
    fs::remove(path());
    fs::create_directory(path());
    fs::permissions(path(), fs::perms{0777});
    EXPECT_THAT(error_of([&] { Store{path()}; }), HasSubstr("others can write to it"));
    if (::geteuid() != 0) return;
    fs::permissions(path(), fs::perms{0700});
    ASSERT_EQ(::chown(path().c_str(), 1000, 1000), 0);
    EXPECT_THAT(error_of([&] { Store{path()}; }), HasSubstr("it belongs to user 1000"));
}

TEST_F(StoreTest, ReadsWhatWasWrittenAndKnowsItsVersion) {
    const Store store(path());
    auto entry = store.lock("box");
    EXPECT_FALSE(entry.read());
    Record first = record("box");
    const RecordToken old = entry.write(first);
    EXPECT_TRUE(entry.is_current(old));
    EXPECT_TRUE(store.token("box") == old);
    first.saved = true;
    const RecordToken present = entry.write(first);
    EXPECT_FALSE(entry.is_current(old));
    EXPECT_TRUE(entry.is_current(present));
    const auto stored = store.read("box"); // needs no lock
    ASSERT_TRUE(stored);
    EXPECT_TRUE(stored->record.saved);
    EXPECT_TRUE(stored->token == present);
    EXPECT_FALSE(store.read("other"));
}

TEST_F(StoreTest, RefusesHostileRecords) {
    const Store store(path());
    const auto refusal = [&] { return error_of([&] { (void)store.read("box"); }); };
    const fs::path file = path() + "/box/record.json";
    put("box", "garbage");
    EXPECT_THAT(refusal(), HasSubstr("box/record.json': bad record; it is not JSON"));
    put("box", "");
    EXPECT_THAT(refusal(), HasSubstr("it is not JSON"));
    put("box", write_record(record("other")));
    EXPECT_THAT(refusal(), HasSubstr("it is about container 'other'"));
    fs::permissions(file, fs::perms{0666});
    EXPECT_THAT(refusal(), HasSubstr("others can write to it"));
    fs::remove(file);
    std::ofstream(dir() / "elsewhere") << write_record(record("box"));
    fs::create_symlink(dir() / "elsewhere", file);
    EXPECT_THAT(refusal(), HasSubstr("it is a symbolic link"));
    fs::remove(file);
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
    EXPECT_THAT(refusal(), HasSubstr("it is no record of libct"));
    fs::remove(file);
    fs::create_directory(file);
    EXPECT_THAT(refusal(), HasSubstr("it is no record of libct"));
    fs::remove_all(path() + "/box");
    fs::create_directory(dir() / "foreign");
    fs::create_directory_symlink(dir() / "foreign", path() + "/box");
    EXPECT_THAT(refusal(), HasSubstr("it is no directory"));
    EXPECT_THAT(error_of([&] { (void)store.lock("box"); }), HasSubstr("it is no directory"));
    EXPECT_TRUE(fs::is_empty(dir() / "foreign"));
    for (const char* name : {".x", "a b", "-x"}) put(name, "{}");
    EXPECT_THAT(store.names(), ElementsAre("box"));
}

TEST_F(StoreTest, ExcludesOtherThreads) {
    const Store store(path());
    std::optional<LockedEntry> entry(store.lock("box"));
    std::thread([&] {
        const auto other = store.lock("other"); // waits for nobody
    }).join();
    int count = 0;
    std::thread waiter([&] {
        const auto second = store.lock("box");
        EXPECT_EQ(count, 1);
    });
    count = 1;
    entry.reset();
    waiter.join();
}

/// A process that has the lock and a forked copy that outlives it.
TEST_F(StoreTest, ALockGoesWithItsHolderWhateverItHasForked) {
    const Store store(path());
    std::array<int, 2> ready{};
    ASSERT_EQ(::pipe(ready.data()), 0);
    const pid_t holder = ::fork();
    ASSERT_GE(holder, 0);
    if (holder == 0) {
        const Store mine(path());
        const auto entry = mine.lock("box");
        if (::fork() == 0) {
            ::close(ready[1]);
            for (;;) ::pause();
        }
        if (::write(ready[1], "x", 1) != 1) ::_exit(1);
        for (;;) ::pause();
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    // The copy is found by its parent.
    std::ifstream children("/proc/" + std::to_string(holder) + "/task/" + std::to_string(holder) + "/children");
    pid_t copy = -1;
    children >> copy;
    ASSERT_GT(copy, 0);
    ::kill(holder, SIGKILL);
    ::waitpid(holder, nullptr, 0);
    EXPECT_EQ(::kill(copy, 0), 0);
    { const auto entry = store.lock("box"); } // would wait for ever
    ::kill(copy, SIGKILL);
    ::close(ready[0]);
    ::close(ready[1]);
}

TEST_F(StoreTest, ARemovedEntryDoesNotSwallowAWaiter) {
    const Store store(path());
    std::optional<LockedEntry> entry(store.lock("box"));
    const pid_t waiter = ::fork();
    ASSERT_GE(waiter, 0);
    if (waiter == 0) {
        const Store mine(path());
        auto own = mine.lock("box");
        own.write(record("box"));
        ::_exit(mine.read("box") ? 0 : 1);
    }
    entry->remove();
    entry.reset();
    int status = -1;
    ::waitpid(waiter, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(store.read("box"));
}

TEST_F(StoreTest, ToldOfAChange) {
    const Store store(path());
    Record starting = record("box");
    starting.phase = Phase::Starting;
    const RecordToken token = store.lock("box").write(starting);
    std::thread writer([&] {
        starting.phase = Phase::Idle;
        store.lock("box").write(starting);
    });
    const UniqueFd self = open_if_alive(ProcessId::self());
    store.wait_for_change("box", token, self.get());
    writer.join();
    EXPECT_FALSE(store.token("box") == token);
    store.wait_for_change("box", token, self.get()); // at once
    store.wait_for_change("nobody", token, self.get());
}

TEST(ProcessIdTest, IsNotMistakenForALaterProcess) {
    const ProcessId self = ProcessId::self();
    EXPECT_EQ(self.pid, ::getpid());
    EXPECT_EQ(ProcessId::of(::getpid()), self);
    EXPECT_TRUE(open_if_alive(self));
    EXPECT_FALSE(open_if_alive({self.pid, self.start_time + 1}));
    EXPECT_FALSE(open_if_alive({}));
    const pid_t child = ::fork();
    if (child == 0) ::_exit(ProcessId::self().pid == ::getpid() && ProcessId::self() != self ? 0 : 1);
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
    const auto zombie = ProcessId::of(child);
    ASSERT_TRUE(zombie);
    EXPECT_FALSE(open_if_alive(*zombie));
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_FALSE(ProcessId::of(child));
}

TEST(ProcessIdTest, IsAliveWithoutItsFirstThread) {
    const pid_t child = ::fork();
    if (child == 0) {
        std::thread([] {
            for (;;) ::pause();
        }).detach();
        ::syscall(SYS_exit, 0); // of this thread
    }
    const auto id = ProcessId::of(child);
    ASSERT_TRUE(id);
    std::string state;
    while (state != "Z") { // of its first thread
        std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
        stat >> state >> state >> state;
    }
    EXPECT_TRUE(open_if_alive(*id));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
}

TEST_F(StoreTest, AssessesARecord) {
    const Viewpoint here = Viewpoint::here();
    Record one = record("box");
    const auto standing = [&] { return assess(one, here).standing; };
    const ProcessId dead{::getpid(), 1};
    EXPECT_EQ(standing(), Standing::Reserved);
    one.owner = dead;
    EXPECT_EQ(standing(), Standing::Abandoned);
    one.saved = true;
    EXPECT_EQ(standing(), Standing::Saved);
    one.phase = Phase::Starting;
    EXPECT_EQ(standing(), Standing::HalfStarted);
    one.owner = ProcessId::self();
    EXPECT_EQ(standing(), Standing::Starting);
    one.phase = Phase::Running;
    one.init = dead;
    EXPECT_EQ(standing(), Standing::Ended);
    one.init = ProcessId::self();
    EXPECT_EQ(standing(), Standing::Running);
    one.viewpoint.pid_namespace = 1;
    EXPECT_EQ(standing(), Standing::Elsewhere);
    one.phase = Phase::Idle;
    EXPECT_EQ(standing(), Standing::Saved);
    one.saved = false;
    EXPECT_EQ(standing(), Standing::Elsewhere);
    one.phase = Phase::Running;
    one.viewpoint.boot = "another";
    EXPECT_EQ(standing(), Standing::Ended);
}

TEST_F(StoreTest, AHeldContainerLivesAsLongAsItsOwner) {
    Record one = record("box");
    one.phase = Phase::Running;
    one.held = true;
    EXPECT_EQ(assess(one, Viewpoint::here()).standing, Standing::Running);
    one.owner = {::getpid(), 1};
    EXPECT_EQ(assess(one, Viewpoint::here()).standing, Standing::Ended);
}

TEST_F(StoreTest, AStartThatAnotherProcessHasTakenOverFails) {
    const Store store(path());
    const auto spec = std::make_shared<const Spec>();
    Registration mine(store, "box");
    Registration other(store, "box");
    mine.reserve(spec, OnClose::Kill);
    EXPECT_THAT(error_of([&] { other.reserve(spec, OnClose::Kill); }), HasSubstr("name already in use"));
    mine.save(spec, nullptr);
    other.follow(*store.read("box"));
    other.claim({spec, {"x"}, OnClose::Kill});
    EXPECT_THAT(error_of([&] { mine.claim({spec, {"y"}, OnClose::Kill}); }), HasSubstr("name already in use; process "));
    other.failed();
    mine.claim({spec, {"y"}, OnClose::Kill});
    EXPECT_THAT(error_of([&] { other.born(::getpid(), -1, {}); }), HasSubstr("name already in use"));
    mine.failed();
    other.remove();
    EXPECT_THAT(error_of([&] { mine.claim({spec, {"y"}, OnClose::Kill}); }), HasSubstr("it was removed meanwhile"));
    EXPECT_TRUE(fs::is_empty(path()));
}

TEST_F(StoreTest, FindsTheMountPointsThatAStartMakes) {
    fs::create_directories(dir() / "root/a");
    const UniqueFd root(::open((dir() / "root").c_str(), O_PATH | O_CLOEXEC));
    Spec spec;
    spec.mounts = {
        {.target = "/a/b/c", .type = "tmpfs"}, {.target = "/a", .type = "tmpfs"}, {.target = "/d", .type = "x"}};
    EXPECT_THAT(missing_mount_points(root.get(), spec), IsEmpty());
    spec.namespaces[Namespace::Mount] = NewNamespace{};
    EXPECT_THAT(missing_mount_points(root.get(), spec), ElementsAre("/a/b", "/a/b/c", "/d"));
    fs::create_symlink("/a", dir() / "root/d");
    EXPECT_THAT(missing_mount_points(root.get(), spec), ElementsAre("/a/b", "/a/b/c"));
    spec.default_mounts = true;
    EXPECT_THAT(missing_mount_points(root.get(), spec), ::testing::Contains("/proc"));
}

TEST(StateDirectory, IsThatOfTheUser) {
    const char* const before = std::getenv("XDG_RUNTIME_DIR");
    const std::string saved = before != nullptr ? before : "";
    ::setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    EXPECT_EQ(default_state_directory(), "/run/user/7/libct");
    ::setenv("XDG_RUNTIME_DIR", "relative", 1);
    EXPECT_EQ(default_state_directory(), "/run/libct");
    ::unsetenv("XDG_RUNTIME_DIR");
    EXPECT_EQ(default_state_directory(), "/run/libct");
    if (before != nullptr) ::setenv("XDG_RUNTIME_DIR", saved.c_str(), 1);
}

} // namespace
} // namespace ct::internal
