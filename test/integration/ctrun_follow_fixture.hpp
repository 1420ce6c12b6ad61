// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

#include "ctrun_fixture.hpp"

namespace ct::test {

/// Containers in the background, and those who look at them.
class CtrunFollowTest : public CtrunTest {
protected:
    /// Orphans of containers, and the processes that look after these, become children of the test.
    void TearDown() override {
        if (!runtime().empty()) {
            ctrun({"rm", "-f", "box", "second"});
            reap();
        }
        CtrunTest::TearDown();
    }
    /// Waits for all that is there.
    static void reap() {
        while (::waitpid(-1, nullptr, 0) > 0) continue;
    }

    [[nodiscard]] std::string log_path() const { return dir() / "log"; }
    [[nodiscard]] std::string log(const std::string& driver = "k8s-file") const { return driver + ":" + log_path(); }

    /// `ctrun run -d --name box --log LOG` of a shell in the busybox root.
    Said run_detached(const std::string& script, const Words& options = {}) {
        Words all{"-d", "--name", "box"};
        if (options.empty()) all.insert(all.end(), {"--log", log()});
        all.insert(all.end(), options.begin(), options.end());
        return ctrun(shell(all, script));
    }
    /// Makes a fifo /data/NAME, which a script waits for: `read x </data/NAME`. Only once: a second reader might take
    /// the end of the file for its line.
    void make_fifo(const std::string& name = "go") { ASSERT_EQ(::mkfifo((root() / "data" / name).c_str(), 0600), 0); }
    void go(const std::string& name = "go") const {
        const Fd fifo(::open((root() / "data" / name).c_str(), O_WRONLY | O_CLOEXEC)); // waits for a reader
        ASSERT_GE(fifo.get(), 0);
        write_all(fifo.get(), "\n");
    }
    void await_content(const std::string& text) {
        EXPECT_TRUE(await([&] { return contains(content(log_path()), text); })) << content(log_path());
    }

    /// The process that looks after the container.
    pid_t owner() {
        const std::string text = json_value(ctrun({"list", "--json"}).out, "owner");
        return text.empty() || text == "null" ? -1 : std::stoi(text);
    }
};

/// What follows "key": in a line of JSON without spaces.
inline std::string member(const std::string& line, const std::string& key) {
    const std::size_t at = line.find('"' + key + "\":");
    if (at == std::string::npos) return {};
    const std::size_t begin = at + key.size() + 3;
    return line.substr(begin, line.find_first_of(",}", begin) - begin);
}

} // namespace ct::test
