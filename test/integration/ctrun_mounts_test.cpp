// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <sys/stat.h>

#include "ctrun_fixture.hpp"

namespace ct::test {
namespace {

class CtrunMounts : public CtrunTest {
protected:
    [[nodiscard]] std::string shared() const { return (dir() / "shared").string(); }
};

TEST_F(CtrunMounts, KnowsAllFlags) {
    make_file("shared/file", "x");
    const Said said =
        ctrun(shell({"--bind", shared() + ":/data/a:noatime,nosymfollow,nodiratime,private", "--tmpfs",
                     "/data/b:strictatime,shared", "--mount",
                     "source=" + shared() + ",target=/data/c,idmap=0:1000:1,slave", "--root-propagation", "private"},
                    "grep /data /proc/self/mountinfo; ls -ln /data/c"));
    EXPECT_EQ(said.status, 0) << said;
    EXPECT_TRUE(contains(said.out, " /data/a rw,noatime,nodiratime,nosymfollow - ")) << said;
    EXPECT_TRUE(contains(said.out, " /data/b rw shared:")) << said;
    EXPECT_TRUE(contains(said.out, "idmapped")) << said;
    EXPECT_TRUE(contains(said.out, " 1000     1000 ")) << said;
}

TEST_F(CtrunMounts, CopiesUp) {
    make_file("root/data/file", "of the image");
    EXPECT_EQ(ctrun(shell({"--tmpfs", "/data:copyup"}, "cat /data/file; echo changed >/data/file")).out,
              "of the image");
    EXPECT_EQ(content(root() / "data/file"), "of the image");
}

TEST_F(CtrunMounts, MakesDevicesAndMasks) {
    make_file("root/secret", "secret");
    const Said said = ctrun(shell(
        {"--device", "/dev/zero:/dev/nought:640", "--mask", "/secret", "--read-only-path", "/tmp", "--default-masks"},
        "ls -l /dev/nought; cat /secret; touch /tmp/x; echo >/proc/sys/kernel/hostname"));
    EXPECT_TRUE(said.out.starts_with("crw-r-----")) << said;
    EXPECT_FALSE(contains(said.out, "secret")) << said;
    EXPECT_TRUE(contains(said.err, "/tmp/x: Read-only")) << said;
    EXPECT_TRUE(contains(said.err, "hostname: Read-only")) << said;
}

TEST_F(CtrunMounts, BindsTheHostsProc) {
    const Said said = ctrun(shell({"--proc-mode", "bind-host"}, "ls /proc"));
    EXPECT_TRUE(contains("\n" + said.out, "\n" + std::to_string(::getpid()) + "\n")) << said;
}

TEST_F(CtrunMounts, MountsAndUnmountsWhileItRuns) {
    make_file("shared/file", "later");
    Ctrun box = start(shell({"--name", "box"}, "echo ready; cat"));
    std::string text;
    ASSERT_TRUE(read_until(box.out.get(), text, "ready\n"));
    EXPECT_EQ(ctrun({"mount", "box", "source=" + shared() + ",target=/data,ro"}).status, 0);
    EXPECT_EQ(ctrun({"exec", "box", "--", "cat", "/data/file"}).out, "later");
    EXPECT_EQ(ctrun({"umount", "box", "/data"}).status, 0);
    EXPECT_EQ(ctrun({"exec", "box", "--", "ls", "/data"}).out, "");
    const Said said = ctrun({"umount", "box", "/data"});
    EXPECT_EQ(said.status, 125);
    EXPECT_TRUE(contains(said.err, "container 'box': unmount '/data': Invalid argument; nothing is mounted there"));
    EXPECT_EQ(finish(box).status, 0);
}

TEST_F(CtrunMounts, RefusesWhatItDoesNotKnow) {
    const std::vector<std::pair<Words, std::string>> wrong{
        {{"run", "--device", "/no/such/device", "--", "true"}, "/no/such/device"},
        {{"run", "--proc-mode", "old", "--", "true"}, "'old' is not new or bind-host"},
        {{"run", "--root-propagation", "x", "--", "true"}, "'x' is not private, slave, shared or unbindable"},
        {{"run", "--mask", "relative", "--new", "mount", "--", "true"}, "masked path 'relative' is not absolute"},
        {{"mount", "nobody", "type=tmpfs,target=/x"}, "container 'nobody': open: no such container"},
        {{"mount", "nobody", "type=tmpfs"}, "is not type=TYPE"},
        {{"umount", "nobody", "/x"}, "container 'nobody': open: no such container"},
        {{"umount", "nobody"}, "TARGET is required"},
    };
    for (const auto& [words, part] : wrong) {
        const Said said = ctrun(words);
        EXPECT_EQ(said.status, 125) << part << ": " << said;
        EXPECT_TRUE(contains(said.err, part));
    }
}

} // namespace
} // namespace ct::test
