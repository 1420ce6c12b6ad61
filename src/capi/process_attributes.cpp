// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-processes.h>

#include <utility>

#include <ct/export.hpp>
#include <ct/state.hpp>

#include "capi/process_desc.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

namespace {

Scheduler scheduler_of(const libct_scheduling& given) {
    static_assert(static_cast<int>(SchedulingPolicy::Batch) == LIBCT_POLICY_BATCH &&
                  static_cast<int>(SchedulingPolicy::Idle) == LIBCT_POLICY_IDLE &&
                  static_cast<int>(SchedulingPolicy::Fifo) == LIBCT_POLICY_FIFO &&
                  static_cast<int>(SchedulingPolicy::RoundRobin) == LIBCT_POLICY_ROUND_ROBIN &&
                  static_cast<int>(SchedulingPolicy::Deadline) == LIBCT_POLICY_DEADLINE);
    const bool known = given.policy >= LIBCT_POLICY_OTHER && given.policy <= LIBCT_POLICY_DEADLINE;
    require(known, LCTERR_BADTYPE, "there is no such scheduling policy");
    return {.policy = static_cast<SchedulingPolicy>(given.policy),
            .priority = given.priority,
            .runtime = std::chrono::nanoseconds(given.runtime_ns),
            .deadline = std::chrono::nanoseconds(given.deadline_ns),
            .period = std::chrono::nanoseconds(given.period_ns),
            .reset_on_fork = given.reset_on_fork != 0};
}

IoPriority io_priority_of(const libct_scheduling& given) {
    static_assert(static_cast<int>(IoClass::RealTime) == LIBCT_IO_REAL_TIME &&
                  static_cast<int>(IoClass::BestEffort) == LIBCT_IO_BEST_EFFORT &&
                  static_cast<int>(IoClass::Idle) == LIBCT_IO_IDLE);
    const bool known = given.io_class >= LIBCT_IO_REAL_TIME && given.io_class <= LIBCT_IO_IDLE;
    require(known, LCTERR_BADTYPE, "there is no such class of I/O");
    return {.io_class = static_cast<IoClass>(given.io_class), .level = given.io_level};
}

std::vector<unsigned> numbers_of(const unsigned* numbers, std::size_t count) {
    require(numbers != nullptr || count == 0, LCTERR_INVARG, "there are no numbers");
    return count == 0 ? std::vector<unsigned>{} : std::vector<unsigned>(numbers, numbers + count);
}

Scheduling scheduling_of(const libct_scheduling& given) {
    constexpr unsigned all = 2 * LIBCT_SCHEDULING_TIMER_SLACK - 1;
    require((given.set & ~all) == 0, LCTERR_INVARG, "there is no such attribute of scheduling");
    Scheduling scheduling{.cpus = numbers_of(given.cpus, given.cpu_count)};
    if ((given.set & LIBCT_SCHEDULING_NICE) != 0) scheduling.nice = given.nice;
    if ((given.set & LIBCT_SCHEDULING_POLICY) != 0) scheduling.scheduler = scheduler_of(given);
    if ((given.set & LIBCT_SCHEDULING_IO) != 0) scheduling.io_priority = io_priority_of(given);
    if ((given.set & LIBCT_SCHEDULING_TIMER_SLACK) != 0)
        scheduling.timer_slack = std::chrono::nanoseconds(given.timer_slack_ns);
    return scheduling;
}

MemoryPolicy memory_policy_of(const libct_memory_policy& given) {
    static_assert(static_cast<int>(MemoryPolicyMode::Preferred) == LIBCT_MEMORY_PREFERRED &&
                  static_cast<int>(MemoryPolicyMode::Bind) == LIBCT_MEMORY_BIND &&
                  static_cast<int>(MemoryPolicyMode::Interleave) == LIBCT_MEMORY_INTERLEAVE &&
                  static_cast<int>(MemoryPolicyMode::Local) == LIBCT_MEMORY_LOCAL &&
                  static_cast<int>(MemoryPolicyMode::PreferredMany) == LIBCT_MEMORY_PREFERRED_MANY &&
                  static_cast<int>(MemoryPolicyMode::WeightedInterleave) == LIBCT_MEMORY_WEIGHTED_INTERLEAVE);
    const bool known = given.mode >= LIBCT_MEMORY_DEFAULT && given.mode <= LIBCT_MEMORY_WEIGHTED_INTERLEAVE;
    require(known, LCTERR_BADTYPE, "there is no such memory policy");
    return {.mode = static_cast<MemoryPolicyMode>(given.mode),
            .nodes = numbers_of(given.nodes, given.node_count),
            .static_nodes = given.static_nodes != 0,
            .relative_nodes = given.relative_nodes != 0,
            .numa_balancing = given.numa_balancing != 0};
}

template <typename Change>
int change_base(ct_process_desc_t p, const Change& change) {
    return guard([&] { get(p)->change([&](ProcessAttributes& attributes) { change(attributes.base); }); });
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_process_desc_set_spec(ct_process_desc_t p, const char* json) {
    return guard([&] {
        const auto desc = get(p);
        require(json != nullptr, LCTERR_INVARG, "there is no specification");
        ProcessAttributes wanted{.base = with_codes([&] { return ct::process_from_json(json); }),
                                 .user = std::nullopt,
                                 .inherit_fds = false};
        desc->change([&](ProcessAttributes& attributes) { attributes = std::move(wanted); });
    });
}

CT_EXPORT int libct_process_desc_get_spec(ct_process_desc_t p, char* buf, size_t size) {
    return guard([&] { return write_text(ct::to_json(get(p)->attributes().spec()), buf, size); });
}

CT_EXPORT int libct_process_desc_set_directory(ct_process_desc_t p, const char* path) {
    return change_base(p, [&](ct::ProcessSpec& spec) { spec.working_directory = text_or(path); });
}

CT_EXPORT int libct_process_desc_set_umask(ct_process_desc_t p, unsigned int mask) {
    return change_base(p, [&](ct::ProcessSpec& spec) { spec.umask = mask; });
}

CT_EXPORT int libct_process_desc_add_env(ct_process_desc_t p, const char* name, const char* value) {
    return change_base(p, [&](ct::ProcessSpec& spec) {
        require(name != nullptr && value != nullptr, LCTERR_INVARG, "an argument is NULL");
        spec.add_environment.insert_or_assign(name, value);
    });
}

CT_EXPORT int libct_process_desc_set_reaper(ct_process_desc_t p, int reaper) {
    return change_base(p, [&](ct::ProcessSpec& spec) { spec.init = reaper != 0 ? ct::Init::Reaper : ct::Init::None; });
}

CT_EXPORT int libct_process_desc_add_fd(ct_process_desc_t p, int target, int source, const char* path) {
    return guard([&] {
        const auto desc = get(p);
        require((source >= 0) != (path != nullptr), LCTERR_INVARG, "a descriptor is either another one or a file");
        desc->change([&](ProcessAttributes& attributes) {
            attributes.inherit_fds = false;
            attributes.base.inherit_fds = false;
            attributes.base.fds.push_back(
                {.target = target, .source = path == nullptr ? source : -1, .path = text_or(path)});
        });
    });
}

CT_EXPORT int libct_process_desc_set_oom_score(ct_process_desc_t p, int score) {
    return change_base(p, [&](ct::ProcessSpec& spec) { spec.oom_score_adj = score; });
}

CT_EXPORT int libct_process_desc_set_personality(ct_process_desc_t p, unsigned int personality) {
    return change_base(p, [&](ct::ProcessSpec& spec) { spec.personality = personality; });
}

CT_EXPORT int libct_process_desc_set_keyring(ct_process_desc_t p, const char* name) {
    return change_base(p, [&](ct::ProcessSpec& spec) {
        spec.session_keyring.reset();
        if (name != nullptr) spec.session_keyring = ct::SessionKeyring{name};
    });
}

CT_EXPORT int libct_process_desc_set_scheduling(ct_process_desc_t p, const struct libct_scheduling* scheduling) {
    return change_base(p, [&](ct::ProcessSpec& spec) { spec.scheduling = scheduling_of(read_struct(scheduling)); });
}

CT_EXPORT int libct_process_desc_set_memory_policy(ct_process_desc_t p, const struct libct_memory_policy* policy) {
    return change_base(p, [&](ct::ProcessSpec& spec) {
        std::optional<ct::MemoryPolicy> wanted;
        if (policy != nullptr) wanted = memory_policy_of(read_struct(policy));
        spec.memory_policy = std::move(wanted);
    });
}

} // extern "C"
