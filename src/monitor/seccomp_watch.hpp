// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/seccomp.h>

#include <functional>
#include <memory>

#include <ct/seccomp.hpp>

#include "base/unique_fd.hpp"
#include "monitor/loop.hpp"

namespace ct::internal {

/// A call that waits for its answer.
struct ReceivedNotice {
    int listener;
    const seccomp_notif& call;
};

/// The handler at the moment of a call; null if there is none (any more).
using FindSeccompHandler = std::function<std::shared_ptr<const SeccompHandler>()>;

/// Has \p loop answer the calls that \p listener reports, until the last process with that filter has ended. Calls
/// without a handler, and those of a handler that throws, fail.
void watch_listener(Loop& loop, UniqueFd listener, FindSeccompHandler find_handler);

} // namespace ct::internal
