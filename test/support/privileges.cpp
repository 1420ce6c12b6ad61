// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "privileges.hpp"

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ct::test {

namespace {

/// Tried in a child, since only the attempt tells what sysctls and security modules allow.
bool user_namespaces_for_everybody() {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::geteuid() == 0 && (::setresgid(1000, 1000, 1000) != 0 || ::setresuid(1000, 1000, 1000) != 0)) ::_exit(1);
        ::_exit(::unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
    }
    int status = -1;
    return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

bool effective(unsigned capability) {
    std::ifstream status{"/proc/self/status"};
    for (std::string word; status >> word;) {
        if (word != "CapEff:") continue;
        status >> word;
        return (std::stoull(word, nullptr, 16) >> capability & 1) != 0;
    }
    return false;
}

} // namespace

bool has(Privilege privilege) {
    switch (privilege) {
    case Privilege::Root: return ::geteuid() == 0 && effective(CAP_SYS_ADMIN);
    case Privilege::UserNamespaces: return user_namespaces_for_everybody();
    case Privilege::SetUser: return effective(CAP_SETUID) && effective(CAP_SETGID);
    }
    return false;
}

std::string_view describe(Privilege privilege) {
    switch (privilege) {
    case Privilege::Root: return "root with CAP_SYS_ADMIN";
    case Privilege::UserNamespaces: return "user namespaces for unprivileged users";
    case Privilege::SetUser: return "CAP_SETUID and CAP_SETGID";
    }
    return "an unknown privilege";
}

bool kernel_is_at_least(int major, int minor) {
    utsname kernel{};
    ::uname(&kernel);
    int its_major = 0;
    int its_minor = 0;
    if (std::sscanf(kernel.release, "%d.%d", &its_major, &its_minor) != 2) return false;
    return its_major > major || (its_major == major && its_minor >= minor);
}

bool strict() {
    const char* value = std::getenv("CT_TEST_STRICT");
    return value != nullptr && std::string_view{value} == "1";
}

} // namespace ct::test
