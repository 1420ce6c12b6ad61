// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// An image never gets the host's own program to run: its loader could write to it.
#include <filesystem>
#include <fstream>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

class HostProgram : public ContainerTest {
protected:
    [[nodiscard]] ::testing::AssertionResult is_refused(const std::string& path) {
        Container container = isolated("evil-" + std::to_string(++count_)).add_default_mounts();
        return fails([&] { container.start({.argv = {path}}); }, std::errc::operation_not_permitted,
                     {"exec '" + path + "'", "the program of the host process"});
    }

    void make_script(const char* name, const std::string& text) {
        std::ofstream(image() / name) << text;
        fs::permissions(image() / name, fs::perms(0755));
    }

private:
    int count_ = 0;
};

TEST_F(HostProgram, IsNotReachedByALink) {
    fs::create_symlink("/proc/self/exe", image() / "link");
    EXPECT_TRUE(is_refused("/link"));
    EXPECT_TRUE(is_refused("/proc/self/exe"));
}

TEST_F(HostProgram, IsNotReachedAsAnInterpreter) {
    make_script("script", "#!/proc/self/exe\n");
    make_script("spaces", "#! \t/proc/self/exe and more\n");
    make_script("nested", "#!/script\n");
    make_script("unended", "#!/proc/self/exe");
    for (const char* path : {"/script", "/spaces", "/nested", "/unended"}) EXPECT_TRUE(is_refused(path)) << path;
}

TEST_F(HostProgram, IsNotReachedByEntering) {
    fs::create_symlink("/proc/self/exe", image() / "link");
    Container container = isolated().add_default_mounts();
    start_ready(container, program({"pause"}));
    EXPECT_TRUE(
        fails([&] { container.enter({.argv = {"/link"}}); }, std::errc::operation_not_permitted, {"exec '/link'"}));
    container.kill();
    container.wait();
}

TEST_F(HostProgram, CanBeExecutedWithoutAnImage) {
    Container container = plain();
    ProcessSpec spec{.argv = {"/proc/self/exe", "--gtest_list_tests"}};
    spec.stdio.out = Stdio::Null;
    container.start(spec);
    EXPECT_TRUE(exited(container.wait(), 0));
}

TEST_F(HostProgram, OtherScriptsRun) {
    make_script("script", std::string("#!") + InitPath + " args\n");
    Container container = isolated();
    EXPECT_TRUE(succeeded(run(container, {.argv = {"/script"}})));
}

class StreamOwner : public ContainerTest {};

TEST_F(StreamOwner, IsTheUserOfTheProcess) {
    Container container = isolated().add_default_mounts();
    ProcessSpec spec = program({"write", "/proc/self/fd/1", "reopened"});
    spec.user = User{1000, 1000};
    EXPECT_TRUE(succeeded(run(container, spec)));
}

} // namespace
} // namespace ct::test
