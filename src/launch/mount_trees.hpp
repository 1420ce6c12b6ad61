// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/spec.hpp>

#include "base/unique_fd.hpp"
#include "launch/area.hpp"
#include "launch/streams.hpp"

/// Binds that the parent prepares, since the child could not: with the host's privileges, in the host's mount
/// namespace.
namespace ct::internal {

/// The user namespaces by whose id maps binds are mapped. They have no processes and go with this object.
class IdMaps {
public:
    IdMaps(const Spec& spec, AreaPool& areas) : spec_(spec), areas_(areas) {}

    /// The namespace for \p mount, which is mapped.
    [[nodiscard]] int find(const Mount& mount);

private:
    [[nodiscard]] UniqueFd make(const Spec& maps);

    struct Known {
        std::vector<IdRange> uid_map;
        std::vector<IdRange> gid_map;
        UniqueFd fd;
    };
    const Spec& spec_;
    AreaPool& areas_;
    std::vector<Known> known_;
};

/// A copy of what is mounted at the source of a bind, mounted nowhere, with all its attributes.
[[nodiscard]] UniqueFd prepare_tree(const Mount& mount, IdMaps& maps);

/// Prepares those binds of \p spec that need it: mapped ones, and those that share with the host.
void lend_trees(Streams& streams, const Spec& spec, AreaPool& areas);

} // namespace ct::internal
