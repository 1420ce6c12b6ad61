// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <cstring>
#include <fstream>

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "support/fixture.hpp"

namespace ct::test {
namespace {

namespace fs = std::filesystem;

#if defined(__x86_64__)
constexpr Elf64_Half Machine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half Machine = EM_AARCH64;
#endif

/// A program whose only content is the demand for an interpreter.
std::string elf_with_interpreter(const std::string& interpreter) {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_ident[EI_VERSION] = EV_CURRENT;
    header.e_type = ET_DYN;
    header.e_machine = Machine;
    header.e_version = EV_CURRENT;
    header.e_phoff = sizeof header;
    header.e_ehsize = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 1;
    Elf64_Phdr segment{};
    segment.p_type = PT_INTERP;
    segment.p_offset = sizeof header + sizeof segment;
    segment.p_filesz = interpreter.size() + 1;
    std::string text(sizeof header + sizeof segment, '\0');
    std::memcpy(text.data(), &header, sizeof header);
    std::memcpy(text.data() + sizeof header, &segment, sizeof segment);
    return text + interpreter + '\0';
}

/// Every way to start a program: each has to tell the same.
enum class Way { Start, StartChrooted, Enter };

class ExecFailure : public ContainerTest, public ::testing::WithParamInterface<Way> {
protected:
    void SetUp() override {
        ContainerTest::SetUp();
        if (IsSkipped()) return;
        container_ = GetParam() == Way::StartChrooted ? plain().set_root(image().string()) : isolated();
        if (GetParam() == Way::Enter) init_ = start_ready(*container_, program({"pause"}));
    }

    void TearDown() override {
        if (init_) {
            EXPECT_TRUE(container_->running());
            container_->kill();
            container_->wait();
        }
        init_.reset();
        container_.reset();
        ContainerTest::TearDown();
    }

    void program_file(const std::string& path, std::string_view text, unsigned mode = 0755) {
        fs::permissions(make_file("image" + path, text), fs::perms{mode});
    }

    /// The error of starting \p spec; its container stays as it was.
    std::optional<Error> error_of(const ProcessSpec& spec) {
        const State before = container_->state();
        std::optional<Error> caught;
        try {
            GetParam() == Way::Enter ? container_->enter(spec) : container_->start(spec);
        } catch (const Error& error) {
            caught = error;
        }
        EXPECT_EQ(container_->state(), before);
        return caught;
    }

    void expect_error(const ProcessSpec& spec, std::errc code, std::initializer_list<std::string_view> parts,
                      const std::string& path) {
        const std::optional<Error> error = error_of(spec);
        ASSERT_TRUE(error.has_value()) << "nothing was thrown";
        EXPECT_TRUE(error->code() == code) << error->what();
        EXPECT_EQ(error->stage(), Stage::Exec) << error->what();
        EXPECT_EQ(error->path(), path) << error->what();
        EXPECT_TRUE(contains(error->what(), "container 'box': "));
        EXPECT_TRUE(contains(error->what(), "'" + path + "'"));
        for (const std::string_view part : parts) EXPECT_TRUE(contains(error->what(), part));
    }

    std::optional<Container> container_;
    std::optional<Process> init_;
};

INSTANTIATE_TEST_SUITE_P(Ways, ExecFailure, ::testing::Values(Way::Start, Way::StartChrooted, Way::Enter),
                         [](const auto& param_info) {
                             return std::string{param_info.param == Way::Start           ? "Start"
                                                : param_info.param == Way::StartChrooted ? "StartChrooted"
                                                                                         : "Enter"};
                         });

TEST_P(ExecFailure, NotFound) {
    expect_error({.argv = {"/bin/missing"}}, std::errc::no_such_file_or_directory, {"No such file or directory"},
                 "/bin/missing");
    EXPECT_FALSE(contains(error_of({.argv = {"/bin/missing"}})->what(), "interpreter"));
}

TEST_P(ExecFailure, NotFoundAlongPath) {
    ProcessSpec spec{.argv = {"missing"}};
    spec.environment = std::vector<std::string>{"PATH=/bin:/usr/bin"};
    const std::optional<Error> error = error_of(spec);
    ASSERT_TRUE(error.has_value());
    EXPECT_TRUE(error->code() == std::errc::no_such_file_or_directory);
    EXPECT_TRUE(contains(error->what(), "container 'box': "));
    EXPECT_TRUE(contains(error->what(), "missing'"));
}

TEST_P(ExecFailure, DirectoryOnTheWayIsAFile) {
    expect_error({.argv = {"/bin/test_init/x"}}, std::errc::not_a_directory, {"Not a directory"}, "/bin/test_init/x");
}

TEST_P(ExecFailure, NotExecutable) {
    program_file("/bin/data", "text", 0644);
    expect_error({.argv = {"/bin/data"}}, std::errc::permission_denied, {"Permission denied"}, "/bin/data");
    EXPECT_FALSE(contains(error_of({.argv = {"/bin/data"}})->what(), "directory"));
}

TEST_P(ExecFailure, NotExecutableAlongPath) {
    program_file("/bin/data", "text", 0644);
    ProcessSpec spec{.argv = {"data"}};
    spec.environment = std::vector<std::string>{"PATH=/nowhere:/bin:/usr/bin"};
    expect_error(spec, std::errc::permission_denied, {"Permission denied"}, "/bin/data");
}

TEST_P(ExecFailure, NotExecutableForTheUser) {
    fs::permissions(image() / "bin/test_init", fs::perms{0700});
    ProcessSpec spec = program({"exit", "0"});
    spec.user = User{1000, 1000};
    expect_error(spec, std::errc::permission_denied, {"Permission denied"}, InitPath);
}

TEST_P(ExecFailure, Directory) {
    expect_error({.argv = {"/bin"}}, std::errc::permission_denied, {"directory"}, "/bin");
}

TEST_P(ExecFailure, MissingInterpreterOfAScript) {
    program_file("/bin/script", "#!/no/such/interpreter -x\n");
    expect_error({.argv = {"/bin/script"}}, std::errc::no_such_file_or_directory, {"interpreter"}, "/bin/script");
    EXPECT_TRUE(contains(error_of({.argv = {"/bin/script"}})->hint(), "interpreter"));
}

TEST_P(ExecFailure, MissingInterpreterOfAProgram) {
    program_file("/bin/dynamic", elf_with_interpreter("/lib/no-such-ld.so"));
    expect_error({.argv = {"/bin/dynamic"}}, std::errc::no_such_file_or_directory, {"interpreter"}, "/bin/dynamic");
}

TEST_P(ExecFailure, InterpreterThatIsNotExecutable) {
    program_file("/bin/plain", "text", 0644);
    program_file("/bin/script", "#!/bin/plain\n");
    expect_error({.argv = {"/bin/script"}}, std::errc::permission_denied, {"Permission denied"}, "/bin/script");
}

TEST_P(ExecFailure, TextWithoutInterpreter) {
    program_file("/bin/text", "echo no shell runs this\n");
    expect_error({.argv = {"/bin/text"}}, std::errc::executable_format_error, {"Exec format error"}, "/bin/text");
}

TEST_P(ExecFailure, EmptyFile) {
    program_file("/bin/empty", "");
    expect_error({.argv = {"/bin/empty"}}, std::errc::executable_format_error, {"Exec format error"}, "/bin/empty");
}

TEST_P(ExecFailure, Fifo) {
    ASSERT_EQ(::mkfifo((image() / "bin/fifo").c_str(), 0755), 0);
    expect_error({.argv = {"/bin/fifo"}}, std::errc::permission_denied, {"Permission denied"}, "/bin/fifo");
}

TEST_P(ExecFailure, SymbolicLinkLoop) {
    fs::create_symlink("loop", image() / "bin/loop");
    expect_error({.argv = {"/bin/loop"}}, std::errc::too_many_symbolic_link_levels, {"symbolic links"}, "/bin/loop");
}

TEST_P(ExecFailure, FileOpenForWriting) {
    fs::copy_file(image() / "bin/test_init", image() / "bin/busy");
    std::ofstream writer{image() / "bin/busy", std::ios::app};
    expect_error({.argv = {"/bin/busy"}}, std::errc::text_file_busy, {"Text file busy"}, "/bin/busy");
}

TEST_P(ExecFailure, ArgumentTooLong) {
    expect_error({.argv = {InitPath, std::string(200000, 'x')}}, std::errc::argument_list_too_long,
                 {"Argument list too long"}, InitPath);
}

TEST_P(ExecFailure, ExecutableIsNamedRatherThanArgv0) {
    expect_error({.argv = {"name", "x"}, .executable = "/bin/missing"}, std::errc::no_such_file_or_directory, {},
                 "/bin/missing");
}

TEST_P(ExecFailure, ThenTheContainerStillWorks) {
    ASSERT_TRUE(error_of({.argv = {"/bin/missing"}}).has_value());
    const Finished finished = GetParam() == Way::Enter ? run_entered(*container_, program({"exit", "4"}))
                                                       : run(*container_, program({"exit", "4"}));
    EXPECT_TRUE(exited(finished.status, 4));
}

} // namespace
} // namespace ct::test
