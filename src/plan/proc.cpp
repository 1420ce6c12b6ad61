// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "plan/compile.hpp"

namespace ct::internal {

void plan_proc_write(Plan& plan, const FdLayout& fds, const char* path, std::string_view text, const StepInfo& info) {
    plan.steps.add(Op::WriteProc, ProcWriteArgs{fds.proc, path, plan.text(text), text.size()}, info);
}

} // namespace ct::internal
