// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <algorithm>
#include <memory>
#include <ostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/concat.hpp"
#include "plan/compile.hpp"

/// Plans as data: what a test says about steps.
namespace ct::internal {

/// A step that compares equal to its operation and is shown as its sentence.
struct Listed {
    Op op;
    std::string sentence;
    bool operator==(Op other) const { return op == other; }
};

inline void PrintTo(const Listed& step, std::ostream* out) { // NOLINT(readability-identifier-naming): GoogleTest's name
    *out << "Op " << static_cast<unsigned>(step.op) << " (" << step.sentence << ')';
}

inline void PrintTo(Op op, std::ostream* out) { // NOLINT(readability-identifier-naming)
    *out << "Op " << static_cast<unsigned>(op);
}

inline std::vector<Listed> listed(const Plan::Steps& steps) {
    std::vector<Listed> result;
    for (std::size_t i = 0; i < steps.steps().size(); ++i) {
        const StepInfo& info = steps.info(i);
        result.push_back({steps.steps()[i].op,
                          info.path.empty() ? std::string(info.action) : concat(info.action, " '", info.path, '\'')});
    }
    return result;
}

inline std::size_t count(const Plan::Steps& steps, Op op) {
    const auto& all = steps.steps();
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const Step& step) { return step.op == op; }));
}

/// The arguments of every step with that operation.
template <typename Args>
std::vector<Args> all_args(const Plan::Steps& steps, Op op) {
    std::vector<Args> result;
    for (const Step& step : steps.steps()) {
        if (step.op == op) result.push_back(*static_cast<const Args*>(step.args));
    }
    return result;
}

/// The arguments of the only step with that operation.
template <typename Args>
Args args(const Plan::Steps& steps, Op op) {
    const auto all = all_args<Args>(steps, op);
    if (all.size() != 1) throw std::logic_error(concat(all.size(), " steps in place of one"));
    return all.front();
}

/// The sentence of the only step with that operation.
inline std::string sentence(const Plan::Steps& steps, Op op) {
    std::string result;
    for (const Listed& step : listed(steps)) {
        if (step == op) result += step.sentence;
    }
    return result;
}

/// Whether both are there, and every \p first comes before every \p second.
inline ::testing::AssertionResult ordered(const Plan::Steps& steps, Op first, Op second) {
    std::vector<std::size_t> earlier;
    std::vector<std::size_t> later;
    for (std::size_t i = 0; i < steps.steps().size(); ++i) {
        if (steps.steps()[i].op == first) earlier.push_back(i);
        if (steps.steps()[i].op == second) later.push_back(i);
    }
    if (!earlier.empty() && !later.empty() && earlier.back() < later.front()) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "in " << ::testing::PrintToString(listed(steps));
}

inline FdLayout layout_of(std::vector<FdSource> map) {
    FdLayout layout;
    layout.map = std::move(map);
    return layout;
}

/// A start to be compiled.
struct Start {
    Spec spec = {};
    ProcessSpec process = {.argv = {"/bin/true"}};
    FdLayout fds = {};
    HostFacts host = {};
    bool callable = false;

    [[nodiscard]] std::unique_ptr<Plan> compile() const {
        auto plan = std::make_unique<Plan>();
        compile_start(*plan, spec, process, fds, host, callable);
        return plan;
    }
    [[nodiscard]] std::unique_ptr<Plan> compile_entering(const EnterTarget& target) const {
        auto plan = std::make_unique<Plan>();
        compile_enter(*plan, spec, target, process, fds, host, callable);
        return plan;
    }
    void make(Namespace kind) { spec.namespaces[kind] = NewNamespace{}; }
    [[nodiscard]] std::unique_ptr<Plan> compile_holding() const {
        auto plan = std::make_unique<Plan>();
        compile_hold(*plan, spec, fds, host);
        return plan;
    }
    void join(Namespace kind) {
        spec.namespaces[kind] = NamespacePath{"/run/ns"};
        fds.joins.push_back({kind, 23, "/run/ns"});
    }
    void make_user_namespace() {
        make(Namespace::User);
        spec.uid_map = {{0, 100000, 1000}};
        spec.gid_map = {{0, 100000, 1000}};
    }
};

/// A caller without any capability.
inline constexpr HostFacts Unprivileged{.capabilities = 0};

} // namespace ct::internal
