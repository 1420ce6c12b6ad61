// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "state/json.hpp"

#include <array>

#include <ct/error.hpp>
#include <ct/state.hpp>

#include "base/hex.hpp"
#include "state/spec_json.hpp"

namespace ct {

namespace internal {

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
        const unsigned char lead = byte(i);
        const std::size_t more = lead < 0x80 ? 0 : lead >= 0xC2 && lead < 0xE0 ? 1 : (lead & 0xF0) == 0xE0 ? 2 : 3;
        if (lead >= 0x80 && (lead < 0xC2 || lead > 0xF4)) return false;
        if (i + more >= text.size()) return false;
        for (std::size_t k = 1; k <= more; ++k) {
            if ((byte(i + k) & 0xC0) != 0x80) return false;
        }
        // Overlong forms, surrogates and what is above U+10FFFF.
        if (lead == 0xE0 && byte(i + 1) < 0xA0) return false;
        if (lead == 0xED && byte(i + 1) > 0x9F) return false;
        if (lead == 0xF0 && byte(i + 1) < 0x90) return false;
        if (lead == 0xF4 && byte(i + 1) > 0x8F) return false;
        i += more + 1;
    }
    return true;
}

Json text_to_json(const std::string& text) {
    if (is_utf8(text)) return text;
    return {{"hex", to_hex(text)}};
}

std::string text_from_json(const Json& json) {
    if (json.is_string()) return json.get<std::string>();
    if (!json.is_object() || json.size() != 1 || !json.contains("hex") || !json["hex"].is_string()) {
        throw JsonError(": has to be text");
    }
    const auto& hex = json["hex"].get_ref<const std::string&>();
    if (hex.size() % 2 != 0 || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
        throw JsonError(": has to be pairs of hex digits");
    }
    return from_hex(hex);
}

Json parse_json(std::string_view text) {
    Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded()) throw JsonError(": is not JSON");
    return json;
}

void check_savable(const Spec& spec, const ProcessSpec* process) {
    std::vector<std::string> found;
    find_own_fields(spec, "", found);
    if (process != nullptr) find_own_fields(*process, "", found);
    if (found.empty()) return;
    throw Error(Errc::InvalidConfig, Stage::Configure, "save", {},
                concat("what belongs to this process cannot be saved: ", join(found, ", ")));
}

namespace {

template <typename T>
T parse(std::string_view text, const char* what) {
    try {
        return from_json_value<T>(parse_json(text));
    } catch (const JsonError& error) {
        throw Error(Errc::InvalidConfig, Stage::Configure, concat("read a ", what), {}, error.clause());
    }
}

} // namespace

} // namespace internal

std::string to_json(const Spec& spec) {
    return internal::to_json_value(spec).dump();
}

std::string to_json(const ProcessSpec& process) {
    return internal::to_json_value(process).dump();
}

Spec spec_from_json(std::string_view text) {
    return internal::parse<Spec>(text, "specification");
}

ProcessSpec process_from_json(std::string_view text) {
    return internal::parse<ProcessSpec>(text, "process specification");
}

} // namespace ct
