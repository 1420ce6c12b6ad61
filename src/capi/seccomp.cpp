// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-security.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <mutex>
#include <utility>

#include <ct/export.hpp>
#include <ct/seccomp.hpp>

#include "base/sys.hpp"
#include "capi/container.hpp"
#include "capi/process_desc.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

/// A call that is being answered.
class Notice : public Object {
public:
    explicit Notice(const SeccompNotice& notice) : notice_(&notice) {}

    /// The answer was given: nobody may look at it any more, not even another thread that was about to.
    void end() {
        const std::lock_guard lock(mutex_);
        notice_ = nullptr;
        remove_object(handle);
    }
    template <typename Call>
    auto with(const Call& call) {
        const std::lock_guard lock(mutex_);
        require(notice_ != nullptr, LCTERR_INVARG, "the call was answered already");
        return call(*notice_);
    }

private:
    std::mutex mutex_;
    const SeccompNotice* notice_;
};

namespace {

SeccompAction action_of(int kind, int error_number) {
    static_assert(static_cast<int>(SeccompAction::Kind::Errno) == LIBCT_SECCOMP_ERRNO &&
                  static_cast<int>(SeccompAction::Kind::KillProcess) == LIBCT_SECCOMP_KILL_PROCESS &&
                  static_cast<int>(SeccompAction::Kind::KillThread) == LIBCT_SECCOMP_KILL_THREAD &&
                  static_cast<int>(SeccompAction::Kind::Trap) == LIBCT_SECCOMP_TRAP &&
                  static_cast<int>(SeccompAction::Kind::Log) == LIBCT_SECCOMP_LOG &&
                  static_cast<int>(SeccompAction::Kind::Notify) == LIBCT_SECCOMP_NOTIFY);
    const bool known = kind >= LIBCT_SECCOMP_ALLOW && kind <= LIBCT_SECCOMP_NOTIFY;
    require(known, LCTERR_BADTYPE, "there is no such action of a filter");
    const bool valid = error_number >= 0 && error_number <= std::numeric_limits<std::uint16_t>::max();
    require(valid, LCTERR_INVARG, "there is no such error number");
    return {static_cast<SeccompAction::Kind>(kind), static_cast<std::uint16_t>(error_number)};
}

constexpr std::array<std::pair<unsigned, SeccompArchitecture>, 5> Architectures{
    {{LIBCT_SECCOMP_X86_64, SeccompArchitecture::X86_64},
     {LIBCT_SECCOMP_X86, SeccompArchitecture::X86},
     {LIBCT_SECCOMP_X32, SeccompArchitecture::X32},
     {LIBCT_SECCOMP_AARCH64, SeccompArchitecture::Aarch64},
     {LIBCT_SECCOMP_ARM, SeccompArchitecture::Arm}}};

Seccomp filter_of(const libct_seccomp& given) {
    Seccomp filter = given.standard != 0 ? Seccomp::standard() : Seccomp{};
    filter.log = given.log != 0;
    if (given.standard != 0) return filter;
    filter.default_action = action_of(given.default_action, given.default_errno);
    require((given.architectures & ~0x1fU) == 0, LCTERR_BADTYPE, "there is no such architecture");
    for (const auto& [bit, architecture] : Architectures) {
        if ((given.architectures & bit) != 0) filter.architectures.push_back(architecture);
    }
    if (given.foreign_errno != 0) {
        filter.foreign_action = action_of(LIBCT_SECCOMP_ERRNO, given.foreign_errno);
    } else if (given.foreign_action != LIBCT_SECCOMP_ALLOW) {
        filter.foreign_action = action_of(given.foreign_action, 0);
    }
    return filter;
}

SeccompRule rule_of(const libct_seccomp_rule& given) {
    static_assert(static_cast<int>(SeccompCondition::Comparison::NotEqual) == LIBCT_NOT_EQUAL &&
                  static_cast<int>(SeccompCondition::Comparison::Less) == LIBCT_LESS &&
                  static_cast<int>(SeccompCondition::Comparison::LessOrEqual) == LIBCT_LESS_OR_EQUAL &&
                  static_cast<int>(SeccompCondition::Comparison::Greater) == LIBCT_GREATER &&
                  static_cast<int>(SeccompCondition::Comparison::GreaterOrEqual) == LIBCT_GREATER_OR_EQUAL &&
                  static_cast<int>(SeccompCondition::Comparison::MaskedEqual) == LIBCT_MASKED_EQUAL);
    SeccompRule rule{.system_calls = text_list(given.system_calls),
                     .action = action_of(given.action, given.error_number)};
    require(!rule.system_calls.empty(), LCTERR_INVARG, "a rule is for no system call");
    require(given.conditions != nullptr || given.condition_count == 0, LCTERR_INVARG, "there are no conditions");
    for (std::size_t i = 0; i < given.condition_count; ++i) {
        const libct_seccomp_condition& one = given.conditions[i];
        const bool known = one.comparison >= LIBCT_EQUAL && one.comparison <= LIBCT_MASKED_EQUAL;
        require(known, LCTERR_BADTYPE, "there is no such comparison");
        rule.conditions.push_back({.argument = one.argument,
                                   .comparison = static_cast<SeccompCondition::Comparison>(one.comparison),
                                   .value = one.value});
        if (one.comparison == LIBCT_MASKED_EQUAL) rule.conditions.back().mask = one.mask;
    }
    return rule;
}

unsigned bit_of(SeccompArchitecture wanted) {
    for (const auto& [bit, architecture] : Architectures) {
        if (architecture == wanted) return bit;
    }
    return 0;
}

using Answer = enum libct_seccomp_answer (*)(ct_handler_t, const struct libct_seccomp_call*, int64_t*, void*);

SeccompReply answer(ct_handler_t ct, const SeccompNotice& notice, Answer function, void* user) {
    const auto object = std::make_shared<Notice>(notice);
    const std::string name = notice.name();
    libct_seccomp_call call{.struct_size = sizeof call,
                            .notice = add_handle<libct_notice_t>(object),
                            .pid = notice.pid(),
                            .architecture = bit_of(notice.architecture()),
                            .number = notice.system_call(),
                            .name = name.c_str(),
                            .arguments = {}};
    const auto arguments = notice.arguments();
    std::copy(arguments.begin(), arguments.end(), call.arguments);
    std::int64_t value = ENOSYS;
    const int kind = function(ct, &call, &value, user);
    object->end();
    switch (kind) {
    case LIBCT_ANSWER_RETURN: return SeccompReply::return_value(value);
    case LIBCT_ANSWER_CONTINUE: return SeccompReply::continue_call();
    case LIBCT_ANSWER_FAIL: return SeccompReply::fail(static_cast<int>(value));
    default: throw Failure(LCTERR_BADTYPE, "a function has given no answer that there is");
    }
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_process_desc_set_seccomp(ct_process_desc_t p, const struct libct_seccomp* filter) {
    return guard([&] {
        const auto desc = get(p);
        std::optional<ct::Seccomp> wanted;
        if (filter != nullptr) wanted = filter_of(read_struct(filter));
        desc->change([&](ProcessAttributes& attributes) { attributes.base.seccomp = std::move(wanted); });
    });
}

CT_EXPORT int libct_process_desc_add_seccomp_rule(ct_process_desc_t p, const struct libct_seccomp_rule* rule) {
    return guard([&] {
        const auto desc = get(p);
        const libct_seccomp_rule given = read_struct(rule);
        ct::SeccompRule added = rule_of(given);
        desc->change([&](ProcessAttributes& attributes) {
            require(attributes.base.seccomp.has_value(), LCTERR_NOTFOUND, "there is no filter");
            auto& rules = attributes.base.seccomp->rules;
            rules.insert(given.first != 0 ? rules.begin() : rules.end(), std::move(added));
        });
    });
}

CT_EXPORT int libct_is_system_call(const char* name) {
    return guard([&] {
        require(name != nullptr, LCTERR_INVARG, "there is no name");
        return ct::is_system_call(name) ? 1 : 0;
    });
}

CT_EXPORT int libct_container_on_seccomp(ct_handler_t ct,
                                         enum libct_seccomp_answer (*cb)(ct_handler_t, const struct libct_seccomp_call*,
                                                                         int64_t*, void*),
                                         void* user) {
    return guard([&] {
        get(ct)->set_handler(
            "seccomp",
            [=](ct::Container& container, bool set) {
                ct::SeccompHandler handler;
                if (set) handler = [=](const ct::SeccompNotice& notice) { return answer(ct, notice, cb, user); };
                container.on_seccomp(std::move(handler));
            },
            cb != nullptr);
    });
}

CT_EXPORT int libct_notice_valid(libct_notice_t n) {
    return guard([&] { return get(n)->with([](const ct::SeccompNotice& notice) { return notice.valid() ? 1 : 0; }); });
}

CT_EXPORT long libct_notice_read(libct_notice_t n, uint64_t address, void* buf, size_t size) {
    return guard_count([&] {
        const auto object = get(n);
        require(buf != nullptr || size == 0, LCTERR_INVARG, "an argument is NULL");
        const auto bytes = object->with([&](const auto& notice) { return notice.read_memory(address, size); });
        if (!bytes.empty()) std::memcpy(buf, bytes.data(), bytes.size());
        return bytes.size();
    });
}

CT_EXPORT long libct_notice_read_string(libct_notice_t n, uint64_t address, char* buf, size_t size) {
    return guard_count([&] {
        const auto object = get(n);
        require(buf != nullptr && size > 0, LCTERR_INVARG, "an argument is NULL");
        const auto text = object->with([&](const auto& notice) { return notice.read_string(address, size); });
        (void)write_text(text, buf, size);
        return text.size();
    });
}

CT_EXPORT int libct_notice_add_fd(libct_notice_t n, int fd, int target, int close_on_exec) {
    return guard([&] {
        return get(n)->with([&](const ct::SeccompNotice& notice) {
            return notice.add_fd(fd, {.target = target, .close_on_exec = close_on_exec != 0});
        });
    });
}

} // extern "C"
