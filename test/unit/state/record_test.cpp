// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ct/error.hpp>

#include "state/record.hpp"

namespace ct::internal {
namespace {

Record full_record() {
    Record record;
    record.name = "web";
    record.phase = Phase::Running;
    record.saved = true;
    record.adopted = true;
    record.on_close = OnClose::Detach;
    record.viewpoint = {"boot", 1, 2};
    record.owner = {3, 4};
    record.init = {5, 18446744073709551615ULL};
    record.created = std::chrono::seconds(6);
    record.started = std::chrono::seconds(7);
    record.last_exit = ExitStatus{ExitStatus::Kind::Signaled, 11, true};
    record.command = {"sh", "-c"};
    record.log = {LogFile{.path = "/log", .format = LogFormat::Json, .labels = {{"a", "b"}}}, Journald{.tag = "t"},
                  Syslog{.facility = 16}};
    record.attach_socket = "/run/attach";
    record.records_events = true;
    record.area_mount = HostMount{"/mnt", 8};
    record.files_root = "/root";
    record.mount_points = {"/a", "/a/b"};
    record.spec = std::make_shared<const Spec>(Spec{.hostname = "h"});
    record.process = std::make_shared<const ProcessSpec>(ProcessSpec{.argv = {"x"}});
    return record;
}

TEST(RecordText, ComesBackAsItWas) {
    const Record before = full_record();
    const Record after = read_record(write_record(before));
    EXPECT_EQ(write_record(after), write_record(before));
    EXPECT_EQ(after.init, before.init);
    EXPECT_EQ(after.last_exit, before.last_exit);
    EXPECT_EQ(after.mount_points, before.mount_points);
    EXPECT_EQ(*after.spec, *before.spec);
    ASSERT_NE(after.process, nullptr);
    EXPECT_EQ(*after.process, *before.process);
    EXPECT_EQ(after.viewpoint, before.viewpoint);
    EXPECT_EQ(after.started, before.started);
    EXPECT_EQ(after.log, before.log);
    EXPECT_EQ(after.attach_socket, before.attach_socket);
    EXPECT_EQ(after.records_events, before.records_events);
}

TEST(RecordText, IsRefusedIfItIsOfANewerVersionOrDamaged) {
    const auto complaint = [](std::string_view text) {
        try {
            (void)read_record(text);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::BadRecord);
            return error.hint();
        }
        return std::string("none");
    };
    EXPECT_EQ(complaint(R"({"version": 2, "name": "x"})"), "it is of version 2, which this libct does not know");
    EXPECT_EQ(complaint(R"({"name": "x"})"), "it is not a record");
    EXPECT_EQ(complaint(""), "it is not JSON");
    EXPECT_EQ(complaint(R"({"version": 1, "color": "red"})"), "color: is unknown to this version of libct");
    EXPECT_EQ(complaint(R"({"version": 1, "spec": {"color": 1}})"), "spec.color: is unknown to this version of libct");
    EXPECT_EQ(complaint(R"({"version": 1, "spec": null})"), "spec: is missing");
    EXPECT_EQ(complaint(R"({"version": 1, "init": {"pid": 1e30}})"), "init.pid: has to be a whole number");
    const std::string text = write_record(full_record());
    for (std::size_t i = 0; i < text.size(); ++i) EXPECT_NE(complaint(text.substr(0, i)), "none");
}

} // namespace
} // namespace ct::internal
