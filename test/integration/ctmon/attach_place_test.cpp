// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Where the attach socket is, and for how long.
#include "attached_fixture.hpp"

#include <fstream>

#include <sys/stat.h>

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class AttachPlace : public AttachedTest {
protected:
    /// The arguments with another value for one option.
    [[nodiscard]] static Words with(Words words, const std::string& option, const std::string& value) {
        for (std::size_t i = 0; i + 1 < words.size(); ++i) {
            if (words[i] == option) words[i + 1] = value;
        }
        return words;
    }
    /// Arguments of an engine that reaches the socket through a link.
    [[nodiscard]] Words linked(const Words& more = {}) const {
        Words words = create("none") + Words{"--socket-dir-path", sockets_} + more;
        std::erase(words, "--full-attach");
        return words;
    }
    /// Starts the container, and expects that a client sees what it writes.
    void expect_output(AttachClient client) const {
        start();
        EXPECT_EQ(client.rest_of('\2'), "hello\n");
        EXPECT_EQ(monitor_ends(), 0);
    }
};

TEST_F(AttachPlace, IsASocketOfTheBundleFromCreateToExit) {
    container("write 1 hello\\n");
    created({"--socket-dir-path", sockets_});
    struct stat status {};
    ASSERT_EQ(::lstat((bundle_ / "attach").c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 07777, 0700U);
    EXPECT_TRUE(fs::is_empty(sockets_)) << "a link with --full-attach";
    expect_output(attach());
    EXPECT_FALSE(fs::exists(bundle_ / "attach"));
    EXPECT_TRUE(fs::exists(bundle_ / "ctl"));
    EXPECT_TRUE(fs::exists(bundle_ / "winsz"));
}

TEST_F(AttachPlace, IsThereBeforeTheRuntimeRuns) {
    script("runtime", "wait go\ncontainer\npidfile\n");
    make_fifo("go");
    script("container", "line typed\nwrite 1 hello\\n\n");
    Channel sync = Channel::to_us();
    Monitor monitor = launch(call(create("none") + Words{"-i"}).with("_OCI_SYNCPIPE", sync));
    UniqueFd gate = open_writer(root_ / "go");
    AttachClient client(bundle_);
    client.send("early\n");
    gate.reset();
    const std::string report = sync.line();
    EXPECT_EQ(report, "{\"data\": " + std::to_string(container_pid()) + "}\n");
    EXPECT_EQ(client.rest_of('\2'), "hello\n");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_EQ(content(root_ / "typed"), "early\n");
}

TEST_F(AttachPlace, IsReachedThroughALinkNamedByTheUuid) {
    container("write 1 hello\\n");
    begin(with(linked(), "-u", "another"));
    const fs::path link = sockets_ / "another";
    ASSERT_TRUE(fs::is_symlink(link));
    EXPECT_EQ(fs::canonical(link), fs::canonical(bundle_));
    expect_output(attach(link));
    EXPECT_FALSE(fs::exists(fs::symlink_status(link)));
}

TEST_F(AttachPlace, ReplacesWhatIsAtItsPlaceAndAtThatOfTheLink) {
    container("write 1 hello\\n");
    for (const char* name : {"attach", "ctl", "winsz"}) std::ofstream(bundle_ / name) << "old";
    fs::create_symlink("/nowhere", sockets_ / Cid);
    begin(linked());
    EXPECT_TRUE(fs::is_socket(bundle_ / "attach"));
    EXPECT_TRUE(fs::is_fifo(bundle_ / "ctl"));
    EXPECT_TRUE(fs::is_fifo(bundle_ / "winsz"));
    expect_output(attach(sockets_ / Cid));
}

TEST_F(AttachPlace, RefusesADirectoryInPlaceOfTheLink) {
    fs::create_directory(sockets_ / Cid);
    Monitor monitor = launch(call(linked({"--sync"})));
    EXPECT_EQ(monitor.foreground(), 1);
    EXPECT_TRUE(fs::is_directory(sockets_ / Cid));
    fs::remove(sockets_ / Cid);
}

TEST_F(AttachPlace, RefusesAMissingDirectoryForTheLink) {
    Monitor monitor = launch(call(with(linked(), "--socket-dir-path", root_ / "none") + Words{"--sync"}));
    EXPECT_EQ(monitor.foreground(), 1);
}

TEST_F(AttachPlace, WorksWithABundleOfAnyPathLength) {
    container("write 1 hello\\n");
    fs::path deep = bundle_;
    for (int i = 0; i < 5; ++i) deep /= std::string(100, 'd');
    fs::create_directories(deep);
    bundle_ = deep;
    begin(linked());
    EXPECT_TRUE(fs::is_fifo(deep / "ctl"));
    expect_output(attach(sockets_ / Cid));
    EXPECT_FALSE(fs::exists(deep / "attach"));
}

TEST_F(AttachPlace, WorksWithALinkOfAnyPathLength) {
    container("write 1 hello\\n");
    sockets_ /= std::string(120, 's');
    fs::create_directories(sockets_);
    begin(linked());
    expect_output(attach(sockets_ / Cid));
    EXPECT_TRUE(fs::is_empty(sockets_));
}

TEST_F(AttachPlace, DropsTheLastCharacterOfALinkOf107Bytes) {
    container("write 1 hello\\n");
    const std::string name(107 - sockets_.string().size() - 1, 'u');
    begin(with(linked(), "-u", name));
    expect_output(attach(sockets_ / name.substr(1)));
    EXPECT_TRUE(fs::is_empty(sockets_));
}

TEST_F(AttachPlace, ExecOfTheOldInterfaceWithoutBundleHasNoSocket) {
    const Words words{"-c",
                      Cid,
                      "-r",
                      runtime(),
                      "-p",
                      root_ / "pidfile",
                      "-P",
                      root_ / "monitor.pid",
                      "-e",
                      "--exec-process-spec",
                      root_ / "process.json",
                      "-l",
                      "none",
                      "--socket-dir-path",
                      sockets_};
    Channel sync = Channel::to_us();
    Monitor monitor = launch(call(words, bundle_).with("_OCI_SYNCPIPE", sync));
    EXPECT_EQ(monitor.foreground(), 0);
    start();
    EXPECT_EQ(sync.line(), "{\"exit_code\": 0}\n");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_TRUE(fs::is_empty(bundle_));
}

TEST_F(AttachPlace, AnExecMonitorTakesThePlaceOfTheOneOfTheContainer) {
    created();
    const pid_t first = monitor_pid();
    const pid_t box = container_pid();
    for (const char* name : {"monitor.pid", "pidfile"}) fs::remove(root_ / name);
    script("runtime", "container second\npidfile\n");
    script("second", "write 1 exec\\n\nwait start2\n");
    make_fifo("start2");
    begin(exec());
    EXPECT_TRUE(fs::is_socket(bundle_ / "attach"));
    open_fifo("start2");
    EXPECT_EQ(monitor_ends(), 0);
    EXPECT_FALSE(fs::exists(bundle_ / "attach"));
    // The one of the container does not mind.
    EXPECT_TRUE(alive(box));
    start();
    EXPECT_EQ(Monitor::ended(first), 0);
    EXPECT_EQ(content(exits_ / Cid), "0");
}

TEST_F(AttachPlace, IsGoneWhenAClientSeesTheEnd) {
    container("write 1 hello\\n");
    created();
    AttachClient client = attach();
    start();
    while (!client.packet().empty()) continue;
    EXPECT_FALSE(fs::exists(bundle_ / "attach"));
    EXPECT_EQ(monitor_ends(), 0);
}

} // namespace
} // namespace ct::test
