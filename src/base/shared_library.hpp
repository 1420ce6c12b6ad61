// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <dlfcn.h>

#include <string>
#include <type_traits>
#include <utility>

#include <ct/error.hpp>

#include "base/concat.hpp"

namespace ct::internal {

/// A library that is loaded when it is used first, so that programs that do not use it need not have it. It stays.
class SharedLibrary {
public:
    /// \param action  what it is needed for
    /// \throws Error with Errc::Unsupported
    SharedLibrary(const char* name, Stage stage, std::string action)
        : name_(name), stage_(stage), action_(std::move(action)), handle_(::dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
        if (handle_ == nullptr) throw Error(Errc::Unsupported, stage_, action_, {}, ::dlerror());
    }

    template <typename Function>
    void find(Function& function, const char* name) const {
        function = reinterpret_cast<std::remove_reference_t<Function>>(::dlsym(handle_, name));
        if (function == nullptr) throw Error(Errc::Unsupported, stage_, action_, {}, concat(name_, " has no ", name));
    }

private:
    const char* const name_;
    const Stage stage_;
    const std::string action_;
    void* const handle_;
};

} // namespace ct::internal
