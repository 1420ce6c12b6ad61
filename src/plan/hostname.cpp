// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "plan/compile.hpp"

namespace ct::internal {

void plan_hostname(Plan& plan, const Spec& spec) {
    const auto set = [&](Op op, const char* action, const std::string& name) {
        if (name.empty()) return;
        const char* const text = plan.text(name);
        plan.steps.add(op, TextArgs{text, name.size()}, {Stage::Hostname, action, text});
    };
    set(Op::HostName, "set the host name to", spec.hostname);
    set(Op::DomainName, "set the domain name to", spec.domainname);
}

} // namespace ct::internal
