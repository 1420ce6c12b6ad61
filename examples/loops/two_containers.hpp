// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <exception>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>

#include <ct/ct.hpp>

/// What these programs have their loops do: two containers say something, are quiet for a second, and end. The handler
/// of their lines throws once.
class TwoContainers {
public:
    /// \param ended  called when both have ended
    explicit TwoContainers(std::function<void()> ended) : ended_(std::move(ended)) {
        start(one_, "echo hello; sleep 1; echo bye");
        start(two_, "sleep 1; echo bad; echo good; exit 3");
    }
    TwoContainers(const TwoContainers&) = delete;
    TwoContainers& operator=(const TwoContainers&) = delete;

    [[nodiscard]] int fd() { return session_.fd(); }
    /// Throws what a handler throws.
    void dispatch() {
        ++wakes_;
        session_.dispatch();
    }
    void failed(const std::exception& error) {
        std::cout << "a handler failed: " << error.what() << '\n';
        ++failures_;
    }
    /// An idle session wakes nobody up, so `wakes` is not much more than what there was to tell.
    void sum_up() const {
        std::cout << ends_ << " ends, " << lines_ << " lines, " << failures_ << " failure, woken " << wakes_
                  << " times\n";
    }

private:
    void start(ct::Container& box, const std::string& script) {
        box.on_log([this](const ct::LogRecord& record) {
            std::cout << record.container << ": " << record.bytes << '\n';
            ++lines_;
            if (record.bytes == "bad") throw std::runtime_error("a bad line");
        });
        box.on_exit([this](const ct::ExitEvent& event) {
            std::cout << event.container << ' ' << event.record.describe() << '\n';
            if (++ends_ == 2) ended_();
        });
        box.start({.argv = {"/bin/sh", "-c", script}});
    }

    const std::function<void()> ended_;
    int wakes_ = 0;
    int lines_ = 0;
    int ends_ = 0;
    int failures_ = 0;
    ct::Session session_;
    ct::Container one_ = session_.create("one");
    ct::Container two_ = session_.create("two");
};
