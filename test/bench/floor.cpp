// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "floor.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>

#include "network_floor.hpp"

namespace ct::bench::floor {
namespace {

// The functions from here to start_program() run in the new process. It shares its memory with this thread, which the
// kernel holds until the program runs (CLONE_VFORK): so it may use errno and the C library's wrappers.

void must(bool success) noexcept {
    if (!success) _exit(127);
}

void mount_new(const char* type, const char* target, unsigned long flags, const char* options = nullptr) noexcept {
    must(mount(type, target, type, flags, options) == 0);
}

void make_devices() noexcept {
    struct Device {
        const char* name;
        unsigned major;
        unsigned minor;
    };
    struct Link {
        const char* name;
        const char* content;
    };
    constexpr Device devices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                                  {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
    constexpr Link links[] = {{"fd", "/proc/self/fd"},
                              {"stdin", "/proc/self/fd/0"},
                              {"stdout", "/proc/self/fd/1"},
                              {"stderr", "/proc/self/fd/2"},
                              {"ptmx", "pts/ptmx"}};
    const mode_t mask = umask(0); // cheaper than a chmod for each
    const int dev = open("dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (const Device& device : devices) {
        must(mknodat(dev, device.name, S_IFCHR | 0666, makedev(device.major, device.minor)) == 0);
    }
    for (const Link& link : links) {
        must(symlinkat(link.content, dev, link.name) == 0);
    }
    for (const char* directory : {"pts", "shm", "mqueue"}) {
        must(mkdirat(dev, directory, 0755) == 0);
    }
    umask(mask);
}

void set_up_root(const char* root) noexcept {
    // mount(2) is cheaper than fsopen(2), fsconfig(2), fsmount(2) and move_mount(2), and short paths than long ones.
    must(mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0);
    must(mount(root, root, nullptr, MS_BIND | MS_REC, nullptr) == 0);
    must(chdir(root) == 0);
    constexpr unsigned long harmless = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    mount_new("proc", "proc", harmless);
    mount_new("sysfs", "sys", harmless | MS_RDONLY);
    mount_new("tmpfs", "dev", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k");
    make_devices();
    mount_new("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    mount_new("tmpfs", "dev/shm", harmless, "mode=1777,size=64m");
    mount_new("mqueue", "dev/mqueue", harmless);
    must(syscall(SYS_pivot_root, ".", ".") == 0);
    must(umount2(".", MNT_DETACH) == 0);
    must(chdir("/") == 0);
}

void execute(const char* const* argv) noexcept {
    must(syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) == 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execve(argv[0], const_cast<char* const*>(argv), environ);
    _exit(127);
}

/// What the host ignores is not the program's concern, and clone has no flag for that.
void reset_signals() noexcept {
    for (int number = 1; number <= 64; ++number) {
        unsigned long action[4] = {0, 0, 0, 0};
        syscall(SYS_rt_sigaction, number, action, nullptr, 8);
    }
}

constexpr std::size_t MostGroups = 16;

struct Start {
    const Container* container;
    int tasks[MostGroups];
    std::size_t tasks_count = 0;
};

int start_program(void* argument) noexcept {
    const auto& start = *static_cast<const Start*>(argument);
    const Container& container = *start.container;
    // One's own thread: to move a whole process, the kernel waits for all others.
    for (std::size_t i = 0; i < start.tasks_count; ++i) must(write(start.tasks[i], "0", 1) == 1);
    reset_signals();
    if (container.veth != nullptr) container.veth->make();
    if (container.root != nullptr) {
        set_up_root(container.root);
        must(sethostname(container.hostname, std::strlen(container.hostname)) == 0);
    }
    execute(container.argv);
    return 127;
}

struct Entry {
    const Container* container;
    int init;
    const Stack* stack;
    Process process;
};

int execute_program(void* argument) noexcept {
    reset_signals();
    execute(static_cast<const Entry*>(argument)->container->argv);
    return 127;
}

/// Only a child of a process that has joined the pid namespace is in it.
int join_and_start(void* argument) noexcept {
    auto& entry = *static_cast<Entry*>(argument);
    must(setns(entry.init, entry.container->namespaces) == 0);
    entry.process.pid = clone(execute_program, entry.stack->top(), CLONE_VM | CLONE_VFORK | CLONE_PARENT | CLONE_PIDFD,
                              argument, &entry.process.pidfd);
    _exit(entry.process.pid < 0 ? 127 : 0);
}

class SignalsBlocked {
public:
    SignalsBlocked() noexcept {
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, &old_);
    }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
    ~SignalsBlocked() { sigprocmask(SIG_SETMASK, &old_, nullptr); }

private:
    sigset_t old_;
};

[[noreturn]] void throw_errno(const char* what) {
    throw std::system_error(errno, std::system_category(), what);
}

} // namespace

Stack::Stack() : memory_(mmap(nullptr, Size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
    if (memory_ == MAP_FAILED) throw_errno("mmap");
}

Stack::~Stack() {
    munmap(memory_, Size);
}

void* Stack::top() const noexcept {
    return static_cast<std::byte*>(memory_) + Size;
}

namespace {

void copy_file(int from, int to, const char* name) {
    char text[256];
    const int source = openat(from, name, O_RDONLY | O_CLOEXEC);
    const ssize_t size = read(source, text, sizeof text);
    close(source);
    const int target = openat(to, name, O_WRONLY | O_CLOEXEC);
    if (size <= 0 || write(target, text, static_cast<std::size_t>(size)) != size) throw_errno(name);
    close(target);
}

/// A group of this one controller takes no process before it has both.
void fill_cpuset(const char* group) {
    if (std::strstr(group, "/cpuset/") == nullptr) return;
    const int directory = open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int parent = openat(directory, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    copy_file(parent, directory, "cpuset.cpus");
    copy_file(parent, directory, "cpuset.mems");
    close(parent);
    close(directory);
}

void make_groups(Start& start) {
    if (start.container->groups == nullptr) return;
    for (const char* const* group = start.container->groups; *group != nullptr; ++group) {
        if (mkdir(*group, 0755) != 0) throw_errno(*group);
        fill_cpuset(*group);
        const int directory = open(*group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const int tasks = openat(directory, "tasks", O_WRONLY | O_CLOEXEC);
        close(directory);
        if (tasks < 0) throw_errno(*group);
        start.tasks[start.tasks_count++] = tasks;
    }
}

/// Like vfork(2), whose child goes on with this function's frame while the parent waits.
[[gnu::noinline]] pid_t clone_into(int group, Start& start, int& pidfd) {
    clone_args args{};
    args.flags =
        CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_INTO_CGROUP | static_cast<unsigned>(start.container->namespaces);
    args.exit_signal = SIGCHLD;
    args.pidfd = reinterpret_cast<std::uintptr_t>(&pidfd);
    args.cgroup = static_cast<unsigned>(group);
#if defined(__x86_64__)
    long pid = SYS_clone3;
    asm volatile("syscall" : "+a"(pid) : "D"(&args), "S"(sizeof args) : "rcx", "r11", "memory");
#else
    register long pid asm("x0") = reinterpret_cast<long>(&args);
    register long size asm("x1") = sizeof args;
    register long number asm("x8") = SYS_clone3;
    asm volatile("svc 0" : "+r"(pid) : "r"(size), "r"(number) : "memory");
#endif
    if (pid == 0) _exit(start_program(&start));
    if (pid < 0) errno = static_cast<int>(-pid);
    return static_cast<pid_t>(pid < 0 ? -1 : pid);
}

} // namespace

Process start(const Container& container, const Stack& stack) {
    const SignalsBlocked blocked;
    Process process;
    Start start{&container, {}};
    make_groups(start);
    if (container.group != nullptr) {
        if (mkdir(container.group, 0755) != 0) throw_errno(container.group);
        const int group = open(container.group, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        process.pid = clone_into(group, start, process.pidfd);
        close(group);
    } else {
        process.pid =
            clone(start_program, stack.top(), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD | container.namespaces,
                  &start, &process.pidfd);
    }
    if (process.pid < 0) throw_errno("clone");
    for (std::size_t i = 0; i < start.tasks_count; ++i) close(start.tasks[i]);
    return process;
}

void remove_groups(const Container& container) {
    if (container.group != nullptr && rmdir(container.group) != 0) throw_errno(container.group);
    if (container.groups == nullptr) return;
    for (const char* const* group = container.groups; *group != nullptr; ++group) {
        if (rmdir(*group) != 0) throw_errno(*group);
    }
}

Process enter(const Container& container, const Process& init, const Stack& stack, const Stack& inner) {
    const SignalsBlocked blocked;
    Entry entry{&container, init.pidfd, &inner, {}};
    // Shares the descriptor table, so that the pidfd of its child appears here.
    const pid_t helper = clone(join_and_start, stack.top(), CLONE_VM | CLONE_VFORK | CLONE_FILES, &entry);
    if (helper < 0) throw_errno("clone");
    int status = 0;
    if (waitpid(helper, &status, __WALL) != helper) throw_errno("waitpid");
    if (status != 0) throw std::runtime_error("floor: cannot enter the container");
    return entry.process;
}

void wait(Process process) {
    siginfo_t info{};
    if (waitid(P_PIDFD, static_cast<id_t>(process.pidfd), &info, WEXITED) != 0) throw_errno("waitid");
    close(process.pidfd);
    if (info.si_code != CLD_EXITED || info.si_status != 0) {
        throw std::runtime_error("floor: the program ended with " + std::to_string(info.si_status));
    }
}

void kill(Process process) {
    siginfo_t info{};
    syscall(SYS_pidfd_send_signal, process.pidfd, SIGKILL, nullptr, 0);
    waitid(P_PIDFD, static_cast<id_t>(process.pidfd), &info, WEXITED);
    close(process.pidfd);
}

} // namespace ct::bench::floor
