// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <set>

#include "plan/compile.hpp"

namespace ct::internal {

namespace {

/// The moves in an order in which none overwrites the source of a later one; a cycle goes through a spare number.
std::vector<FdMove> ordered_moves(std::vector<FdSource> pending) {
    std::vector<FdMove> moves;
    int spare = 0;
    for (const FdSource& move : pending) spare = std::max({spare, move.source + 1, move.target + 1});
    // Those that stay in place only lose their close-on-exec flag.
    std::erase_if(pending, [&](const FdSource& move) {
        if (move.source != move.target) return false;
        if (!move.survives_exec) moves.push_back({move.source, move.target});
        return true;
    });
    while (!pending.empty()) {
        const auto is_needed = [&](int fd) {
            return std::any_of(pending.begin(), pending.end(), [&](const FdSource& move) { return move.source == fd; });
        };
        const auto free =
            std::find_if(pending.begin(), pending.end(), [&](const FdSource& move) { return !is_needed(move.target); });
        if (free != pending.end()) {
            moves.push_back({free->source, free->target});
            pending.erase(free);
            continue;
        }
        const int saved = pending.front().target;
        moves.push_back({saved, spare});
        for (FdSource& move : pending) {
            if (move.source == saved) move.source = spare;
        }
        ++spare;
    }
    return moves;
}

/// Everything except the targets.
std::vector<FdRange> gaps(const std::vector<FdSource>& map) {
    std::set<std::uint32_t> targets;
    for (const FdSource& entry : map) targets.insert(static_cast<std::uint32_t>(entry.target));
    std::vector<FdRange> ranges;
    std::uint32_t first = 0;
    for (const std::uint32_t target : targets) {
        if (target > first) ranges.push_back({first, target - 1});
        first = target + 1;
    }
    ranges.push_back({first, ~0U});
    return ranges;
}

/// What was lent, and standard streams that are not in the map.
std::vector<FdRange> besides(const std::vector<FdSource>& map, const std::vector<int>& lent) {
    std::set<int> closed(lent.begin(), lent.end());
    for (int stream = 0; stream < 3; ++stream) closed.insert(stream);
    for (const FdSource& entry : map) closed.erase(entry.target);
    std::vector<FdRange> ranges;
    for (const int fd : closed) ranges.push_back({static_cast<std::uint32_t>(fd), static_cast<std::uint32_t>(fd)});
    return ranges;
}

} // namespace

int low_fd_limit(const FdLayout& fds) {
    int limit = 0;
    for (const FdSource& entry : fds.map) limit = std::max(limit, entry.source + 1);
    for (const FdSource& entry : fds.reaper) limit = std::max(limit, entry.source + 1);
    for (const int source : fds.lent) limit = std::max(limit, source + 1);
    return limit;
}

void plan_fds(Plan& plan, Plan::Steps& steps, const std::vector<FdSource>& map, const std::vector<int>* lent) {
    const std::vector<FdMove> moves = ordered_moves(map);
    const std::vector<FdRange> closed = lent == nullptr ? gaps(map) : besides(map, *lent);
    steps.add(Op::MapFds,
              FdMapArgs{plan.array(moves), static_cast<std::uint32_t>(moves.size()), plan.array(closed),
                        static_cast<std::uint32_t>(closed.size())},
              {Stage::Stdio, "map descriptors"});
}

} // namespace ct::internal
