// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Hooks at the points of a container's life.
#include <csignal>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using std::chrono::milliseconds;
using ::testing::ElementsAre;

constexpr HookPoint Points[] = {HookPoint::CreateRuntime, HookPoint::CreateContainer, HookPoint::Poststart,
                                HookPoint::Poststop};

class HooksTest : public ContainerTest {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (!IsSkipped()) ::prctl(PR_SET_CHILD_SUBREAPER, 1); // what a hook leaves becomes this process's child
    }
    void TearDown() override {
        own_.reset();
        EXPECT_TRUE(await([] { return ::waitpid(-1, nullptr, __WALL | WNOHANG) < 0; }));
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
        ContainerTest::TearDown();
    }

    [[nodiscard]] SessionOptions options() {
        return {.log_handler = [this](LogLevel, std::string_view text) { log_ += std::string(text) + '\n'; },
                .state_directory = dir() / "state"};
    }
    /// A session that remembers its warnings; closed before the check at the end.
    Session& own() {
        if (!own_) own_.emplace(options());
        return *own_;
    }
    void close_own() { own_.reset(); }
    [[nodiscard]] const std::string& log() const { return log_; }
    [[nodiscard]] Container boxed(const std::string& name = "box") {
        Spec spec = isolated("spec-of-" + name).spec();
        return own().create(name, spec);
    }

    /// A shell script as a hook; it is run in dir().
    [[nodiscard]] Hook hook(HookPoint point, const std::string& script, milliseconds limit = Patience) const {
        Hook hook{.point = point, .command = {.argv = {"/bin/sh", "-c", script}}, .time_limit = limit};
        hook.command.working_directory = dir();
        return hook;
    }
    /// Its standard input to a file of the point's name.
    [[nodiscard]] Hook reader(HookPoint point) const {
        return hook(point, "cat >" + std::string(to_string(point)) + ".json");
    }
    [[nodiscard]] Json read(HookPoint point) const {
        return Json::parse(content(dir() / (std::string(to_string(point)) + ".json")));
    }
    [[nodiscard]] Hook note(HookPoint point, const std::string& word) const {
        return hook(point, "echo " + word + " >>noted");
    }
    [[nodiscard]] std::vector<std::string> noted() const { return lines(content(dir() / "noted")); }
    [[nodiscard]] std::string test_init() const { return image() / "bin/test_init"; }
    [[nodiscard]] bool exists(const std::string& name) const { return fs::exists(dir() / name); }
    [[nodiscard]] static ProcessSpec pause() {
        ProcessSpec spec = program({"pause"});
        spec.stdio.out = Stdio::Null;
        return spec;
    }

private:
    std::optional<Session> own_;
    std::string log_;
};

TEST_F(HooksTest, ReadTheStateOfTheContainer) {
    Container container = isolated();
    for (const HookPoint point : Points) container.add_hook(reader(point));
    container.set_annotation("com.example.key", "a \"value\"\n").set_annotation("not-utf8", "\xff");
    const pid_t pid = container.start(program({"exit", "7"})).pid();
    EXPECT_TRUE(exited(container.wait(), 7));
    const char* const status[] = {"creating", "creating", "running", "stopped"};
    for (const HookPoint point : Points) {
        const Json state = read(point);
        EXPECT_EQ(state.at("ociVersion"), "1.0.2");
        EXPECT_EQ(state.at("id"), "box");
        EXPECT_EQ(state.at("status"), status[static_cast<int>(point)]);
        EXPECT_EQ(state.at("bundle"), image().string());
        EXPECT_EQ(state.at("annotations"), (Json{{"com.example.key", "a \"value\"\n"}, {"not-utf8", "\xef\xbf\xbd"}}));
        EXPECT_EQ(state.size(), point == HookPoint::Poststop ? 5U : 6U) << state;
    }
    EXPECT_EQ(read(HookPoint::CreateRuntime).at("pid"), pid);
    EXPECT_EQ(read(HookPoint::CreateContainer).at("pid"), 1) << "as the container sees it";
    EXPECT_EQ(read(HookPoint::Poststart).at("pid"), pid);
}

TEST_F(HooksTest, RunAtTheirMoment) {
    const std::string pid = "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/')\n";
    const std::string look = "readlink /proc/$pid/exe /proc/$pid/ns/mnt; grep -c ' " + image().string() +
                             "/mounted ' /proc/$pid/mountinfo\n";
    Container container =
        isolated()
            .add_mount({.source = "tmpfs", .target = "/mounted", .type = "tmpfs", .options = {}})
            .add_hook(hook(HookPoint::CreateRuntime, pid + "{ " + look + " readlink /proc/self/ns/mnt; } >runtime"))
            .add_hook(hook(HookPoint::CreateContainer, "{ readlink /proc/self/ns/mnt; grep -c ' " + image().string() +
                                                           "/mounted ' /proc/self/mountinfo; } >container"))
            .add_hook(hook(HookPoint::Poststart, pid + "{ " + look + "} >poststart"))
            .add_hook(hook(HookPoint::Poststop, "ls -d /proc/$(cat first) >poststop 2>&1; true"));
    const Process process = container.start(pause());
    make_file("first", std::to_string(process.pid()));
    const std::string host = namespace_of(::getpid(), Namespace::Mount);
    const std::string inside = namespace_of(process.pid(), Namespace::Mount);
    const auto runtime = lines(content(dir() / "runtime"));
    ASSERT_EQ(runtime.size(), 4U) << content(dir() / "runtime");
    EXPECT_FALSE(runtime[0].ends_with("test_init")) << runtime[0];
    EXPECT_EQ(runtime[1], inside);
    EXPECT_EQ(runtime[2], "1") << "everything is mounted, and not yet the root";
    EXPECT_EQ(runtime[3], host);
    EXPECT_THAT(lines(content(dir() / "container")), ElementsAre(inside, "1"));
    const auto poststart = lines(content(dir() / "poststart"));
    ASSERT_EQ(poststart.size(), 3U);
    EXPECT_TRUE(poststart[0].ends_with("test_init")) << poststart[0];
    container.kill();
    container.wait();
    EXPECT_TRUE(contains(content(dir() / "poststop"), "No such file"));
}

TEST_F(HooksTest, RunInOrderAndCallablesBetweenThem) {
    const auto note_event = [this](const HookEvent& event) {
        std::ofstream{dir() / "noted", std::ios::app} << "callable at " << to_string(event.point) << " of "
                                                      << event.container << ", " << to_string(event.state)
                                                      << (event.pid > 0 ? ", with a pid\n" : "\n");
    };
    Container container = isolated();
    container.add_hook(note(HookPoint::Prestart, "one"))
        .add_hook(HookPoint::CreateRuntime, note_event)
        .add_hook(note(HookPoint::CreateRuntime, "two"))
        .add_hook(note(HookPoint::CreateContainer, "three"))
        .add_hook(HookPoint::Poststart, note_event)
        .add_hook(note(HookPoint::Poststop, "four"))
        .add_hook(HookPoint::Poststop, note_event);
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    EXPECT_THAT(noted(), ElementsAre("one", "callable at createRuntime of box, starting, with a pid", "two", "three",
                                     "callable at poststart of box, running, with a pid", "four",
                                     "callable at poststop of box, stopping"));
    fs::remove(dir() / "noted");
    container.clear_hooks();
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    EXPECT_FALSE(exists("noted"));
}

TEST_F(HooksTest, HaveOnlyTheirStreamsAndDefaultSignals) {
    const int inheritable = ::dup(0); // as a careless host has them
    Container container = isolated();
    for (const HookPoint point : Points) {
        // Pids are those of the container at one of the points, and /proc is the host's: so /proc/self it is.
        container.add_hook(hook(point, test_init() + " fds >fds-" + std::string(to_string(point)) +
                                           "; readlink /proc/self/fd/9 9>&1 >>streams; cut -d' ' -f6 /proc/self/stat "
                                           ">>sessions; grep '^Sig\\(Blk\\|Ign\\)' /proc/self/status >>signals"));
    }
    (void)::signal(SIGUSR1, SIG_IGN);
    const Finished finished = run(container, program({"exit", "0"}));
    (void)::signal(SIGUSR1, SIG_DFL);
    ::close(inheritable);
    EXPECT_TRUE(succeeded(finished));
    for (const HookPoint point : Points) {
        const auto fds = lines(content(dir() / ("fds-" + std::string(to_string(point)))));
        ASSERT_EQ(fds.size(), 3U) << to_string(point);
        EXPECT_TRUE(fds[0].starts_with("0") && fds[1].starts_with("1") && fds[2].starts_with("2"));
    }
    EXPECT_EQ(lines(content(dir() / "signals")).size(), 8U);
    for (const std::string& line : lines(content(dir() / "signals"))) EXPECT_TRUE(line.ends_with("\t0000000000000000"));
    for (const std::string& id : lines(content(dir() / "sessions"))) EXPECT_NE(id, std::to_string(::getsid(0)));
    EXPECT_THAT(lines(content(dir() / "streams")), ElementsAre("/dev/null", "/dev/null", "/dev/null", "/dev/null"));
}

TEST_F(HooksTest, FailureOfTheFirstTwoUndoesTheStart) {
    for (const HookPoint point : {HookPoint::CreateRuntime, HookPoint::CreateContainer}) {
        const std::string before = tree(image());
        Container container = own().create("box", isolated("other").spec());
        Cgroup cgroup;
        cgroup.own_group = true;
        container.set_cgroup(cgroup)
            .add_mount({.source = "tmpfs", .target = "/new/dir", .type = "tmpfs", .options = {}})
            .add_hook(hook(point, "echo first >&2; echo 'the reason' >&2; exit 3"))
            .add_hook(note(point, "not-reached"))
            .add_hook(note(HookPoint::Poststart, "not-reached"))
            .add_hook(note(HookPoint::Poststop, "undone"));
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::operation_canceled,
            {"container 'box': run " + std::string(to_string(point)) + " hook '/bin/sh': Operation cance",
             "it exited with code 3; it wrote: first the reason"}));
        EXPECT_EQ(container.state(), State::Stopped);
        EXPECT_EQ(tree(image()), before);
        EXPECT_THAT(noted(), ElementsAre("undone"));
        fs::remove(dir() / "noted");
        container.clear_hooks();
        EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
        fs::remove_all(image() / "new");
    }
}

TEST_F(HooksTest, PoststopAlsoFollowsAStartThatFailsLater) {
    Container container =
        isolated().add_hook(note(HookPoint::CreateRuntime, "made")).add_hook(note(HookPoint::Poststop, "undone"));
    EXPECT_THROW(container.start({.argv = {"/no/such/program"}}), Error);
    EXPECT_THAT(noted(), ElementsAre("made", "undone"));
    container.set_hostname("box").share_host(Namespace::Uts); // a contradiction
    EXPECT_THROW(container.start(program({"exit", "0"})), Error);
    EXPECT_THAT(noted(), ElementsAre("made", "undone")) << "no hook had its turn";
}

TEST_F(HooksTest, MissingProgramIsTold) {
    for (const HookPoint point : {HookPoint::CreateRuntime, HookPoint::CreateContainer}) {
        for (const char* name : {"/no/such/hook", "no-such-hook"}) {
            Container container = isolated().add_hook({.point = point, .command = {.argv = {name}}});
            EXPECT_TRUE(fails(
                [&] {
                    container.start(program({"exit", "0"}));
                },
                std::errc::no_such_file_or_directory,
                {"run " + std::string(to_string(point)) + " hook '" + name + "': No such file"}));
        }
    }
}

TEST_F(HooksTest, AreKilledWithAllTheyHaveStartedWhenTheirTimeIsOver) {
    const std::string pause = test_init() + " pause >/dev/null 2>&1";
    // One in the hook's session, one in its own whose parent has gone, and the hook itself.
    const std::string script =
        pause + " & (setsid sh -c '" + pause + " & exit 0') & trap '' TERM; echo late >&2; " + pause;
    for (const HookPoint point : {HookPoint::CreateRuntime, HookPoint::CreateContainer}) {
        Container container = isolated().add_hook(hook(point, script, milliseconds(300)));
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::timed_out,
            {"run " + std::string(to_string(point)) + " hook '/bin/sh'",
             "it was killed after its time limit of 300 ms; it wrote: late"}));
    }
    Container container = boxed().add_hook(hook(HookPoint::Poststop, script, milliseconds(300)));
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    EXPECT_TRUE(contains(log(), "container 'box': run poststop hook '/bin/sh': Connection timed out; it was killed"));
}

TEST_F(HooksTest, FailureOfTheLastTwoIsAWarning) {
    Container container = boxed();
    for (const HookPoint point : {HookPoint::Poststart, HookPoint::Poststop}) {
        container.add_hook(hook(point, "echo reason >&2; exit 3"))
            .add_hook({.point = point, .command = {.argv = {"/no/such/hook"}}})
            .add_hook(point, [](const HookEvent&) { throw std::runtime_error("what the callable says"); })
            .add_hook(point, [](const HookEvent&) { throw 1; })
            .add_hook(note(point, std::string(to_string(point))));
    }
    EXPECT_TRUE(exited(run(container, program({"exit", "7"})).status, 7));
    EXPECT_THAT(noted(), ElementsAre("poststart", "poststop"));
    for (const std::string point : {"poststart", "poststop"}) {
        EXPECT_TRUE(contains(log(), "container 'box': run " + point +
                                        " hook '/bin/sh': Operation canceled; it exited "
                                        "with code 3; it wrote: reason"));
        EXPECT_TRUE(contains(log(), "container 'box': run " + point + " hook '/no/such/hook': No such file"));
        EXPECT_TRUE(
            contains(log(), "run a callable as " + point + " hook: Operation canceled; what the callable says"));
        EXPECT_TRUE(contains(log(), "it threw something that is no std::exception"));
    }
}

TEST_F(HooksTest, CallableThatThrowsFailsTheStart) {
    Container container = isolated();
    container.add_hook(HookPoint::CreateRuntime, [](const HookEvent&) { throw std::runtime_error("no room"); })
        .add_hook(note(HookPoint::CreateRuntime, "not-reached"))
        .add_hook(note(HookPoint::Poststop, "undone"));
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::operation_canceled,
        {"container 'box': run a callable as createRuntime hook: Operation canceled; no room"}));
    EXPECT_THAT(noted(), ElementsAre("undone"));
    container.clear_hooks().add_hook(HookPoint::CreateRuntime, [](const HookEvent&) {
        throw std::system_error(ENOSPC, std::system_category(), "make a record");
    });
    EXPECT_TRUE(fails(
        [&] {
            container.start(program({"exit", "0"}));
        },
        std::errc::no_space_on_device,
        {"run a callable as createRuntime hook: No space left on device; make a record"}));
}

TEST_F(HooksTest, CallableMayAskButNotWait) {
    Container container = isolated();
    std::vector<State> seen;
    for (const HookPoint point : {HookPoint::CreateRuntime, HookPoint::Poststop}) {
        container.add_hook(point, [&](const HookEvent& event) {
            seen.push_back(container.state());
            EXPECT_EQ(container.info().name, event.container);
            EXPECT_FALSE(container.try_wait());
            EXPECT_TRUE(fails([&] { container.wait(); }, Errc::InvalidState, {"wait for itself"}));
            EXPECT_TRUE(fails([&] { container.stop(milliseconds(0)); }, Errc::InvalidState, {"wait for itself"}));
            EXPECT_THROW(container.start(program({"exit", "0"})), Error);
            EXPECT_THROW(container.remove(Remove::Force), Error);
        });
    }
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    EXPECT_THAT(seen, ElementsAre(State::Starting, State::Stopping));
}

TEST_F(HooksTest, MalformedOnesAreRefusedAtOnce) {
    Container container = isolated();
    const auto refused = [&](const Hook& hook, std::string_view why) {
        EXPECT_TRUE(fails([&] { container.add_hook(hook); }, Errc::InvalidConfig, {why}));
        Spec spec;
        spec.hooks = {hook};
        EXPECT_TRUE(fails([&] { container.set_spec(spec); }, Errc::InvalidConfig, {why}));
    };
    refused({}, "a createRuntime hook names no program");
    refused({.point = static_cast<HookPoint>(4), .command = {.argv = {"x"}}}, "unknown point");
    refused({.point = HookPoint::Poststop, .command = {.argv = {"x"}}, .time_limit = milliseconds(0)}, "time limit");
    refused({.command = {.argv = {std::string("x\0", 2)}}}, "NUL byte");
    EXPECT_TRUE(fails([&] { container.add_hook(HookPoint::Poststart, {}); }, Errc::InvalidConfig, {"empty function"}));
    EXPECT_TRUE(fails([&] { container.add_hook(HookPoint::CreateContainer, [](const HookEvent&) {}); },
                      Errc::InvalidConfig, {"has to be a command"}));
    EXPECT_TRUE(fails([&] { container.set_annotation("", "x"); }, Errc::InvalidConfig, {"no key"}));
    EXPECT_TRUE(container.spec().hooks.empty());
}

TEST_F(HooksTest, PoststopKeepsNobodyWaitingInDispatch) {
    Session& session = own();
    ASSERT_EQ(::mkfifo((dir() / "gate").c_str(), 0600), 0);
    std::vector<std::string> told;
    Container slow = boxed("slow")
                         .add_hook(hook(HookPoint::Poststop, "read line <gate"))
                         .add_hook(HookPoint::Poststop, [&](const HookEvent&) { told.emplace_back("hook"); });
    Container quick = boxed("quick");
    slow.on_exit([&](const ExitEvent& event) { told.emplace_back("slow " + event.record.status.describe()); });
    slow.on_state([&](const StateEvent& event) { told.emplace_back(to_string(event.to)); });
    quick.on_exit([&](const ExitEvent&) { told.emplace_back("quick"); });
    slow.start(program({"exit", "7"}));
    while (told.empty() || told.back() != "stopping") (void)session.dispatch_for(Patience);
    quick.start(program({"exit", "0"}));
    while (told.back() != "quick") (void)session.dispatch_for(Patience);
    EXPECT_EQ(slow.state(), State::Stopping);
    EXPECT_FALSE(slow.try_wait());
    EXPECT_FALSE(slow.wait_for(milliseconds(20)));
    EXPECT_THROW(slow.start(program({"exit", "0"})), Error);
    std::ofstream{dir() / "gate"} << "go\n";
    while (told.back() != "stopped") (void)session.dispatch_for(Patience);
    EXPECT_THAT(told,
                ElementsAre("starting", "running", "stopping", "quick", "hook", "slow exited with code 7", "stopped"));
    EXPECT_TRUE(exited(slow.wait(), 7));
}

TEST_F(HooksTest, PoststopIsGoneOnWithByWhoeverAsks) {
    ASSERT_EQ(::mkfifo((dir() / "gate").c_str(), 0600), 0);
    Container container =
        boxed().add_hook(hook(HookPoint::Poststop, "read line <gate")).add_hook(note(HookPoint::Poststop, "second"));
    const Process process = container.start(program({"exit", "7"}));
    process.wait();
    EXPECT_EQ(container.state(), State::Stopping);
    std::thread waiting([&] { EXPECT_TRUE(exited(container.wait(), 7)); });
    std::ofstream{dir() / "gate"} << "go\n";
    EXPECT_TRUE(await([&] { return container.state() == State::Stopped; }));
    waiting.join();
    EXPECT_THAT(noted(), ElementsAre("second"));
}

TEST_F(HooksTest, WaitersKeepTheirLimitsWhilePoststopRuns) {
    ASSERT_EQ(::mkfifo((dir() / "gate").c_str(), 0600), 0);
    Container container = boxed().add_hook(hook(HookPoint::Poststop, "read line <gate"));
    container.start(program({"exit", "7"})).wait();
    // Whoever comes first takes it down, the others find it at any moment of that.
    std::vector<std::thread> waiting;
    for (int i = 0; i < 4; ++i) {
        waiting.emplace_back([&] {
            EXPECT_FALSE(container.try_wait());
            EXPECT_FALSE(container.wait_for(milliseconds(20)));
        });
    }
    for (std::thread& thread : waiting) thread.join();
    for (std::thread& thread : waiting) thread = std::thread([&] { EXPECT_TRUE(exited(container.wait(), 7)); });
    std::ofstream{dir() / "gate"} << "go\n";
    for (std::thread& thread : waiting) thread.join();
}

TEST_F(HooksTest, EndOfTheSessionWaitsForPoststop) {
    Container container = boxed().add_hook(note(HookPoint::Poststop, "undone"));
    container.start(pause());
    close_own();
    EXPECT_THAT(noted(), ElementsAre("undone"));
    EXPECT_EQ(container.state(), State::Stopped);
}

TEST_F(HooksTest, RunWithoutAProcess) {
    Container container = isolated().share_host(Namespace::Pid);
    for (const HookPoint point : Points) container.add_hook(note(point, std::string(to_string(point))));
    container.hold();
    EXPECT_THAT(noted(), ElementsAre("createRuntime", "createContainer"));
    container.kill();
    EXPECT_EQ(container.state(), State::Stopped);
    EXPECT_THAT(noted(), ElementsAre("createRuntime", "createContainer", "poststop"));
    container.add_hook(hook(HookPoint::CreateContainer, "exit 3"));
    EXPECT_THROW(container.hold(), Error);
    EXPECT_EQ(noted().size(), 6U);
}

TEST_F(HooksTest, RunBesideACallableAndWithoutAnyNamespace) {
    Container container = plain();
    for (const HookPoint point : Points) container.add_hook(note(point, std::string(to_string(point))));
    EXPECT_TRUE(exited(run(container, {}, [] { return 7; }).status, 7));
    EXPECT_THAT(noted(), ElementsAre("createRuntime", "createContainer", "poststart", "poststop"));
}

TEST_F(HooksTest, WorkInAUserNamespaceWithAReaper) {
    Container container = isolated().add_namespace(Namespace::User).map_root_to_caller().add_default_mounts();
    for (const HookPoint point : Points) container.add_hook(reader(point));
    container.add_hook(hook(HookPoint::CreateContainer, "id -u >id; readlink /proc/self/ns/user >userns"));
    ProcessSpec process = program({"exit", "0"});
    process.init = Init::Reaper;
    EXPECT_TRUE(succeeded(run(container, process)));
    EXPECT_EQ(read(HookPoint::CreateContainer).at("pid"), 1);
    EXPECT_EQ(content(dir() / "id"), "0\n");
    EXPECT_NE(content(dir() / "userns"), namespace_of(::getpid(), Namespace::User) + '\n');
}

TEST_F(HooksTest, WorkForAnUnprivilegedUser) {
    CT_REQUIRE(Privilege::UserNamespaces);
    fs::permissions(image(), fs::perms{0777});
    fs::permissions(dir(), fs::perms{0777});
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container container = session.create("mine")
                                  .set_root(image().string())
                                  .add_namespaces({Namespace::Mount, Namespace::Pid, Namespace::User})
                                  .map_root_to_caller();
        for (const HookPoint point : Points) container.add_hook(reader(point));
        const pid_t pid = container.start(program({"exit", "0"})).pid();
        container.wait();
        EXPECT_EQ(read(HookPoint::CreateRuntime).at("pid"), pid);
        EXPECT_EQ(read(HookPoint::CreateContainer).at("pid"), 1);
        EXPECT_EQ(read(HookPoint::Poststop).at("status"), "stopped");
    }));
}

TEST_F(HooksTest, ThatDoNotReadOrBecomeDaemonsDisturbNobody) {
    Container container = isolated();
    container.set_annotation("large", std::string(1 << 20, 'x')); // more than any pipe takes
    for (const HookPoint point : Points) {
        container.add_hook(hook(point, "exec <&-; exit 0")).add_hook(reader(point));
    }
    for (const HookPoint point : {HookPoint::CreateRuntime, HookPoint::Poststart, HookPoint::Poststop}) {
        // It keeps the streams open.
        container.add_hook(hook(point, "setsid " + test_init() + " pause & echo $! >>daemons"));
    }
    EXPECT_TRUE(succeeded(run(container, program({"exit", "0"}))));
    for (const HookPoint point : Points) {
        EXPECT_EQ(read(point).at("annotations").at("large").get<std::string>().size(), 1U << 20U);
    }
    const auto daemons = lines(content(dir() / "daemons"));
    EXPECT_EQ(daemons.size(), 3U);
    for (const std::string& pid : daemons) EXPECT_EQ(::kill(std::stoi(pid), SIGKILL), 0) << "it has to go on";
}

TEST_F(HooksTest, FloodOfErrorsIsReadAndForgotten) {
    rusage before{};
    ::getrusage(RUSAGE_SELF, &before);
    for (const HookPoint point : {HookPoint::CreateRuntime, HookPoint::CreateContainer}) {
        Container container =
            isolated().add_hook(hook(point, "head -c 256M /dev/zero | tr '\\0' x >&2; echo ' the end' >&2; exit 3"));
        EXPECT_TRUE(fails(
            [&] {
                container.start(program({"exit", "0"}));
            },
            std::errc::operation_canceled, {"it wrote: ", "xxxx the end"}));
    }
    rusage after{};
    ::getrusage(RUSAGE_SELF, &after);
    EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 * 1024) << "KiB";
}

TEST_F(HooksTest, AreNoChildrenOfTheHost) {
    EXPECT_TRUE(passes_in_child([&] {
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
        static volatile sig_atomic_t signals = 0;
        struct sigaction action {};
        action.sa_handler = [](int) { signals = signals + 1; };
        ::sigaction(SIGCHLD, &action, nullptr);
        std::atomic<bool> over = false;
        std::thread greedy([&] { // a host that waits for any child
            while (!over) (void)::waitpid(-1, nullptr, WNOHANG);
        });
        Session session;
        Container container = session.create("box");
        container.set_root(image().string()).add_namespaces({Namespace::Mount, Namespace::Uts});
        for (const HookPoint point : {HookPoint::CreateRuntime, HookPoint::CreateContainer, HookPoint::Poststop}) {
            container.add_hook(hook(point, "exit 0"));
        }
        container.add_hook(hook(HookPoint::Poststop, "exit 0"));
        container.hold();
        container.stop(milliseconds(0));
        container.add_hook(hook(HookPoint::CreateRuntime, "exit 3"));
        EXPECT_TRUE(fails([&] { container.hold(); }, std::errc::operation_canceled, {"exited with code 3"}));
        over = true;
        greedy.join();
        EXPECT_EQ(signals, 0);
    }));
}

TEST_F(HooksTest, AreSavedAndRunByWhoeverStartsTheContainer) {
    {
        Container container = boxed();
        for (const HookPoint point : Points) container.add_hook(reader(point));
        container.set_annotation("a", "b");
        container.add_hook(HookPoint::Poststop, [](const HookEvent&) {}); // is not kept
        container.save();
    }
    close_own();
    EXPECT_TRUE(passes_in_child([&] {
        Session session(options());
        Container opened = session.open("box");
        EXPECT_EQ(opened.spec().hooks.size(), 4U);
        EXPECT_TRUE(succeeded(run(opened, program({"exit", "0"}))));
    }));
    for (const HookPoint point : Points) EXPECT_EQ(read(point).at("annotations").at("a"), "b");
    own().open("box").remove();
}

TEST_F(HooksTest, PoststopRunsOnceThoughSeveralNoticeTheEnd) {
    Container container = boxed();
    container.add_hook(note(HookPoint::Poststop, "undone"));
    int called = 0;
    container.add_hook(HookPoint::Poststop, [&](const HookEvent&) { ++called; });
    const Process process = container.start(pause());
    EXPECT_TRUE(passes_in_child([&] {
        Session other(options());
        Container opened = other.open("box");
        opened.kill();
        opened.wait();
    }));
    container.wait();
    EXPECT_THAT(noted(), ElementsAre("undone"));
    EXPECT_EQ(called, 1);
}

TEST_F(HooksTest, NextSessionRunsPoststopForADeadHost) {
    const auto killed_in = [&](const std::function<void(Container&)>& configure) {
        const pid_t host = ::fork();
        if (host == 0) {
            Session session(options());
            Spec spec;
            for (const Namespace kind : {Namespace::Mount, Namespace::Pid}) spec.namespaces[kind] = NewNamespace{};
            spec.root = Root{.path = image()};
            Container container = session.create("box", spec);
            container.add_hook(note(HookPoint::Poststop, "undone"));
            try {
                configure(container);
                container.start(pause());
            } catch (...) {
            }
            make_file("reached");
            for (;;) ::pause();
        }
        EXPECT_TRUE(await([&] { return exists("reached"); }));
        ::kill(host, SIGKILL);
        EXPECT_EQ(::waitpid(host, nullptr, 0), host);
        fs::remove(dir() / "reached");
        EXPECT_TRUE(await([] { // the hook, its keeper and the half-made container
            while (::waitpid(-1, nullptr, __WALL | WNOHANG) > 0) continue;
            return errno == ECHILD;
        })) << "something has outlived the host";
        EXPECT_TRUE(own().containers().empty());
        close_own();
        EXPECT_THAT(noted(), ElementsAre("undone"));
        fs::remove(dir() / "noted");
        EXPECT_TRUE(fs::is_empty(dir() / "state")) << tree(dir() / "state");
    };
    const std::string stay = "setsid " + test_init() + " pause & touch reached; " + test_init() + " pause";
    killed_in([&](Container& container) { container.add_hook(hook(HookPoint::CreateRuntime, stay)); });
    killed_in([&](Container& container) {
        container.add_hook(hook(HookPoint::CreateContainer, "touch reached; " + test_init() + " pause"));
    });
}

TEST_F(HooksTest, DetachedContainersHaveTheirPoststopFromTheNextSession) {
    EXPECT_TRUE(passes_in_child([&] {
        Session session(options());
        Container container = session.create("box", isolated("spec").spec());
        container.add_hook(note(HookPoint::Poststop, "undone")).add_hook(hook(HookPoint::Poststop, "exit 3"));
        container.start(pause());
        container.detach();
    }));
    {
        const auto infos = own().containers();
        ASSERT_EQ(infos.size(), 1U);
        ASSERT_EQ(::kill(infos[0].pid, SIGKILL), 0);
        EXPECT_TRUE(await([&] { return ::waitpid(-1, nullptr, __WALL | WNOHANG) < 0; }));
    }
    close_own();
    EXPECT_FALSE(exists("noted"));
    EXPECT_TRUE(own().containers().empty());
    EXPECT_THAT(noted(), ElementsAre("undone"));
    EXPECT_TRUE(contains(log(), "container 'box': run poststop hook '/bin/sh'"));
}

} // namespace
} // namespace ct::test
