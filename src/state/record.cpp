// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "state/record.hpp"

#include "state/json.hpp"
#include "state/log_fields.hpp"
#include "state/record_fields.hpp"
#include "state/versioned.hpp"

namespace ct::internal {

template <>
struct Words<Phase> {
    static constexpr std::array<std::string_view, 3> list{"idle", "starting", "running"};
};
template <>
struct Words<OnClose> {
    static constexpr std::array<std::string_view, 2> list{"kill", "detach"};
};
template <>
struct Words<ExitStatus::Kind> {
    static constexpr std::array<std::string_view, 3> list{"exited", "signaled", "unknown"};
};
template <>
struct Fields<ExitStatus> {
    static constexpr std::tuple list{
        field("kind", &ExitStatus::kind),
        field("value", &ExitStatus::value),
        field("core_dumped", &ExitStatus::core_dumped),
    };
};
template <>
struct Fields<HostMount> {
    static constexpr std::tuple list{
        field("target", &HostMount::target),
        field("id", &HostMount::id),
    };
};
template <>
struct Fields<NicState> {
    static constexpr std::tuple list{
        field("name", &NicState::name),     field("inner_name", &NicState::inner_name),
        field("index", &NicState::index),   field("kind", &NicState::kind),
        field("mac", &NicState::mac),       field("permanent", &NicState::permanent),
        field("mtu", &NicState::mtu),       field("flags", &NicState::flags),
        field("peer", &NicState::peer),     field("inner_index", &NicState::inner_index),
        field("home", &NicState::home),     field("other_names", &NicState::other_names),
        field("master", &NicState::master), field("addresses", &NicState::addresses),
        field("routes", &NicState::routes),
    };
};
template <typename T>
struct JsonOf<std::shared_ptr<const T>> {
    static Json write(const std::shared_ptr<const T>& value) { return value ? to_json_value(*value) : Json(); }
    static std::shared_ptr<const T> read(const Json& json) {
        if (json.is_null()) return {};
        return std::make_shared<const T>(from_json_value<T>(json));
    }
};
template <>
struct Fields<Record> {
    static constexpr std::tuple list{
        field("name", &Record::name),
        field("phase", &Record::phase),
        field("saved", &Record::saved),
        field("adopted", &Record::adopted),
        field("held", &Record::held),
        field("on_close", &Record::on_close),
        field("viewpoint", &Record::viewpoint),
        field("owner", &Record::owner),
        field("init", &Record::init),
        field("created", &Record::created),
        field("started", &Record::started),
        field("last_exit", &Record::last_exit),
        field("command", &Record::command),
        field("log", &Record::log),
        field("attach_socket", &Record::attach_socket),
        field("records_events", &Record::records_events),
        field("area_mount", &Record::area_mount),
        field("links", &Record::links),
        field("nics", &Record::nics),
        field("nic_pin", &Record::nic_pin),
        field("groups", &Record::groups),
        field("group_mark", &Record::group_mark),
        field("files_root", &Record::files_root),
        field("mount_points", &Record::mount_points),
        field("spec", &Record::spec),
        field("process", &Record::process),
    };
};

std::string write_record(const Record& record) {
    return write_versioned(record);
}

Record read_record(std::string_view text) {
    return read_versioned<Record>(text, Stage::State, [](const Record& record) {
        if (!record.spec) throw JsonError("spec: is missing");
    });
}

} // namespace ct::internal
