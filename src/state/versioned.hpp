// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <string_view>

#include <ct/error.hpp>

#include "base/concat.hpp"
#include "state/json.hpp"

/// Records as files have them: an object with the fields of a structure, and the version of their format.
namespace ct::internal {

template <typename Record>
[[nodiscard]] std::string write_versioned(const Record& record) {
    Json json = to_json_value(record);
    json["version"] = Record::Version;
    return json.dump();
}

/// \param check  throws JsonError or Error for what is not to be believed
/// \throws Error with Errc::BadRecord
template <typename Record, typename Check>
[[nodiscard]] Record read_versioned(std::string_view text, Stage stage, const Check& check) {
    try {
        Json json = parse_json(text);
        const auto version = json.is_object() ? json.find("version") : json.end();
        if (version == json.end()) throw JsonError(": is not a record");
        if (*version != Record::Version) {
            throw JsonError(concat(": is of version ", version->dump(), ", which this libct does not know"));
        }
        json.erase(version);
        auto record = from_json_value<Record>(json);
        check(record);
        return record;
    } catch (const JsonError& error) {
        throw Error(Errc::BadRecord, stage, "read the record", {}, error.clause());
    } catch (const Error& error) {
        throw Error(Errc::BadRecord, stage, "read the record", {}, error.what());
    }
}

} // namespace ct::internal
