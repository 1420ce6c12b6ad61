// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <array>
#include <cstring>

#include "seccomp/filter.hpp"

namespace ct::internal {

namespace {

std::uint32_t calculate(unsigned operation, std::uint32_t a, std::uint32_t operand) {
    switch (operation) {
    case BPF_ADD: return a + operand;
    case BPF_SUB: return a - operand;
    case BPF_MUL: return a * operand;
    case BPF_DIV: return operand == 0 ? 0 : a / operand;
    case BPF_OR: return a | operand;
    case BPF_AND: return a & operand;
    case BPF_XOR: return a ^ operand;
    case BPF_LSH: return operand < 32 ? a << operand : 0;
    case BPF_RSH: return operand < 32 ? a >> operand : 0;
    default: return 0 - a; // BPF_NEG
    }
}

bool holds(unsigned comparison, std::uint32_t a, std::uint32_t operand) {
    switch (comparison) {
    case BPF_JEQ: return a == operand;
    case BPF_JGT: return a > operand;
    case BPF_JGE: return a >= operand;
    default: return (a & operand) != 0; // BPF_JSET
    }
}

} // namespace

std::uint32_t evaluate(const std::vector<sock_filter>& program, const seccomp_data& call) {
    std::uint32_t a = 0;
    std::uint32_t x = 0;
    std::array<std::uint32_t, BPF_MEMWORDS> memory{};
    for (std::size_t at = 0; at < program.size(); ++at) {
        const sock_filter& instruction = program[at];
        const std::uint32_t k = instruction.k;
        const std::uint32_t operand = BPF_SRC(instruction.code) == BPF_X ? x : k;
        switch (BPF_CLASS(instruction.code)) {
        case BPF_LD:
        case BPF_LDX: {
            std::uint32_t value = k; // BPF_IMM
            if (BPF_MODE(instruction.code) == BPF_MEM) value = memory.at(k);
            if (BPF_MODE(instruction.code) == BPF_LEN) value = sizeof call;
            if (BPF_MODE(instruction.code) == BPF_ABS && k <= sizeof call - sizeof value) {
                std::memcpy(&value, reinterpret_cast<const char*>(&call) + k, sizeof value);
            }
            (BPF_CLASS(instruction.code) == BPF_LD ? a : x) = value;
            break;
        }
        case BPF_ST: memory.at(k) = a; break;
        case BPF_STX: memory.at(k) = x; break;
        case BPF_ALU: a = calculate(BPF_OP(instruction.code), a, operand); break;
        case BPF_JMP:
            if (BPF_OP(instruction.code) == BPF_JA) {
                at += k;
            } else {
                at += holds(BPF_OP(instruction.code), a, operand) ? instruction.jt : instruction.jf;
            }
            break;
        case BPF_RET: return BPF_RVAL(instruction.code) == BPF_A ? a : k;
        default: // BPF_MISC
            if (BPF_MISCOP(instruction.code) == BPF_TAX) {
                x = a;
            } else {
                a = x;
            }
        }
    }
    return SECCOMP_RET_KILL_PROCESS; // the kernel refuses programs that run past their end
}

} // namespace ct::internal
