// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Clients of the attach socket that do not read, or read late: the container and others do not notice.
#include "attached_fixture.hpp"

#include <algorithm>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class AttachSlow : public AttachedTest {
protected:
    static constexpr std::size_t Count = Much / 64;
    /// What writes Much to a stream, and tells when it is done.
    [[nodiscard]] static std::string much(const std::string& fd = "1") {
        return "lines " + fd + " " + std::to_string(Count) + " 63\nfile written yes\n";
    }
    [[nodiscard]] static std::string all() { return numbered_lines(Count, 63); }
    /// Who has left or was given up leaves nothing in the bundle.
    [[nodiscard]] Words files() const {
        Words names;
        for (const auto& entry : fs::directory_iterator(bundle_)) names.push_back(entry.path().filename());
        std::sort(names.begin(), names.end());
        return names;
    }
};

TEST_F(AttachSlow, AClientThatNeverReadsHoldsUpNeitherContainerNorLog) {
    container(much());
    begin(create());
    const AttachClient never = attach();
    start();
    EXPECT_EQ(awaited(root_ / "written"), "yes");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_TRUE(logged() == all());
    EXPECT_EQ(files(), (Words{"ctl", "winsz"}));
}

TEST_F(AttachSlow, AClientThatNeverReadsHoldsUpNoOther) {
    container(much("2"));
    created();
    const AttachClient never = attach();
    AttachClient reads = attach();
    start();
    EXPECT_TRUE(reads.rest_of('\3') == all());
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachSlow, AClientThatReadsLateGetsEverything) {
    container(much() + "wait more\n");
    make_fifo("more");
    created();
    AttachClient late = attach();
    start();
    (void)awaited(root_ / "written"); // the monitor has all but what a pipe holds
    open_fifo("more");
    EXPECT_TRUE(late.rest_of('\2') == all());
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(files(), (Words{"ctl", "winsz"}));
}

TEST_F(AttachSlow, AClientThatReadsAfterTheExitGetsEverything) {
    container("lines 1 20000 99\n");
    created();
    AttachClient late = attach();
    start();
    (void)awaited(exits_ / Cid);
    EXPECT_TRUE(late.rest_of('\2') == numbered_lines(20000, 99));
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachSlow, SeveralLateClientsGetEverythingInTheirOwnTime) {
    container(much() + "wait more\nwrite 1 end\\n\n");
    make_fifo("more");
    created();
    AttachClient first = attach();
    AttachClient second = attach();
    start();
    (void)awaited(root_ / "written");
    std::string some;
    while (some.size() < Much / 2) some += first.packet().substr(1);
    open_fifo("more");
    EXPECT_TRUE(second.rest_of('\2') == all() + "end\n");
    EXPECT_TRUE(some + first.rest_of('\2') == all() + "end\n");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachSlow, AClientThatSendsMuchAndNeverReadsHoldsUpNothing) {
    container("echo\nfile written yes\n");
    begin(create() + Words{"-i"});
    start();
    const AttachClient client = attach();
    const std::string text = numbered_lines(1 << 15, 31);
    for (std::size_t at = 0; at < text.size(); at += 32768) client.send(text.substr(at, 32768));
    client.end_input();
    EXPECT_EQ(awaited(root_ / "written"), "yes");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_TRUE(logged() == text);
}

TEST_F(AttachSlow, TheControlFifoIsServedAllTheSame) {
    container("block 28\n" + much() + "await 28\nsize size\n"); // SIGWINCH
    created({"-t"});
    const AttachClient never = attach();
    start();
    (void)awaited(root_ / "written");
    control("1 17 71\n");
    EXPECT_EQ(awaited(root_ / "size"), "17 71\n");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(AttachSlow, AClientThatLeavesAfterMuchGivesAllBack) {
    container(much() + "wait more\nwrite 1 end\nwait last\n");
    make_fifo("more");
    make_fifo("last");
    created();
    const pid_t monitor = monitor_pid();
    {
        AttachClient probe = attach(); // whatever is made with the first client is there by now
    }
    AttachClient stays = attach();
    const std::set<std::string> before = fds(monitor, "");
    {
        const AttachClient unread = attach();
        start();
        (void)awaited(root_ / "written");
    }
    std::string text;
    while (text.size() < Much) text += stays.packet().substr(1);
    open_fifo("more");
    EXPECT_EQ(stays.packet(), "\2end");
    EXPECT_TRUE(await([&] { return fds(monitor, "").size() <= before.size(); }));
    EXPECT_EQ(files(), (Words{"attach", "ctl", "winsz"}));
    open_fifo("last");
    EXPECT_EQ(monitor_ends(), 0);
}

} // namespace
} // namespace ct::test
