// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>

#include <ct/error.hpp>

namespace ct::internal {

/// Runs \p body; an error gets \p subject in front.
template <typename Body>
auto with_subject(const std::string& subject, Body body) {
    try {
        return body();
    } catch (const Error& error) {
        throw error.with_subject(subject);
    }
}

} // namespace ct::internal
