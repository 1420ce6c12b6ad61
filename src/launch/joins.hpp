// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <ct/spec.hpp>

#include "base/unique_fd.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

/// The descriptors of namespaces that are to be joined, in an order in which the caller may join them.
class Joins {
public:
    /// Opens the namespace of another container.
    using OfContainer = std::function<UniqueFd(Namespace kind, const std::string& container)>;

    Joins() = default;
    /// Opens what \p spec joins.
    /// \throws Error that names the file; also for what is no namespace of its kind
    Joins(const Spec& spec, const OfContainer& of_container);

    /// Takes one more; to be followed by put_in_order().
    void add(Namespace kind, UniqueFd fd, std::string name);
    void put_in_order();
    [[nodiscard]] const std::vector<NamespaceJoin>& list() const noexcept { return list_; }
    /// The descriptor of that kind, or -1.
    [[nodiscard]] int find(Namespace kind) const noexcept;

private:
    std::vector<UniqueFd> owned_;
    std::vector<NamespaceJoin> list_;
};

/// Opens the namespace at \p path, without opening anything else that may be there, such as a device or a fifo.
/// \throws Error
[[nodiscard]] UniqueFd open_namespace_file(Namespace kind, const std::string& path);

/// The namespace that a process is in. \throws Error with ESRCH if it has ended
[[nodiscard]] UniqueFd open_namespace_of(Namespace kind, pid_t pid, int pidfd);

/// Whether both descriptors are of the same file.
[[nodiscard]] bool same_namespace(int a, int b) noexcept;

} // namespace ct::internal
