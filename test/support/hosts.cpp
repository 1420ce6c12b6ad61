// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "hosts.hpp"

#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include <sys/wait.h>
#include <unistd.h>

namespace ct::test {

namespace {

/// A function's own static: other files register while static objects are being made.
std::map<std::string, HostMain>& hosts() {
    static std::map<std::string, HostMain> registered;
    return registered;
}

constexpr const char* Option = "--host";

} // namespace

Host::Host(std::string report, std::string image) : report_(std::move(report)), image_(std::move(image)) {}

void Host::expect(bool condition, std::string_view sentence) {
    if (condition) return;
    good_ = false;
    std::ofstream{report_, std::ios::app} << sentence << '\n';
}

RegisteredHost::RegisteredHost(const char* name, HostMain main) {
    hosts()[name] = main;
}

std::string run_host(const std::string& name, const std::string& dir, const std::string& image,
                     const std::function<void()>& prepare) {
    const std::string report = dir + "/report-" + name;
    const pid_t child = ::fork();
    if (child == 0) {
        if (prepare) prepare();
        ::execl("/proc/self/exe", "host", Option, name.c_str(), report.c_str(), image.c_str(), nullptr);
        ::_exit(127);
    }
    int status = -1;
    if (child < 0 || ::waitpid(child, &status, 0) != child) return "cannot run the host";
    std::ifstream file{report};
    std::string text{std::istreambuf_iterator<char>{file}, {}};
    if (status != 0) text += "the host ended with wait status " + std::to_string(status) + '\n';
    return text;
}

int host_main(int argc, char** argv) {
    if (argc != 5 || std::string_view{argv[1]} != Option) return -1;
    Host host{argv[3], argv[4]};
    const auto found = hosts().find(argv[2]);
    host.expect(found != hosts().end(), "no such host");
    if (!host.good()) return 1;
    try {
        found->second(host);
    } catch (const std::exception& error) {
        host.expect(false, error.what());
    }
    return host.good() ? 0 : 1;
}

} // namespace ct::test
