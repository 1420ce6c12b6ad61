// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
//
// What happens to the containers when their server, its keeper or its clients do not behave.
#include "serve_fixture.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr std::size_t Lines = 30'000;
constexpr int Writers = 20;

class ServeFaults : public ServeTest {
protected:
    /// Containers that write numbered lines once they are started.
    std::vector<Box> writers() const {
        std::vector<Box> boxes;
        for (int i = 0; i < Writers; ++i) {
            boxes.push_back(box("w" + std::to_string(i)));
            boxes.back().container("lines 1 " + std::to_string(Lines) + " 40\nexit " + std::to_string(i + 1));
            create(boxes.back());
        }
        return boxes;
    }

    /// Waits until so many more bytes were logged, or all.
    static bool logs(const std::vector<Box>& boxes, std::size_t bytes) {
        const auto total = [&] {
            std::size_t sum = 0;
            for (const Box& each : boxes) sum += fs::file_size(each.path("log"));
            return sum;
        };
        const std::size_t wanted = total() + bytes;
        const auto all_ended = [&] {
            return std::ranges::all_of(boxes,
                                       [](const Box& each) { return fs::exists(each.path("exits/" + each.id())); });
        };
        return await([&] { return total() >= wanted || all_ended(); }) && !all_ended();
    }

    void expect_codes(const std::vector<Box>& boxes) const {
        for (int i = 0; i < static_cast<int>(boxes.size()); ++i) {
            EXPECT_EQ(boxes[static_cast<std::size_t>(i)].code(), i + 1);
        }
    }

    UniqueFd connect() const {
        UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        socket().string().copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        return fd;
    }
};

void send(int socket, std::string_view bytes) {
    (void)::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void send_fd(int socket, std::string_view bytes, const std::vector<int>& fds) {
    std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
    (void)::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

TEST_F(ServeFaults, NoLineIsMissingWhenTheServerIsKilledAgainAndAgain) {
    const std::size_t before = descriptors(keeper());
    const std::vector<Box> boxes = writers();
    Monitor waiting = launch_at({"wait", "w3"});
    for (const Box& each : boxes) each.start();
    std::size_t kills = 0;
    pid_t last = 0;
    do {
        last = server_after(last);
        ::kill(last, SIGKILL);
    } while (logs(boxes, 1'000'000 + ++kills * 70'001));
    RecordProperty("kills", std::to_string(kills));
    expect_codes(boxes);
    for (const Box& each : boxes) {
        const std::vector<int> found = each.numbered_lines(Lines);
        EXPECT_EQ(std::ranges::count(found, 0), 0) << "missing in " << each.id();
        // What was written to the log, and not taken out of the pipe yet.
        RecordProperty("twice in " + each.id(),
                       std::to_string(Lines - static_cast<std::size_t>(std::ranges::count(found, 1))));
    }
    EXPECT_EQ(waiting.out(), "4\n");
    EXPECT_EQ(waiting.foreground(), 0);
    expect_empty();
    EXPECT_TRUE(await([&] { return descriptors(keeper()) <= before; }));
}

TEST_F(ServeFaults, NoLineIsMissingAndNoneIsTwiceWhenTheProgramIsReplaced) {
    const std::size_t before = descriptors(keeper());
    const std::vector<Box> boxes = writers();
    for (const Box& each : boxes) each.start();
    int upgrades = 0;
    pid_t last = 0;
    do {
        last = server_after(last);
        ::kill(keeper(), SIGHUP);
        if (upgrades % 2 == 0) (void)server_after(last); // half of them come in the middle of another one
        ++upgrades;
    } while (logs(boxes, 2'000'000));
    RecordProperty("upgrades", upgrades);
    expect_codes(boxes);
    for (const Box& each : boxes) EXPECT_THAT(each.numbered_lines(Lines), Each(1)) << each.id();
    EXPECT_TRUE(await([&] { return descriptors(keeper()) <= before; }));
    expect_empty();
}

TEST_F(ServeFaults, ClientsDoNotNoticeThatTheProgramIsReplaced) {
    constexpr int Count = 30;
    std::vector<Box> boxes;
    for (int i = 0; i < Count; ++i) {
        boxes.push_back(box("c" + std::to_string(i)));
        boxes.back().container("exit " + std::to_string(i + 1));
        ::kill(keeper(), SIGHUP);
        create(boxes.back());
        boxes.back().start();
    }
    expect_codes(boxes);
    expect_empty();
}

TEST_F(ServeFaults, CreatesEitherSucceedOrFailWhenTheServerIsKilled) {
    const std::size_t before = descriptors(keeper());
    int succeeded = 0;
    int failed = 0;
    for (int round = 0; round < 20; ++round) {
        const Box each = box("c" + std::to_string(round));
        const pid_t present = server();
        Call made = call(each, each.create());
        // At different moments of its life.
        if (round % 4 == 1) (void)await([&] { return fs::exists(each.bundle() / "attach"); });
        if (round % 4 == 2) (void)await([&] { return fs::exists(each.path("call")); });
        if (round % 4 == 3) (void)await([&] { return fs::exists(each.path("pidfile")); });
        ::kill(present, SIGKILL);
        const std::string report = made.report();
        if (report.starts_with("{\"data\": ") && !report.starts_with("{\"data\": -1")) {
            ++succeeded;
            each.start();
            EXPECT_EQ(each.code(), 0);
        } else {
            ++failed;
        }
        EXPECT_THAT(report, AnyOf("", StartsWith("{\"data\": ")));
        (void)made.client.foreground();
        (void)server_after(present);
        expect_empty();
    }
    RecordProperty("succeeded", succeeded);
    RecordProperty("failed", failed);
    EXPECT_TRUE(await([&] { return descriptors(keeper()) <= before; }));
    ::kill(keeper(), SIGKILL); // a runtime that was killed may have left its container
    (void)keeper_ends();
    fs::remove(socket());
    kill_children();
}

TEST_F(ServeFaults, ExitCodesAreRightAfterTheKeeperIsKilled) {
    const std::vector<Box> boxes = writers();
    const pid_t alone = server();
    ::kill(keeper(), SIGKILL);
    EXPECT_EQ(keeper_ends(), 128 + SIGKILL);
    EXPECT_THAT(list(), SizeIs(Writers));
    const Box later = box("later");
    later.container("exit 77");
    create(later);
    for (const Box& each : boxes) each.start();
    later.start();
    expect_codes(boxes);
    EXPECT_EQ(later.code(), 77);
    for (const Box& each : boxes) EXPECT_THAT(each.numbered_lines(Lines), Each(1)) << each.id();
    expect_empty();
    ::kill(alone, SIGTERM);
    EXPECT_EQ(Monitor::ended(alone), 0);
    while (::waitpid(-1, nullptr, WNOHANG) > 0) continue; // the containers have become ours
}

TEST_F(ServeFaults, ServesAgainAfterBothWereKilled) {
    const Box lost = box("lost");
    create(lost);
    const pid_t present = server();
    ::kill(keeper(), SIGSTOP); // so that it starts no other
    ::kill(present, SIGKILL);
    ::kill(keeper(), SIGKILL);
    (void)keeper_ends();
    EXPECT_EQ(Monitor::ended(present), 128 + SIGKILL);
    ::kill(lost.pid(), SIGKILL);
    serve();
    const Box next = box("next");
    next.container("exit 6");
    create(next);
    next.start();
    EXPECT_EQ(next.code(), 6);
    expect_empty();
    while (::waitpid(lost.pid(), nullptr, WNOHANG) > 0) continue;
}

TEST_F(ServeFaults, GoesOnWithoutALogThatCannotBeOpenedAnew) {
    const Box logless = box("logless");
    logless.container("write 1 text\\n\nexit 8");
    create(logless);
    const pid_t present = server();
    fs::remove(logless.path("log"));
    fs::create_directory(logless.path("log"));
    ::kill(present, SIGKILL);
    (void)server_after(present);
    logless.start();
    EXPECT_EQ(logless.code(), 8);
    expect_empty();
}

TEST_F(ServeFaults, EndsInTheEndAlsoIfItWasReplacedMeanwhile) {
    const Box last = box("last");
    last.container("exit 4");
    create(last);
    const pid_t present = server();
    ::kill(keeper(), SIGTERM);
    ::kill(keeper(), SIGHUP);
    (void)server_after(present);
    EXPECT_THAT(list(), SizeIs(1));
    last.start();
    EXPECT_EQ(keeper_ends(), 0);
    EXPECT_EQ(last.code(), 4);
}

TEST_F(ServeFaults, OutlivesClientsThatSendGarbage) {
    const pid_t present = server();
    const Box well = box("well");
    create(well);
    const std::string zeros(32 * 1024, '\0');
    for (const std::string& text :
         {std::string("x"), std::string("i"), std::string("f"), std::string("imonitor"), std::string("imonitor\0", 9),
          std::string("imonitor\0"
                      "999999999999\0",
                      22),
          std::string("imonitor\0-1\0", 12),
          std::string("imonitor\0"
                      "0\0"
                      "0\0"
                      "0\0"
                      "1\0"
                      "0\0",
                      19),
          std::string("imonitor\0"
                      "1\0--version\0"
                      "0\0"
                      "0\0"
                      "1\0"
                      "0\0",
                      30),
          std::string("iresize\0well\0x\0y\0", 17), std::string("iwait\0", 6), "i" + zeros,
          "i" + std::string(30'000, 'a')}) {
        const UniqueFd client = connect();
        send(client.get(), text);
        send(client.get(), text);
    }
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    const UniqueFd large(::memfd_create("large", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(large.get(), 1L << 40), 0);
    const UniqueFd empty_words(::memfd_create("words", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(empty_words.get(), 15L << 20), 0);
    const std::string wrong_count("imonitor\0"
                                  "0\0"
                                  "0\0"
                                  "0\0"
                                  "1\0"
                                  "2\0directory\0sync\0",
                                  34);
    for (const auto& [text, fds] :
         std::vector<std::pair<std::string, std::vector<int>>>{{"f", {null.get()}},
                                                               {"f", {large.get()}},
                                                               {"f", {empty_words.get()}},
                                                               {"f", std::vector<int>(253, null.get())},
                                                               {"ilist", std::vector<int>(253, null.get())},
                                                               {wrong_count, {null.get()}},
                                                               {wrong_count, {null.get(), null.get(), null.get()}}}) {
        const UniqueFd client = connect();
        send_fd(client.get(), text, fds);
    }
    EXPECT_THAT(list(), SizeIs(1));
    well.start();
    EXPECT_EQ(well.code(), 0);
    EXPECT_EQ(server(), present);
    expect_empty();
}

TEST_F(ServeFaults, OutlivesThousandsOfConnections) {
    const pid_t present = server();
    const Box well = box("well");
    create(well);
    std::vector<UniqueFd> clients;
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < 5000; ++i) clients.push_back(connect());
    EXPECT_THAT(list(), SizeIs(1));
    well.start();
    EXPECT_EQ(well.code(), 0);
    clients.clear();
    EXPECT_EQ(server(), present);
    expect_empty();
}

TEST_F(ServeFaults, AClientThatReadsNothingBlocksNobody) {
    const pid_t present = server();
    const Box well = box("well");
    create(well);
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 10; ++i) {
        clients.push_back(connect());
        for (int j = 0; j < 2000; ++j) send(clients.back().get(), std::string("ilist\0", 6));
        send(clients.back().get(), std::string("iwait\0well\0", 11));
    }
    EXPECT_THAT(list(), SizeIs(1));
    well.start();
    EXPECT_EQ(well.code(), 0);
    expect_empty();
    EXPECT_EQ(server(), present);
}

TEST_F(ServeFaults, AClientThatIsStoppedBlocksNobody) {
    const Box stopped = box("stopped");
    const Box other = box("other");
    Words words = without(stopped.create(), "-P");
    words.push_back("--sync");
    Call made = call(stopped, words);
    EXPECT_THAT(made.report(), StartsWith("{\"data\": "));
    ::kill(made.client.pid(), SIGSTOP);
    create(other);
    other.start();
    EXPECT_EQ(other.code(), 0);
    stopped.start();
    EXPECT_EQ(stopped.code(), 0);
    expect_empty();
    ::kill(made.client.pid(), SIGCONT);
    EXPECT_EQ(made.client.foreground(), 0);
}

TEST_F(ServeFaults, AnEngineThatTakesNoReportBlocksNobody) {
    const Box full = box("full");
    const Box other = box("other");
    Channel sync = Channel::to_us(PipeKind::Pipe);
    ASSERT_EQ(::fcntl(sync.theirs.get(), F_SETFL, O_NONBLOCK), 0);
    const std::string block(4096, '.');
    while (::write(sync.theirs.get(), block.data(), block.size()) > 0) continue;
    ASSERT_EQ(::fcntl(sync.theirs.get(), F_SETFL, 0), 0);
    Launch launch{.arguments = full.create(), .environment = {"CTMON_SERVER=" + socket().string()}};
    launch.with("_OCI_SYNCPIPE", sync);
    Monitor client(launch, full.path(""));
    create(other);
    other.start();
    EXPECT_EQ(other.code(), 0);
    EXPECT_EQ(client.foreground(), 0);
    full.start();
    EXPECT_EQ(full.code(), 0);
    expect_empty();
}

} // namespace
} // namespace ct::test
