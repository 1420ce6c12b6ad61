// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <csignal>
#include <initializer_list>

#include "base/concat.hpp"
#include "plan/compile.hpp"

/// What a filter does to the calls that the child still makes under it. One that kills the child, while it may share
/// the host's memory, could take the host along (a core dump does so before Linux 5.16), and one that nobody answers
/// yet blocks it; so the calls are tried here first.
namespace ct::internal {

namespace {

enum class Outcome { Passes, Fails, Stops };

class Trial {
public:
    explicit Trial(const Filter& filter) : filter_(filter) {}

    [[nodiscard]] Outcome outcome(long number, std::initializer_list<std::uint64_t> arguments = {}) const {
        seccomp_data call{};
        call.nr = static_cast<int>(number);
        call.arch = native_architecture();
        std::ranges::copy(arguments, call.args);
        switch (evaluate(filter_.program, call) & SECCOMP_RET_ACTION_FULL) {
        case SECCOMP_RET_ALLOW:
        case SECCOMP_RET_LOG: return Outcome::Passes;
        case SECCOMP_RET_ERRNO: return Outcome::Fails;
        default: return Outcome::Stops;
        }
    }

    void must_pass(long number, std::string_view why, std::initializer_list<std::uint64_t> arguments = {}) {
        if (outcome(number, arguments) != Outcome::Passes) reject(number, "has to allow", why);
    }
    /// A failure is reported as that of the step.
    void must_not_stop(long number, std::string_view why, std::initializer_list<std::uint64_t> arguments = {}) {
        if (outcome(number, arguments) == Outcome::Stops) reject(number, "must not kill, trap or notify", why);
    }

    void reject_step(const StepInfo& info) {
        found_.push_back(concat("the seccomp filter kills, traps or notifies and would apply before the step '",
                                info.action, "': set no_new_privileges, so that it comes last"));
    }

    [[nodiscard]] std::vector<std::string>& found() { return found_; }

private:
    void reject(long number, std::string_view demand, std::string_view why) {
        std::string violation =
            concat("the seccomp filter ", demand, ' ',
                   system_call_name(native_architecture(), static_cast<int>(number)), ", by which ", why);
        if (std::ranges::find(found_, violation) == found_.end()) found_.push_back(std::move(violation));
    }

    const Filter& filter_;
    std::vector<std::string> found_;
};

std::uint64_t address(const void* pointer) {
    return reinterpret_cast<std::uintptr_t>(pointer);
}

void try_exec(Trial& trial, const ExecArgs& args, bool searches) {
    for (const char* const* path = args.candidates; *path != nullptr; ++path) {
        trial.must_not_stop(SYS_execve, "the program is executed",
                            {address(*path), address(args.argv), address(args.envp)});
    }
    if (!searches) return;
    trial.must_not_stop(SYS_statx, "libct explains why a program cannot be executed", {});
    if (args.host_program == nullptr) return;
    for (const long number : {SYS_openat, SYS_statx, SYS_read, SYS_close}) {
        trial.must_pass(number, "libct looks at the program before it is executed");
    }
}

/// The calls of steps that may follow an early filter.
void try_step(Trial& trial, const Step& step, const StepInfo& info, bool lethal) {
    constexpr std::string_view process = "the process is set up; set no_new_privileges and the filter comes after that";
    switch (step.op) {
    case Op::DropBoundingSet:
        trial.must_not_stop(SYS_prctl, process, {PR_CAPBSET_READ});
        trial.must_not_stop(SYS_prctl, process, {PR_CAPBSET_DROP});
        break;
    case Op::KeepCapabilities: trial.must_not_stop(SYS_prctl, process, {PR_SET_KEEPCAPS, 1}); break;
    case Op::SetCredentials:
        for (const long number : {SYS_setgroups, SYS_setresgid, SYS_setresuid}) trial.must_not_stop(number, process);
        trial.must_not_stop(SYS_prctl, process, {PR_SET_PDEATHSIG, SIGKILL});
        break;
    case Op::SetCapabilities: trial.must_not_stop(SYS_capset, process); break;
    case Op::RaiseAmbient: trial.must_not_stop(SYS_prctl, process, {PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE}); break;
    case Op::Call: {
        const auto& call = *static_cast<const CallArgs*>(step.args);
        const auto& values = call.arguments;
        trial.must_not_stop(call.number, process, {values[0], values[1], values[2], values[3], values[4]});
        break;
    }
    case Op::WorkingDirectory: trial.must_not_stop(SYS_chdir, process); break;
    case Op::SetUmask: trial.must_not_stop(SYS_umask, process); break;
    case Op::ParentDeathSignal:
        trial.must_not_stop(SYS_prctl, process, {PR_SET_PDEATHSIG, static_cast<const NumberArgs*>(step.args)->value});
        break;
    case Op::UnblockSignals: trial.must_not_stop(SYS_rt_sigprocmask, process, {2}); break;
    case Op::Exec: try_exec(trial, *static_cast<const ExecArgs*>(step.args), true); break;
    default:
        if (lethal) trial.reject_step(info);
    }
}

bool is_lethal(const Filter& filter) {
    return std::ranges::any_of(filter.program, [](const sock_filter& instruction) {
        if (instruction.code != (BPF_RET | BPF_K)) return false;
        const std::uint32_t action = instruction.k & SECCOMP_RET_ACTION_FULL;
        return action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG && action != SECCOMP_RET_ERRNO;
    });
}

} // namespace

void check_filter(const Plan& plan, bool callable) {
    const auto& steps = plan.steps.steps();
    const auto filter = std::ranges::find_if(steps, [](const Step& step) { return step.op == Op::Seccomp; });
    const auto rest = static_cast<std::size_t>(filter - steps.begin()) + 1;
    Trial trial(*plan.filter);
    trial.must_pass(SYS_exit_group, "the process ends");
    if (rest + 1 == steps.size() && steps[rest].op == Op::Exec) {
        try_exec(trial, *static_cast<const ExecArgs*>(steps[rest].args), false);
    } else {
        const bool lethal = is_lethal(*plan.filter);
        for (std::size_t i = rest; i < steps.size(); ++i) try_step(trial, steps[i], plan.steps.info(i), lethal);
        if (callable && rest < steps.size()) {
            trial.must_pass(SYS_futex, "the process tells that it is set up");
            for (const long number : {SYS_set_robust_list, SYS_rseq}) {
                trial.must_not_stop(number, "the callable's thread is registered");
            }
        }
    }
    if (!trial.found().empty()) throw Error::invalid_config("set up the process", trial.found());
}

} // namespace ct::internal
