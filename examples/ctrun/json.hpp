// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <iostream>

#include <nlohmann/json.hpp>

namespace ctrun {

using Json = nlohmann::ordered_json;

/// Bytes that no text in JSON can have are replaced.
inline void print_json(const Json& json) {
    std::cout << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

} // namespace ctrun
