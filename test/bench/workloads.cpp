// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "workloads.hpp"

#include <ct/ct.hpp>

#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "floor.hpp"

namespace ct::bench {
namespace {

constexpr const char* HostName = "bench";

/// What the containers of libct and of the floor have.
constexpr const char* BundleConfig = R"({
    "ociVersion": "1.0.2",
    "process": {"user": {"uid": 0, "gid": 0}, "args": ["/true"], "env": ["PATH=/"], "cwd": "/"},
    "root": {"path": "rootfs"},
    "hostname": "bench",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "noexec", "mode=755"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=64m"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"]}
    ],
    "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "uts"}, {"type": "ipc"}]}
})";

void expect_success(bool success, const char* what) {
    if (!success) throw std::runtime_error(std::string(what) + " did not succeed");
}

/// A program of the host, from its start to its end.
void run_program(const std::string& path, const std::vector<std::string>& arguments) {
    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    pid_t pid = -1;
    if (const int error = posix_spawnp(&pid, path.c_str(), nullptr, nullptr, argv.data(), environ)) {
        throw std::system_error(error, std::system_category(), "posix_spawn '" + path + "'");
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    expect_success(status == 0, path.c_str());
}

struct Libct {
    Session session;
    Container container = session.create("bench");
};

std::shared_ptr<Libct> open_libct(const Bundle& bundle, Isolation isolation) {
    auto libct = std::make_shared<Libct>();
    if (isolation == Isolation::None) return libct;
    Container& container = libct->container;
    container.add_namespaces({Namespace::Pid, Namespace::Mount, Namespace::Uts, Namespace::Ipc})
        .set_root(bundle.root())
        .add_default_mounts()
        .set_hostname(HostName);
    if (isolation == Isolation::Full) container.add_namespaces({Namespace::Net, Namespace::Cgroup});
    return libct;
}

class Floor {
public:
    Floor(const Bundle& bundle, Isolation isolation) : root_(bundle.root()) {
        container_.namespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC;
        if (isolation == Isolation::Full) container_.namespaces |= CLONE_NEWNET | CLONE_NEWCGROUP;
        container_.root = root_.c_str();
        container_.hostname = HostName;
    }
    Floor(const Floor&) = delete;
    Floor& operator=(const Floor&) = delete;
    ~Floor() {
        if (init_.pidfd >= 0) floor::kill(init_);
    }

    void start() { floor::wait(start(ends_at_once_)); }
    void start_init() { init_ = start(stays_); }
    void enter() {
        container_.argv = ends_at_once_;
        floor::wait(floor::enter(container_, init_, stack_, inner_stack_));
    }

private:
    floor::Process start(const char* const* argv) {
        container_.argv = argv;
        return floor::start(container_, stack_);
    }

    std::string root_;
    const char* ends_at_once_[2] = {"/true", nullptr};
    const char* stays_[3] = {"/true", "stay", nullptr};
    floor::Container container_;
    floor::Stack stack_;
    floor::Stack inner_stack_;
    floor::Process init_;
};

} // namespace

Bundle::Bundle() {
    std::string pattern = std::filesystem::temp_directory_path() / "ct-bench-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) {
        throw std::system_error(errno, std::system_category(), "mkdtemp '" + pattern + "'");
    }
    path_ = pattern;
    for (const char* directory : {"proc", "sys", "dev"})
        std::filesystem::create_directories(path_ / "rootfs" / directory);
    std::filesystem::copy_file(CT_BENCH_TRUE, path_ / "rootfs" / "true");
    std::ofstream(path_ / "config.json") << BundleConfig;
}

Bundle::~Bundle() {
    std::error_code ignored; // a destructor has nobody to tell
    std::filesystem::remove_all(path_, ignored);
}

Host::Action start_with_libct(const Bundle& bundle, Isolation isolation, const Size& size, SessionOpens opens) {
    if (opens == SessionOpens::Late) grow(size);
    const auto libct = open_libct(bundle, isolation);
    if (opens == SessionOpens::Early) grow(size);
    const std::string program = isolation == Isolation::None ? bundle.root() + "/true" : "/true";
    return [libct, process = ProcessSpec{.argv = {program}}] {
        libct->container.start(process);
        expect_success(libct->container.wait().success(), "the program");
    };
}

Host::Action start_with_floor(const Bundle& bundle, Isolation isolation) {
    const auto floor = std::make_shared<Floor>(bundle, isolation);
    grow({});
    return [floor] { floor->start(); };
}

Host::Action enter_with_libct(const Bundle& bundle, Isolation isolation) {
    const auto libct = open_libct(bundle, isolation);
    grow({});
    libct->container.start({.argv = {"/true", "stay"}});
    return [libct, process = ProcessSpec{.argv = {"/true"}}] {
        expect_success(libct->container.enter(process).wait().success(), "the entered program");
    };
}

Host::Action enter_with_floor(const Bundle& bundle, Isolation isolation) {
    const auto floor = std::make_shared<Floor>(bundle, isolation);
    grow({});
    floor->start_init();
    return [floor] { floor->enter(); };
}

Host::Action spawn(const Bundle& bundle) {
    grow({});
    return [program = bundle.root() + "/true"] { run_program(program, {program}); };
}

Host::Action run_with(const std::string& runtime, const Bundle& bundle) {
    // On a host with both cgroup versions these runtimes fail at the second one. This host process is all that sees it
    // go.
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        throw std::system_error(errno, std::system_category(), "new mount namespace");
    }
    (void)umount2("/sys/fs/cgroup/unified", MNT_DETACH); // there is none on other hosts
    grow({});
    std::vector<std::string> arguments = {runtime, "run", "--bundle", bundle.path(), bundle.path().filename()};
    // The containers that it is compared with have no cgroup of their own either. runc cannot do without.
    if (runtime == "crun") arguments.insert(arguments.begin() + 1, "--cgroup-manager=disabled");
    const auto action = [runtime, arguments] { run_program(runtime, arguments); };
    action();
    return action;
}

} // namespace ct::bench
