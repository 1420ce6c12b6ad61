// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>

namespace ct::internal {

/// Which mount of a list: its target, and how many before it have the same one.
using MountKey = std::pair<std::string, std::size_t>;

/// Gives the keys of a list, to be asked for in its order.
class MountKeys {
public:
    [[nodiscard]] MountKey next(const std::string& target) { return {target, counts_[target]++}; }

private:
    std::map<std::string, std::size_t> counts_;
};

} // namespace ct::internal
