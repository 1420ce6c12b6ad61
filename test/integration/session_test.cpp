// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <atomic>
#include <thread>

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

using namespace std::chrono_literals;

class SessionTest : public ContainerTest {};

TEST_F(SessionTest, TakesGoodNames) {
    for (const std::string& name :
         {std::string{"a"}, std::string{"Web_1.example-2"}, std::string{"_x"}, std::string{"0"}, std::string(64, 'n')})
        EXPECT_EQ(plain(name).name(), name);
}

TEST_F(SessionTest, RefusesBadNames) {
    for (const std::string& name :
         {std::string{}, std::string{"."}, std::string{"..x"}, std::string{"-x"}, std::string{"a/b"},
          std::string{"a b"}, std::string{"ä"}, std::string{"a\nb"}, std::string{"a\0b", 3}, std::string(65, 'n')})
        EXPECT_TRUE(fails([&] { (void)plain(name); }, Errc::InvalidConfig, {"name"})) << name;
}

TEST_F(SessionTest, RefusesANameInUse) {
    const Container container = plain("web");
    EXPECT_TRUE(fails([&] { (void)plain("web"); }, Errc::NameInUse, {"container 'web': "}));
    EXPECT_NO_THROW((void)plain("Web"));
}

TEST_F(SessionTest, FreesTheNameWithTheLastHandleOfAStoppedContainer) {
    { const Container container = plain("web"); }
    EXPECT_FALSE(session().find("web").has_value());
    Container container = plain("web");
    EXPECT_EQ(container.spec(), Spec{});
}

TEST_F(SessionTest, NameOfARunningContainerStaysInUse) {
    {
        Container container = isolated("web");
        start_ready(container, program({"pause"}));
    }
    EXPECT_TRUE(fails([&] { (void)plain("web"); }, Errc::NameInUse, {"container 'web': "}));
    Container found = session().find("web").value();
    found.kill();
    found.wait();
}

TEST_F(SessionTest, SessionsDoNotShareNames) {
    Session other;
    const Container one = plain("web");
    EXPECT_NO_THROW((void)other.create("web"));
}

TEST_F(SessionTest, FindsByName) {
    EXPECT_FALSE(session().find("web").has_value());
    Container container = plain("web").add_namespace(Namespace::Uts);
    EXPECT_EQ(session().find("web").value().spec(), container.spec());
}

TEST_F(SessionTest, CreatesWithASpec) {
    Spec spec;
    spec.hostname = "inside";
    spec.namespaces[Namespace::Uts] = NewNamespace{};
    Container container = session().create("web", spec);
    EXPECT_EQ(container.spec(), spec);
    EXPECT_EQ(lines(run(container, host_program({"uname"})).out).at(0), "inside");
}

TEST_F(SessionTest, ClosingKillsAndWaits) {
    Container container = isolated();
    const Process process = start_ready(container, program({"fork-pause"}));
    close_session();
    EXPECT_TRUE(reaches_end(process.stream(1)));
    EXPECT_TRUE(signaled(process.wait(), SIGKILL));
    EXPECT_EQ(container.state(), State::Stopped);
    EXPECT_TRUE(signaled(container.wait(), SIGKILL));
}

TEST_F(SessionTest, ClosingWakesWaiters) {
    Container container = isolated();
    start_ready(container, program({"pause"}));
    std::atomic<bool> good{false};
    std::thread waiting{[&] { good = static_cast<bool>(signaled(container.wait(), SIGKILL)); }};
    close_session();
    waiting.join();
    EXPECT_TRUE(good);
}

TEST_F(SessionTest, ClosingCollectsEnteredProcesses) {
    Container container = isolated();
    start_ready(container, program({"pause"}));
    ProcessSpec spec = program({"pause"});
    spec.stdio.out = Stdio::Pipe;
    const Process entered = container.enter(spec);
    EXPECT_EQ(read_line(entered.stream(1)), "ready");
    close_session();
    EXPECT_TRUE(signaled(entered.wait(), SIGKILL));
}

TEST_F(SessionTest, HandlesOutliveIt) {
    Container container = isolated().set_hostname("inside");
    const Spec spec = container.spec();
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    close_session();
    EXPECT_EQ(container.name(), "box");
    EXPECT_EQ(container.spec(), spec);
    EXPECT_EQ(container.state(), State::Stopped);
    EXPECT_TRUE(exited(container.wait(), 0));
    EXPECT_TRUE(fails([&] { container.start(program({"exit", "0"})); }, Errc::InvalidState, {"container 'box': "}));
    EXPECT_NO_THROW(container.set_hostname("other"));
}

TEST_F(SessionTest, ProcessHandlesOutliveIt) {
    Container container = isolated();
    const Process process = start_ready(container, program({"trap", "15", "4"}));
    process.signal(SIGTERM);
    EXPECT_TRUE(exited(container.wait(), 4));
    close_session();
    EXPECT_TRUE(exited(process.wait(), 4));
    EXPECT_NO_THROW(process.kill());
}

TEST_F(SessionTest, IsMoved) {
    Session one;
    Container container = one.create("web").add_namespace(Namespace::Uts);
    Session two{std::move(one)};
    EXPECT_TRUE(two.find("web").has_value());
    Process process = start_ready(container, host_program({"pause"}));
    two = Session{}; // closes what it had
    EXPECT_TRUE(signaled(process.wait(), SIGKILL));
    EXPECT_FALSE(two.find("web").has_value());
}

TEST_F(SessionTest, DetachesOnRequest) {
    pid_t pid = -1;
    {
        Session detaching{{.on_close = OnClose::Detach}};
        Container container = detaching.create("web", isolated().spec());
        const Process process = start_ready(container, program({"pause"}));
        pid = process.pid();
    }
    // Still our child, now without anybody who supervises it.
    EXPECT_EQ(::kill(pid, 0), 0);
    EXPECT_EQ(::kill(pid, SIGKILL), 0);
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, __WALL), pid);
    EXPECT_TRUE(WIFSIGNALED(status));
}

/// A running container that somebody else made: a child of the test.
TEST_F(SessionTest, AForkOfTheHostTakesNothingDown) {
    make_file("area/file");
    make_dir("image/data");
    Container bound = session().create("bound").set_root(image().string());
    bound.set_private(BindDir{.source = (dir() / "area").string(), .target = "/data"});
    const Process process = start_ready(bound, program({"pause"}));
    std::optional<Session> own(std::in_place, SessionOptions{.start_thread = StartThread::Own});
    Container other = own->create("other", isolated().spec());
    (void)start_ready(other, program({"pause"}));
    const std::string mounts = host_mounts();
    const pid_t copy = ::fork();
    if (copy == 0) {
        close_session(); // as exit(3) does with static objects
        own.reset();
        ::_exit(0);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(copy, &status, 0), copy);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(host_mounts(), mounts);
    EXPECT_EQ(bound.state(), State::Running);
    EXPECT_EQ(other.state(), State::Running);
    bound.kill();
    bound.wait();
    own.reset();
    EXPECT_EQ(other.state(), State::Stopped);
}

class Adopt : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped()) return;
        other_.emplace();
        container_ = other_->create("origin", isolated().set_hostname("origin").spec());
        process_ = start_ready(*container_, program({"trap", "15", "6"}));
    }

    void TearDown() override {
        if (container_ && container_->running()) container_->kill();
        process_.reset();
        container_.reset();
        other_.reset();
        ContainerTest::TearDown();
    }

    std::optional<Session> other_;
    std::optional<Container> container_;
    std::optional<Process> process_;
};

TEST_F(Adopt, EntersAndSignalsIt) {
    Container adopted = session().adopt("box", process_->pid());
    EXPECT_EQ(adopted.state(), State::Running);
    EXPECT_EQ(adopted.init().pid(), process_->pid());
    EXPECT_EQ(lines(run_entered(adopted, program({"uname"})).out).at(0), "origin");
    EXPECT_TRUE(exited(run_entered(adopted, {}, [] { return ::getpid() > 1 ? 3 : 4; }).status, 3));
    adopted.signal(SIGTERM);
    EXPECT_TRUE(exited(adopted.wait(), 6));
    EXPECT_EQ(adopted.state(), State::Stopped);
    EXPECT_TRUE(exited(process_->wait(), 6)); // the status was left to its owner
}

TEST_F(Adopt, LeavesItAloneWhenTheSessionCloses) {
    {
        Container adopted = session().adopt("box", process_->pid());
        close_session();
    }
    EXPECT_FALSE(process_->wait_for(0s).has_value());
    EXPECT_TRUE(container_->running());
}

TEST_F(Adopt, RefusesANameInUse) {
    const Container taken = plain("box");
    EXPECT_TRUE(fails([&] { (void)session().adopt("box", process_->pid()); }, Errc::NameInUse, {"container 'box': "}));
}

TEST_F(Adopt, RefusesABadName) {
    EXPECT_TRUE(fails([&] { (void)session().adopt("a/b", process_->pid()); }, Errc::InvalidConfig, {"a/b"}));
}

TEST_F(Adopt, RefusesWhatIsNoProcess) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    EXPECT_TRUE(fails([&] { (void)session().adopt("box", child); }, std::errc::no_such_process, {"container 'box': "}));
    EXPECT_FALSE(session().find("box").has_value());
    for (const pid_t pid : {0, -1}) EXPECT_THROW((void)session().adopt("box", pid), Error);
}

TEST_F(Adopt, NoticesTheEnd) {
    Container adopted = session().adopt("box", process_->pid());
    process_->kill();
    process_->wait();
    EXPECT_EQ(adopted.state(), State::Stopped);
    EXPECT_TRUE(fails([&] { adopted.enter(program({"exit", "0"})); }, Errc::InvalidState, {"container 'box': "}));
}

} // namespace
} // namespace ct::test
