// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// How the end of a container is told: its states, its record, and that nobody waits for what is left of it.

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "events_fixture.hpp"
#include "support/cgroups.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;
using std::chrono::steady_clock;

class EventsOfAnEnd : public EventsTest {
protected:
    [[nodiscard]] fs::path exit_file() { return make_dir("exits") / "box"; }
    [[nodiscard]] std::vector<std::string> names_in(const fs::path& directory) const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator{directory}) names.push_back(entry.path().filename());
        return names;
    }
};

TEST_F(EventsOfAnEnd, AHeldContainerTellsItsStates) {
    Container container = plain();
    container.add_namespace(Namespace::Uts);
    note(container);
    for (int run = 0; run < 2; ++run) {
        said.clear();
        container.hold();
        (void)container.stop(seconds(0));
        dispatch_until([&] { return stopped(); });
        EXPECT_EQ(said,
                  (std::vector<std::string>{"state starting", "state running", "state stopping", "state stopped"}));
    }
}

TEST_F(EventsOfAnEnd, AHeldContainerThatIsNotSetUpTellsTwo) {
    Container container = plain();
    container.add_namespace(Namespace::Pid);
    note(container);
    EXPECT_THROW(container.hold(), Error);
    dispatch_until([&] { return stopped(); });
    EXPECT_EQ(said, (std::vector<std::string>{"state starting", "state stopped"}));
}

TEST_F(EventsOfAnEnd, AHeldContainerTellsWhoEntered) {
    Container container = plain();
    container.add_namespace(Namespace::Uts);
    note(container);
    container.hold();
    container.enter({}, [] { return 4; });
    dispatch_until([&] { return !said.empty() && said.back() == "process exited with code 4"; });
    container.kill();
    dispatch_until([&] { return stopped(); });
}

TEST_F(EventsOfAnEnd, DiscardingChangesIsNoChangeOfState) {
    Container container = plain();
    note(container);
    EXPECT_THROW(container.discard(), Error); // it has no overlay
    container.start({}, [] { return 0; });
    dispatch_until([&] { return stopped(); });
    EXPECT_EQ(said.front(), "state starting");
    EXPECT_EQ(said.size(), 6U);
}

// --- The record

TEST_F(EventsOfAnEnd, TheRecordHasTimesOfAClockThatNobodySets) {
    Container container = plain();
    const auto before = steady_clock::now();
    container.start({}, [] { return 0; });
    const auto running = steady_clock::now();
    container.wait();
    record = container.exit_record().value();
    EXPECT_GE(record->monotonic_start, before);
    EXPECT_LE(record->monotonic_start, running);
    EXPECT_LE(record->monotonic_end, steady_clock::now());
    EXPECT_EQ(record->monotonic_end - record->monotonic_start, record->ran);
    const auto json = nlohmann::json::parse(to_json(*record));
    EXPECT_EQ(json.at("monotonic_start"), record->monotonic_start.time_since_epoch().count());
    EXPECT_EQ(json.at("monotonic_end"), record->monotonic_end.time_since_epoch().count());
    EXPECT_FALSE(json.contains("log")) << "nothing was logged";
}

/// Dies with a core dump in that directory, if there are any here.
int dump_core(const std::string& directory) {
    const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
    rlimit most{};
    (void)::getrlimit(RLIMIT_CORE, &most);
    if (::setrlimit(RLIMIT_CORE, &all) < 0) {
        most.rlim_cur = most.rlim_max;
        (void)::setrlimit(RLIMIT_CORE, &most);
    }
    if (::chdir(directory.c_str()) < 0) return 1;
    ::signal(SIGQUIT, SIG_DFL);
    (void)::kill(::getpid(), SIGQUIT);
    return 2;
}

TEST_F(EventsOfAnEnd, TheRecordTellsACoreDump) {
    const std::string directory = make_dir("cores");
    const pid_t control = ::fork();
    if (control == 0) ::_exit(dump_core(directory));
    int status = 0;
    ASSERT_EQ(::waitpid(control, &status, 0), control);
    if (!WIFSIGNALED(status) || !WCOREDUMP(status)) GTEST_SKIP() << "there are no core dumps on this host";
    Container container = plain();
    container.start({}, [&] { return dump_core(directory); });
    EXPECT_TRUE(container.wait().core_dumped);
    record = container.exit_record().value();
    EXPECT_EQ(record->status, (ExitStatus{ExitStatus::Kind::Signaled, SIGQUIT, true}));
    EXPECT_EQ(nlohmann::json::parse(to_json(*record)).at("core_dumped"), true);
}

/// Whether the kernel knows how a process ended that was reaped.
bool kernel_keeps_the_status() {
    int pidfd = -1;
    const pid_t child = ::fork();
    if (child == 0) {
        ::pause();
        ::_exit(0);
    }
    pidfd = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
    (void)::kill(child, SIGKILL);
    (void)::waitpid(child, nullptr, 0);
    struct {
        std::uint64_t mask = 1U << 3U; // PIDFD_INFO_EXIT
        std::uint64_t rest[7] = {};
    } info;
    const bool known = ::ioctl(pidfd, _IOWR(0xFF, 11, info), &info) == 0 && (info.mask & 8U) != 0;
    ::close(pidfd);
    return known;
}

TEST_F(EventsOfAnEnd, TheRecordIsHonestIfTheHostWasFasterToReap) {
    const bool known = kernel_keeps_the_status();
    Container container = plain();
    note(container);
    const Process init = container.start({}, [] { return 5; });
    siginfo_t info{};
    ASSERT_EQ(::waitid(static_cast<idtype_t>(3), static_cast<id_t>(init.pidfd()), &info, WEXITED), 0);
    dispatch_until([&] { return stopped(); });
    const auto json = nlohmann::json::parse(to_json(*record));
    if (known) {
        EXPECT_EQ(record->status, (ExitStatus{ExitStatus::Kind::Exited, 5, false}));
        EXPECT_EQ(json.at("code"), 5);
    } else {
        EXPECT_EQ(record->status.kind, ExitStatus::Kind::Unknown);
        EXPECT_EQ(json.at("status"), "unknown");
        EXPECT_FALSE(json.contains("code"));
    }
    EXPECT_GT(record->pid, 0);
    EXPECT_FALSE(record->cpu_user) << "what it has used went to who has reaped it";
    EXPECT_EQ(container.exit_record(), record);
}

TEST_F(EventsOfAnEnd, TheRecordCountsWhatWasLoggedAndDropped) {
    const fs::path disk = make_dir("disk");
    mount_tmpfs(disk, "size=64k");
    Container container = plain();
    container.set_log({.targets = {LogFile{.path = disk / "log", .delivery = {.backlog = 4 * KiB}}}});
    note(container);
    container.start({}, [] {
        const std::string line = std::string(99, 'x') + "\n";
        for (int i = 0; i < 3000; ++i) {
            if (::write(1, line.data(), line.size()) != static_cast<ssize_t>(line.size())) return 1;
        }
        return 0;
    });
    dispatch_until([&] { return stopped(); });
    ASSERT_TRUE(record->log);
    EXPECT_EQ(record->log, container.log_stats());
    EXPECT_EQ(record->log->bytes, 300'000U);
    EXPECT_EQ(record->log->records, 3000U);
    EXPECT_GT(record->log->dropped_records, 1000U);
    const auto json = nlohmann::json::parse(to_json(*record)).at("log");
    EXPECT_EQ(json.at("bytes"), 300'000);
    EXPECT_EQ(json.at("records"), 3000);
    EXPECT_EQ(json.at("dropped_bytes"), record->log->dropped_bytes);
    EXPECT_EQ(json.at("dropped_records"), record->log->dropped_records);
}

// --- The exit file

TEST_F(EventsOfAnEnd, TheExitFileIsThereBeforeTheEventIsTold) {
    Container container = plain();
    container.set_exit_file(exit_file());
    std::string found;
    container.on_exit([&](const ExitEvent& event) {
        found = content(exit_file());
        record = event.record;
    });
    container.start({}, [] { return 3; });
    dispatch_until([&] { return record.has_value(); });
    EXPECT_EQ(found, to_json(*record) + "\n");
    struct stat status {};
    ASSERT_EQ(::stat(exit_file().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0640U);
    EXPECT_EQ(names_in(exit_file().parent_path()), std::vector<std::string>{"box"});
}

TEST_F(EventsOfAnEnd, TheExitFileNeedsNeitherHandlersNorDispatching) {
    Container container = plain();
    container.set_exit_file(exit_file()).set_cgroup({.own_group = true});
    container.start({}, [] { return 9; });
    container.wait();
    const auto json = nlohmann::json::parse(content(exit_file()));
    EXPECT_EQ(json.at("code"), 9);
    container.set_exit_file("");
    container.start({}, [] { return 0; });
    container.wait();
    EXPECT_EQ(nlohmann::json::parse(content(exit_file())), json) << "it was not to be written any more";
}

TEST_F(EventsOfAnEnd, NobodySeesAPartOfTheExitFile) {
    Container container = plain();
    const fs::path path = exit_file();
    container.set_exit_file(path);
    std::atomic<bool> over = false;
    std::size_t seen = 0;
    bool whole = true;
    std::thread reader([&] {
        for (bool last = false; !last;) {
            last = over;
            std::error_code missing;
            if (!fs::exists(path, missing)) continue;
            ++seen;
            const std::string text = content(path);
            whole = whole && text.ends_with("}\n") && nlohmann::json::accept(text);
        }
    });
    for (int run = 0; run < 50; ++run) {
        container.start({}, [] { return 0; });
        container.wait();
    }
    over = true;
    reader.join();
    EXPECT_GT(seen, 0U);
    EXPECT_TRUE(whole);
}

TEST_F(EventsOfAnEnd, TheExitFileTakesThePlaceOfALinkRatherThanFollowIt) {
    const fs::path victim = make_file("victim", "mine");
    fs::create_symlink(victim, exit_file());
    Container container = plain();
    container.set_exit_file(exit_file());
    container.start({}, [] { return 0; });
    container.wait();
    EXPECT_EQ(content(victim), "mine");
    EXPECT_FALSE(fs::is_symlink(exit_file()));
    EXPECT_TRUE(nlohmann::json::accept(content(exit_file())));
}

TEST_F(EventsOfAnEnd, AnExitFileThatCannotBeWrittenIsLoggedAndChangesNothingElse) {
    std::vector<std::string> log;
    Session logged(SessionOptions{.log_handler = [&](LogLevel, std::string_view text) { log.emplace_back(text); }});
    const fs::path disk = make_dir("disk");
    mount_tmpfs(disk, "size=4k");
    make_file("disk/full", std::string(4096, 'x'));
    for (const fs::path& path : {dir() / "missing" / "exit", disk / "exit", dir()}) {
        log.clear();
        Container container = logged.create("box");
        container.set_exit_file(path);
        container.start({}, [] { return 6; });
        EXPECT_TRUE(exited(container.wait(), 6));
        EXPECT_EQ(container.exit_record().value().status.value, 6);
        ASSERT_EQ(log.size(), 1U);
        EXPECT_TRUE(contains(log.front(),
                             "container 'box': write the exit file '" +
                                 (path == dir() / "missing" / "exit" ? path.parent_path() : path).string() + "': "));
    }
    EXPECT_EQ(names_in(disk), std::vector<std::string>{"full"});
}

TEST_F(EventsOfAnEnd, AnExitFileHasAPathOfItsOwn) {
    Container container = plain();
    for (const char* const path : {"relative", "/", "/tmp/", "/tmp/..", "/tmp/."}) {
        EXPECT_TRUE(fails([&] { container.set_exit_file(path); }, Errc::InvalidConfig, {"container 'box'", path}));
    }
}

// --- What is left in the groups

/// A group that cannot be removed: something is mounted on it.
class BusyGroup {
public:
    explicit BusyGroup(std::string path) : path_(std::move(path)) {
        EXPECT_EQ(::mount(path_.c_str(), path_.c_str(), nullptr, MS_BIND, nullptr), 0) << std::strerror(errno);
    }
    BusyGroup(const BusyGroup&) = delete;
    BusyGroup& operator=(const BusyGroup&) = delete;
    ~BusyGroup() { release(); }
    void release() {
        if (path_.empty()) return;
        EXPECT_EQ(::umount2(path_.c_str(), MNT_DETACH), 0) << std::strerror(errno);
        path_.clear();
    }

private:
    std::string path_;
};

class EndWithABusyGroup : public EventsOfAnEnd {
protected:
    void SetUp() override {
        EventsOfAnEnd::SetUp();
        container_.emplace(plain());
        container_->set_cgroup({.own_group = true});
        note(*container_);
        const Process init = container_->start({}, [] {
            ::pause();
            return 0;
        });
        busy_.emplace(own_group_path(*container_));
        init.signal(SIGTERM);
        dispatch_until([&] { return !said.empty() && said.back() == "state stopping"; });
    }
    void TearDown() override {
        busy_.reset();
        container_.reset();
        EventsOfAnEnd::TearDown();
    }

    std::optional<Container> container_;
    std::optional<BusyGroup> busy_;
};

TEST_F(EndWithABusyGroup, OthersAreToldMeanwhile) {
    for (int run = 0; run < 3; ++run) {
        Container other = session().create("other");
        bool ended = false;
        other.on_exit([&](const ExitEvent&) { ended = true; });
        other.start({}, [] { return 0; });
        dispatch_until([&] { return ended; });
    }
    EXPECT_EQ(said.back(), "state stopping");
    EXPECT_EQ(container_->state(), State::Stopping);
    busy_->release();
    dispatch_until([&] { return stopped(); });
    const std::vector<std::string> end(said.end() - 3, said.end());
    EXPECT_EQ(end, (std::vector<std::string>{"state stopping", "exit", "state stopped"}));
    EXPECT_EQ(record->status.value, SIGTERM);
    EXPECT_EQ(container_->state(), State::Stopped);
}

TEST_F(EndWithABusyGroup, WhoWaitsGoesOnWithIt) {
    busy_->release();
    EXPECT_EQ(container_->wait().value, SIGTERM);
    EXPECT_EQ(container_->state(), State::Stopped);
    EXPECT_EQ(said.back(), "state stopping");
    dispatch_until([&] { return stopped(); });
}

TEST_F(EndWithABusyGroup, StartingAnewGoesOnWithIt) {
    busy_->release();
    container_->start({}, [] { return 8; });
    EXPECT_TRUE(exited(container_->wait(), 8));
    dispatch_until([&] { return record && record->status.value == 8 && stopped(); });
    EXPECT_EQ(std::count(said.begin(), said.end(), "exit"), 2);
}

TEST_F(EndWithABusyGroup, WhoWaitsInAnotherThreadIsWoken) {
    std::atomic<bool> waited = false;
    std::thread waiting([&] {
        (void)container_->wait();
        waited = true;
    });
    busy_->release();
    dispatch_until([&] { return stopped(); });
    waiting.join();
    EXPECT_TRUE(waited);
}

TEST_F(EndWithABusyGroup, ClosingTheSessionGoesOnWithIt) {
    busy_->release();
    close_session();
    EXPECT_EQ(container_->state(), State::Stopped);
    EXPECT_EQ(container_->exit_record().value().status.value, SIGTERM);
}

} // namespace
} // namespace ct::test
