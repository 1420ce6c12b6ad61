// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include "net/host_links.hpp"
#include "state/fields.hpp"
#include "state/process_id.hpp"

/// The fields of what several kinds of records have; see spec_fields.hpp.
namespace ct::internal {

template <>
struct Fields<ProcessId> {
    static constexpr std::tuple list{
        field("pid", &ProcessId::pid),
        field("start_time", &ProcessId::start_time),
    };
};
template <>
struct Fields<HostLink> {
    static constexpr std::tuple list{
        field("name", &HostLink::name),
        field("mac", &HostLink::mac),
    };
};
template <>
struct Fields<Viewpoint> {
    static constexpr std::tuple list{
        field("boot", &Viewpoint::boot),
        field("pid_namespace", &Viewpoint::pid_namespace),
        field("time_namespace", &Viewpoint::time_namespace),
    };
};

} // namespace ct::internal
