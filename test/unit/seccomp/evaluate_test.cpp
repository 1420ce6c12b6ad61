// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <gtest/gtest.h>

#include "seccomp/filter.hpp"

namespace ct::internal {
namespace {

constexpr std::uint16_t LoadWord = BPF_LD | BPF_W | BPF_ABS;
constexpr std::uint32_t NumberAt = offsetof(seccomp_data, nr);
constexpr std::uint32_t FirstArgumentAt = offsetof(seccomp_data, args);

seccomp_data call(int number, std::uint64_t argument = 0) {
    seccomp_data data{};
    data.nr = number;
    data.args[0] = argument;
    return data;
}

TEST(Evaluate, ReturnsAConstantOrTheAccumulator) {
    EXPECT_EQ(evaluate({BPF_STMT(BPF_RET | BPF_K, 7)}, call(1)), 7U);
    EXPECT_EQ(evaluate({BPF_STMT(LoadWord, NumberAt), BPF_STMT(BPF_RET | BPF_A, 0)}, call(42)), 42U);
}

TEST(Evaluate, JumpsBothWays) {
    const auto compared = [](std::uint16_t comparison, std::uint32_t with, int number) {
        const std::vector<sock_filter> program{
            BPF_STMT(LoadWord, NumberAt),
            BPF_JUMP(static_cast<std::uint16_t>(BPF_JMP | comparison | BPF_K), with, 1, 0),
            BPF_STMT(BPF_RET | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 1)};
        return evaluate(program, call(number)) == 1;
    };
    EXPECT_TRUE(compared(BPF_JEQ, 5, 5));
    EXPECT_FALSE(compared(BPF_JEQ, 5, 6));
    EXPECT_TRUE(compared(BPF_JGT, 5, 6));
    EXPECT_FALSE(compared(BPF_JGT, 5, 5));
    EXPECT_TRUE(compared(BPF_JGE, 5, 5));
    EXPECT_FALSE(compared(BPF_JGE, 5, 4));
    EXPECT_TRUE(compared(BPF_JSET, 5, 4));
    EXPECT_FALSE(compared(BPF_JSET, 5, 2));
    EXPECT_EQ(
        evaluate({BPF_STMT(BPF_JMP | BPF_JA, 1), BPF_STMT(BPF_RET | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 1)}, call(0)),
        1U);
}

TEST(Evaluate, CalculatesAndRemembers) {
    const std::vector<sock_filter> program{
        BPF_STMT(LoadWord, FirstArgumentAt + 4), // the upper half
        BPF_STMT(BPF_ST, 3),
        BPF_STMT(LoadWord, FirstArgumentAt),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_MEM, 3),
        BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 8),
        BPF_STMT(BPF_ALU | BPF_OR | BPF_X, 0),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    EXPECT_EQ(evaluate(program, call(0, 0x12'0000'3456)), 0x1256U);
}

TEST(Evaluate, DivisionByZeroAndTheEndOfTheProgramAreNoAccidents) {
    EXPECT_EQ(
        evaluate({BPF_STMT(BPF_LD | BPF_IMM, 8), BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0), BPF_STMT(BPF_RET | BPF_A, 0)},
                 call(0)),
        0U);
    EXPECT_EQ(evaluate({}, call(0)), SECCOMP_RET_KILL_PROCESS);
}

} // namespace
} // namespace ct::internal
