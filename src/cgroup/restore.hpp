// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

#include <ct/error.hpp>

#include "base/concat.hpp"

namespace ct::internal {

/// Runs \p body; if that throws, runs \p restore, which returns what goes wrong then: clauses that begin with "; ", for
/// the hint of the error.
template <typename Body, typename Restore>
void run_or_restore(const Body& body, const Restore& restore) {
    try {
        body();
    } catch (const Error& error) {
        const std::string failures = restore();
        if (failures.empty()) throw;
        throw error.with_hint(concat("not everything before it could be restored", failures));
    } catch (...) {
        (void)restore(); // the error has no place for it
        throw;
    }
}

} // namespace ct::internal
