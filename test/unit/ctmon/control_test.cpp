// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "control.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <ct/error.hpp>

#include "base/unique_fd.hpp"
#include "scratch.hpp"

namespace ctmon {
namespace {

using ct::internal::Loop;
using ct::internal::UniqueFd;

std::optional<Command> parsed(std::string_view line) {
    std::string why;
    const auto command = parse_control(line, why);
    EXPECT_EQ(why.empty(), command.has_value()) << line;
    return command;
}

Command size(unsigned short rows, unsigned short columns) {
    return WindowSize{rows, columns};
}

TEST(ParseControl, ReadsNumbersLikeScanf) {
    EXPECT_EQ(parsed("1 24 80"), size(24, 80));
    EXPECT_EQ(parsed("  1\t 0010 +20"), size(10, 20));
    EXPECT_EQ(parsed("1 0 1000"), size(0, 1000));
    EXPECT_EQ(parsed("1 2 3 and more"), size(2, 3));
    EXPECT_EQ(parsed("1 2 3.5"), size(2, 3));
    EXPECT_EQ(parsed("2 0 0"), Command(ReopenLog()));
    EXPECT_EQ(parsed("2 7 8 9"), Command(ReopenLog()));
}

TEST(ParseControl, RefusesWhatIsNoCommand) {
    for (const std::string_view line : {"",
                                        " ",
                                        "1",
                                        "1 2",
                                        "x 2 3",
                                        "1 0x10 3",
                                        "1 10.5 3",
                                        "1 2 x",
                                        "1 +-2 3",
                                        "1 - 3",
                                        "0 1 1",
                                        "3 1 1",
                                        "-1 1 1",
                                        "1 -1 5",
                                        "1 5 -1",
                                        "1 1001 5",
                                        "1 5 65535",
                                        "1 5 100000",
                                        "1 5 4294967297",
                                        "1 5 99999999999999999999",
                                        "4294967297 1 1",
                                        "2 1001 0",
                                        "2 0 -1",
                                        "2 0"}) {
        EXPECT_EQ(parsed(line), std::nullopt) << line;
    }
}

TEST(ParseWindowSize, TakesTwoNumbers) {
    EXPECT_EQ(parse_window_size("24 80"), (WindowSize{24, 80}));
    EXPECT_EQ(parse_window_size("1000 0 x"), (WindowSize{1000, 0}));
    for (const std::string_view line : {"", "24", "24 x", "24 1001", "-1 5"}) {
        EXPECT_EQ(parse_window_size(line), std::nullopt) << line;
    }
}

std::vector<std::string> lines_of(std::string_view text, std::size_t step) {
    std::vector<std::string> lines;
    ControlLines cutter;
    for (; !text.empty(); text.remove_prefix(std::min(step, text.size()))) {
        cutter.feed(text.substr(0, step), [&](std::string_view line) { lines.emplace_back(line); });
    }
    return lines;
}

TEST(ControlLines, AreTheSameHoweverTheyCome) {
    const std::string text = "1 2 3\n\nlast\nrest";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        EXPECT_EQ(lines_of(text, step), (std::vector<std::string>{"1 2 3", "", "last"})) << step;
    }
}

TEST(ControlLines, LeaveOutThoseThatAreTooLong) {
    const std::string longest(199, 'x');
    const std::string text = longest + "\n" + longest + "y\n" + "1 2 2 " + std::string(65536, '#') + "\nend\n";
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{200}, text.size()}) {
        EXPECT_EQ(lines_of(text, step), (std::vector<std::string>{longest, "end"})) << step;
    }
}

class ControlFifosTest : public ::testing::Test {
protected:
    ControlFifosTest() : umask_(::umask(0022)) {}
    ~ControlFifosTest() override { ::umask(umask_); }

    void open() { open(scratch_.path()); }
    void open(const std::string& bundle) {
        fifos_ = std::make_unique<ControlFifos>(bundle, loop_, messages_,
                                                [this](const Command& command) { commands_.push_back(command); });
    }
    [[nodiscard]] UniqueFd client(const std::string& name, int flags = O_NONBLOCK) const {
        return UniqueFd(::open(scratch_.file(name).c_str(), O_WRONLY | O_CLOEXEC | flags));
    }
    /// As one client that comes and goes.
    void send(const std::string& name, std::string_view text) const {
        const UniqueFd fd = client(name);
        EXPECT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    void dispatch_all() {
        while (loop_->dispatch() != 0) {
        }
    }

    mode_t umask_;
    Scratch scratch_;
    std::shared_ptr<Loop> loop_ = std::make_shared<Loop>();
    Messages messages_;
    std::vector<Command> commands_;
    std::unique_ptr<ControlFifos> fifos_;
};

TEST_F(ControlFifosTest, AreMadeAnew) {
    scratch_.write("ctl", "old");
    ASSERT_EQ(::symlink("/nowhere", scratch_.file("winsz").c_str()), 0);
    open();
    for (const char* const name : {"ctl", "winsz"}) {
        struct stat status {};
        ASSERT_EQ(::lstat(scratch_.file(name).c_str(), &status), 0);
        EXPECT_EQ(status.st_mode, S_IFIFO | 0640U);
    }
    fifos_.reset();
    EXPECT_EQ(scratch_.count(), 2U);
}

TEST_F(ControlFifosTest, TellCommandsOfAllClients) {
    open();
    send("ctl", "1 24 80\n2 0 0\n");
    dispatch_all();
    send("winsz", "10 20\n");
    dispatch_all();
    send("ctl", "1 5 ");
    dispatch_all();
    EXPECT_EQ(commands_, (std::vector<Command>{size(24, 80), ReopenLog(), size(10, 20)}));
    send("ctl", "6\n");
    dispatch_all();
    EXPECT_EQ(commands_.back(), size(5, 6));
    EXPECT_EQ(loop_->dispatch(), 0U); // no end of file
}

TEST_F(ControlFifosTest, DoNotMixTheirLines) {
    open();
    send("ctl", "1 5 ");
    dispatch_all();
    send("winsz", "7 8\n");
    dispatch_all();
    send("ctl", "6\n");
    dispatch_all();
    EXPECT_EQ(commands_, (std::vector<Command>{size(7, 8), size(5, 6)}));
}

TEST_F(ControlFifosTest, SkipOnlyTheLineThatIsBad) {
    open();
    ::testing::internal::CaptureStderr();
    send("ctl", "bad\n1 1 1\n9 0 0\n1 2 2\n");
    dispatch_all();
    const std::string told = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(commands_, (std::vector<Command>{size(1, 1), size(2, 2)}));
    EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 2) << told;
}

TEST_F(ControlFifosTest, DoNotComplainForEver) {
    open();
    ::testing::internal::CaptureStderr();
    for (int i = 0; i < 100; ++i) {
        send("ctl", "bad\nbad\nbad\n");
        dispatch_all();
    }
    const std::string told = ::testing::internal::GetCapturedStderr();
    // More than one minute on a machine that is very busy.
    EXPECT_GE(std::count(told.begin(), told.end(), '\n'), 10) << told;
    EXPECT_LE(std::count(told.begin(), told.end(), '\n'), 100) << told;
}

TEST_F(ControlFifosTest, ReadOnWhateverIsWritten) {
    open();
    std::thread client([&] {
        const UniqueFd fd = this->client("ctl", 0); // it blocks as long as nobody reads
        const std::string text = "1 2 2 " + std::string(300'000, '#') + "\n1 3 4\n";
        EXPECT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    });
    EXPECT_TRUE(dispatch_until(*loop_, [&] { return !commands_.empty(); }));
    client.join();
    EXPECT_EQ(commands_, std::vector<Command>{size(3, 4)});
}

TEST_F(ControlFifosTest, EndWithinAHandler) {
    int calls = 0;
    fifos_ = std::make_unique<ControlFifos>(scratch_.path(), loop_, messages_, [&](const Command&) {
        ++calls;
        fifos_.reset();
    });
    send("ctl", "1 1 1\n1 2 2\n");
    dispatch_all();
    EXPECT_EQ(calls, 1);
}

TEST_F(ControlFifosTest, RemoveOnlyWhatIsTheirs) {
    open();
    ASSERT_EQ(::unlink(scratch_.file("ctl").c_str()), 0);
    scratch_.write("ctl", "another's");
    fifos_->remove();
    EXPECT_EQ(scratch_.text("ctl"), "another's");
    EXPECT_FALSE(scratch_.has("winsz"));
}

TEST_F(ControlFifosTest, LeaveNothingIfOneCannotBeMade) {
    std::filesystem::create_directories(scratch_.path() / "winsz");
    EXPECT_THROW(open(), ct::Error);
    EXPECT_EQ(scratch_.count(), 1U);
    EXPECT_THROW(open(scratch_.file("none")), ct::Error);
}

} // namespace
} // namespace ctmon
