// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace ct::test {

/// A host process of its own kind (with descriptors closed, signals ignored, ...) that a test runs: the test program,
/// executed again, calls the function registered under the host's name. Findings go to a file, because such a host may
/// have no standard streams.
class Host {
public:
    Host(std::string report, std::string image);

    /// The root file system that the test made.
    [[nodiscard]] const std::string& image() const { return image_; }
    void expect(bool condition, std::string_view sentence);
    [[nodiscard]] bool good() const { return good_; }

private:
    std::string report_;
    std::string image_;
    bool good_ = true;
};

using HostMain = void (*)(Host&);

/// Registers a host; make it at namespace scope.
class RegisteredHost {
public:
    RegisteredHost(const char* name, HostMain main);
};

/// Runs the host \p name as a child, \p prepare between fork and exec: what is ignored or closed there stays so.
/// \returns what it had to complain about, empty if nothing.
[[nodiscard]] std::string run_host(const std::string& name, const std::string& dir, const std::string& image,
                                   const std::function<void()>& prepare = {});

/// For main(): the exit status if the arguments ask for a host, else -1.
[[nodiscard]] int host_main(int argc, char** argv);

} // namespace ct::test
