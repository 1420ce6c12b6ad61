// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <ct/ct.hpp>

#include "host_state.hpp"
#include "privileges.hpp"

namespace ct::test {

/// The longest that anything here may take: reached only when something hangs.
inline constexpr std::chrono::seconds Patience{60};
/// Whether it becomes true within that time.
[[nodiscard]] bool await(const std::function<bool()>& condition);

/// ThreadSanitizer gives a forked process a thread of its own, which some system calls and tests cannot have.
#ifdef __SANITIZE_THREAD__
inline constexpr bool ForksHaveThreads = true;
#else
inline constexpr bool ForksHaveThreads = false;
#endif

/// AddressSanitizer of GCC 12 keeps the locks of its allocator across fork(2): a copy of a host whose other threads
/// allocate must not.
#ifdef __SANITIZE_ADDRESS__
inline constexpr bool ForksCannotAllocate = true;
#else
inline constexpr bool ForksCannotAllocate = false;
#endif

/// Where the image has its only program.
inline constexpr const char* InitPath = "/bin/test_init";

/// What a process left.
struct Finished {
    ExitStatus status;
    std::string out;
    std::string err;
};

/// The program of the image with these arguments; see test_init.c.
[[nodiscard]] ProcessSpec program(std::vector<std::string> args);
/// The host's shell.
[[nodiscard]] ProcessSpec shell(std::string script);

/// Reads the streams that are pipes to their end, then waits.
Finished finish(const Process& process);
/// Starts with pipes for stdout and stderr, finishes, and waits for the container.
Finished run(Container& container, ProcessSpec spec);
Finished run(Container& container, ProcessSpec spec, std::function<int()> main);
/// The same for one more process of a running container.
Finished run_entered(Container& container, ProcessSpec spec);
Finished run_entered(Container& container, ProcessSpec spec, std::function<int()> main);
/// Starts with a pipe for stdout and returns when the program has said that it is ready.
Process start_ready(Container& container, ProcessSpec spec);
/// Reads up to the next newline, or to the end of file; the newline is left out.
std::string read_line(int fd);
/// Whether reading \p fd reaches the end of file, and with it the last process that held the other end is gone.
[[nodiscard]] bool reaches_end(int fd);

[[nodiscard]] std::vector<std::string> lines(std::string_view text);
/// Everything in a host file, also in one of /proc.
[[nodiscard]] std::string content(const std::filesystem::path& path);
/// The numbers of an id map without the kernel's padding. \param file  "uid_map" or "gid_map"
[[nodiscard]] std::string map_of(pid_t pid, const std::string& file);
/// What /proc/PID/ns/KIND of the host points to.
[[nodiscard]] std::string namespace_of(pid_t pid, Namespace kind);
/// Every path under \p dir with type, mode and inode, one per line: equal texts mean that nothing was touched.
[[nodiscard]] std::string tree(const std::filesystem::path& dir);

[[nodiscard]] ::testing::AssertionResult contains(std::string_view text, std::string_view part);
/// Whether \p status is exit code \p code; tells what it is instead.
[[nodiscard]] ::testing::AssertionResult exited(const ExitStatus& status, int code);
[[nodiscard]] ::testing::AssertionResult signaled(const ExitStatus& status, int number);
/// exited() with 0, and shows the standard error if not.
[[nodiscard]] ::testing::AssertionResult succeeded(const Finished& finished);
/// Whether \p action throws ct::Error with this code and with every part in its sentence.
[[nodiscard]] ::testing::AssertionResult fails(const std::function<void()>& action, std::errc code,
                                               std::initializer_list<std::string_view> parts);
[[nodiscard]] ::testing::AssertionResult fails(const std::function<void()>& action, Errc code,
                                               std::initializer_list<std::string_view> parts);
/// Runs gtest assertions in a forked child, which may change what a process cannot change back.
[[nodiscard]] ::testing::AssertionResult passes_in_child(const std::function<void()>& body);
/// Becomes user and group 1000 without any privilege, for good: only for passes_in_child().
void become_unprivileged();

/// Where this test program's containers have their cgroups: others may run at the same time.
[[nodiscard]] std::string cgroup_parent();

/// Base of all integration tests: a session, a directory of its own with an image, and the check that nothing is left.
///
/// The test program runs in mount and network namespaces of its own, whose mounts are shared ones as systemd makes
/// them: a mount that propagates out of a container is seen here, and does no harm to the machine.
class ContainerTest : public ::testing::Test {
protected:
    void SetUp() override;
    void TearDown() override;

    /// Opened on first use; closed before the check at the end.
    [[nodiscard]] Session& session();
    void close_session() { session_.reset(); }
    /// The test's own directory, searchable by every user.
    [[nodiscard]] const std::filesystem::path& dir() const { return dir_; }
    /// A root file system in dir() that holds only test_init.
    [[nodiscard]] const std::filesystem::path& image() const { return image_; }
    /// Makes another one. Its processes are looked for at the end, too.
    std::filesystem::path make_image(const std::filesystem::path& path);
    /// A directory below dir(), made if need be.
    std::filesystem::path make_dir(const std::filesystem::path& relative);
    std::filesystem::path make_file(const std::filesystem::path& relative, std::string_view text = "");

    /// The program of the image by its path on the host, for containers without a root.
    [[nodiscard]] ProcessSpec host_program(std::vector<std::string> args) const;

    /// A container with the image as its root and mount, pid, uts and ipc namespaces.
    [[nodiscard]] Container isolated(const std::string& name = "box");
    /// A container without anything.
    [[nodiscard]] Container plain(const std::string& name = "box");

    /// The mount table of this process.
    [[nodiscard]] static std::string host_mounts();
    /// Mounts a tmpfs for the time of the test.
    void mount_tmpfs(const std::filesystem::path& target, const std::string& options = "", unsigned long flags = 0);

private:
    [[nodiscard]] std::string processes_left() const;

    std::filesystem::path dir_;
    std::filesystem::path image_;
    std::vector<std::pair<dev_t, ino_t>> programs_;
    std::vector<std::filesystem::path> mounted_;
    std::optional<HostState> before_;
    int threads_ = 0;
    std::optional<Session> session_;
};

} // namespace ct::test
