// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// sd_notify, LISTEN_PID, messages and the system log.
#include "attached_fixture.hpp"

#include <array>
#include <fstream>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

/// A datagram socket at a path.
class Receiver {
public:
    explicit Receiver(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        const sockaddr_un address = address_of(path);
        EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << path;
    }
    [[nodiscard]] std::string take() const {
        std::string text(65536, '\0');
        pollfd entry{fd_.get(), POLLIN, 0};
        if (::poll(&entry, 1, 60'000) != 1) return "nothing came";
        const ssize_t size = ::recv(fd_.get(), text.data(), text.size(), 0);
        text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        return text;
    }
    [[nodiscard]] bool empty() const {
        pollfd entry{fd_.get(), POLLIN, 0};
        return ::poll(&entry, 1, 0) == 0;
    }

private:
    UniqueFd fd_;
};

class Notify : public AttachedTest {
protected:
    Notify() { fs::create_directory(bundle_ / "notify"); }
    void notify(std::string_view text) const {
        const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const UniqueFd directory(::open((bundle_ / "notify").c_str(), O_PATH | O_CLOEXEC));
        const sockaddr_un address = address_of("/proc/self/fd/" + std::to_string(directory.get()) + "/notify.sock");
        EXPECT_EQ(::sendto(fd.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&address),
                           sizeof address),
                  static_cast<ssize_t>(text.size()));
    }
    [[nodiscard]] std::string host() const { return root_ / "host.sock"; }
};

TEST_F(Notify, SocketIsOpenToAll) {
    const Receiver receiver(host());
    created({"--sdnotify-socket", host()});
    struct stat status {};
    ASSERT_EQ(::stat((bundle_ / "notify/notify.sock").c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 07777, 0777U);
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Notify, PassesOnWhatIsAllowed) {
    const Receiver receiver(host());
    created({"--sdnotify-socket=" + host()});
    for (const char* line : {"READY=1", "RELOADING=1", "STOPPING=1", "WATCHDOG=1", "WATCHDOG=trigger",
                             "STATUS=well and good", "ERRNO=2", "BUSERROR=x", "MONOTONIC_USEC=1"}) {
        notify(line);
        EXPECT_EQ(receiver.take(), line);
    }
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Notify, LeavesOutWhatIsNot) {
    const Receiver receiver(host());
    created({"--sdnotify-socket", host()});
    for (const char* line : {"MAINPID=1", "FDSTORE=1", "EXTEND_TIMEOUT_USEC=1", "NOTIFYACCESS=all", "BARRIER=1",
                             "READY=1 ", "READY=0", "", "\n\n", "XREADY=1", "WATCHDOG_USEC=1"}) {
        notify(line);
    }
    notify("MAINPID=1\nREADY=1\rFDSTORE=1\nSTATUS=a\n");
    EXPECT_EQ(receiver.take(), "READY=1\nSTATUS=a");
    EXPECT_TRUE(receiver.empty());
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Notify, PassesOnLongOnes) {
    const Receiver receiver(host());
    created({"--sdnotify-socket", host()});
    const std::string text = "STATUS=" + std::string(32000, 's');
    notify(text);
    EXPECT_EQ(receiver.take(), text);
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Notify, AHostThatIsGoneIsNoTrouble) {
    created({"--sdnotify-socket", host()});
    for (int i = 0; i < 100; ++i) notify("READY=1");
    const Receiver receiver(host());
    EXPECT_TRUE(await([&] {
        notify("STOPPING=1");
        return !receiver.empty();
    }));
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

TEST_F(Notify, AHostThatDoesNotReadHoldsUpNothing) {
    const Receiver receiver(host());
    created({"--sdnotify-socket", host()});
    for (int i = 0; i < 2000; ++i) notify("STATUS=" + std::to_string(i));
    start();
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(receiver.take(), "STATUS=0");
}

TEST_F(Notify, WithoutItsDirectoryTheStartFails) {
    fs::remove(bundle_ / "notify");
    Monitor monitor = launch(call(create("none") + Words{"--sync", "--sdnotify-socket", host()}));
    EXPECT_EQ(monitor.foreground(), 1);
    EXPECT_FALSE(fs::exists(root_ / "call"));
}

TEST_F(Notify, IsSetUpByTheOptionAndNotByTheEnvironment) {
    Channel sync = Channel::to_us();
    Launch words = call(create("none"));
    words.environment = {"NOTIFY_SOCKET=" + host()};
    Monitor monitor = launch(words.with("_OCI_SYNCPIPE", sync));
    EXPECT_TRUE(contains(sync.line(), "\"data\": "));
    EXPECT_FALSE(fs::exists(bundle_ / "notify/notify.sock"));
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

class ListenPid : public AttachedTest {
protected:
    /// The environment that the runtime got. \param pid  "" for that of the monitor
    Words runtime_environment(const std::string& pid, const Words& more) {
        const std::string shell = "LISTEN_PID=" + (pid.empty() ? "$$" : pid) + " LISTEN_FDS=1 exec \"$0\" \"$@\"";
        Words words{"/bin/sh", "-c", shell, program_under_test()};
        words = words + create("none") + Words{"--sync"} + more;
        const pid_t child = ::fork();
        if (child == 0) {
            std::vector<char*> arguments;
            for (std::string& word : words) arguments.push_back(word.data());
            arguments.push_back(nullptr);
            ::setenv("CT_FAKE", root_.c_str(), 1);
            ::execv(arguments[0], arguments.data());
            ::_exit(126);
        }
        const Words environment = recorded("env");
        if (fs::exists(root_ / "pidfile")) start();
        last_status_ = Monitor::ended(child);
        return environment;
    }
    int last_status_ = -1;
};

TEST_F(ListenPid, OfTheMonitorBecomesThatOfTheRuntime) {
    EXPECT_THAT(runtime_environment("", {}),
                ::testing::IsSupersetOf({"LISTEN_PID=" + recorded_one("pid"), std::string("LISTEN_FDS=1")}));
}

TEST_F(ListenPid, OfAnotherProcessStaysAsItIs) {
    EXPECT_THAT(runtime_environment("1", {}), ::testing::Contains("LISTEN_PID=1"));
}

TEST_F(ListenPid, OfAnotherProcessIsReplacedOnRequest) {
    const Words environment = runtime_environment("1", {"--replace-listen-pid"});
    EXPECT_THAT(environment, ::testing::Contains("LISTEN_PID=" + recorded_one("pid")));
}

TEST_F(ListenPid, ThatIsNoNumberFailsTheRuntime) {
    for (const char* bad : {"abc", "0", "-4", "12x"}) {
        Channel sync = Channel::to_us();
        Launch words = call(create("none"));
        words.environment = {std::string("LISTEN_PID=") + bad};
        Monitor monitor = launch(words.with("_OCI_SYNCPIPE", sync));
        EXPECT_TRUE(contains(sync.line(), "{\"data\": -1, \"message\": \"")) << bad;
        EXPECT_EQ(monitor_ends(), 1);
        EXPECT_FALSE(fs::exists(root_ / "call"));
    }
}

struct Threshold {
    const char* level;
    bool warns;
    bool debugs;
};

class MessageLevel : public AttachedTest, public ::testing::WithParamInterface<Threshold> {};

TEST_P(MessageLevel, DecidesWhatIsSaid) {
    container("exit 0\n");
    Monitor monitor = launch(call(create() + Words{"--log-level", GetParam().level, "--no-container-partial-message"}));
    const std::string said = monitor.err();
    EXPECT_EQ(said.find("[conmon:w]: ") != std::string::npos, GetParam().warns) << said;
    EXPECT_EQ(said.find("[conmon:d]: ") != std::string::npos, GetParam().debugs) << said;
    EXPECT_EQ(monitor.foreground(), 0);
    start();
    EXPECT_EQ(monitor_ends(), 0);
}

INSTANTIATE_TEST_SUITE_P(All, MessageLevel,
                         ::testing::Values(Threshold{"error", false, false}, Threshold{"FATAL", false, false},
                                           Threshold{"panic", false, false}, Threshold{"warn", true, false},
                                           Threshold{"Warning", true, false}, Threshold{"info", true, false},
                                           Threshold{"debug", true, true}, Threshold{"trace", true, true}));

/// Gives this process a /dev with a system log, for good.
void own_devices(const fs::path& directory) {
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(::mount("tmpfs", directory.c_str(), "tmpfs", 0, nullptr), 0);
    ASSERT_EQ(::mknod((directory / "null").c_str(), S_IFCHR | 0666, ::makedev(1, 3)), 0);
    ASSERT_EQ(::mount(directory.c_str(), "/dev", nullptr, MS_MOVE, nullptr), 0);
}

TEST_F(AttachedTest, TheSystemLogGetsMessagesOnRequest) {
    const fs::path devices = root_ / "devices";
    fs::create_directory(devices);
    EXPECT_TRUE(passes_in_child([&] {
        own_devices(devices);
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        const Receiver log("/dev/log");
        script("runtime", "write 2 bad luck\nexit 1\n");
        EXPECT_TRUE(contains(report_of(create() + Words{"--syslog", "--no-container-partial-message"}), "bad luck"));
        EXPECT_EQ(monitor_ends(), 1);
        const std::string warning = log.take();
        EXPECT_TRUE(warning.starts_with("<14>")) << warning; // facility user, LOG_INFO
        EXPECT_TRUE(contains(warning, "conmon"));
        EXPECT_TRUE(contains(warning, ": conmon " + std::string(Cid).substr(0, 20) + " <nwarn>: "));
        const std::string error = log.take();
        EXPECT_TRUE(error.starts_with("<11>")) << error; // LOG_ERR
        EXPECT_TRUE(contains(error, ": conmon " + std::string(Cid).substr(0, 20) + " <error>: "));
    }));
    fs::remove(bundle_ / "ctl");
}

TEST_F(AttachedTest, WithoutASystemLogMessagesAreNoTrouble) {
    container("exit 5\n");
    begin(create() + Words{"--syslog", "--log-level", "trace"});
    start();
    EXPECT_EQ(monitor_ends(), 5);
}

} // namespace
} // namespace ct::test
