// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sched.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>

#include "monitor/loop.hpp"

namespace ctmon {

/// A directory for a test.
class Scratch {
public:
    Scratch() {
        std::string pattern = std::filesystem::temp_directory_path() / "ctmon-XXXXXX";
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a directory for the test");
        path_ = pattern;
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() { std::filesystem::remove_all(path_); }

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }
    [[nodiscard]] bool has(const std::string& name) const { return std::filesystem::exists(path_ / name); }
    void write(const std::string& name, const std::string& text) const { std::ofstream(path_ / name) << text; }
    [[nodiscard]] std::string text(const std::string& name) const {
        std::ifstream stream(path_ / name);
        return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    }
    /// How many files are there.
    [[nodiscard]] std::size_t count() const {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
    }
    /// A directory whose path has no room in the address of a socket.
    [[nodiscard]] std::string deep() const {
        const std::filesystem::path made = path_ / std::string(100, 'a') / std::string(100, 'b');
        std::filesystem::create_directories(made);
        return made;
    }

private:
    std::filesystem::path path_;
};

/// Calls \p done until it is so, and \p meanwhile. \returns whether that came within a time that no machine needs
inline bool wait_until(const std::function<bool()>& done, const std::function<void()>& meanwhile = ::sched_yield) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        meanwhile();
    }
    return true;
}

inline bool dispatch_until(ct::internal::Loop& loop, const std::function<bool()>& done) {
    return wait_until(done, [&] { loop.dispatch_for(std::chrono::milliseconds(10)); });
}

} // namespace ctmon
