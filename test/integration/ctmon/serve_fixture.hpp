// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "monitor_fixture.hpp"

namespace ct::test {

/// A container, or an exec, of the fake runtime: a directory of its own.
class Box {
public:
    /// \param root  is made
    Box(std::filesystem::path root, std::string id);

    void script(const std::string& name, std::string_view commands) const;
    /// What it does once it was started.
    void container(std::string_view commands) const { script("container", "wait start\n" + std::string(commands)); }
    void start() const;
    [[nodiscard]] Words create() const;
    [[nodiscard]] Words exec() const;
    [[nodiscard]] std::filesystem::path path(const std::string& name) const { return root_ / name; }
    [[nodiscard]] std::filesystem::path bundle() const { return root_ / "bundle"; }
    [[nodiscard]] const std::string& id() const { return id_; }
    /// Its only word or words, once the file is there.
    [[nodiscard]] std::string awaited(const std::string& name) const;
    /// The exit code that the exit file tells, once it is there.
    [[nodiscard]] int code() const { return std::stoi(awaited("exits/" + id_)); }
    [[nodiscard]] pid_t pid() const { return std::stoi(awaited("pidfile")); }
    /// What was logged of standard output.
    [[nodiscard]] std::string logged() const;
    /// How often each of the \p count numbered lines of the fake runtime is in the log.
    [[nodiscard]] std::vector<int> numbered_lines(std::size_t count) const;

private:
    std::filesystem::path root_;
    std::string id_;
};

/// A call by way of the server.
struct Call {
    std::unique_ptr<Channel> sync;
    Monitor client;

    /// The next report.
    [[nodiscard]] std::string report() const { return sync->line(); }
};

struct Told {
    int status = -1;
    std::string out;
    std::string err;
};

/// Each test has a keeper with its server. At the end of a test both end by SIGTERM, and nothing is left.
class ServeTest : public ::testing::Test {
protected:
    ServeTest();
    ~ServeTest() override;
    void TearDown() override;

    /// Starts the keeper, and waits until its server answers.
    void serve();
    [[nodiscard]] pid_t keeper() const { return keeper_->pid(); }
    /// The server that there is now.
    [[nodiscard]] pid_t server() const;
    /// Waits for another one than that.
    pid_t server_after(pid_t before) const;
    /// Waits for its end.
    int keeper_ends();
    [[nodiscard]] std::filesystem::path socket() const { return root_ / "socket"; }

    [[nodiscard]] Box box(const std::string& id) const { return {root_ / id, id}; }
    /// Of the server, with a sync pipe.
    [[nodiscard]] Call call(const Box& box, Words arguments, PipeKind kind = PipeKind::SeqPacket) const;
    [[nodiscard]] Call call(const Box& box, Launch launch, PipeKind kind = PipeKind::SeqPacket) const;
    /// Creates it, and expects that this succeeds.
    void create(const Box& box, const Words& more = {}) const;
    /// `ctmon at SOCKET ...`
    [[nodiscard]] Monitor launch_at(Words words, Launch launch = {}) const;
    [[nodiscard]] Told at(Words words) const;
    /// The monitors that the server knows.
    [[nodiscard]] Words list() const;
    /// Waits until it knows none.
    void expect_empty() const;
    /// The descriptors that a process has open.
    [[nodiscard]] static std::size_t descriptors(pid_t pid);
    /// For tests that leave something on purpose.
    static void kill_children();

    std::filesystem::path root_;

private:
    Subreaper subreaper_;
    std::unique_ptr<Monitor> keeper_;
};

} // namespace ct::test
