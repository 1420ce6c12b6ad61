// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
//
// Many containers, and one server that monitors them.
#include "serve_fixture.hpp"

#include <array>
#include <csignal>
#include <fstream>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace ct::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class Serve : public ServeTest {};

TEST_F(Serve, MonitorsAHundredContainersAtOnce) {
    const Box first = box("first"); // after which timers and the like are there
    create(first);
    first.start();
    expect_empty();
    const std::size_t before = descriptors(keeper());
    const std::size_t before_there = descriptors(server());
    std::vector<Box> boxes;
    for (int i = 0; i < 100; ++i) {
        boxes.push_back(box("c" + std::to_string(i)));
        boxes.back().container("lines 1 20 30\nexit " + std::to_string(i));
        create(boxes.back());
    }
    EXPECT_THAT(list(), AllOf(SizeIs(100), Each(HasSubstr("\tcontainer\t")), Each(HasSubstr("\trunning\tname"))));
    std::vector<Monitor> waiting;
    for (const Box& each : boxes) waiting.push_back(launch_at({"wait", each.id()}));
    for (const Box& each : boxes) each.start();
    for (std::size_t i = 0; i < boxes.size(); ++i) {
        EXPECT_EQ(waiting[i].out(), std::to_string(i) + "\n");
        EXPECT_EQ(waiting[i].foreground(), 0);
        EXPECT_EQ(boxes[i].code(), static_cast<int>(i));
        EXPECT_THAT(boxes[i].numbered_lines(20), Each(1));
    }
    expect_empty();
    EXPECT_TRUE(await([&] { return descriptors(keeper()) <= before; }));
    EXPECT_TRUE(await([&] { return descriptors(server()) <= before_there; }));
}

TEST_F(Serve, LeavesNothingOfAFailedCreate) {
    const std::size_t before = descriptors(keeper());
    const Box failing = box("failing");
    failing.script("runtime", "write 2 no way\nexit 3");
    const Call made = call(failing, failing.create());
    EXPECT_EQ(made.report(), "{\"data\": -1, \"message\": \"no way\"}\n");
    expect_empty();
    EXPECT_THAT(made.report(), IsEmpty()) << "nobody holds the pipe";
    EXPECT_TRUE(fs::is_empty(failing.bundle()));
    EXPECT_TRUE(fs::is_empty(failing.path("exits")));
    EXPECT_TRUE(await([&] { return descriptors(keeper()) <= before; }));
}

TEST_F(Serve, RefusesWhatTheMonitorItselfWouldRefuse) {
    const Box refused = box("refused");
    Words words = refused.create();
    words.insert(words.end(), {"-l", "k8s-file:" + refused.path("none/log").string()});
    Call made = call(refused, words);
    EXPECT_EQ(made.client.foreground(), 1);
    EXPECT_THAT(made.client.err(), HasSubstr("none/log"));
    EXPECT_THAT(list(), IsEmpty());
}

TEST_F(Serve, BeginsNothingIfThePidFileCannotBeWritten) {
    const Box without = box("without");
    Words words = without.create();
    words.insert(words.end(), {"-P", without.path("none/monitor.pid")});
    Call made = call(without, words);
    EXPECT_EQ(made.client.foreground(), 1);
    expect_empty();
    EXPECT_FALSE(fs::exists(without.path("call"))) << "the runtime was called";
}

TEST_F(Serve, CallsTheRuntimeAsTheClientWouldHave) {
    const Box here = box("here");
    Launch launch{.arguments = here.create(), .environment = {"MINE=1"}, .directory = here.bundle()};
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit fewer{.rlim_cur = 234, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &fewer), 0);
    const Call made = call(here, launch);
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_THAT(made.report(), StartsWith("{\"data\": "));
    EXPECT_THAT(content("/proc/" + here.awaited("pidfile") + "/limits"), ContainsRegex("Max open files +234 "));
    const Words call = lines(here.awaited("call"));
    EXPECT_THAT(call, Contains("env: MINE=1"));
    EXPECT_THAT(call, Contains("cwd: " + here.bundle().string()));
    EXPECT_THAT(call, Contains(StartsWith("Umask:\t0022")));
    EXPECT_THAT(call, Contains("SigBlk:\t0000000000000000"));
    std::string score = content("/proc/self/oom_score_adj");
    EXPECT_THAT(call, Contains("oom_score_adj: " + score.substr(0, score.find('\n'))));
    Words fds;
    for (const std::string& line : call)
        if (line.starts_with("fd: ")) fds.push_back(line);
    EXPECT_THAT(fds, SizeIs(3));
    here.start();
    EXPECT_EQ(here.code(), 0);
    expect_empty();
}

TEST_F(Serve, ReportsOfExecsAsEitherVersionOfTheApiHasIt) {
    for (const std::string version : {"0", "1"}) {
        const Box exec = box("exec" + version);
        exec.container("exit 7");
        Words words = exec.exec();
        if (version == "0") words.erase(words.begin(), words.begin() + 2);
        const Call made = call(exec, words);
        if (version == "1") {
            const std::string report = made.report();
            EXPECT_EQ(report, "{\"data\": " + exec.awaited("pidfile") + "}\n");
        }
        exec.start();
        EXPECT_EQ(made.report(), version == "1" ? "{\"data\": 7}\n" : "{\"exit_code\": 7}\n");
        EXPECT_EQ(exec.code(), 7);
        EXPECT_THAT(made.report(), IsEmpty());
    }
    expect_empty();
}

TEST_F(Serve, AttachesToAnExecBeforeItBegins) {
    const Box exec = box("exec");
    exec.container("write 1 out\\n\nwrite 2 err\\n\nexit 5");
    Channel attach = Channel::to_us();
    Channel start = Channel::to_it();
    Launch launch{.arguments = exec.exec()};
    launch.add({"--exec-attach"}).with("_OCI_ATTACHPIPE", attach).with("_OCI_STARTPIPE", start);
    start.release();
    const Call made = call(exec, launch);
    EXPECT_EQ(attach.line(), "{\"data\": 0}\n");
    AttachClient client(exec.bundle());
    EXPECT_FALSE(fs::exists(exec.path("call")));
    start.release();
    const std::string report = made.report();
    EXPECT_EQ(report, "{\"data\": " + exec.awaited("pidfile") + "}\n");
    exec.start();
    std::string out;
    std::string err;
    for (std::string part = client.packet(); !part.empty(); part = client.packet())
        (part[0] == '\2' ? out : err) += part.substr(1);
    EXPECT_EQ(out, "out\n");
    EXPECT_EQ(err, "err\n");
    EXPECT_EQ(made.report(), "{\"data\": 5}\n");
    expect_empty();
}

TEST_F(Serve, AnExecThatIsNotBegunYetHoldsNothingOfOthers) {
    const Box exec = box("exec");
    const Box other = box("other");
    other.container("save input\nexit 3");
    create(other, {"-i"});
    Channel attach = Channel::to_us();
    Channel start = Channel::to_it();
    Launch launch{.arguments = exec.exec()};
    launch.add({"--exec-attach"}).with("_OCI_ATTACHPIPE", attach).with("_OCI_STARTPIPE", start);
    start.release();
    const Call made = call(exec, launch);
    EXPECT_EQ(attach.line(), "{\"data\": 0}\n");
    other.start();
    const AttachClient client(other.bundle());
    client.send("in");
    client.end_input();
    EXPECT_EQ(other.code(), 3) << "its input ends";
    start.release();
    exec.start();
    EXPECT_EQ(exec.code(), 0);
    expect_empty();
}

TEST_F(Serve, GivesTheExitCodeToAClientThatWaits) {
    const Box waited = box("waited");
    waited.container("exit 42");
    Words words = without(waited.create(), "-P");
    words.push_back("--sync");
    Call made = call(waited, words);
    EXPECT_THAT(made.report(), StartsWith("{\"data\": "));
    waited.start();
    EXPECT_EQ(made.client.foreground(), 42);
    expect_empty();
}

TEST_F(Serve, PassesTheClientsOwnStreamsThrough) {
    const Box through = box("through");
    through.container("write 1 direct\nexit 1");
    Channel out = Channel::to_us(PipeKind::Pipe);
    Launch launch{.arguments = without(through.create(), "-l"), .out = out.theirs.get()};
    launch.add({"-l", "passthrough"});
    const Call made = call(through, launch);
    out.theirs.reset();
    EXPECT_THAT(made.report(), StartsWith("{\"data\": "));
    through.start();
    EXPECT_EQ(out.line(), "direct") << "up to the end: nobody else holds it";
    EXPECT_EQ(through.code(), 1);
    expect_empty();
}

TEST_F(Serve, HasReleasedInheritedDescriptorsWhenTheExitFileIsThere) {
    const Box port = box("port");
    Channel held = Channel::to_us(PipeKind::Pipe);
    Call made = call(port, Launch{.arguments = port.create(), .fds = {{5, held.theirs.get()}}});
    held.theirs.reset();
    EXPECT_THAT(made.report(), StartsWith("{\"data\": "));
    EXPECT_EQ(made.client.foreground(), 0);
    EXPECT_THAT(port.awaited("call"), HasSubstr("\nfd: 5 "));
    port.start();
    EXPECT_EQ(port.code(), 0);
    pollfd end{held.ours.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&end, 1, 0), 1) << "somebody has it open";
    expect_empty();
}

TEST_F(Serve, ClosesTheInputForTheContainer) {
    const Box reader = box("reader");
    reader.container("save input\nexit 9");
    create(reader, {"-i"});
    reader.start();
    const AttachClient client(reader.bundle());
    client.send("some text");
    client.end_input();
    EXPECT_EQ(reader.code(), 9);
    EXPECT_EQ(reader.awaited("input"), "some text");
    expect_empty();
}

TEST_F(Serve, AttachesToATerminalAndResizesIt) {
    const Box terminal = box("terminal");
    terminal.container("line first\nsize size\necho");
    create(terminal, {"-t"});
    terminal.start();
    Channel in = Channel::to_it(PipeKind::Pipe);
    Channel out = Channel::to_us(PipeKind::Pipe);
    Monitor attached = launch_at({"attach", "terminal"}, {.in = in.theirs.get(), .out = out.theirs.get()});
    out.theirs.reset();
    EXPECT_EQ(at({"resize", "terminal", "33", "44"}).status, 0);
    const std::string text = "hello\n";
    ASSERT_EQ(::write(in.ours.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(terminal.awaited("first"), "hello\n");
    EXPECT_EQ(terminal.awaited("size"), "33 44\n");
    EXPECT_EQ(out.line(), "hello\r\n") << "echoed by the terminal";
    ASSERT_EQ(::write(in.ours.get(), "\4", 1), 1);
    EXPECT_EQ(terminal.code(), 0);
    EXPECT_EQ(attached.foreground(), 0);
    expect_empty();
}

TEST_F(Serve, ReopensTheLog) {
    const Box rotated = box("rotated");
    rotated.container("line first\nwrite 1 after\\n");
    create(rotated, {"-i", "--leave-stdin-open"});
    rotated.start();
    fs::rename(rotated.path("log"), rotated.path("log.1"));
    EXPECT_EQ(at({"reopen", "rotated"}).status, 0);
    EXPECT_TRUE(fs::exists(rotated.path("log")));
    const AttachClient client(rotated.bundle());
    client.send("go\n");
    EXPECT_EQ(rotated.code(), 0);
    EXPECT_EQ(rotated.logged(), "after\n");
    EXPECT_EQ(content(rotated.path("log.1")), "");
    expect_empty();
}

TEST_F(Serve, ObeysTheControlFifoOfEachContainer) {
    const Box first = box("first");
    const Box second = box("second");
    for (const Box& each : {first, second}) {
        each.container("line go\nsize size");
        create(each, {"-t"});
        each.start();
    }
    std::ofstream(second.bundle() / "ctl") << "1 12 34\n" << std::flush;
    for (const Box& each : {second, first}) {
        const AttachClient client(each.bundle());
        // Commands of a fifo come when they come.
        if (each.id() == "second") {
            UniqueFd pts; // its size is seen from outside, too
            EXPECT_TRUE(await([&] {
                pts.reset(
                    ::open(("/proc/" + each.awaited("pidfile") + "/fd/0").c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
                winsize size{};
                return pts && ::ioctl(pts.get(), TIOCGWINSZ, &size) == 0 && size.ws_row == 12;
            }));
        }
        client.send("\n");
        EXPECT_EQ(each.awaited("size"), each.id() == "second" ? "12 34\n" : "0 0\n");
        EXPECT_EQ(each.code(), 0);
    }
    expect_empty();
}

TEST_F(Serve, RemembersThoseThatHaveEnded) {
    const Box gone = box("gone");
    gone.container("exit 3");
    create(gone);
    gone.start();
    EXPECT_EQ(gone.code(), 3);
    expect_empty();
    EXPECT_EQ(at({"wait", "gone"}).out, "3\n");
    ::kill(server(), SIGKILL);
    EXPECT_EQ(at({"wait", "gone"}).out, "3\n") << "also of a server before";
    const Told unknown = at({"wait", "never"});
    EXPECT_EQ(unknown.status, 1);
    EXPECT_THAT(unknown.err, HasSubstr("there is no 'never'"));
}

TEST_F(Serve, RunsTheExitCommandOfEach) {
    const Box ending = box("ending");
    create(ending, {"--exit-command", "/bin/touch", "--exit-command-arg", ending.path("touched")});
    ending.start();
    (void)ending.awaited("touched");
    expect_empty();
}

TEST_F(Serve, TakesNothingNewOnceItIsToEnd) {
    const Box last = box("last");
    last.container("exit 4");
    create(last);
    ::kill(keeper(), SIGTERM);
    const Box late = box("late");
    std::string told;
    EXPECT_TRUE(await([&] {
        Call made = call(late, late.create());
        told = made.client.err();
        if (made.client.foreground() == 1) return true;
        (void)made.report();
        late.start();
        return false;
    }));
    EXPECT_THAT(told, HasSubstr("takes nothing new"));
    EXPECT_THAT(list(), Contains(HasSubstr("\tlast\t"))) << "it still answers";
    last.start();
    EXPECT_EQ(keeper_ends(), 0);
    EXPECT_EQ(last.code(), 4);
}

TEST_F(Serve, TellsWhoServesAlready) {
    Launch launch{.arguments = {"serve", socket()}};
    Monitor second(launch, root_);
    EXPECT_EQ(second.foreground(), 1);
    EXPECT_THAT(second.err(), HasSubstr("a living process serves it"));
    EXPECT_EQ(at({"list"}).status, 0);
}

TEST_F(Serve, HandsNothingOnThatItHasInheritedItself) {
    ::kill(keeper(), SIGTERM);
    EXPECT_EQ(keeper_ends(), 0);
    Channel held = Channel::to_us(PipeKind::Pipe);
    Launch launch{.arguments = {"serve", socket()}, .fds = {{7, held.theirs.get()}}};
    Monitor other(launch, root_);
    held.theirs.reset();
    ASSERT_TRUE(await([&] { return at({"list"}).status == 0; }));
    EXPECT_THAT(held.line(), IsEmpty()) << "it is closed";
    ::kill(other.pid(), SIGTERM);
    EXPECT_EQ(other.foreground(), 0);
    serve();
}

} // namespace
} // namespace ct::test
