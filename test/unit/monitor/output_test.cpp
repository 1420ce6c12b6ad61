// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "monitor/output.hpp"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// Streams of the caller's, without a container.
class OutputTest : public ::testing::Test {
protected:
    OutputTest() {
        std::string name = fs::temp_directory_path() / "libct-output-XXXXXX";
        dir_ = ::mkdtemp(name.data());
    }
    ~OutputTest() override { fs::remove_all(dir_); }

    [[nodiscard]] std::string path(const std::string& suffix = "") const { return (dir_ / "log").string() + suffix; }
    [[nodiscard]] std::shared_ptr<Output> output(LogFile file) {
        file.path = path();
        file.format = LogFormat::Plain;
        return std::make_shared<Output>("box", Log{.targets = {std::move(file)}, .flush_after = 0ms},
                                        std::vector<std::shared_ptr<LogSink>>{}, std::make_shared<OutputHandlers>(),
                                        scratches_, AttachedOutput{point_, {}});
    }
    /// \returns the writer's end
    static UniqueFd open_pipe(UniqueFd& reader) {
        std::array<int, 2> ends{-1, -1};
        EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
        reader.reset(ends[0]);
        return UniqueFd(ends[1]);
    }
    static void write(const UniqueFd& fd, std::string_view text) {
        EXPECT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    [[nodiscard]] std::string text(const std::string& suffix = "") const {
        std::ostringstream text;
        text << std::ifstream(path(suffix), std::ios::binary).rdbuf();
        return text.str();
    }
    [[nodiscard]] bool logs(const std::string& wanted) {
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        while (text() != wanted && std::chrono::steady_clock::now() < deadline) loop_->dispatch_for(10ms);
        return text() == wanted;
    }

    const std::shared_ptr<Loop> loop_ = std::make_shared<Loop>();
    const std::shared_ptr<ScratchPool> scratches_ = std::make_shared<ScratchPool>();
    const std::shared_ptr<AttachPoint> point_ = std::make_shared<AttachPoint>();

private:
    fs::path dir_;
};

TEST_F(OutputTest, LogsPipesThatAreGivenToIt) {
    const auto out = output({});
    HostEnds ends;
    UniqueFd from[2] = {open_pipe(ends.pipes[1]), open_pipe(ends.pipes[2])};
    out->connect(ends, loop_);
    out->started();
    write(from[0], "out\n");
    ASSERT_TRUE(logs("out\n"));
    write(from[1], "err\nunfinished");
    ASSERT_TRUE(logs("out\nerr\nunfinished"));
    scratches_->trim();
    write(from[0], "last");
    EXPECT_TRUE(out->end(Output::Call::Handlers)); // the pipes are still open
    EXPECT_EQ(text(), "out\nerr\nunfinishedlast");
    EXPECT_EQ(out->stats().bytes, 22U);
}

TEST_F(OutputTest, TerminalMayComeLater) {
    const auto out = output({});
    HostEnds ends;
    out->connect(ends, loop_);
    EXPECT_EQ(point_->write("typed\n", {}), 0U); // it waits
    HostEnds late;
    late.terminal.reset(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(late.terminal && ::unlockpt(late.terminal.get()) == 0);
    const UniqueFd process(::open(::ptsname(late.terminal.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
    ASSERT_TRUE(process);
    out->connect(late, loop_);
    out->started();
    write(process, "hello\n");
    ASSERT_TRUE(logs("hello\r\n"));
    EXPECT_EQ(point_->write("typed\n", {}), 6U);
    std::array<char, 16> got{};
    EXPECT_EQ(::read(process.get(), got.data(), got.size()), 6);
    ASSERT_TRUE(logs("hello\r\ntyped\r\n"));
    EXPECT_TRUE(out->end(Output::Call::Handlers));
}

TEST_F(OutputTest, ConnectsPipesAndThenMore) {
    const auto out = output({});
    HostEnds first;
    const UniqueFd one = open_pipe(first.pipes[1]);
    out->connect(first, loop_);
    HostEnds second;
    const UniqueFd two = open_pipe(second.pipes[2]);
    out->connect(second, loop_);
    write(one, "1\n");
    ASSERT_TRUE(logs("1\n"));
    write(two, "2\n");
    ASSERT_TRUE(logs("1\n2\n"));
    EXPECT_TRUE(out->end(Output::Call::Handlers));
    HostEnds late;
    const UniqueFd three = open_pipe(late.pipes[1]);
    out->connect(late, loop_); // too late
    EXPECT_TRUE(late.pipes[1]);
}

TEST_F(OutputTest, ReopenedLogIsANewFile) {
    const auto out = output({.rotate_count = 1, .replace_on_reopen = true});
    HostEnds ends;
    const UniqueFd from = open_pipe(ends.pipes[1]);
    out->connect(ends, loop_);
    out->started();
    write(from, "old\n");
    ASSERT_TRUE(logs("old\n"));
    out->reopen();
    EXPECT_EQ(text(".1"), "old\n");
    write(from, "new\n");
    ASSERT_TRUE(logs("new\n"));
    fs::remove(path());
    fs::create_symlink("/dev/null", path());
    EXPECT_THROW(out->reopen(), Error);
    fs::remove(path());
    out->reopen();
    write(from, "newer\n");
    ASSERT_TRUE(logs("newer\n"));
    EXPECT_TRUE(out->end(Output::Call::Handlers));
}

} // namespace
} // namespace ct::internal
