// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <array>
#include <string_view>
#include <tuple>

/// What a list of fields is made of; the lists are in spec_fields.hpp and network_fields.hpp.
namespace ct::internal {

template <typename Struct, typename Value>
struct Field {
    const char* name;
    Value Struct::*member;
};

/// A field that means something only to the process that has set it: it is not written, and a specification that has
/// it set cannot be saved.
template <typename Struct, typename Value>
struct OwnField {
    const char* name;
    Value Struct::*member;
};

template <typename Struct, typename Value>
constexpr Field<Struct, Value> field(const char* name, Value Struct::*member) {
    return {name, member};
}
template <typename Struct, typename Value>
constexpr OwnField<Struct, Value> own_field(const char* name, Value Struct::*member) {
    return {name, member};
}

/// `list` is a tuple of all fields; `name` is what the structure is called as an alternative of a variant.
template <typename Struct>
struct Fields;

/// The words for an enumeration's values, in their order.
template <typename Enum>
struct Words;

} // namespace ct::internal
