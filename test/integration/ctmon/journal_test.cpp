// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <array>
#include <cstring>
#include <map>
#include <stdexcept>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "monitor_fixture.hpp"
#include "private_mounts.hpp"

namespace ct::test {
namespace {

using Fields = std::map<std::string, std::string>;
using ::testing::ElementsAre;
using ::testing::IsSupersetOf;
using ::testing::Pair;

/// The fields of an entry in the journal's native protocol: NAME=VALUE, or NAME, the length of the value, and the
/// value.
Fields parse(std::string_view entry) {
    Fields fields;
    while (!entry.empty()) {
        const std::size_t end = entry.find('\n');
        if (end == std::string_view::npos) throw std::runtime_error("a field without end");
        const std::string_view line = entry.substr(0, end);
        entry.remove_prefix(end + 1);
        if (const std::size_t equals = line.find('='); equals != std::string_view::npos) {
            fields.emplace(line.substr(0, equals), line.substr(equals + 1));
            continue;
        }
        std::uint64_t size = 0; // little-endian, as this machine
        if (entry.size() < sizeof size) throw std::runtime_error("a value without length");
        std::memcpy(&size, entry.data(), sizeof size);
        entry.remove_prefix(sizeof size);
        if (entry.size() <= size || entry[size] != '\n') throw std::runtime_error("a value of another length");
        fields.emplace(line, entry.substr(0, size));
        entry.remove_prefix(size + 1);
    }
    return fields;
}

/// A journal that only this test sees.
class Journal : public MonitorTest {
protected:
    void SetUp() override {
        PrivateMounts::add_tmpfs("/run");
        std::filesystem::create_directories("/run/systemd/journal");
        make_fifo("go");
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, "/run/systemd/journal/socket");
        socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    [[nodiscard]] Fields entry() const {
        std::string text(1 << 20, '\0');
        pollfd waiting{socket_.get(), POLLIN, 0};
        if (::poll(&waiting, 1, static_cast<int>(std::chrono::milliseconds(Patience).count())) != 1) {
            throw std::runtime_error("no entry came");
        }
        const ssize_t size = ::recv(socket_.get(), text.data(), text.size(), 0);
        text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
        Fields fields = parse(text);
        // The client library's, which nobody needs.
        for (const char* name : {"CODE_FILE", "CODE_LINE", "CODE_FUNC"}) fields.erase(name);
        return fields;
    }
    [[nodiscard]] Words journald(const Words& more = {}) const {
        Words arguments = create("journald");
        arguments.insert(arguments.end(), more.begin(), more.end());
        return arguments;
    }
    /// Starts a container that does this.
    void run(std::string_view commands, const Words& more = {}) {
        container(commands);
        const std::string report = report_of(journald(more));
        start();
    }
    void expect_end() const {
        EXPECT_EQ(monitor_ends(), 0);
        char byte = 0;
        EXPECT_LT(::recv(socket_.get(), &byte, 1, MSG_DONTWAIT), 0) << "one more entry";
    }
    UniqueFd socket_;

private:
    PrivateMounts mounts_;
};

TEST_F(Journal, GetsAllFields) {
    run("write 1 hello\\n\nwait go\nwrite 2 oops\\n",
        {"--log-tag", "tag", "--log-label", "A_1=x y", "--log-label", "B="});
    const auto expected = [](const char* message, const char* priority) {
        return Fields{{"MESSAGE", message},
                      {"CONTAINER_ID_FULL", Cid},
                      {"PRIORITY", priority},
                      {"CONTAINER_ID", "0123456789ab"},
                      {"CONTAINER_TAG", "tag"},
                      {"CONTAINER_NAME", "name"},
                      {"SYSLOG_IDENTIFIER", "tag"},
                      {"A_1", "x y"},
                      {"B", ""}};
    };
    EXPECT_EQ(entry(), expected("hello\n", "6"));
    open_fifo("go");
    EXPECT_EQ(entry(), expected("oops\n", "3"));
    expect_end();
}

TEST_F(Journal, NamesTheContainerWithoutATag) {
    run("write 1 x\\n");
    const Fields fields = entry();
    EXPECT_EQ(fields.at("SYSLOG_IDENTIFIER"), "name");
    EXPECT_EQ(fields.count("CONTAINER_TAG"), 0U);
    expect_end();
}

TEST_F(Journal, NamesTheIdWithoutAName) {
    container("write 1 x\\n");
    const std::string report = report_of(without(journald(), "-n"));
    start();
    const Fields fields = entry();
    EXPECT_EQ(fields.at("SYSLOG_IDENTIFIER"), "0123456789ab");
    EXPECT_EQ(fields.count("CONTAINER_NAME"), 0U);
    expect_end();
}

TEST_F(Journal, MarksALineWithoutEnd) {
    run("write 1 one\\ntwo");
    EXPECT_EQ(entry().count("CONTAINER_PARTIAL_MESSAGE"), 0U);
    EXPECT_THAT(entry(), IsSupersetOf(Fields{{"MESSAGE", "two"}, {"CONTAINER_PARTIAL_MESSAGE", "true"}}));
    expect_end();
}

TEST_F(Journal, DoesNotMarkItIfAskedNotTo) {
    run("write 1 two", {"--no-container-partial-message"});
    const Fields fields = entry();
    EXPECT_EQ(fields.at("MESSAGE"), "two");
    EXPECT_EQ(fields.count("CONTAINER_PARTIAL_MESSAGE"), 0U);
    expect_end();
}

TEST_F(Journal, WaitsForTheEndOfALine) {
    container("write 1 one \nwait go\nwrite 1 two\\n");
    const std::string report = report_of(journald());
    AttachClient client(bundle_);
    start();
    EXPECT_EQ(client.packet(), "\2one ");
    open_fifo("go");
    const Fields fields = entry();
    EXPECT_EQ(fields.at("MESSAGE"), "one two\n");
    EXPECT_EQ(fields.count("CONTAINER_PARTIAL_MESSAGE"), 0U);
    expect_end();
}

TEST_F(Journal, SplitsLongLines) {
    run("fill 1 20000\nwrite 1 \\n");
    std::vector<std::size_t> sizes;
    std::string all;
    while (!all.ends_with('\n')) {
        const Fields fields = entry();
        const std::string& part = fields.at("MESSAGE");
        all += part;
        sizes.push_back(part.size());
        EXPECT_EQ(fields.count("CONTAINER_PARTIAL_MESSAGE"), part.ends_with('\n') ? 0U : 1U);
    }
    EXPECT_THAT(sizes, ElementsAre(8192, 8192, 3617));
    EXPECT_EQ(all, std::string(20000, 'x') + "\n");
    expect_end();
}

TEST_F(Journal, TakesThePriorityOfALineFromItsPrefix) {
    run("write 1 <4>careful\\n<0>x\\n<9>x\\n<>x\\n");
    EXPECT_THAT(entry(), IsSupersetOf(Fields{{"MESSAGE", "careful\n"}, {"PRIORITY", "4"}}));
    EXPECT_THAT(entry(), IsSupersetOf(Fields{{"MESSAGE", "x\n"}, {"PRIORITY", "0"}}));
    EXPECT_THAT(entry(), IsSupersetOf(Fields{{"MESSAGE", "<9>x\n"}, {"PRIORITY", "6"}}));
    EXPECT_THAT(entry(), IsSupersetOf(Fields{{"MESSAGE", "<>x\n"}, {"PRIORITY", "6"}}));
    expect_end();
}

TEST_F(Journal, CanBeUsedWithAFile) {
    run("write 1 both\\n", {"-l", log_});
    EXPECT_EQ(entry().at("MESSAGE"), "both\n");
    expect_end();
    EXPECT_EQ(logged(), "both\n");
}

TEST_F(Journal, ThatIsNotThereDoesNotMatter) {
    socket_.reset();
    std::filesystem::remove("/run/systemd/journal/socket");
    run("lines 1 20000 100\nexit 2", {"-l", log_});
    EXPECT_EQ(monitor_ends(), 2);
    EXPECT_EQ(log_lines().size(), 20000U);
}

TEST_F(Journal, ThatDoesNotReadDoesNotStopTheContainer) {
    run("lines 1 20000 100\nexit 2", {"-l", log_});
    EXPECT_EQ(monitor_ends(), 2);
    EXPECT_EQ(log_lines().size(), 20000U);
}

TEST_F(Journal, ThatIsBusyGetsEverything) {
    constexpr int lines = 500; // more than its socket holds
    run("lines 1 500 20\n");
    for (int line = 0; line < lines; ++line) {
        const std::string message = entry()["MESSAGE"];
        ASSERT_EQ(message.size(), 21U) << message;
        ASSERT_EQ(std::stoi(message), line);
    }
    EXPECT_EQ(monitor_ends(), 0);
}

} // namespace
} // namespace ct::test
