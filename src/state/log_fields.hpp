// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ct/log.hpp>

#include "state/fields.hpp"

/// The fields of the targets of a log; see spec_fields.hpp.
namespace ct::internal {

template <>
struct Words<LogPolicy> {
    static constexpr std::array<std::string_view, 2> list{"drop", "block"};
};
template <>
struct Words<LogFormat> {
    static constexpr std::array<std::string_view, 3> list{"k8s", "json", "plain"};
};

template <>
struct Fields<LogDelivery> {
    static constexpr std::tuple list{
        field("policy", &LogDelivery::policy),
        field("backlog", &LogDelivery::backlog),
    };
};
template <>
struct Fields<LogFile> {
    static constexpr const char* name = "file";
    static constexpr std::tuple list{
        field("path", &LogFile::path),
        field("format", &LogFile::format),
        field("mode", &LogFile::mode),
        field("rotate_size", &LogFile::rotate_size),
        field("rotate_count", &LogFile::rotate_count),
        field("replace_on_reopen", &LogFile::replace_on_reopen),
        field("total_size", &LogFile::total_size),
        field("total_with_old", &LogFile::total_with_old),
        field("sync", &LogFile::sync),
        field("local_time", &LogFile::local_time),
        field("labels", &LogFile::labels),
        field("delivery", &LogFile::delivery),
    };
};
template <>
struct Fields<Journald> {
    static constexpr const char* name = "journald";
    static constexpr std::tuple list{
        field("tag", &Journald::tag),
        field("id", &Journald::id),
        field("labels", &Journald::labels),
        field("keep_newline", &Journald::keep_newline),
        field("mark_partial", &Journald::mark_partial),
        field("priority_prefix", &Journald::priority_prefix),
        field("optional", &Journald::optional),
        field("socket", &Journald::socket),
        field("delivery", &Journald::delivery),
    };
};
template <>
struct Fields<Syslog> {
    static constexpr const char* name = "syslog";
    static constexpr std::tuple list{
        field("tag", &Syslog::tag),
        field("facility", &Syslog::facility),
        field("socket", &Syslog::socket),
        field("delivery", &Syslog::delivery),
    };
};

} // namespace ct::internal
