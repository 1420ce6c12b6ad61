// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// The fifos `ctl` and `winsz`.
#include "attached_fixture.hpp"

#include <algorithm>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class Control : public AttachedTest {
protected:
    /// The size of the container's terminal once these bytes were read, and with it a last line.
    std::string size_after(std::string_view bytes) {
        container("wait more\nsize size\n");
        make_fifo("more");
        created({"-t"});
        start();
        control(bytes);
        reopened();
        open_fifo("more");
        const std::string size = awaited(root_ / "size");
        EXPECT_EQ(monitor_ends(), 0);
        return size;
    }
    /// Orders a new log, and waits for it: everything before was handled.
    void reopened() const {
        const Happenings log({root_});
        control("2 0 0\n");
        EXPECT_TRUE(await([&] {
            const Words names = log.so_far();
            return std::find(names.begin(), names.end(), "+log") != names.end();
        }));
    }
    void created(const Words& more) { begin(create() + more); }
};

TEST_F(Control, FifosAreTheBundlesAndStay) {
    created({});
    for (const char* name : {"ctl", "winsz"}) {
        struct stat status {};
        ASSERT_EQ(::lstat((bundle_ / name).c_str(), &status), 0) << name;
        EXPECT_TRUE(S_ISFIFO(status.st_mode)) << name;
        EXPECT_EQ(status.st_mode & 07777, 0640U) << name;
    }
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_TRUE(fs::exists(bundle_ / "ctl"));
    EXPECT_TRUE(fs::exists(bundle_ / "winsz"));
}

TEST_F(Control, FifosAreThereBeforeTheRuntimeRuns) {
    script("runtime", "wait go\nconsole\ncontainer\npidfile\n");
    make_fifo("go");
    container("wait more\nsize size\n");
    make_fifo("more");
    Channel sync = Channel::to_us();
    Monitor monitor = launch(call(create() + Words{"-t"}).with("_OCI_SYNCPIPE", sync));
    UniqueFd gate = open_writer(root_ / "go");
    control("1 30 40\n");
    gate.reset();
    EXPECT_TRUE(contains(sync.line(), "{\"data\": "));
    start();
    reopened();
    open_fifo("more");
    EXPECT_EQ(awaited(root_ / "size"), "30 40\n") << "a size from before the terminal was there";
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Control, AWriterThatLeavesIsNoEnd) {
    container("wait more\nsize size\n");
    make_fifo("more");
    created({"-t"});
    start();
    for (int i = 1; i <= 20; ++i) control("1 " + std::to_string(i) + " 7\n");
    reopened();
    open_fifo("more");
    EXPECT_EQ(awaited(root_ / "size"), "20 7\n");
    EXPECT_EQ(monitor_ends(), 0);
}

struct Size {
    const char* name;
    std::string bytes;
    const char* size; ///< After "1 11 12" and this.
};

class ControlLine : public Control, public ::testing::WithParamInterface<Size> {};

TEST_P(ControlLine, SetsTheSizeOfTheTerminal) {
    EXPECT_EQ(size_after("1 11 12\n" + GetParam().bytes), std::string(GetParam().size) + "\n");
}

const std::string Long(65000, '#');

INSTANTIATE_TEST_SUITE_P(
    ThatIs, ControlLine,
    ::testing::Values(
        Size{"Plain", "1 24 80\n", "24 80"}, Size{"WithLeadingBlanks", "  1 24 80\n", "24 80"},
        Size{"WithTabs", "1\t24\t80\n", "24 80"}, Size{"WithManyBlanks", "1   24    80\n", "24 80"},
        Size{"WithAFourthNumber", "1 2 2 3\n", "2 2"}, Size{"WithTrailingText", "1 24 80 text\n", "24 80"},
        Size{"WithLeadingZeros", "1 0010 0020\n", "10 20"}, Size{"Hexadecimal", "1 0x10 0x20\n", "11 12"},
        Size{"AFraction", "1 10.5 20\n", "11 12"}, Size{"TooShort", "1 24\n", "11 12"}, Size{"AType", "1\n", "11 12"},
        Size{"Empty", "\n", "11 12"}, Size{"Text", "one two three\n", "11 12"},
        Size{"TheLargest", "1 1000 1000\n", "1000 1000"}, Size{"TooHigh", "1 1001 80\n", "11 12"},
        Size{"TooWide", "1 24 1001\n", "11 12"}, Size{"MuchTooLarge", "1 65535 65535\n", "11 12"},
        Size{"BeyondAShort", "1 100000 100000\n", "11 12"},
        Size{"BeyondAnInteger", "1 99999999999999999999 80\n", "11 12"}, Size{"Negative", "1 -1 80\n", "11 12"},
        Size{"Zero", "1 0 0\n", "0 0"}, Size{"OfAnotherType", "3 24 80\n", "11 12"},
        Size{"OfANegativeType", "-1 24 80\n", "11 12"}, Size{"FirstOfTwo", "1 24 80\n1 25 81\n", "25 81"},
        Size{"BeforeABadOne", "1 24 80\nnonsense\n", "24 80"}, Size{"AfterABadOne", "nonsense\n1 24 80\n", "24 80"},
        Size{"Binary", std::string("1 \0 24 80\n", 10), "11 12"},
        Size{"TooLong", "1 2 2 " + std::string(250, '#') + "\n", "11 12"},
        Size{"AfterOneThatIsTooLong", "1 2 2 " + std::string(250, '#') + "\n1 24 80\n", "24 80"},
        Size{"MuchTooLong", "1 2 2 " + Long + "\n1 24 80\n", "24 80"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(Control, LinesMayComeInPieces) {
    container("wait more\nsize size\n");
    make_fifo("more");
    created({"-t"});
    start();
    control("1 2");
    control("4 8");
    control("0\n");
    reopened();
    open_fifo("more");
    EXPECT_EQ(awaited(root_ / "size"), "24 80\n");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Control, PiecesOfTheTwoFifosDoNotMix) {
    container("wait more\nsize size\n");
    make_fifo("more");
    created({"-t"});
    start();
    control("1 24");
    control("7 ", "winsz");
    control(" 80\n");
    reopened();
    open_fifo("more");
    EXPECT_EQ(awaited(root_ / "size"), "24 80\n");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Control, TheFifoForSizesTakesThemDirectly) {
    container("block 28\nfile ready yes\nawait 28\nsize size\n");
    created({"-t"});
    start();
    (void)awaited(root_ / "ready");
    control("33 44\n", "winsz");
    EXPECT_EQ(awaited(root_ / "size"), "33 44\n");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Control, ASizeIsTheProcesssToSee) {
    container("block 28\nfile ready yes\nawait 28\nsize size\n"); // SIGWINCH
    created({"-t"});
    start();
    (void)awaited(root_ / "ready");
    control("1 33 44\n");
    EXPECT_EQ(awaited(root_ / "size"), "33 44\n");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Control, SizesWithoutTerminalDoNothing) {
    created({});
    control("1 24 80\n");
    control("24 80\n", "winsz");
    reopened();
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Control, AnotherNumberReopensTheLogToo) {
    created({});
    const Happenings log({root_});
    control("2 7 1000\n");
    EXPECT_TRUE(await([&] {
        const Words names = log.so_far();
        return std::find(names.begin(), names.end(), "+log") != names.end();
    }));
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Control, ReopeningNeedsBothNumbersInTheirRange) {
    container("write 1 kept\\n\nfile written yes\nwait more\n");
    make_fifo("more");
    created({});
    start();
    (void)awaited(root_ / "written");
    EXPECT_TRUE(await([&] { return fs::file_size(log_) > 0; }));
    for (const char* line : {"2\n", "2 0\n", "2 1001 0\n", "2 0 -1\n", "2 x y\n"}) control(line);
    open_fifo("more");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(logged(), "kept\n");
}

TEST_F(Control, AnEndlessLineIsReadOn) {
    container("wait more\nsize size\n");
    make_fifo("more");
    created({"-t"});
    start();
    {
        const UniqueFd writer = open_writer(bundle_ / "ctl");
        ASSERT_EQ(::fcntl(writer.get(), F_SETFL, O_WRONLY), 0);
        const std::string part = "1 2 2 " + Long;
        for (int i = 0; i < 20; ++i) EXPECT_EQ(::write(writer.get(), part.data(), part.size()), ssize_t(part.size()));
    }
    control("\n1 24 80\n");
    reopened();
    open_fifo("more");
    EXPECT_EQ(awaited(root_ / "size"), "24 80\n");
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Control, AFifoThatSomebodyRemovedIsNoTrouble) {
    created({});
    for (const char* name : {"ctl", "winsz", "attach"}) fs::remove(bundle_ / name); // as CRI-O before a restore
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(exits_ / Cid), "0");
}

} // namespace
} // namespace ct::test
