// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "seccomp/filter.hpp"

#include <linux/audit.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "base/sys.hpp"
#include "base/unique_fd.hpp"

namespace ct::internal {

namespace {

/// What a layer returns for calls that it says nothing about. No SeccompAction is translated to it.
constexpr std::uint32_t Undecided = SCMP_ACT_TRACE(0x63);
constexpr std::size_t MostInstructions = 4096; // BPF_MAXINSNS

using Context = std::unique_ptr<void, decltype(&::seccomp_release)>;

[[noreturn]] void fail(int error, std::string_view action) {
    if (error == -EOPNOTSUPP) {
        throw Error(Errc::Unsupported, Stage::Seccomp, action, {}, "this kernel does not have one of its actions");
    }
    throw sys::error(-error, Stage::Seccomp, action);
}

std::uint32_t translated(const SeccompAction& action) {
    switch (action.kind) {
    case SeccompAction::Kind::Allow: return SCMP_ACT_ALLOW;
    case SeccompAction::Kind::Errno: return SCMP_ACT_ERRNO(action.error_number);
    case SeccompAction::Kind::KillProcess: return SCMP_ACT_KILL_PROCESS;
    case SeccompAction::Kind::KillThread: return SCMP_ACT_KILL_THREAD;
    case SeccompAction::Kind::Trap: return SCMP_ACT_TRAP;
    case SeccompAction::Kind::Log: return SCMP_ACT_LOG;
    case SeccompAction::Kind::Notify: return SCMP_ACT_NOTIFY;
    }
    return SCMP_ACT_KILL_PROCESS;
}

scmp_arg_cmp translated(const SeccompCondition& condition) {
    using enum SeccompCondition::Comparison;
    scmp_arg_cmp compare{condition.argument, SCMP_CMP_EQ, condition.value, 0};
    switch (condition.comparison) {
    case Equal: break;
    case NotEqual: compare.op = SCMP_CMP_NE; break;
    case Less: compare.op = SCMP_CMP_LT; break;
    case LessOrEqual: compare.op = SCMP_CMP_LE; break;
    case Greater: compare.op = SCMP_CMP_GT; break;
    case GreaterOrEqual: compare.op = SCMP_CMP_GE; break;
    case MaskedEqual: compare = {condition.argument, SCMP_CMP_MASKED_EQ, condition.mask, condition.value}; break;
    }
    return compare;
}

std::uint32_t token(SeccompArchitecture architecture) {
    switch (architecture) {
    case SeccompArchitecture::X86_64: return SCMP_ARCH_X86_64;
    case SeccompArchitecture::X86: return SCMP_ARCH_X86;
    case SeccompArchitecture::X32: return SCMP_ARCH_X32;
    case SeccompArchitecture::Aarch64: return SCMP_ARCH_AARCH64;
    case SeccompArchitecture::Arm: return SCMP_ARCH_ARM;
    }
    return SCMP_ARCH_NATIVE;
}

/// Every system call that libseccomp knows for one of the filter's architectures, as it numbers them.
std::vector<int> known_calls(const Seccomp& seccomp) {
    constexpr int most = 1024;
    constexpr int x32_bit = 0x40000000;
    std::vector<std::uint32_t> tokens{SCMP_ARCH_NATIVE};
    for (const SeccompArchitecture architecture : seccomp.architectures) tokens.push_back(token(architecture));
    std::vector<int> calls;
    for (const std::uint32_t architecture : tokens) {
        for (int number = 0; number < most; ++number) {
            const int own = number | (architecture == SCMP_ARCH_X32 ? x32_bit : 0);
            char* const name = ::seccomp_syscall_resolve_num_arch(architecture, own);
            if (name == nullptr) continue;
            calls.push_back(::seccomp_syscall_resolve_name(name));
            std::free(name);
        }
    }
    return calls;
}

std::vector<int> calls_of(const Seccomp& seccomp, const SeccompRule& rule) {
    std::vector<int> calls;
    for (const std::string& name : rule.system_calls) {
        if (name == "@known") {
            std::ranges::copy(known_calls(seccomp), std::back_inserter(calls));
        } else {
            calls.push_back(::seccomp_syscall_resolve_name(name.c_str()));
        }
    }
    return calls;
}

/// A part of the filter that libseccomp builds: it does not care for the order of rules, so those of one system call
/// that could disagree are put into different layers. The first layer that decides counts.
class Layer {
public:
    explicit Layer(const Seccomp& seccomp) : context_(::seccomp_init(Undecided), &::seccomp_release) {
        if (!context_) fail(-ENOMEM, "make a seccomp filter");
        check(::seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, translated(seccomp.foreign_action)));
        for (const SeccompArchitecture architecture : seccomp.architectures) {
            const int error = ::seccomp_arch_add(context_.get(), token(architecture));
            if (error != -EEXIST) check(error);
        }
        // A binary tree over the numbers instead of a comparison with each.
        check(::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2));
    }

    void add(int call, std::uint32_t action, const std::vector<scmp_arg_cmp>& conditions) {
        const int error = ::seccomp_rule_add_array(context_.get(), action, call,
                                                   static_cast<unsigned>(conditions.size()), conditions.data());
        // The same rule again; or a call that none of the architectures has.
        if (error != -EEXIST && error != -EDOM) check(error);
    }

    [[nodiscard]] std::vector<sock_filter> program() const {
        const UniqueFd file(::memfd_create("seccomp", MFD_CLOEXEC));
        if (!file) throw sys::error(errno, Stage::Seccomp, "make a file in memory");
        check(::seccomp_export_bpf(context_.get(), file.get()));
        const off_t size = ::lseek(file.get(), 0, SEEK_END);
        std::vector<sock_filter> program(static_cast<std::size_t>(size) / sizeof(sock_filter));
        if (::pread(file.get(), program.data(), static_cast<std::size_t>(size), 0) != size) {
            throw sys::error(EIO, Stage::Seccomp, "read a seccomp filter");
        }
        return program;
    }

private:
    static void check(int error) {
        if (error < 0) fail(error, "build the seccomp filter");
    }

    Context context_;
};

std::vector<Layer> layers(const Seccomp& seccomp) {
    struct Known {
        std::size_t layer = 0;
        const SeccompRule* last = nullptr;
    };
    std::map<int, Known> calls;
    std::vector<Layer> layers;
    layers.emplace_back(seccomp); // also without rules: it refuses foreign architectures
    for (const SeccompRule& rule : seccomp.rules) {
        std::vector<scmp_arg_cmp> conditions;
        for (const SeccompCondition& condition : rule.conditions) conditions.push_back(translated(condition));
        for (const int call : calls_of(seccomp, rule)) {
            Known& known = calls[call];
            if (known.last != nullptr) {
                if (known.last->conditions.empty()) continue; // decided already
                if (known.last->action != rule.action || conditions.empty()) ++known.layer;
            }
            known.last = &rule;
            if (known.layer == layers.size()) layers.emplace_back(seccomp);
            layers[known.layer].add(call, translated(rule.action), conditions);
        }
    }
    return layers;
}

} // namespace

Filter build_filter(const Seccomp& seccomp) {
    // libseccomp finds out what the kernel has at the first use, and keeps that without a lock.
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    Filter filter;
    filter.notifies = has_action(seccomp, SeccompAction::Kind::Notify);
    filter.log = seccomp.log;
    for (const Layer& layer : layers(seccomp)) {
        std::vector<sock_filter> program = layer.program();
        for (std::size_t i = 0; i < program.size(); ++i) {
            if (program[i].code != (BPF_RET | BPF_K) || program[i].k != Undecided) continue;
            program[i] = BPF_STMT(BPF_JMP | BPF_JA, static_cast<std::uint32_t>(program.size() - i - 1));
        }
        filter.program.insert(filter.program.end(), program.begin(), program.end());
    }
    filter.program.push_back(BPF_STMT(BPF_RET | BPF_K, translated(seccomp.default_action)));
    if (filter.program.size() > MostInstructions) {
        throw Error::invalid_config({}, {concat("the seccomp filter has ", filter.program.size(),
                                                " instructions; the kernel takes ", MostInstructions)});
    }
    return filter;
}

std::shared_ptr<const Filter> FilterCache::get(const Seccomp& seccomp) {
    constexpr std::size_t most = 8;
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find_if(entries_, [&](const Entry& entry) { return entry.seccomp == seccomp; });
    if (found != entries_.end()) {
        std::rotate(entries_.begin(), found, found + 1);
    } else {
        Entry entry{seccomp, std::make_shared<const Filter>(build_filter(seccomp))};
        if (entries_.size() == most) entries_.pop_back();
        entries_.insert(entries_.begin(), std::move(entry));
    }
    return entries_.front().filter;
}

std::uint32_t native_architecture() {
#if defined(__x86_64__)
    return AUDIT_ARCH_X86_64;
#else
    return AUDIT_ARCH_AARCH64;
#endif
}

SeccompArchitecture architecture_of(std::uint32_t audit_architecture, int number) {
    constexpr int x32_bit = 0x40000000;
    switch (audit_architecture) {
    case AUDIT_ARCH_X86_64: return (number & x32_bit) != 0 ? SeccompArchitecture::X32 : SeccompArchitecture::X86_64;
    case AUDIT_ARCH_I386: return SeccompArchitecture::X86;
    case AUDIT_ARCH_ARM: return SeccompArchitecture::Arm;
    default: return SeccompArchitecture::Aarch64;
    }
}

std::string system_call_name(std::uint32_t audit_architecture, int number) {
    char* const text = ::seccomp_syscall_resolve_num_arch(token(architecture_of(audit_architecture, number)), number);
    std::string name = text != nullptr ? text : "";
    std::free(text);
    return name;
}

bool has_action(const Seccomp& seccomp, SeccompAction::Kind kind) {
    return seccomp.default_action.kind == kind || seccomp.foreign_action.kind == kind ||
           std::ranges::any_of(seccomp.rules, [&](const SeccompRule& rule) { return rule.action.kind == kind; });
}

} // namespace ct::internal
