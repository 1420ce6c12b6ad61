// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <memory_resource>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <ct/error.hpp>
#include <ct/spec.hpp>

#include "child/child_plan.hpp"
#include "plan/waiting_child.hpp"
#include "seccomp/filter.hpp"

namespace ct::internal {

class Starvation;

/// What a step is called in an error message: "<action> '<path>'". Text of the plan, or as long-lived.
struct StepInfo {
    Stage stage;
    std::string_view action;
    std::string_view path = {};
};

/// A compiled start: the steps of the child (and of the helper that joins namespaces for it), the sentence for each,
/// and what the parent has to know and to do. Owns all memory that the steps point to.
class Plan {
public:
    Plan() = default;
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;

    /// Steps of one process, with their descriptions.
    class Steps {
    public:
        explicit Steps(Plan& plan) : plan_(plan) {}
        void reserve(std::size_t count) {
            steps_.reserve(count);
            infos_.reserve(count);
        }

        void add(Op op, const StepInfo& info) { push(op, nullptr, info); }

        template <typename Args>
        void add(Op op, const Args& args, const StepInfo& info) {
            static_assert(std::is_trivially_copyable_v<Args>);
            push(op, std::memcpy(plan_.allocate(sizeof(Args), alignof(Args)), &args, sizeof(Args)), info);
        }

        [[nodiscard]] StepList list() const { return {steps_.data(), static_cast<std::uint32_t>(steps_.size())}; }
        [[nodiscard]] bool empty() const { return steps_.empty(); }
        [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }
        [[nodiscard]] const StepInfo& info(std::size_t index) const { return infos_.at(index); }

    private:
        void push(Op op, const void* args, const StepInfo& info) {
            steps_.push_back({op, args});
            infos_.push_back(info);
        }

        Plan& plan_;
        std::vector<Step> steps_;
        std::vector<StepInfo> infos_;
    };

    /// The parts joined, in the plan's memory.
    template <typename... Parts>
    const char* text(const Parts&... parts) {
        const std::string_view views[] = {parts...};
        std::size_t size = 1;
        for (const std::string_view part : views) size += part.size();
        auto* const copy = static_cast<char*>(allocate(size, 1));
        char* end = copy;
        for (const std::string_view part : views) end = std::copy(part.begin(), part.end(), end);
        *end = '\0';
        return copy;
    }

    /// A copy that the child may change.
    char* bytes(const void* data, std::size_t size) {
        return static_cast<char*>(std::memcpy(allocate(size, alignof(std::max_align_t)), data, size));
    }

    template <typename Item>
    const Item* array(const std::vector<Item>& items) {
        static_assert(std::is_trivially_copyable_v<Item>);
        void* const copy = allocate(sizeof(Item) * items.size(), alignof(Item));
        if (!items.empty()) std::memcpy(copy, items.data(), sizeof(Item) * items.size());
        return static_cast<const Item*>(copy);
    }

    /// An object of the plan, zeroed, which the child may change.
    template <typename Item>
    Item* make() {
        static_assert(std::is_trivially_copyable_v<Item>);
        return new (allocate(sizeof(Item), alignof(Item))) Item{};
    }

    /// A null-terminated array of strings, as execve(2) takes. \p last  text of the plan that comes last, or null
    template <typename Text>
    const char* const* strings(const std::vector<Text>& values, const char* last = nullptr) {
        std::vector<const char*> pointers;
        pointers.reserve(values.size() + 2);
        for (const Text& value : values) pointers.push_back(text(value));
        if (last != nullptr) pointers.push_back(last);
        pointers.push_back(nullptr);
        return array(pointers);
    }

    Steps joins{*this};               ///< Of the helper; empty if no namespace is joined.
    Steps steps{*this};               ///< Of the child.
    Steps reaper{*this};              ///< Of the child that becomes the reaper; see Op::StartReaper.
    std::uint64_t new_namespaces = 0; ///< CLONE_NEW* flags.
    int group = -1;                   ///< The group of version 2 in which the child is born, or -1.
    std::string group_path;
    const char* const* environment = nullptr; ///< Of a callable, if it is not the host's.
    std::vector<std::string> exec_candidates; ///< The paths that Op::Exec tries.
    std::shared_ptr<const Filter> filter;     ///< What Op::Seccomp installs.
    UniqueFd listener;                        ///< Of that filter, once the child has installed it.
    /// Whether the child can run in the host's memory until it executes its program.
    bool shares_memory = true;
    /// Whether the child is a fork of the host, with memory of its own in which the host's code can run.
    bool copies_host = false;
    /// Whether other processes could look into the child while it still has the host's memory, so that it has to be
    /// protected from them, see Documentation/design/shared-memory.md.
    bool hides_memory = false;
    /// Whether a child that shares the host's memory has to be a vfork(2) child of a helper, since the kernel applies
    /// what is set for it to everybody else with that memory, but not if it is only borrowed by vfork.
    bool needs_vfork = false;
    std::shared_ptr<Starvation> starvation; ///< Of a vfork child in a memory cgroup; else null.
    UserIds* user = nullptr;                ///< Who the process will be, if the child looks that up.
    /// What the parent does while the child waits in Op::AwaitParent, in this order.
    struct ParentTask {
        Await moment;
        std::function<void(const WaitingChild&)> run;
    };
    std::vector<ParentTask> parent_tasks;
    std::string hook_state; ///< What hooks in the container are told, see CommandArgs::state.
    UniqueFd upper;         ///< The throw-away upper directory of an overlay, once the child has made it.

    [[nodiscard]] bool has_tasks(Await moment) const {
        return std::any_of(parent_tasks.begin(), parent_tasks.end(),
                           [&](const ParentTask& task) { return task.moment == moment; });
    }

private:
    void* allocate(std::size_t size, std::size_t alignment) { return memory_.allocate(size, alignment); }

    std::pmr::monotonic_buffer_resource memory_{8192};
};

} // namespace ct::internal
