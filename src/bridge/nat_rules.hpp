// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <vector>

#include "state/network_record.hpp"

/// What a record means for the packet filter and the kernel's parameters. Pure functions; the texts are for nft(8).
///
/// The table is made anew, in one transaction, whenever the bridges in it change; published ports only come to and go
/// from its maps.
namespace ct::internal {

/// Whether there is a table.
[[nodiscard]] bool needs_table(const NetworkRecord& record);
/// Replaces the table with one that has all.
[[nodiscard]] std::string whole_table(const NetworkRecord& record);
/// The part of it that does not depend on published ports.
[[nodiscard]] std::string table_rules(const NetworkRecord& record);
[[nodiscard]] std::string add_forwards(const std::vector<Forward>& forwards);
/// Also if they are not there.
[[nodiscard]] std::string remove_forwards(const std::vector<Forward>& forwards);
/// Also if there is none.
[[nodiscard]] std::string remove_table();

/// The files below /proc/sys that have to say 1.
[[nodiscard]] std::vector<std::string> needed_parameters(const NetworkRecord& record);

} // namespace ct::internal
