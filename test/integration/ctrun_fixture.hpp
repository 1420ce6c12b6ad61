// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/fixture.hpp"

namespace ct::test {

using Words = std::vector<std::string>;

/// A descriptor with an owner.
class Fd {
public:
    explicit Fd(int fd = -1) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Fd() { close(); }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    [[nodiscard]] int get() const { return fd_; }

private:
    int fd_;
};

inline std::string read_all(int fd) {
    std::string text;
    std::array<char, 4096> buffer{};
    for (;;) {
        const ssize_t count = ::read(fd, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return text; // EIO: a terminal that nobody has open any more
        text.append(buffer.data(), static_cast<std::size_t>(count));
    }
}

/// Reads on until \p text ends with \p part; false at the end of the file.
inline bool read_until(int fd, std::string& text, std::string_view part) {
    char byte = 0;
    while (!text.ends_with(part)) {
        if (::read(fd, &byte, 1) != 1) return false;
        text += byte;
    }
    return true;
}

inline void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        ASSERT_GT(count, 0) << std::generic_category().message(errno);
        text.remove_prefix(static_cast<std::size_t>(count));
    }
}

/// A running ctrun. Streams that are -1 are /dev/null.
struct Ctrun {
    pid_t pid = -1;
    Fd in;
    Fd out;
    std::filesystem::path err;

    /// The exit status, or minus the signal that killed it.
    [[nodiscard]] int wait() const {
        int status = 0;
        while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }
    void signal(int number) const { ASSERT_EQ(::kill(pid, number), 0); }
};

/// What a ctrun that has ended said.
struct Said {
    int status = -1;
    std::string out;
    std::string err;
};

inline std::ostream& operator<<(std::ostream& stream, const Said& said) {
    return stream << "status " << said.status << ", out '" << said.out << "', err '" << said.err << "'";
}

inline std::string program_path() {
    const char* const path = std::getenv("CTRUN");
    return path != nullptr ? path : CTRUN;
}

/// What follows the first "key": in \p json, up to the end of the value; enough for numbers and text.
inline std::string json_value(const std::string& json, const std::string& key) {
    const std::size_t at = json.find('"' + key + "\": ");
    if (at == std::string::npos) return {};
    const std::size_t begin = at + key.size() + 4;
    return json.substr(begin, json.find_first_of(",\n}", begin) - begin);
}

class CtrunTest : public ContainerTest {
protected:
    void SetUp() override {
        // Processes that ctrun leaves behind become children of this one, where the base class finds them.
        ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
        ContainerTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        if (!std::filesystem::exists("/bin/busybox")) {
            if (strict()) FAIL() << "needs busybox";
            GTEST_SKIP() << "needs busybox";
        }
        root_ = make_dir("root");
        for (const char* directory : {"bin", "dev", "proc", "sys", "tmp", "data"})
            std::filesystem::create_directory(root_ / directory);
        std::filesystem::copy_file("/bin/busybox", root_ / "bin/busybox");
        for (const char* applet : {"sh", "sleep", "cat", "echo", "hostname", "id", "stty", "seq", "yes", "wc", "env",
                                   "pwd", "ls", "touch", "grep", "ps", "readlink", "head"})
            std::filesystem::create_symlink("busybox", root_ / "bin" / applet);
        runtime_ = make_dir("runtime");
    }

    void TearDown() override {
        if (!runtime_.empty() && std::filesystem::exists(runtime_ / "libct")) {
            for (const auto& entry : std::filesystem::directory_iterator(runtime_ / "libct"))
                EXPECT_EQ(entry.path().filename(), ".events") << tree(runtime_);
        }
        ContainerTest::TearDown();
        ::prctl(PR_SET_CHILD_SUBREAPER, 0);
    }

    [[nodiscard]] const std::filesystem::path& root() const { return root_; }
    [[nodiscard]] const std::filesystem::path& runtime() const { return runtime_; }

    /// `ctrun WORDS...` with these standard streams; \p prepare runs in the child before.
    Ctrun spawn(
        const Words& words, int in, int out, const std::function<void()>& prepare = [] {}) {
        Ctrun ctrun;
        ctrun.err = dir() / ("err" + std::to_string(++count_));
        const std::string program = program_path();
        std::vector<const char*> argv{program.c_str()};
        for (const std::string& word : words) argv.push_back(word.c_str());
        argv.push_back(nullptr);
        ctrun.pid = ::fork();
        if (ctrun.pid != 0) return ctrun;
        ::dup2(in, STDIN_FILENO);
        ::dup2(out, STDOUT_FILENO);
        ::dup2(::open(ctrun.err.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), STDERR_FILENO);
        ::setenv("XDG_RUNTIME_DIR", runtime_.c_str(), 1);
        ::setenv("PATH", "/bin:/usr/bin", 1);
        prepare();
        ::execv(program.c_str(), const_cast<char* const*>(argv.data()));
        ::_exit(99);
    }

    /// With pipes as standard input and output.
    Ctrun start(
        const Words& words, const std::function<void()>& prepare = [] {}) {
        auto [in_read, in_write] = pipe();
        auto [out_read, out_write] = pipe();
        Ctrun ctrun = spawn(words, in_read.get(), out_write.get(), prepare);
        ctrun.in = std::move(in_write);
        ctrun.out = std::move(out_read);
        return ctrun;
    }

    static Said finish(Ctrun& ctrun) {
        ctrun.in.close();
        Said said;
        said.out = read_all(ctrun.out.get());
        said.status = ctrun.wait();
        said.err = content(ctrun.err);
        return said;
    }

    Said ctrun(
        const Words& words, const std::function<void()>& prepare = [] {}) {
        Ctrun running = start(words, prepare);
        return finish(running);
    }

    /// `ctrun run` in the busybox root with all of mount, pid, uts, ipc.
    [[nodiscard]] Words boxed(const Words& options, const Words& command) const {
        Words words{"run", "--root", root_.string(), "--new", "mount,pid,uts,ipc", "--default-mounts"};
        words.insert(words.end(), options.begin(), options.end());
        words.emplace_back("--");
        words.insert(words.end(), command.begin(), command.end());
        return words;
    }
    [[nodiscard]] Words shell(const Words& options, const std::string& script) const {
        return boxed(options, {"/bin/sh", "-c", script});
    }

    static std::pair<Fd, Fd> pipe() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error{errno, std::system_category(), "pipe2"};
        return {Fd{ends[0]}, Fd{ends[1]}};
    }

private:
    std::filesystem::path root_;
    std::filesystem::path runtime_;
    int count_ = 0;
};

} // namespace ct::test
