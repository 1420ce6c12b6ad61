// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "notify_proxy.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include <gtest/gtest.h>

#include <ct/error.hpp>

#include "base/unique_fd.hpp"
#include "scratch.hpp"

namespace ctmon {
namespace {

using ct::internal::Loop;
using ct::internal::UniqueFd;
namespace fs = std::filesystem;

TEST(AllowedNotifications, AreThoseOfTheList) {
    EXPECT_EQ(allowed_notifications("READY=1"), "READY=1");
    EXPECT_EQ(allowed_notifications("MAINPID=1\nREADY=1\rSTATUS=up\n\nFDSTORE=1\n"), "READY=1\nSTATUS=up");
    const std::string all = "RELOADING=1\nSTOPPING=1\nWATCHDOG=1\nWATCHDOG=trigger\nSTATUS=\nERRNO=2\nBUSERROR=x\n"
                            "MONOTONIC_USEC=5";
    EXPECT_EQ(allowed_notifications(all), all);
    for (const std::string_view line :
         {"", "\n", "READY=1 ", " READY=1", "READY=0", "ready=1", "WATCHDOG=2", "WATCHDOG_USEC=1",
          "EXTEND_TIMEOUT_USEC=1", "NOTIFYACCESS=all", "BARRIER=1", "STATUS", "XSTATUS=1"}) {
        EXPECT_EQ(allowed_notifications(line), "") << line;
    }
}

/// A path, or an abstract address that begins with '@'.
struct Address {
    explicit Address(const std::string& path)
        : size(static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size())) {
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path));
        if (path.starts_with('@')) address.sun_path[0] = '\0';
    }
    [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
    sockaddr_un address{};
    socklen_t size;
};

UniqueFd make_socket() {
    return UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

class NotifyProxyTest : public ::testing::Test {
protected:
    NotifyProxyTest() { fs::create_directories(scratch_.path() / "notify"); }

    void open(const std::string& host) { open(scratch_.path(), host); }
    void open(const std::string& bundle, const std::string& host) {
        const Address address(host);
        ASSERT_EQ(::bind(host_.get(), address.get(), address.size), 0);
        proxy_ = std::make_unique<NotifyProxy>(bundle, host, loop_, messages_);
    }
    [[nodiscard]] std::string host_path() const { return scratch_.file("host"); }
    [[nodiscard]] std::string path() const { return scratch_.file("notify/notify.sock"); }
    void send(std::string_view text) const {
        const Address address(path());
        EXPECT_EQ(::sendto(make_socket().get(), text.data(), text.size(), 0, address.get(), address.size),
                  static_cast<ssize_t>(text.size()));
    }
    void dispatch_all() const {
        while (loop_->dispatch() != 0) {
        }
    }
    /// What the host got next; "(nothing)" if there is none.
    [[nodiscard]] std::string received() const {
        std::array<char, 65536> buffer{};
        const ssize_t size = ::recv(host_.get(), buffer.data(), buffer.size(), 0);
        return size < 0 ? "(nothing)" : std::string(buffer.data(), static_cast<std::size_t>(size));
    }

    Scratch scratch_;
    std::shared_ptr<Loop> loop_ = std::make_shared<Loop>();
    Messages messages_;
    UniqueFd host_ = make_socket();
    std::unique_ptr<NotifyProxy> proxy_;
};

TEST_F(NotifyProxyTest, PassesOnWhatIsAllowed) {
    open(host_path());
    send("MAINPID=7\nREADY=1\nSTATUS=x\n");
    send("MAINPID=7");
    send("WATCHDOG=1");
    dispatch_all();
    EXPECT_EQ(received(), "READY=1\nSTATUS=x");
    EXPECT_EQ(received(), "WATCHDOG=1");
    EXPECT_EQ(received(), "(nothing)");
}

TEST_F(NotifyProxyTest, IsThereForAllUsersWhateverWasThere) {
    scratch_.write("notify/notify.sock", "old");
    const mode_t before = ::umask(0077);
    open(host_path());
    ::umask(before);
    struct stat status {};
    ASSERT_EQ(::lstat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, S_IFSOCK | 0777U);
    proxy_.reset();
    EXPECT_TRUE(fs::exists(path()));
}

TEST_F(NotifyProxyTest, SendsToAnAbstractAddress) {
    open("@libct-test-" + host_path());
    send("READY=1");
    dispatch_all();
    EXPECT_EQ(received(), "READY=1");
}

TEST_F(NotifyProxyTest, TakesABundleOfALongPath) {
    const std::string bundle = scratch_.deep();
    fs::create_directories(bundle + "/notify");
    open(bundle, host_path());
    fs::remove(scratch_.path() / "notify");
    fs::create_directory_symlink(bundle + "/notify", scratch_.path() / "notify");
    send("READY=1");
    dispatch_all();
    EXPECT_EQ(received(), "READY=1");
}

TEST_F(NotifyProxyTest, TakesLongDatagramsButNoneThatIsCut) {
    open(host_path());
    const std::string longest = "STATUS=" + std::string(32768 - 7, 'x');
    send(longest);
    send("READY=1\n" + longest);
    dispatch_all();
    EXPECT_EQ(received(), longest);
    EXPECT_EQ(received(), "(nothing)");
}

TEST_F(NotifyProxyTest, ClosesWhatDescriptorsComeAlong) {
    open(host_path());
    std::array<int, 2> fds{};
    ASSERT_EQ(::pipe2(fds.data(), O_CLOEXEC | O_NONBLOCK), 0);
    const UniqueFd reader(fds[0]);
    UniqueFd writer(fds[1]);
    std::string text = "FDSTORE=1\nSTATUS=x";
    iovec part{text.data(), text.size()};
    Address address(path());
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_name = &address.address;
    message.msg_namelen = address.size;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fds[1], sizeof(int));
    ASSERT_GT(::sendmsg(make_socket().get(), &message, 0), 0);
    writer.reset();
    dispatch_all();
    EXPECT_EQ(received(), "STATUS=x");
    char byte = 0;
    EXPECT_EQ(::read(reader.get(), &byte, 1), 0); // nobody has the other end any more
}

TEST_F(NotifyProxyTest, DrainsAtTheEnd) {
    open(host_path());
    send("STOPPING=1");
    send("STATUS=bye");
    proxy_->drain();
    EXPECT_EQ(received(), "STOPPING=1");
    EXPECT_EQ(received(), "STATUS=bye");
    proxy_->drain();
    EXPECT_EQ(loop_->dispatch(), 0U);
}

TEST_F(NotifyProxyTest, WarnsOnceAsLongAsTheHostDoesNotTakeIt) {
    open(host_path());
    fs::rename(host_path(), scratch_.file("away"));
    ::testing::internal::CaptureStderr();
    for (int i = 0; i < 5; ++i) {
        send("READY=1");
        dispatch_all();
    }
    const std::string text = ::testing::internal::GetCapturedStderr();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    fs::rename(scratch_.file("away"), host_path());
    send("READY=1");
    dispatch_all();
    EXPECT_EQ(received(), "READY=1");
}

TEST_F(NotifyProxyTest, RemovesOnlyItsOwn) {
    open(host_path());
    proxy_->remove();
    EXPECT_FALSE(scratch_.has("notify/notify.sock"));
    proxy_ = std::make_unique<NotifyProxy>(scratch_.path(), host_path(), loop_, messages_);
    fs::remove(path());
    scratch_.write("notify/notify.sock", "another's");
    proxy_->remove();
    EXPECT_EQ(scratch_.text("notify/notify.sock"), "another's");
}

TEST_F(NotifyProxyTest, NeedsItsDirectoryAndAnAddressThatFits) {
    EXPECT_THROW(NotifyProxy(scratch_.path(), std::string(108, 'x'), loop_, messages_), ct::Error);
    EXPECT_NO_THROW(NotifyProxy(scratch_.path(), std::string(107, 'x'), loop_, messages_));
    fs::remove_all(scratch_.path() / "notify");
    EXPECT_THROW(NotifyProxy(scratch_.path(), host_path(), loop_, messages_), ct::Error);
}

} // namespace
} // namespace ctmon
