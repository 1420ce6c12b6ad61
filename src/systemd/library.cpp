// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "systemd/library.hpp"

#include <dlfcn.h>

#include "base/concat.hpp"

namespace ct::internal {

void* find_in_libsystemd(const char* name, Stage stage, std::string_view action) {
    static void* const handle = ::dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) throw Error(Errc::Unsupported, stage, action, {}, "libsystemd.so.0 cannot be loaded");
    void* const function = ::dlsym(handle, name);
    if (function == nullptr) throw Error(Errc::Unsupported, stage, action, {}, concat("libsystemd.so.0 has no ", name));
    return function;
}

} // namespace ct::internal
