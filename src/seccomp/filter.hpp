// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <ct/seccomp.hpp>

namespace ct::internal {

/// What a program of classic BPF, such as a seccomp filter, returns for a system call.
[[nodiscard]] std::uint32_t evaluate(const std::vector<sock_filter>& program, const seccomp_data& call);

/// A filter ready for the kernel.
struct Filter {
    std::vector<sock_filter> program;
    bool notifies = false;
    bool log = false;
};

/// \throws Error with Errc::InvalidConfig if it has too many rules, Errc::Unsupported if the kernel lacks an action
[[nodiscard]] Filter build_filter(const Seccomp& seccomp);

/// What is wrong with a filter, each as one clause.
void check_seccomp(std::vector<std::string>& found, const Seccomp& seccomp);

/// Whether any rule, or the default, has an action of that kind.
[[nodiscard]] bool has_action(const Seccomp& seccomp, SeccompAction::Kind kind);

/// The name of a system call of an architecture as the kernel calls it (AUDIT_ARCH_*), or empty.
[[nodiscard]] std::string system_call_name(std::uint32_t audit_architecture, int number);
[[nodiscard]] SeccompArchitecture architecture_of(std::uint32_t audit_architecture, int number);
/// AUDIT_ARCH_* of this machine.
[[nodiscard]] std::uint32_t native_architecture();

/// Filters by the value that they were built from: building one takes a hundred times as long as using it.
class FilterCache {
public:
    [[nodiscard]] std::shared_ptr<const Filter> get(const Seccomp& seccomp);

private:
    struct Entry {
        Seccomp seccomp;
        std::shared_ptr<const Filter> filter;
    };
    std::mutex mutex_;
    std::vector<Entry> entries_; ///< The one used last in front.
};

} // namespace ct::internal
