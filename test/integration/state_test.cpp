// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Containers with records: found, entered, ended and started again by other sessions and processes.
#include <csignal>
#include <fstream>
#include <functional>
#include <optional>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class StateTest : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (!IsSkipped()) ::prctl(PR_SET_CHILD_SUBREAPER, 1); // what outlives its host process is this one's child then
    }
    void TearDown() override {
        while (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
        ContainerTest::TearDown();
    }

    [[nodiscard]] std::string state() const { return dir() / "state"; }
    [[nodiscard]] fs::path record(const std::string& name) const { return fs::path(state()) / name / "record.json"; }
    [[nodiscard]] Session open_session(OnClose on_close = OnClose::Kill) {
        return Session({.on_close = on_close,
                        .log_handler = [this](LogLevel, std::string_view text) { log_ += std::string(text) + '\n'; },
                        .state_directory = state()});
    }
    [[nodiscard]] Spec boxed() const {
        Spec spec;
        for (const Namespace kind : {Namespace::Mount, Namespace::Pid, Namespace::Uts})
            spec.namespaces[kind] = NewNamespace{};
        spec.root = Root{.path = image().string()};
        spec.hostname = "boxed";
        return spec;
    }
    static ProcessSpec pause() {
        ProcessSpec spec = program({"pause"});
        spec.stdio.out = Stdio::Null;
        return spec;
    }
    [[nodiscard]] const std::string& log() const { return log_; }
    [[nodiscard]] std::string names() {
        std::string text;
        for (const ContainerInfo& info : open_session().containers())
            text += info.name + '=' + std::string(to_string(info.state)) + ' ';
        return text;
    }

private:
    std::string log_;
};

TEST_F(StateTest, LastsAsLongAsTheContainer) {
    {
        Session session = open_session();
        Container box = session.create("box", boxed());
        EXPECT_TRUE(fs::exists(record("box")));
        EXPECT_EQ(names(), "box=stopped ");
        box.start(pause());
        EXPECT_EQ(names(), "box=running ");
        const ContainerInfo info = box.info();
        EXPECT_EQ(info.pid, box.init().pid());
        EXPECT_EQ(info.owner, ::getpid());
        EXPECT_TRUE(info.own);
        EXPECT_EQ(info.command, pause().argv);
        EXPECT_TRUE(info.started.has_value());
        box.kill();
        box.wait();
        EXPECT_EQ(names(), "box=stopped ");
        EXPECT_TRUE(signaled(*box.info().last_exit, SIGKILL));
        box.start(program({"exit", "3"}));
        EXPECT_TRUE(exited(box.wait(), 3));
        box.start(pause());
    } // kills it
    EXPECT_TRUE(fs::is_empty(state())) << tree(state());
    EXPECT_EQ(log(), "");
}

TEST_F(StateTest, AFailedStartLeavesAStoppedContainer) {
    Session session = open_session();
    Container box = session.create("box", boxed()).add_mount({.target = "/made", .type = "nosuchfs"});
    EXPECT_THROW(box.start(pause()), Error);
    EXPECT_EQ(names(), "box=stopped ");
    EXPECT_FALSE(fs::exists(image() / "made"));
    box.set_spec(boxed()).start(pause());
}

/// The hook runs between the record of the new process and that of the running one.
TEST_F(StateTest, AStartWhoseRecordCannotBeWrittenLeavesAStoppedContainer) {
    mount_tmpfs(state(), "mode=0700,size=64k");
    const std::string fill = state() + "/.fill";
    Session session = open_session();
    Container box = session.create("box", boxed());
    box.add_mount({.target = "/made", .type = "tmpfs"}, {.before = {[&] {
                                                             std::ofstream file(fill);
                                                             while (file.put('x').flush()) continue;
                                                             return 0;
                                                         }}});
    EXPECT_TRUE(fails([&] { box.start(pause()); }, std::errc::no_space_on_device, {"container 'box'"}));
    EXPECT_EQ(box.state(), State::Stopped);
    EXPECT_FALSE(fs::exists(image() / "made"));
    EXPECT_TRUE(passes_in_child(
        [&] { EXPECT_TRUE(fails([&] { (void)open_session().open("box"); }, Errc::NotFound, {"'box'"})); }));
    fs::remove(fill);
    box.set_spec(boxed()).start(pause());
    EXPECT_EQ(names(), "box=running ");
}

TEST_F(StateTest, AHeldContainerIsSeenButNotEntered) {
    Session session = open_session();
    Spec spec = boxed();
    spec.namespaces.erase(Namespace::Pid);
    Container box = session.create("box", spec);
    box.hold();
    EXPECT_TRUE(passes_in_child([&] {
        EXPECT_EQ(names(), "box=running ");
        Session other = open_session();
        EXPECT_TRUE(fails([&] { (void)other.open("box"); }, Errc::InvalidState,
                          {"'box': open", "held by process " + std::to_string(::getppid())}));
        EXPECT_TRUE(fails([&] { (void)other.create("box"); }, Errc::NameInUse, {"holds it"}));
    }));
    box.kill();
    EXPECT_EQ(names(), "box=stopped ");
    box.save().hold();
    Session second = open_session();
    EXPECT_TRUE(fails([&] { (void)second.open("box"); }, Errc::InvalidState, {"'box': open"}));
    box.kill();
    Container opened = second.open("box");
    box.hold();
    EXPECT_TRUE(fails([&] { opened.hold(); }, Errc::NameInUse, {"holds it"}));
    EXPECT_TRUE(fails([&] { opened.remove(); }, Errc::InvalidState, {"'box'"}));
    box.kill();
    opened.remove();
    EXPECT_TRUE(fs::is_empty(state())) << tree(state());
    EXPECT_EQ(log(), "");
}

TEST_F(StateTest, ANameThatAnotherHasRemovedIsFree) {
    Session session = open_session();
    Session other = open_session();
    Container box = session.create("box", boxed()).save();
    other.open("box").remove();
    EXPECT_NO_THROW((void)session.create("box"));
    box = session.create("box", boxed()).save();
    other.open("box").remove();
    EXPECT_EQ(box.state(), State::Stopped);
    box.remove(); // nothing to do
    other.create("box", boxed()).set_hostname("new").save();
    EXPECT_EQ(session.open("box").spec().hostname, "new");
    EXPECT_TRUE(fails([&] { box.start(pause()); }, Errc::InvalidState, {"it was removed"}));
    other.open("box").remove();
}

TEST_F(StateTest, AStartByAnotherSessionOfThisProcessIsNotTakenOver) {
    Session first = open_session();
    Session second = open_session();
    Container box = first.create("box", boxed());
    box.set_process(pause()).save();
    std::optional<Container> other(second.open("box"));
    std::string refused;
    box.add_hook(HookPoint::CreateRuntime, [&](const HookEvent&) {
        (void)other->state(); // reads the record
        for (const auto& use : {std::function([&] { other->remove(); }), std::function([&] { other->start(); })}) {
            try {
                use();
                ADD_FAILURE() << "it is being started";
            } catch (const Error& error) {
                refused += error.what();
            }
        }
        other.reset();
    });
    box.start();
    EXPECT_TRUE(contains(refused, "remove")) << refused;
    EXPECT_TRUE(contains(refused, "has it")) << refused;
    EXPECT_EQ(names(), "box=running ");
    box.remove(Remove::Force);
    EXPECT_EQ(log(), "");
}

TEST_F(StateTest, WithoutARecordThePolicyIsThatOfTheSession) {
    Session session({.on_close = OnClose::Detach});
    EXPECT_EQ(session.create("box").info().on_close, OnClose::Detach);
}

TEST_F(StateTest, ANameIsUniqueInTheDirectory) {
    Session session = open_session();
    Session other = open_session();
    std::optional<Container> box(session.create("box"));
    EXPECT_TRUE(fails([&] { (void)other.create("box"); }, Errc::NameInUse,
                      {"container 'box': create", "process " + std::to_string(::getpid()) + " has it"}));
    EXPECT_TRUE(passes_in_child([&] {
        EXPECT_TRUE(fails([&] { (void)open_session().create("box"); }, Errc::NameInUse, {"'box'"}));
        EXPECT_TRUE(
            fails([&] { (void)open_session().open("box"); }, Errc::InvalidState, {"neither started nor saved"}));
    }));
    box.reset();
    box = other.create("box");
    EXPECT_TRUE(fails([&] { (void)session.adopt("box", ::getpid()); }, Errc::NameInUse, {"'box'"}));
    EXPECT_TRUE(fails([&] { (void)session.open("nobody"); }, Errc::NotFound, {"container 'nobody': open"}));
}

TEST_F(StateTest, AnotherProcessEntersSignalsAndWaits) {
    Session session = open_session();
    Container box = session.create("box", boxed());
    box.start(pause());
    EXPECT_TRUE(passes_in_child([&] {
        Session other = open_session();
        Container opened = other.open("box");
        EXPECT_EQ(opened.state(), State::Running);
        EXPECT_EQ(opened.spec(), boxed());
        ProcessSpec name = program({"uname"});
        name.stdio.out = Stdio::Pipe;
        const Finished entered = finish(opened.enter(name));
        EXPECT_TRUE(contains(entered.out, "boxed"));
    }));
    EXPECT_EQ(box.state(), State::Running); // the end of the other session did not touch it
    EXPECT_TRUE(passes_in_child([&] {
        Session other = open_session();
        Container opened = other.open("box");
        opened.kill();
        // Nobody has reaped it yet.
        EXPECT_TRUE(signaled(opened.wait(), SIGKILL));
        EXPECT_EQ(opened.state(), State::Stopped);
    }));
    EXPECT_TRUE(signaled(box.wait(), SIGKILL));
    box.start(pause()); // the name is still ours
    EXPECT_EQ(names(), "box=running ");
}

TEST_F(StateTest, ASavedContainerIsStartedByAnybody) {
    {
        Session session = open_session();
        Container box = session.create("box", boxed()).set_process(pause()).save();
        EXPECT_EQ(box.process(), pause());
        EXPECT_TRUE(fails([&] { session.create("other").start(); }, Errc::InvalidState, {"no process was set"}));
    }
    EXPECT_EQ(names(), "box=stopped ");
    Session session = open_session();
    EXPECT_TRUE(fails([&] { (void)session.create("box"); }, Errc::NameInUse, {"it is a saved one"}));
    Container box = session.open("box");
    EXPECT_EQ(box.spec(), boxed());
    EXPECT_EQ(box.process(), pause());
    box.start();
    Session second = open_session();
    Container opened = second.open("box");
    EXPECT_EQ(opened.state(), State::Running);
    EXPECT_TRUE(fails([&] { opened.remove(); }, Errc::InvalidState, {"it is running and has to be stopped"}));
    opened.stop(std::chrono::nanoseconds(0));
    EXPECT_EQ(box.state(), State::Stopped);
    opened.set_hostname("changed").save().start(); // it is the second session's now
    EXPECT_EQ(box.state(), State::Running);
    EXPECT_EQ(box.spec().hostname, "changed");
    EXPECT_TRUE(fails([&] { box.start(); }, Errc::InvalidState, {"it is running"}));
    box.remove(Remove::Force);
    EXPECT_EQ(names(), "");
    EXPECT_EQ(opened.state(), State::Stopped);
    EXPECT_TRUE(fails([&] { opened.start(); }, Errc::InvalidState, {"it was removed"}));
    EXPECT_TRUE(fails([&] { box.start(); }, Errc::InvalidState, {"it was removed"}));
    EXPECT_NO_THROW(session.create("box", boxed()).start(pause()));
}

TEST_F(StateTest, WhatCannotBeSavedIsNamed) {
    Session session = open_session();
    Container box = session.create("box").join_namespace(Namespace::Net, 0);
    EXPECT_TRUE(fails([&] { box.save(); }, Errc::InvalidConfig, {"container 'box': save", "namespaces[net].fd"}));
    Container hooked = session.create("hooked").add_mount({.target = "/tmp", .type = "tmpfs"},
                                                          {.after = {HookCommand{.argv = {"true"}}}});
    EXPECT_TRUE(fails([&] { hooked.save(); }, Errc::InvalidConfig, {"container 'hooked': save", "hooks"}));
    EXPECT_TRUE(fails([&] { plain("other").save(); }, Errc::InvalidState, {"its session has no state directory"}));
}

TEST_F(StateTest, ADetachedContainerOutlivesItsProcess) {
    EXPECT_TRUE(passes_in_child([&] {
        Session session = open_session();
        Container box = session.create("box", boxed());
        box.start(pause());
        box.detach();
        Session by_policy = open_session(OnClose::Detach);
        by_policy.create("second", boxed()).start(pause());
    }));
    EXPECT_EQ(names(), "box=running second=running ");
    Session session = open_session();
    Container box = session.open("box");
    EXPECT_EQ(box.info().owner, -1);
    EXPECT_TRUE(exited(box.enter(program({"exit", "4"})).wait(), 4));
    box.kill();
    box.wait();
    EXPECT_EQ(names(), "second=running ");
    session.open("second").remove(Remove::Force);
    EXPECT_EQ(names(), "");
}

TEST_F(StateTest, AnAdoptedProcessIsFound) {
    const pid_t child = ::fork();
    if (child == 0)
        for (;;) ::pause();
    {
        Session session = open_session();
        Container box = session.adopt("box", child);
        EXPECT_TRUE(passes_in_child([&] { EXPECT_EQ(open_session().open("box").init().pid(), child); }));
    }
    EXPECT_EQ(names(), "box=running ");
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    EXPECT_EQ(names(), "");
}

/// Without a mount namespace the private area is mounted on the host.
TEST_F(StateTest, TheHostsMountsOfADetachedContainerAreUndoneAtItsEnd) {
    const std::string before = host_mounts();
    make_file("area/file", "mine");
    fs::create_directory(image() / "data");
    EXPECT_TRUE(passes_in_child([&] {
        Session session = open_session();
        Container box = session.create("box").set_root(image().string());
        box.set_private(BindDir{.source = (dir() / "area").string(), .target = "/data"});
        box.start(pause());
        box.detach();
    }));
    EXPECT_TRUE(fs::exists(image() / "data/file"));
    {
        Session session = open_session();
        Container box = session.open("box");
        ProcessSpec cat = program({"cat", "/data/file"});
        cat.stdio.out = Stdio::Pipe;
        EXPECT_EQ(finish(box.enter(cat)).out, "mine");
        EXPECT_TRUE(fs::exists(image() / "data/file"));
        box.kill();
        box.wait();
    }
    EXPECT_FALSE(fs::exists(image() / "data/file"));
    EXPECT_EQ(host_mounts(), before);
}

/// What a record must contain to be believed.
TEST_F(StateTest, HostileRecordsAreSkippedAndHarmNobody) {
    { (void)open_session(); }
    const auto put = [&](const std::string& name, const std::string& text) {
        fs::create_directory(fs::path(state()) / name);
        fs::permissions(fs::path(state()) / name, fs::perms{0700});
        std::ofstream(record(name)) << text;
        fs::permissions(record(name), fs::perms{0600});
    };
    const pid_t bystander = ::fork();
    if (bystander == 0)
        for (;;) ::pause();
    struct stat pid_ns {};
    struct stat time_ns {};
    ASSERT_EQ(::stat("/proc/self/ns/pid", &pid_ns), 0);
    const bool has_time = ::stat("/proc/self/ns/time", &time_ns) == 0;
    const std::string here = R"("viewpoint":{"boot":")" + content("/proc/sys/kernel/random/boot_id").substr(0, 36) +
                             R"(","pid_namespace":)" + std::to_string(pid_ns.st_ino) + R"(,"time_namespace":)" +
                             std::to_string(has_time ? time_ns.st_ino : 0) + "}";
    const auto with_pid = [&](const std::string& name, const std::string& phase, const std::string& start) {
        return R"({"version":1,"name":")" + name + R"(","phase":")" + phase + R"(","spec":{},)" + here +
               R"(,"init":{"pid":)" + std::to_string(bystander) + R"(,"start_time":)" + start + "}}";
    };
    put("garbage", "}{");
    put("truncated", R"({"version":1,"name":"trunc)");
    put("newer", R"({"version":99,"name":"newer"})");
    put("fields", R"({"version":1,"name":"fields","spec":{"teleport":true}})");
    put("loose", "{}");
    fs::permissions(record("loose"), fs::perms{0666});
    fs::create_directory_symlink("/etc", fs::path(state()) / "link");
    put("fifo", "");
    fs::remove(record("fifo"));
    ASSERT_EQ(::mkfifo(record("fifo").c_str(), 0600), 0);
    put("foreign", "{}");
    ASSERT_EQ(::chown(record("foreign").c_str(), 1000, 1000), 0);
    put("reused", with_pid("reused", "starting", "12345")); // the pid of another process now
    put("running", with_pid("running", "running", "12345"));
    put("rebooted", R"({"version":1,"name":"rebooted","phase":"running","spec":{},"viewpoint":{"boot":"x"},)"
                    R"("init":{"pid":1,"start_time":1},"area_mount":{"target":"/","id":1}})");
    put("elsewhere", R"({"version":1,"name":"elsewhere","phase":"running","spec":{},)" +
                         here.substr(0, here.find(",\"time")) + R"(,"time_namespace":1},"init":{"pid":1}})");
    fs::create_directory(fs::path(state()) / "empty");
    fs::permissions(fs::path(state()) / "empty", fs::perms{0700});

    Session session = open_session();
    for (const char* name : {"garbage", "truncated", "newer", "fields", "loose", "link", "fifo", "foreign"})
        EXPECT_TRUE(contains(log(), std::string(name))) << name;
    EXPECT_TRUE(contains(log(), "it is of version 99, which this libct does not know"));
    EXPECT_TRUE(contains(log(), "spec.teleport: is unknown to this version of libct"));
    EXPECT_EQ(::kill(bystander, 0), 0);
    EXPECT_EQ(::waitpid(bystander, nullptr, WNOHANG), 0);
    for (const char* name : {"reused", "running", "rebooted", "empty"})
        EXPECT_FALSE(fs::exists(fs::path(state()) / name)) << name;
    EXPECT_TRUE(fails([&] { (void)session.open("garbage"); }, Errc::BadRecord, {"garbage/record.json", "not JSON"}));
    EXPECT_TRUE(fails([&] { (void)session.create("garbage"); }, Errc::BadRecord, {"garbage/record.json"}));
    EXPECT_TRUE(fails([&] { (void)session.open("elsewhere"); }, Errc::Unsupported, {"another pid namespace"}));
    EXPECT_TRUE(fs::exists("/etc/passwd"));
    ::kill(bystander, SIGKILL);
    ::waitpid(bystander, nullptr, 0);
}

TEST_F(StateTest, WorksForAnOrdinaryUser) {
    CT_REQUIRE(Privilege::UserNamespaces);
    const fs::path runtime = make_dir("runtime");
    fs::permissions(runtime, fs::perms{0777});
    const std::string image_path = image().string();
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        ::setenv("XDG_RUNTIME_DIR", runtime.c_str(), 1);
        ASSERT_EQ(default_state_directory(), runtime.string() + "/libct");
        EXPECT_TRUE(passes_in_child([&] {
            Session session({.state_directory = default_state_directory()});
            Container box = session.create("box").map_root_to_caller().add_namespaces(
                {Namespace::User, Namespace::Mount, Namespace::Pid, Namespace::Uts});
            box.set_root(image_path).set_hostname("mine").set_process(pause()).save().start();
            box.detach();
        }));
        Session session({.state_directory = default_state_directory()});
        Container box = session.open("box");
        ProcessSpec name = program({"uname"});
        name.stdio.out = Stdio::Pipe;
        EXPECT_TRUE(contains(finish(box.enter(name)).out, "mine"));
        box.remove(Remove::Force);
        EXPECT_TRUE(session.containers().empty());
    }));
    EXPECT_TRUE(fs::is_empty(runtime / "libct"));
}

} // namespace
} // namespace ct::test
