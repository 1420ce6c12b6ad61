// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Host processes with records are killed at any moment: the next session cleans up, and others are never disturbed.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <random>
#include <thread>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "state/store.hpp"
#include "support/faults.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class KilledOwner : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (!IsSkipped()) ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    }
    void TearDown() override {
        // Also those that were killed just now, or are about to notice that their host is gone.
        EXPECT_TRUE(await([] { return ::waitpid(-1, nullptr, __WALL | WNOHANG) < 0 && errno == ECHILD; }));
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
        ContainerTest::TearDown();
    }

    [[nodiscard]] std::string state() const { return dir() / "state"; }
    [[nodiscard]] Session open_session() {
        return Session({.log_handler = [this](LogLevel, std::string_view text) { log_ += std::string(text) + '\n'; },
                        .state_directory = state()});
    }
    [[nodiscard]] const std::string& log() const { return log_; }
    static void reap() {
        while (::waitpid(-1, nullptr, __WALL | WNOHANG) > 0) continue;
    }

    /// Runs a host process that does \p work, and kills it after \p delay.
    void kill_host(std::chrono::microseconds delay, const std::function<void(Session&)>& work) {
        const pid_t host = ::fork();
        ASSERT_GE(host, 0);
        if (host == 0) {
            try {
                Session session({.state_directory = state()});
                work(session);
                for (;;) ::pause();
            } catch (const std::exception& error) {
                std::fprintf(stderr, "%s\n", error.what());
            }
            ::_exit(1);
        }
        std::this_thread::sleep_for(delay);
        ASSERT_EQ(::kill(host, SIGKILL), 0);
        int status = 0;
        ASSERT_EQ(::waitpid(host, &status, 0), host);
        ASSERT_TRUE(WIFSIGNALED(status)) << "the host ended by itself";
    }

    /// Opens a session as the next program would, and ends what it has left running.
    void clean_up() {
        Session session = open_session();
        for (const ContainerInfo& info : session.containers()) {
            EXPECT_EQ(info.owner, -1) << info.name;
            EXPECT_NE(info.state, State::Starting) << info.name;
            session.open(info.name).remove(Remove::Force);
        }
        EXPECT_TRUE(fs::is_empty(state())) << tree(state());
    }

    static ProcessSpec pause() {
        ProcessSpec spec = program({"pause"});
        spec.stdio.out = Stdio::Null;
        return spec;
    }

private:
    std::string log_;
};

TEST_F(KilledOwner, LeavesAStartThatTheNextSessionUndoes) {
    const auto only_bin = [&] { return tree(image()).find("/proc") == std::string::npos; };
    std::minstd_rand random(1);
    int half_started = 0;
    unsigned latest = 4000; // follows the speed of the machine
    for (int i = 0; i < 150; ++i) {
        kill_host(std::chrono::microseconds(random() % latest), [&](Session& session) {
            Container box = session.create("box").set_root(image().string()).add_default_mounts();
            box.add_namespaces({Namespace::Mount, Namespace::Pid}).start(pause());
        });
        const internal::Store store(state());
        const auto stored = store.read("box");
        const bool started = stored && stored->record.phase == internal::Phase::Running;
        if (!stored) latest = std::min(latest + latest / 8, 500'000U);
        if (started) latest = std::max(latest - latest / 8, 1000U);
        half_started += stored && stored->record.phase == internal::Phase::Starting ? 1 : 0;
        clean_up();
        if (!started) {
            EXPECT_TRUE(only_bin()) << tree(image());
        }
        for (const char* mount_point : {"proc", "sys", "dev"}) fs::remove_all(image() / mount_point);
        reap();
    }
    EXPECT_GT(half_started, 0) << "no host was killed in the middle of a start";
    EXPECT_EQ(log(), "");
}

TEST_F(KilledOwner, LeavesMountsThatTheNextSessionUndoes) {
    const std::string before = host_mounts();
    make_file("area/file", "mine");
    fs::create_directory(image() / "data");
    std::minstd_rand random(2);
    for (int i = 0; i < 60; ++i) {
        kill_host(std::chrono::microseconds(random() % 4000), [&](Session& session) {
            Container box = session.create("box").set_root(image().string());
            box.set_private(BindDir{.source = (dir() / "area").string(), .target = "/data"});
            for (;;) box.start(program({"exit", "0"})).wait();
        });
        // Its program may take a moment to end.
        while (::waitpid(-1, nullptr, __WALL) > 0) continue;
        clean_up();
        ASSERT_EQ(host_mounts(), before) << "round " << i;
    }
    EXPECT_EQ(log(), "");
}

TEST_F(KilledOwner, LeavesAHeldContainerThatTheNextSessionUndoes) {
    const std::string before = host_mounts();
    make_file("area/file", "mine");
    fs::create_directory(image() / "data");
    const std::string files = tree(image());
    std::minstd_rand random(5);
    for (int i = 0; i < 40; ++i) {
        kill_host(std::chrono::microseconds(i == 0 ? 200'000 : random() % 4000), [&](Session& session) {
            Container box = session.create("box").set_root(image().string());
            box.set_private(BindDir{.source = (dir() / "area").string(), .target = "/data"});
            box.hold();
        });
        clean_up();
        ASSERT_EQ(host_mounts(), before) << "round " << i;
    }
    for (int i = 0; i < 80; ++i) {
        kill_host(std::chrono::microseconds(i == 0 ? 200'000 : random() % 4000), [&](Session& session) {
            Container box = session.create("box").set_root(image().string()).add_default_mounts();
            box.add_namespaces({Namespace::Mount, Namespace::Uts}).hold();
        });
        const auto stored = internal::Store(state()).read("box");
        const bool held = stored && stored->record.phase == internal::Phase::Running;
        clean_up();
        if (!held) {
            ASSERT_EQ(tree(image()), files) << "round " << i;
        }
        for (const char* mount_point : {"proc", "sys", "dev"}) fs::remove_all(image() / mount_point);
        reap();
    }
    EXPECT_EQ(log(), "");
}

TEST_F(KilledOwner, LeavesASavedContainerThatCanBeStarted) {
    kill_host(std::chrono::milliseconds(0), [&](Session&) {});
    {
        Session session = open_session();
        session.create("box").set_root(image().string()).set_process(program({"exit", "5"})).save();
    }
    std::minstd_rand random(3);
    for (int i = 0; i < 40; ++i) {
        kill_host(std::chrono::microseconds(random() % 3000), [&](Session& session) {
            for (;;) session.open("box").start().wait();
        });
        while (::waitpid(-1, nullptr, __WALL) > 0) continue;
        Session session = open_session();
        Container box = session.open("box");
        box.start();
        EXPECT_TRUE(exited(box.wait(), 5));
    }
    open_session().open("box").remove();
}

TEST_F(KilledOwner, LeavesNoProcessToOneWhoRemovesWhatWasHalfStarted) {
    Session session = open_session();
    const SharedFaults faults;
    bool passed = false;
    for (std::uint32_t at = 1; !passed; ++at) {
        Container box = session.create("box").set_root(image().string()).set_process(pause());
        box.add_namespaces({Namespace::Pid}).save();
        const int status = SharedFaults::kill_at(at, [&] {
            Session other({.on_close = OnClose::Detach, .state_directory = state()});
            other.open("box").start();
        });
        passed = WIFEXITED(status);
        box.remove(Remove::Force);
        EXPECT_TRUE(fs::is_empty(state())) << at << ": " << tree(state());
        ASSERT_TRUE(await([] { return ::waitpid(-1, nullptr, __WALL | WNOHANG) < 0 && errno == ECHILD; })) << at;
        SharedFaults::clear();
    }
    EXPECT_EQ(log(), "");
}

/// What programs do with the same few containers at the same time.
class Rivals : public KilledOwner {
protected:
    void SetUp() override {
        KilledOwner::SetUp();
        // Somebody has to reap at once what entered a pid namespace and lost its parent: its first process waits for
        // it.
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    }

    /// Anything with one of three names; \p random is its own.
    void act(Session& session, std::minstd_rand& random) const {
        static const std::vector<std::string> names{"a", "b", "c"};
        const std::string& name = names[random() % names.size()];
        switch (random() % 7) {
        case 0: {
            Container box = session.create(name).set_root(image().string()).set_process(pause());
            box.add_namespaces({Namespace::Mount, Namespace::Pid}).save();
            break;
        }
        case 1: session.open(name).start(); break;
        case 2: session.open(name).start(program({"exit", "0"})).wait(); break;
        case 3: session.open(name).enter(program({"exit", "0"})).wait(); break;
        case 4: session.open(name).stop(std::chrono::nanoseconds(0), SIGKILL); break;
        case 5: session.open(name).remove(Remove::Force); break;
        default: (void)session.containers(); break;
        }
    }

    /// Acts until it is killed; ends by itself only if something happens that must not.
    [[noreturn]] void be_rival(unsigned seed) const {
        std::minstd_rand random(seed);
        for (;;) {
            std::string warnings;
            try {
                Session session({.on_close = random() % 2 == 0 ? OnClose::Kill : OnClose::Detach,
                                 .log_handler = [&](LogLevel, std::string_view text) { warnings += text; },
                                 .state_directory = state()});
                for (int i = 0; i < 8; ++i) {
                    try {
                        act(session, random);
                    } catch (const Error& error) {
                        if (!is_expected(error)) throw;
                    }
                }
            } catch (const std::exception& error) {
                warnings += error.what();
            }
            if (!warnings.empty()) {
                std::fprintf(stderr, "rival: %s\n", warnings.c_str());
                ::_exit(1);
            }
        }
    }

private:
    /// Somebody else was faster.
    static bool is_expected(const Error& error) {
        if (error.code() == Errc::NameInUse || error.code() == Errc::InvalidState || error.code() == Errc::NotFound)
            return true;
        // The process that is entered ends meanwhile.
        return error.code() == Errc::ChildDied || error.code() == std::errc::no_such_process ||
               error.stage() == Stage::Enter;
    }
};

TEST_F(Rivals, NeverCorruptEachOther) {
    make_dir("image/proc");
    { const Session session = open_session(); }
    std::map<pid_t, unsigned> rivals;
    std::minstd_rand random(4);
    unsigned seed = 1;
    const auto spawn = [&] {
        const pid_t pid = ::fork();
        ASSERT_GE(pid, 0);
        if (pid == 0) be_rival(seed);
        rivals[pid] = seed++;
    };
    for (int i = 0; i < 6; ++i) spawn();
    for (int round = 0; round < 120 && !HasFailure(); ++round) {
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 20000));
        auto victim = std::next(rivals.begin(), static_cast<long>(random() % rivals.size()));
        ::kill(victim->first, SIGKILL);
        int status = 0;
        EXPECT_EQ(::waitpid(victim->first, &status, 0), victim->first);
        EXPECT_TRUE(WIFSIGNALED(status)) << "rival " << victim->second << " found something wrong";
        rivals.erase(victim);
        spawn();
    }
    for (const auto& [pid, own_seed] : rivals) ::kill(pid, SIGKILL);
    for (const auto& [pid, own_seed] : rivals) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        EXPECT_TRUE(WIFSIGNALED(status)) << "rival " << own_seed << " found something wrong";
    }
    clean_up();
    EXPECT_EQ(log(), "");
}

} // namespace
} // namespace ct::test
