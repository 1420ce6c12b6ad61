// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "base/unique_fd.hpp"
#include "support/fixture.hpp"

namespace ct::test {
namespace {

class SeccompNotify : public ContainerTest {
protected:
    static Seccomp reporting(std::vector<std::string> names) {
        Seccomp seccomp;
        seccomp.rules.push_back({std::move(names), SeccompAction::notify()});
        return seccomp;
    }

    static ProcessSpec reporting_program(std::vector<std::string> args, std::vector<std::string> names) {
        ProcessSpec spec = program(std::move(args));
        spec.no_new_privileges = true;
        spec.seccomp = reporting(std::move(names));
        spec.stdio.err = Stdio::Pipe;
        spec.stdio.out = Stdio::Pipe;
        return spec;
    }

    /// Dispatches until the process has ended.
    Finished dispatch_until_end(const Process& process) {
        const auto deadline = std::chrono::steady_clock::now() + Patience;
        while (!process.wait_for(std::chrono::nanoseconds(0)) && std::chrono::steady_clock::now() < deadline) {
            (void)session().dispatch_for(std::chrono::milliseconds(10));
        }
        return finish(process);
    }

    Finished run_answered(Container& box, const ProcessSpec& spec) {
        Finished finished = dispatch_until_end(box.start(spec));
        box.wait();
        return finished;
    }
};

TEST_F(SeccompNotify, HandlerDecides) {
    Container box = isolated();
    SeccompReply reply = SeccompReply::fail(EXDEV);
    int calls = 0;
    box.on_seccomp([&](const SeccompNotice& notice) {
        ++calls;
        EXPECT_EQ(notice.name(), "mkdir");
        EXPECT_EQ(notice.system_call(), SYS_mkdir);
        EXPECT_TRUE(notice.valid());
        EXPECT_EQ(notice.read_string(notice.arguments()[0]), "/made");
        EXPECT_EQ(notice.arguments()[1], 0777U);
        EXPECT_EQ(notice.pid(), box.init().pid());
        return reply;
    });
    const ProcessSpec spec = reporting_program({"mkdir", "/made"}, {"mkdir"});
    EXPECT_TRUE(contains(run_answered(box, spec).err, "EXDEV"));
    reply = SeccompReply::return_value(0);
    EXPECT_TRUE(succeeded(run_answered(box, spec)));
    EXPECT_FALSE(std::filesystem::exists(image() / "made"));
    reply = SeccompReply::continue_call();
    EXPECT_TRUE(succeeded(run_answered(box, spec)));
    EXPECT_TRUE(std::filesystem::exists(image() / "made"));
    EXPECT_EQ(calls, 3);
}

TEST_F(SeccompNotify, BadAddressOfTheCallerIsOnlyItsOwnMistake) {
    Container box = isolated();
    box.on_seccomp([](const SeccompNotice& notice) {
        (void)notice.read_string(notice.arguments()[0]);
        return SeccompReply::return_value(0);
    });
    ProcessSpec spec = reporting_program({}, {"mkdir"});
    spec.argv.clear();
    spec.stdio = {Stdio::Null, Stdio::Null, Stdio::Null};
    const Process process = box.start(spec, [] {
        for (const long address : {8L, -1L})
            if (::syscall(SYS_mkdir, address, 0700) == 0 || errno != EFAULT) return 1;
        return 0;
    });
    while (!process.wait_for(std::chrono::nanoseconds(0))) {
        EXPECT_NO_THROW(session().dispatch_for(std::chrono::milliseconds(10)));
    }
    EXPECT_TRUE(exited(box.wait(), 0));
}

TEST_F(SeccompNotify, SessionsDescriptorIsReadableWhenACallWaits) {
    Container box = isolated();
    box.on_seccomp([](const SeccompNotice&) { return SeccompReply::return_value(0); });
    const int fd = session().fd();
    pollfd look{fd, POLLIN, 0};
    EXPECT_EQ(::poll(&look, 1, 0), 0);
    EXPECT_EQ(session().dispatch(), 0U);
    const Process process = box.start(reporting_program({"mkdir", "/made"}, {"mkdir"}));
    ASSERT_EQ(::poll(&look, 1, static_cast<int>(Patience.count()) * 1000), 1);
    EXPECT_EQ(session().dispatch(), 1U);
    EXPECT_TRUE(succeeded(dispatch_until_end(process)));
    box.wait();
    EXPECT_EQ(session().fd(), fd);
    // The listener of the ended process is let go, and then nothing is due any more.
    while (session().dispatch() > 0) {
    }
    EXPECT_EQ(::poll(&look, 1, 0), 0);
}

TEST_F(SeccompNotify, HandlerMayMakeTheCallItself) {
    Container box = isolated();
    make_file("secret", "from the host");
    box.on_seccomp([&](const SeccompNotice& notice) {
        if (notice.read_string(notice.arguments()[1]) != "/secret") return SeccompReply::continue_call();
        const internal::UniqueFd file(::open((dir() / "secret").c_str(), O_RDONLY | O_CLOEXEC));
        return SeccompReply::return_value(notice.add_fd(file.get()));
    });
    EXPECT_EQ(run_answered(box, reporting_program({"cat", "/secret"}, {"openat"})).out, "from the host");
}

TEST_F(SeccompNotify, DescriptorMayGetACertainNumber) {
    Container box = isolated();
    const std::filesystem::path path = make_file("output");
    const internal::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    box.on_seccomp([&](const SeccompNotice& notice) {
        return SeccompReply::return_value(notice.add_fd(file.get(), {.target = 1, .close_on_exec = false}));
    });
    const Finished finished = run_answered(box, reporting_program({"call", std::to_string(SYS_getppid)}, {"getppid"}));
    EXPECT_EQ(finished.out, "");
    EXPECT_EQ(content(path), "1\n");
}

TEST_F(SeccompNotify, MemoryThatIsNotThereIsAnError) {
    Container box = isolated();
    bool asked = false;
    box.on_seccomp([&](const SeccompNotice& notice) {
        EXPECT_TRUE(fails([&] { (void)notice.read_memory(8, 8); }, std::errc::bad_address, {"read the memory"}));
        EXPECT_TRUE(fails([&] { (void)notice.read_string(8); }, std::errc::bad_address, {}));
        const std::uint64_t path = notice.arguments()[0];
        EXPECT_TRUE(fails([&] { (void)notice.read_string(path, 3); }, std::errc::filename_too_long, {}));
        EXPECT_EQ(notice.read_memory(path, 6).size(), 6U);
        EXPECT_TRUE(fails([&] { (void)notice.add_fd(-1); }, std::errc::bad_file_descriptor, {}));
        asked = true;
        return SeccompReply::return_value(0);
    });
    EXPECT_TRUE(succeeded(run_answered(box, reporting_program({"mkdir", "/made"}, {"mkdir"}))));
    EXPECT_TRUE(asked);
}

TEST_F(SeccompNotify, CallerThatIsKilledMeanwhileHarmsNobody) {
    Container box = isolated();
    bool killed = false;
    box.on_seccomp([&](const SeccompNotice& notice) {
        const Process init = box.init();
        init.kill();
        (void)init.wait();
        EXPECT_FALSE(notice.valid());
        const std::uint64_t path = notice.arguments()[0];
        EXPECT_TRUE(fails([&] { (void)notice.read_string(path); }, std::errc::no_such_process, {}));
        EXPECT_TRUE(fails([&] { (void)notice.add_fd(0); }, std::errc::no_such_process, {}));
        killed = true;
        return SeccompReply::return_value(0);
    });
    EXPECT_TRUE(signaled(run_answered(box, reporting_program({"mkdir", "/made"}, {"mkdir"})).status, SIGKILL));
    EXPECT_TRUE(killed);
}

TEST_F(SeccompNotify, ExceptionOfTheHandlerFailsTheCallAndLeavesDispatch) {
    Container box = isolated();
    box.on_seccomp([](const SeccompNotice&) -> SeccompReply { throw std::runtime_error("no idea"); });
    const Process process = box.start(reporting_program({"mkdir", "/made"}, {"mkdir"}));
    std::string thrown;
    while (thrown.empty()) {
        try {
            (void)session().dispatch_for(Patience);
        } catch (const std::runtime_error& error) {
            thrown = error.what();
        }
    }
    EXPECT_EQ(thrown, "no idea");
    EXPECT_TRUE(contains(dispatch_until_end(process).err, "EIO"));
    box.wait();
}

TEST_F(SeccompNotify, WithoutHandlerOrSessionCallsFail) {
    Container box = isolated();
    box.on_seccomp([](const SeccompNotice&) { return SeccompReply::return_value(0); });
    const ProcessSpec spec = reporting_program({"mkdir", "/made"}, {"mkdir"});
    const Process process = box.start(spec);
    box.on_seccomp(nullptr);
    EXPECT_TRUE(contains(dispatch_until_end(process).err, "ENOSYS"));
    box.wait();

    std::optional<Session> other(SessionOptions{.on_close = OnClose::Detach, .log_handler = {}});
    Container detached = other->create("detached", box.spec());
    detached.on_seccomp([](const SeccompNotice&) { return SeccompReply::return_value(0); });
    const Process waiting = detached.start(spec);
    other.reset();
    EXPECT_TRUE(contains(finish(waiting).err, "ENOSYS"));
    EXPECT_TRUE(fails([&] { detached.start(spec); }, Errc::InvalidState, {"closed"}));
}

TEST_F(SeccompNotify, EnteringProcessesReportToo) {
    Container box = isolated();
    std::vector<pid_t> callers;
    box.on_seccomp([&](const SeccompNotice& notice) {
        callers.push_back(notice.pid());
        return SeccompReply::return_value(0);
    });
    ProcessSpec init = program({"pause"});
    start_ready(box, init);
    const Process first = box.enter(reporting_program({"mkdir", "/made"}, {"mkdir"}));
    const Process second = box.enter(reporting_program({"mkdir", "/made"}, {"mkdir"}));
    std::vector<pid_t> expected{first.pid(), second.pid()};
    EXPECT_TRUE(succeeded(dispatch_until_end(first)));
    EXPECT_TRUE(succeeded(dispatch_until_end(second)));
    std::ranges::sort(callers);
    std::ranges::sort(expected);
    EXPECT_EQ(callers, expected);
    box.kill();
    box.wait();
}

TEST_F(SeccompNotify, CallablesReportAndKeepNoListener) {
    Container box = isolated();
    int calls = 0;
    box.on_seccomp([&](const SeccompNotice&) {
        ++calls;
        return SeccompReply::return_value(0);
    });
    ProcessSpec spec = reporting_program({}, {"mkdir"});
    spec.argv.clear();
    for (const bool no_new_privileges : {true, false}) {
        spec.no_new_privileges = no_new_privileges;
        if (!no_new_privileges) spec.user = User{1000, 1000};
        const Process process = box.start(spec, [] {
            const bool alone = ::fcntl(3, F_GETFD) < 0 && ::fcntl(4, F_GETFD) < 0;
            return alone && ::mkdir("/made", 0700) == 0 ? 0 : 1;
        });
        EXPECT_TRUE(succeeded(dispatch_until_end(process)));
        box.wait();
    }
    EXPECT_EQ(calls, 2);
    EXPECT_FALSE(std::filesystem::exists(image() / "made"));
}

TEST_F(SeccompNotify, ProgramsBelowAReaperReport) {
    Container box = isolated();
    pid_t caller = 0;
    box.on_seccomp([&](const SeccompNotice& notice) {
        caller = notice.pid();
        return SeccompReply::fail(EXDEV);
    });
    ProcessSpec spec = reporting_program({"mkdir", "/made"}, {"mkdir"});
    spec.init = Init::Reaper;
    const Process init = box.start(spec);
    const pid_t reaper = init.pid();
    EXPECT_TRUE(contains(dispatch_until_end(init).err, "EXDEV"));
    box.wait();
    EXPECT_NE(caller, 0);
    EXPECT_NE(caller, reaper);
}

TEST_F(SeccompNotify, EarlyFilterReportsLaterCalls) {
    Container box = isolated();
    box.on_seccomp([](const SeccompNotice&) { return SeccompReply::fail(EXDEV); });
    ProcessSpec spec = reporting_program({"mkdir", "/made"}, {"mkdir"});
    spec.no_new_privileges = false;
    spec.user = User{1000, 1000};
    EXPECT_TRUE(contains(run_answered(box, spec).err, "EXDEV"));
    spec.seccomp = reporting({"setresuid"});
    EXPECT_TRUE(fails([&] { box.start(spec); }, Errc::InvalidConfig, {"must not kill, trap or notify setresuid"}));
}

TEST_F(SeccompNotify, SetUpThatFailsAfterTheFilterIsReported) {
    Container box = isolated();
    box.on_seccomp([](const SeccompNotice&) { return SeccompReply::return_value(0); });
    ProcessSpec spec = reporting_program({}, {"mkdir"});
    spec.argv = {"/bin/none"};
    EXPECT_TRUE(fails([&] { box.start(spec); }, std::errc::no_such_file_or_directory, {"exec '/bin/none'"}));
    spec.no_new_privileges = false;
    spec.user = User{1000, 1000};
    spec.working_directory = "/none";
    EXPECT_TRUE(fails([&] { box.start(spec); }, std::errc::no_such_file_or_directory, {"working directory '/none'"}));
    // Without the descriptor of a listener in the host.
    EXPECT_EQ(session().dispatch(), 0U);
}

TEST_F(SeccompNotify, ContainerMayBeDroppedFromItsHandler) {
    std::optional<Container> box = isolated();
    bool dropped = false;
    box->on_seccomp([&](const SeccompNotice&) {
        box.reset();
        dropped = true;
        return SeccompReply::fail(EXDEV);
    });
    const Process process = box->start(reporting_program({"mkdir", "/made"}, {"mkdir"}));
    EXPECT_TRUE(contains(dispatch_until_end(process).err, "EXDEV"));
    EXPECT_TRUE(dropped);
}

TEST_F(SeccompNotify, ManyContainersAreServed) {
    constexpr int count = 16;
    std::atomic<int> calls = 0;
    std::vector<Container> boxes;
    for (int i = 0; i < count; ++i) {
        Container box = isolated("box" + std::to_string(i));
        box.on_seccomp([&](const SeccompNotice&) {
            ++calls;
            return SeccompReply::return_value(0);
        });
        boxes.push_back(box);
    }
    // Started by other threads, while this one dispatches.
    std::atomic<int> ended = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = t; i < count; i += 4) {
                const auto box = static_cast<std::size_t>(i);
                EXPECT_TRUE(succeeded(run(boxes[box], reporting_program({"mkdir", "/made"}, {"mkdir"}))));
                ++ended;
            }
        });
    }
    while (ended < count) (void)session().dispatch_for(std::chrono::milliseconds(10));
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(calls, count);
}

TEST_F(SeccompNotify, OfAnUnprivilegedHostWorksInItsUserNamespace) {
    CT_REQUIRE(Privilege::UserNamespaces);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container box = session.create("box").add_namespace(Namespace::User).map_root_to_caller();
        std::string path;
        box.on_seccomp([&](const SeccompNotice& notice) {
            path = notice.read_string(notice.arguments()[0]);
            return SeccompReply::return_value(0);
        });
        ProcessSpec spec = host_program({"mkdir", "/nowhere/made"});
        spec.seccomp = reporting({"mkdir"});
        const Process process = box.start(spec);
        while (!process.wait_for(std::chrono::nanoseconds(0))) {
            (void)session.dispatch_for(std::chrono::milliseconds(10));
        }
        EXPECT_TRUE(exited(box.wait(), 0));
        EXPECT_EQ(path, "/nowhere/made");
    }));
}

TEST_F(SeccompNotify, OfAnUnprivilegedHostIsNotForEnteringProcesses) {
    CT_REQUIRE(Privilege::UserNamespaces);
    EXPECT_TRUE(passes_in_child([&] {
        become_unprivileged();
        Session session;
        Container box = session.create("box").add_namespace(Namespace::User).map_root_to_caller();
        box.on_seccomp([](const SeccompNotice&) { return SeccompReply(); });
        start_ready(box, host_program({"pause"}));
        ProcessSpec spec = host_program({"exit", "0"});
        spec.seccomp = reporting({"mkdir"});
        EXPECT_TRUE(fails([&] { box.enter(spec); }, std::errc::operation_not_permitted,
                          {"take the listener of the seccomp filter", "CAP_SYS_PTRACE"}));
        box.kill();
        box.wait();
    }));
}

TEST_F(SeccompNotify, LeavesTheDeathSignalThatWasAskedFor) {
    Container box = isolated();
    box.on_seccomp([](const SeccompNotice&) { return SeccompReply(); });
    ProcessSpec spec = reporting_program({"status"}, {"mkdir"});
    spec.parent_death_signal = SIGTERM;
    EXPECT_TRUE(contains(run_answered(box, spec).out, "pdeathsig 15"));
    spec.parent_death_signal = 0;
    EXPECT_TRUE(contains(run_answered(box, spec).out, "pdeathsig 0"));
}

} // namespace
} // namespace ct::test
