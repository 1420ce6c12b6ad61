// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include <ct/process.hpp>

#include "capi/handles.hpp"

namespace ct::capi {

/// What the setters of a descriptor have said.
struct ProcessAttributes {
    ProcessSpec base = {}; ///< What has no member here; the others add to it.
    /// None: what `base` says.
    std::optional<User> user = User{};
    std::string user_name = {};
    std::optional<unsigned long> bounding = {}; ///< Bit N is capability N, as in the next.
    std::optional<unsigned long> capabilities = {};
    std::optional<int> parent_death_signal = {};
    std::string label = {};
    std::vector<ResourceLimit> limits = {};
    std::optional<std::vector<int>> fds = {};
    std::optional<StandardStreams> streams = {}; ///< Instead of `fds`, as the next one.
    std::optional<TerminalSize> terminal = {};
    std::optional<std::vector<std::string>> environment = {};
    bool inherit_fds = true; ///< If nothing is said of descriptors.

    /// For a program or a callable.
    [[nodiscard]] ProcessSpec spec() const;
};

/// \throws Failure if it is none
[[nodiscard]] TerminalSize terminal_size(unsigned rows, unsigned columns);

class ProcessDesc : public Object {
public:
    ProcessDesc() = default;
    explicit ProcessDesc(ProcessAttributes attributes) : attributes_(std::move(attributes)) {}

    [[nodiscard]] ProcessAttributes attributes() const {
        const std::lock_guard lock(mutex_);
        return attributes_;
    }
    template <typename Change>
    void change(const Change& change) {
        const std::lock_guard lock(mutex_);
        change(attributes_);
    }

private:
    mutable std::mutex mutex_;
    ProcessAttributes attributes_;
};

/// A program that is looked for along PATH. \param env  NULL: what the descriptor says
[[nodiscard]] ProcessSpec program(ct_process_desc_t desc, const char* path, char* const* argv, char* const* env);

} // namespace ct::capi
