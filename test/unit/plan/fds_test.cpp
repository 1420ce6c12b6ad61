// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/plan/start.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;

using Map = std::vector<FdSource>;

/// A descriptor of the simulated table.
struct Open {
    int file; ///< The number under which the host has it.
    bool survives_exec = false;
};
using Table = std::map<int, Open>;

std::string text(const Map& map) {
    std::string result;
    for (const FdSource& entry : map) {
        result += concat(entry.target, '=', entry.source, entry.survives_exec ? "* " : " ");
    }
    return result;
}

bool is_close_on_exec(const Map& map, int fd) {
    return std::none_of(map.begin(), map.end(),
                        [&](const FdSource& entry) { return entry.source == fd && entry.survives_exec; });
}

/// What the child has of the host's table, see Op::UnshareFds: among others what no close-on-exec flag takes away.
Table low_part(const Map& map) {
    Table table;
    for (int fd = 0; fd < low_fd_limit(layout_of(map)); ++fd) {
        const bool mapped =
            std::any_of(map.begin(), map.end(), [&](const FdSource& entry) { return entry.source == fd; });
        table[fd] = {fd, !mapped || !is_close_on_exec(map, fd)};
    }
    return table;
}

/// Does what the child and the kernel do.
void perform(const FdMapArgs& args, Table& table) {
    for (std::uint32_t i = 0; i < args.move_count; ++i) {
        const auto [from, to] = args.moves[i];
        const auto source = table.find(from);
        ASSERT_NE(source, table.end()) << "moves " << from << ", which is not open";
        if (from == to) {
            source->second.survives_exec = true;
        } else {
            table[to] = {source->second.file, true};
        }
    }
    for (std::uint32_t i = 0; i < args.closed_count; ++i) {
        const auto [first, last] = args.closed[i];
        ASSERT_LE(first, last);
        std::erase_if(table, [first = first, last = last](const auto& entry) {
            const auto fd = static_cast<std::uint32_t>(entry.first);
            return fd >= first && fd <= last;
        });
    }
}

std::set<std::uint32_t> targets(const Map& map) {
    std::set<std::uint32_t> result;
    for (const FdSource& entry : map) result.insert(static_cast<std::uint32_t>(entry.target));
    return result;
}

/// Everything from 0 to the last possible number is either closed or a target, and nothing is both.
void expect_closed_around(const FdMapArgs& args, const Map& map) {
    const std::set<std::uint32_t> kept = targets(map);
    std::uint64_t next = 0;
    for (std::uint32_t i = 0; i < args.closed_count; ++i) {
        const auto [first, last] = args.closed[i];
        for (; next < first; ++next) ASSERT_TRUE(kept.contains(static_cast<std::uint32_t>(next))) << next << " stays";
        ASSERT_EQ(next, first) << "ranges overlap";
        const auto inside = kept.lower_bound(first);
        ASSERT_TRUE(inside == kept.end() || *inside > last) << *inside << " is closed";
        next = std::uint64_t{last} + 1;
    }
    ASSERT_EQ(next, std::uint64_t{1} << 32U) << "high numbers stay open";
}

FdMapArgs planned(Plan& plan, const Map& map) {
    plan_fds(plan, plan.steps, layout_of(map).map);
    return args<FdMapArgs>(plan.steps, Op::MapFds);
}

/// The new process has exactly the descriptors of \p map.
void expect_exact(const Map& map) {
    SCOPED_TRACE(text(map));
    Plan plan;
    const FdMapArgs args = planned(plan, map);
    Table table = low_part(map);
    perform(args, table);
    for (const FdSource& entry : map) {
        const auto found = table.find(entry.target);
        ASSERT_NE(found, table.end()) << entry.target << " is not open";
        EXPECT_EQ(found->second.file, entry.source) << entry.target;
        EXPECT_TRUE(found->second.survives_exec) << entry.target;
    }
    EXPECT_EQ(table.size(), targets(map).size()) << "something else stays open";
    expect_closed_around(args, map);
}

TEST(FdsPlan, NothingMappedEverythingIsClosed) {
    expect_exact({});
    EXPECT_EQ(low_fd_limit({}), 0);
}

TEST(FdsPlan, KnownShapes) {
    expect_exact({{0, 0}, {1, 1}, {2, 2}});                   // identity
    expect_exact({{0, 0, true}, {1, 1, true}, {2, 2, true}}); // and nothing to do for it
    expect_exact({{0, 9}, {1, 9}, {2, 9}});                   // one file three times
    expect_exact({{1, 2}, {2, 1}});                           // a swap
    expect_exact({{0, 1}, {1, 2}, {2, 0}});                   // a rotation
    expect_exact({{0, 1}, {1, 2}, {2, 3}});                   // a chain
    expect_exact({{3, 2}, {2, 1}, {1, 0}});                   // a chain the other way
    expect_exact({{1, 2}, {2, 1}, {4, 5}, {5, 4}});           // two cycles
    expect_exact({{0, 1}, {1, 0}, {5, 1}, {6, 0}});           // a cycle with branches
    expect_exact({{3, 3}, {4, 3}, {5, 4}});                   // kept, duplicated, and a chain
    expect_exact({{3, 3, true}, {4, 3, true}, {5, 4, true}});
    expect_exact({{1000000, 0}, {0, 1000}}); // high numbers
}

TEST(FdsPlan, WhatStaysInPlaceIsNotMoved) {
    Plan plan;
    const FdMapArgs args = planned(plan, {{0, 0}, {1, 1, true}});
    ASSERT_EQ(args.move_count, 1U);
    EXPECT_EQ(args.moves[0].from, 0);
    EXPECT_EQ(args.moves[0].to, 0) << "it only loses its close-on-exec flag";
}

TEST(FdsPlan, InheritedStreamsCostOneCall) {
    Plan plan;
    const FdMapArgs args = planned(plan, {{0, 0, true}, {1, 1, true}, {2, 2, true}});
    EXPECT_EQ(args.move_count, 0U);
    EXPECT_EQ(args.closed_count, 1U);
}

TEST(FdsPlan, NoMoveIsMadeInVain) {
    Plan plan;
    // One for each entry, and one more for the cycle.
    EXPECT_EQ(planned(plan, {{0, 1}, {1, 2}, {2, 0}, {3, 3}, {4, 0}}).move_count, 6U);
}

TEST(FdsPlan, EveryPermutationOfFive) {
    std::vector<int> sources(5);
    std::iota(sources.begin(), sources.end(), 0);
    do {
        Map map;
        for (const int source : sources) map.push_back({static_cast<int>(map.size()), source});
        expect_exact(map);
    } while (std::next_permutation(sources.begin(), sources.end()));
}

TEST(FdsPlan, RandomMaps) {
    std::mt19937 random(20240607); // NOLINT(cert-msc51-cpp): the same maps every time
    const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
    for (int round = 0; round < 4000; ++round) {
        // Numbers from a narrow range collide often: chains, branches and cycles.
        const int width = 1 + below(14);
        const std::uint64_t survivors = random();
        const auto number = [&] { return below(width) + (below(20) == 0 ? 300 : 0); };
        Map map;
        std::set<int> used;
        for (int i = below(width + 1); i > 0; --i) {
            const int target = number();
            const int source = number();
            if (used.insert(target).second) map.push_back({target, source, (survivors >> source % 32 & 1) != 0});
        }
        expect_exact(map);
        if (::testing::Test::HasFailure()) return;
    }
}

TEST(FdsPlan, DescriptionIsOneStepOfTheStreams) {
    Plan plan;
    plan_fds(plan, plan.steps, {});
    EXPECT_THAT(listed(plan.steps), ElementsAre(Op::MapFds));
    EXPECT_EQ(plan.steps.info(0).stage, Stage::Stdio);
}

} // namespace
} // namespace ct::internal
