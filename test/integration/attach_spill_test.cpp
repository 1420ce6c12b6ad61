// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Clients that read late, and get everything.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <thread>

#include "attach_fixture.hpp"
#include "base/unique_fd.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// A line for each number.
std::string sequence(int first, int last) {
    std::string text;
    for (int i = first; i <= last; ++i) text += std::to_string(i) + '\n';
    return text;
}

/// What a shell of a container waits at: `exec 3< PATH` once, and `read go <&3` each time.
class Fifo {
public:
    explicit Fifo(std::string path) : path_(std::move(path)) {
        EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
        fd_ = internal::UniqueFd(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
        EXPECT_TRUE(fd_);
    }
    void release() const { EXPECT_EQ(::write(fd_.get(), "go\n", 3), 3); }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_;
    internal::UniqueFd fd_;
};

class AttachSpillTest : public AttachServerTest {
protected:
    [[nodiscard]] AttachServerOptions spilling() const {
        AttachServerOptions options = at_path();
        options.slow = SlowClient::Spill;
        options.queue = 64 * KiB;
        return options;
    }
    [[nodiscard]] bool dispatch_until_read(const Container& box, std::size_t bytes) {
        return dispatch_until([&] { return box.log_stats().bytes == bytes; });
    }
    /// A client that reads nothing is disconnected, while one that reads gets all.
    void expect_disconnected(const AttachServerOptions& options) {
        constexpr std::size_t Step = 32UL * 1024; // no queue of one that reads is ever full
        constexpr std::size_t Steps = 128;
        const Fifo go(dir() / "fifo");
        Container box = attachable();
        AttachServer server(box, options);
        Client stalled(path()), reader(path());
        ASSERT_TRUE(accepts(server, 2));
        box.start(shell("exec 3< " + go.path() +
                        "; for i in $(seq 128); do head -c 32768 /dev/zero; read go <&3; done; echo end >&2"));
        for (std::size_t step = 1; step <= Steps; ++step) {
            ASSERT_TRUE(dispatch_until([&] {
                reader.read();
                return reader.out.size() == step * Step;
            })) << reader.out.size();
            go.release();
        }
        ASSERT_TRUE(dispatch_until([&] { return reader.read(); }));
        EXPECT_EQ(server.stats().disconnected, 1U);
        EXPECT_EQ(reader.out.size(), Steps * Step);
        EXPECT_EQ(reader.err, "end\n");
        EXPECT_TRUE(stalled.read());
        EXPECT_LT(stalled.out.size(), Steps * Step);
        EXPECT_GT(stalled.out.size(), 0U);
        box.wait();
    }
};

TEST_F(AttachSpillTest, ClientThatReadsLateGetsAllAndNobodyWaitsForIt) {
    const std::string all = sequence(1, 2'000'000);
    Container box = attachable();
    AttachServer server(box, spilling());
    Client late(path());
    ASSERT_TRUE(accepts(server, 1));
    const std::size_t files = open_descriptors();
    box.start(shell("seq 2000000; echo end >&2"));
    ASSERT_TRUE(dispatch_until([&] { return !box.running(); }));
    EXPECT_GT(server.stats().spilled_bytes, all.size() / 2);
    EXPECT_EQ(server.stats().clients, 1U);
    ASSERT_TRUE(dispatch_to_end(box, server, {&late}));
    EXPECT_TRUE(late.out == all) << late.out.size();
    EXPECT_EQ(late.err, "end\n");
    EXPECT_EQ(server.stats().disconnected, 0U);
    EXPECT_LT(open_descriptors(), files);
}

TEST_F(AttachSpillTest, SpillsAgainAfterItWasRead) {
    const Fifo go(dir() / "fifo");
    Container box = attachable();
    AttachServer server(box, spilling());
    Client client(path());
    ASSERT_TRUE(accepts(server, 1));
    std::string all;
    box.start(shell("exec 3< " + go.path() + "; for i in 1 2 3; do seq ${i}000000 ${i}300000; read go <&3; done"));
    std::uint64_t spilled = 0;
    for (int i = 1; i <= 3; ++i) {
        all += sequence(i * 1'000'000, i * 1'000'000 + 300'000);
        ASSERT_TRUE(dispatch_until_read(box, all.size()));
        EXPECT_GT(server.stats().spilled_bytes, spilled + 1'000'000);
        spilled = server.stats().spilled_bytes;
        ASSERT_TRUE(dispatch_until([&] {
            client.read();
            return client.out.size() == all.size();
        }));
        EXPECT_TRUE(client.out == all);
        go.release();
    }
    ASSERT_TRUE(dispatch_to_end(box, server, {&client}));
    EXPECT_EQ(client.out.size(), all.size());
}

TEST_F(AttachSpillTest, IsDisconnectedOnceThatIsFull) {
    AttachServerOptions options = spilling();
    options.spill = 1 * MiB;
    expect_disconnected(options);
}

TEST_F(AttachSpillTest, IsDisconnectedIfItCannotSpill) {
    AttachServerOptions options = spilling();
    options.spill_directory = dir() / "missing";
    expect_disconnected(options);
}

TEST_F(AttachSpillTest, IsDisconnectedIfTheDiskIsFull) {
    const fs::path disk = dir() / "disk";
    fs::create_directory(disk);
    mount_tmpfs(disk, "size=1M");
    AttachServerOptions options = spilling();
    options.spill_directory = disk;
    expect_disconnected(options);
}

TEST_F(AttachSpillTest, WhoGoesOnReadingIsNotCutOffAtTheEnd) {
    constexpr std::size_t Size = 32UL * 1024 * 1024;
    Container box = attachable();
    AttachServerOptions options = spilling();
    options.linger = 20ms;
    AttachServer server(box, options);
    Client slow(path()), stalled(path());
    ASSERT_TRUE(accepts(server, 2));
    box.start(shell("head -c 33554432 /dev/zero"));
    std::size_t got = 0;
    std::array<char, 8193> packet{};
    const auto read_one = [&] {
        const ssize_t size = ::recv(slow.fd(), packet.data(), packet.size(), 0);
        if (size > 0) got += static_cast<std::size_t>(size) - 1;
    };
    ASSERT_TRUE(dispatch_until([&] {
        read_one(); // between any two looks of the server
        return !box.running();
    }));
    const auto end = std::chrono::steady_clock::now() + 10 * options.linger;
    ASSERT_TRUE(dispatch_until([&] {
        read_one();
        std::this_thread::sleep_for(1ms);
        return std::chrono::steady_clock::now() >= end && server.stats().clients == 1;
    }));
    // The stalled one is gone.
    EXPECT_FALSE(server.finished());
    ASSERT_TRUE(dispatch_to_end(box, server, {&slow}));
    EXPECT_EQ(got + slow.out.size(), Size);
    EXPECT_LT((stalled.read(), stalled.out.size()), Size);
}

TEST_F(AttachSpillTest, WhoHasConnectedBeforeTheOutputGetsIt) {
    const Fifo go(dir() / "fifo");
    Container box = attachable();
    AttachServer server(box, at_path());
    box.start(shell("read go < " + go.path() + "; echo hello"));
    Client client(path());
    go.release();
    box.wait(); // dispatches nothing
    ASSERT_TRUE(dispatch_to_end(box, server, {&client}));
    EXPECT_EQ(client.out, "hello\n");
}

} // namespace
} // namespace ct::test
