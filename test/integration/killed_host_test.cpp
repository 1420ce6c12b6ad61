// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The host is killed in the middle of starts: whatever it was about to make dies with it.
#include <csignal>
#include <cstdio>
#include <random>
#include <thread>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

class KilledHost : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped()) return;
        ::prctl(PR_SET_CHILD_SUBREAPER, 1); // orphans become children of the test
        // The root of the user namespace may not create them.
        for (const char* mount_point : {"proc", "sys", "dev"}) std::filesystem::create_directory(image() / mount_point);
    }
    void TearDown() override {
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
        ContainerTest::TearDown();
    }

    /// Kills a host that does \p work again and again, each time at another moment.
    void kill_in_the_middle(const std::function<void(Container&)>& work) {
        constexpr int Times = 60;
        std::minstd_rand random(1);
        for (int i = 0; i < Times; ++i) {
            const pid_t host = ::fork();
            ASSERT_GE(host, 0);
            if (host == 0) be_host(work);
            std::this_thread::sleep_for(std::chrono::microseconds(random() % 8000));
            ASSERT_EQ(::kill(host, SIGKILL), 0);
            int status = 0;
            ASSERT_EQ(::waitpid(host, &status, 0), host);
            ASSERT_TRUE(WIFSIGNALED(status)) << "the host ended by itself in round " << i;
            ASSERT_TRUE(all_children_end()) << "round " << i;
        }
    }

private:
    [[noreturn]] void be_host(const std::function<void(Container&)>& work) {
        try {
            Session session;
            Container container = session.create("box").set_root(image()).add_default_mounts();
            container.add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::User});
            container.add_uid_map({0, 100000, 65536}).add_gid_map({0, 100000, 65536});
            for (;;) work(container);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s\n", error.what());
        }
        ::_exit(1);
    }

    /// Waits until the host has left nothing behind.
    static bool all_children_end() {
        const auto deadline = std::chrono::steady_clock::now() + Patience;
        while (std::chrono::steady_clock::now() < deadline) {
            const pid_t ended = ::waitpid(-1, nullptr, __WALL | WNOHANG);
            if (ended < 0) return true;
            if (ended == 0) std::this_thread::yield();
        }
        return false;
    }
};

TEST_F(KilledHost, LeavesNothingOfAStart) {
    kill_in_the_middle([](Container& container) {
        container.start(program({"exit", "0"}));
        container.wait();
    });
}

TEST_F(KilledHost, LeavesNothingOfAStartByVfork) {
    kill_in_the_middle([](Container& container) {
        ProcessSpec process = program({"exit", "0"});
        process.oom_score_adj = 100;
        container.start(process);
        container.wait();
    });
}

TEST_F(KilledHost, LeavesNothingOfAStartedCallable) {
    kill_in_the_middle([](Container& container) {
        container.start({}, [] { return 0; });
        container.wait();
    });
}

TEST_F(KilledHost, LeavesNothingOfAnEntry) {
    // The first process ends with the host, and so do those that entered.
    kill_in_the_middle([](Container& container) {
        ProcessSpec init = program({"pause"});
        init.parent_death_signal = SIGKILL;
        init.stdio.out = Stdio::Null;
        if (container.state() == State::Stopped) container.start(init);
        container.enter(program({"exit", "0"})).wait();
        container.enter({}, [] { return 0; }).wait();
    });
}

} // namespace
} // namespace ct::test
