// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <cmath>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/concat.hpp"
#include "state/spec_fields.hpp"

/// Plain data to JSON and back, by the lists of fields in spec_fields.hpp. Only for src/state/*.cpp: the header behind
/// it is a large one.
namespace ct::internal {

using Json = nlohmann::json;

/// What is wrong with a text, and where: "mounts[2].target: has to be text"; without a place: ": has to be an object".
class JsonError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;

    /// "mounts[2].target: has to be text", "it has to be an object".
    [[nodiscard]] std::string clause() const {
        const std::string_view text = what();
        return text.front() == ':' ? concat("it", text.substr(1)) : std::string(text);
    }
};

/// Text of any bytes.
[[nodiscard]] Json text_to_json(const std::string& text);
[[nodiscard]] std::string text_from_json(const Json& json);
[[nodiscard]] bool is_utf8(std::string_view text);
/// \throws JsonError
[[nodiscard]] Json parse_json(std::string_view text);

template <typename Body>
void at_place(const std::string& place, Body body) {
    try {
        body();
    } catch (const JsonError& error) {
        const std::string_view what = error.what();
        const bool names_field = what.front() != '[' && what.front() != ':';
        throw JsonError(concat(place, names_field ? "." : "", what));
    }
}

/// One overload each for writing and reading a kind of type.
template <typename T, typename Enable = void>
struct JsonOf;

template <typename T>
Json to_json_value(const T& value) {
    return JsonOf<T>::write(value);
}
template <typename T>
T from_json_value(const Json& json) {
    return JsonOf<T>::read(json);
}

template <>
struct JsonOf<bool> {
    static Json write(bool value) { return value; }
    static bool read(const Json& json) {
        if (!json.is_boolean()) throw JsonError(": has to be true or false");
        return json.get<bool>();
    }
};

template <typename T>
struct JsonOf<T, std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>>> {
    static Json write(T value) { return value; }
    static T read(const Json& json) {
        if (!json.is_number_integer()) throw JsonError(": has to be a whole number");
        const bool fits = json.is_number_unsigned() ? std::in_range<T>(json.get<std::uint64_t>())
                                                    : std::in_range<T>(json.get<std::int64_t>());
        if (!fits) throw JsonError(": is out of range");
        return json.get<T>();
    }
};

template <>
struct JsonOf<double> {
    /// JSON has no infinity.
    static Json write(double value) { return std::isinf(value) ? Json("unlimited") : Json(value); }
    static double read(const Json& json) {
        if (json.is_string() && json.get_ref<const std::string&>() == "unlimited") return HUGE_VAL;
        if (!json.is_number()) throw JsonError(": has to be a number");
        return json.get<double>();
    }
};

template <>
struct JsonOf<Bytes> {
    static Json write(Bytes value) { return value.count; }
    static Bytes read(const Json& json) { return {from_json_value<std::uint64_t>(json)}; }
};

template <>
struct JsonOf<std::string> {
    static Json write(const std::string& value) { return text_to_json(value); }
    static std::string read(const Json& json) { return text_from_json(json); }
};

template <typename T>
struct JsonOf<T, std::enable_if_t<std::is_enum_v<T>>> {
    static Json write(T value) { return std::string(Words<T>::list.at(static_cast<std::size_t>(value))); }
    static T read(const Json& json) {
        if (json.is_string()) {
            const auto& word = json.get_ref<const std::string&>();
            for (std::size_t i = 0; i < Words<T>::list.size(); ++i) {
                if (Words<T>::list.at(i) == word) return static_cast<T>(i);
            }
        }
        throw JsonError(concat(": has to be one of ", join(Words<T>::list, ", ")));
    }
};

template <typename Rep, typename Period>
struct JsonOf<std::chrono::duration<Rep, Period>> {
    static Json write(std::chrono::duration<Rep, Period> value) { return value.count(); }
    static std::chrono::duration<Rep, Period> read(const Json& json) {
        return std::chrono::duration<Rep, Period>(from_json_value<Rep>(json));
    }
};

template <typename T>
struct JsonOf<std::optional<T>> {
    static Json write(const std::optional<T>& value) { return value ? to_json_value(*value) : Json(); }
    static std::optional<T> read(const Json& json) {
        if (json.is_null()) return std::nullopt;
        return from_json_value<T>(json);
    }
};

template <typename T>
struct JsonOf<std::vector<T>> {
    static Json write(const std::vector<T>& values) {
        Json json = Json::array();
        for (const auto& value : values) json.push_back(to_json_value<T>(value));
        return json;
    }
    static std::vector<T> read(const Json& json) {
        if (!json.is_array()) throw JsonError(": has to be a list");
        std::vector<T> values;
        for (const Json& item : json) {
            at_place(concat('[', values.size(), ']'), [&] { values.push_back(from_json_value<T>(item)); });
        }
        return values;
    }
};

/// An object; a list of pairs if some key is no text that JSON can have.
template <typename Key, typename T>
struct JsonOf<std::map<Key, T>> {
    static Json write(const std::map<Key, T>& values) {
        Json object = Json::object();
        Json pairs = Json::array();
        bool plain = true;
        for (const auto& [key, value] : values) {
            const Json name = to_json_value(key);
            plain = plain && name.is_string();
            if (plain) object[name.get_ref<const std::string&>()] = to_json_value(value);
            pairs.push_back(Json::array({name, to_json_value(value)}));
        }
        return plain ? object : pairs;
    }
    static std::map<Key, T> read(const Json& json) {
        std::map<Key, T> values;
        const auto add = [&](const Json& key, const Json& value) {
            at_place(key.is_string() ? key.get<std::string>() : "[]",
                     [&] { values.insert_or_assign(from_json_value<Key>(key), from_json_value<T>(value)); });
        };
        if (json.is_object()) {
            for (const auto& [key, value] : json.items()) add(Json(key), value);
        } else if (json.is_array()) {
            for (const Json& pair : json) {
                if (!pair.is_array() || pair.size() != 2) throw JsonError(": has to be a list of pairs");
                add(pair[0], pair[1]);
            }
        } else {
            throw JsonError(": has to be an object");
        }
        return values;
    }
};

/// {"<alternative's name>": {...}}
template <typename... T>
struct JsonOf<std::variant<T...>> {
    static Json write(const std::variant<T...>& value) {
        return std::visit(
            [](const auto& alternative) {
                using A = std::decay_t<decltype(alternative)>;
                return Json{{Fields<A>::name, to_json_value(alternative)}};
            },
            value);
    }
    static std::variant<T...> read(const Json& json) {
        if (!json.is_object() || json.size() != 1) throw JsonError(": has to be an object with one entry");
        const auto& item = json.items().begin();
        std::optional<std::variant<T...>> value;
        const auto attempt = [&]<typename A>(std::type_identity<A>) {
            if (item.key() != Fields<A>::name) return;
            at_place(item.key(), [&] { value = from_json_value<A>(item.value()); });
        };
        (attempt(std::type_identity<T>{}), ...);
        if (!value) throw JsonError(concat(": is of the unknown kind '", item.key(), "'"));
        return *value;
    }
};

template <typename T>
const T& defaults_of() {
    static const auto defaults = std::make_unique<const T>(); // of a static T GCC 12 warns without reason at -O3
    return *defaults;
}

/// Everything with a list of fields. Those that have their default value are left out.
template <typename T>
struct JsonOf<T, std::void_t<decltype(Fields<T>::list)>> {
    static Json write(const T& value) {
        Json json = Json::object();
        const auto one = [&]<typename V>(const Field<T, V>& field) {
            if (!(value.*field.member == defaults_of<T>().*field.member)) {
                json[field.name] = to_json_value(value.*field.member);
            }
        };
        for_each_plain_field(one);
        return json;
    }
    static T read(const Json& json) {
        if (!json.is_object()) throw JsonError(": has to be an object");
        T value{};
        std::size_t known = 0;
        const auto one = [&]<typename V>(const Field<T, V>& field) {
            const auto found = json.find(field.name);
            if (found == json.end()) return;
            ++known;
            at_place(field.name, [&] { value.*field.member = from_json_value<V>(*found); });
        };
        for_each_plain_field(one);
        if (known != json.size()) throw JsonError(concat(unknown_field(json), ": is unknown to this version of libct"));
        return value;
    }

private:
    template <typename Visit>
    static void for_each_plain_field(const Visit& visit) {
        const auto filter = [&](const auto& field) {
            if constexpr (requires { visit(field); }) visit(field);
        };
        std::apply([&](const auto&... fields) { (filter(fields), ...); }, Fields<T>::list);
    }

    static std::string unknown_field(const Json& json) {
        for (const auto& [key, value] : json.items()) {
            bool known = false;
            for_each_plain_field([&, &key = key]<typename V>(const Field<T, V>& field) { known |= key == field.name; });
            if (!known) return key;
        }
        return {};
    }
};

template <typename T>
void find_own_fields(const std::optional<T>& value, const std::string& place, std::vector<std::string>& found);
template <typename... T>
void find_own_fields(const std::variant<T...>& value, const std::string& place, std::vector<std::string>& found);
template <typename T>
void find_own_fields(const std::vector<T>& values, const std::string& place, std::vector<std::string>& found);
template <typename Key, typename T>
void find_own_fields(const std::map<Key, T>& values, const std::string& place, std::vector<std::string>& found);

/// The fields that are set and cannot be written, with their places.
template <typename T>
void find_own_fields(const T& value, const std::string& place, std::vector<std::string>& found) {
    if constexpr (requires { Fields<T>::list; }) {
        const auto inner = [&](const char* name) { return place.empty() ? name : concat(place, ".", name); };
        const auto one = [&]<typename Listed>(const Listed& field) {
            if constexpr (std::is_same_v<Listed, Field<T, std::decay_t<decltype(value.*field.member)>>>) {
                find_own_fields(value.*field.member, inner(field.name), found);
            } else if (!(value.*field.member == defaults_of<T>().*field.member)) {
                found.push_back(inner(field.name));
            }
        };
        std::apply([&](const auto&... fields) { (one(fields), ...); }, Fields<T>::list);
    }
}
template <typename T>
void find_own_fields(const std::optional<T>& value, const std::string& place, std::vector<std::string>& found) {
    if (value) find_own_fields(*value, place, found);
}
template <typename... T>
void find_own_fields(const std::variant<T...>& value, const std::string& place, std::vector<std::string>& found) {
    std::visit([&](const auto& alternative) { find_own_fields(alternative, place, found); }, value);
}
template <typename T>
void find_own_fields(const std::vector<T>& values, const std::string& place, std::vector<std::string>& found) {
    for (std::size_t i = 0; i < values.size(); ++i) find_own_fields(values[i], concat(place, "[", i, "]"), found);
}
template <typename Key, typename T>
void find_own_fields(const std::map<Key, T>& values, const std::string& place, std::vector<std::string>& found) {
    for (const auto& [key, value] : values) {
        const Json name = to_json_value(key);
        find_own_fields(value, concat(place, "[", name.is_string() ? name.get<std::string>() : name.dump(), "]"),
                        found);
    }
}

} // namespace ct::internal
