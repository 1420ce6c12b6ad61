// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ct/error.hpp>

#include "follow/event_reader_core.hpp"
#include "monitor/event_fields.hpp"
#include "state/event_file.hpp"

namespace ct::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

class EventFileTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string text = (fs::temp_directory_path() / "ct-events-XXXXXX").string();
        ASSERT_NE(::mkdtemp(text.data()), nullptr);
        dir_ = text;
        store_.emplace(text);
    }
    void TearDown() override { fs::remove_all(dir_); }

    [[nodiscard]] fs::path file() const { return dir_ / EventDirectory / EventFile; }
    void record(std::string_view name, State to) const {
        append_event(*store_, event_line(name, event_fields(StateEvent{name, State::Stopped, to})));
    }
    static std::vector<std::string> take(EventReaderCore& reader) {
        std::vector<std::string> found;
        const auto add = [&](const RecordedEvent& event) {
            const std::string_view json = event.json;
            const std::size_t at = json.rfind(':');
            found.push_back(std::string(event.container) + std::string(json.substr(at)));
        };
        while (reader.read(add)) continue;
        return found;
    }

    fs::path dir_;
    std::optional<Store> store_;
};

TEST_F(EventFileTest, KeepsWhatWasRecorded) {
    EventReaderCore before(*store_, {.history = false, .follow = true});
    EXPECT_THAT(take(before), IsEmpty());
    record("a", State::Running);
    record("b", State::Stopped);
    EXPECT_THAT(take(before), ElementsAre("a:\"running\"}", "b:\"stopped\"}"));
    EventReaderCore all(*store_, {});
    EXPECT_THAT(take(all), ElementsAre("a:\"running\"}", "b:\"stopped\"}"));
    EventReaderCore one(*store_, {.containers = {"b"}});
    EXPECT_THAT(take(one), ElementsAre("b:\"stopped\"}"));
    EventReaderCore late(*store_, {.since = parse_rfc3339("2200-01-01T00:00:00Z")});
    EXPECT_THAT(take(late), IsEmpty());
    EventReaderCore none(*store_, {.history = false});
    EXPECT_THAT(take(none), IsEmpty());
}

TEST_F(EventFileTest, IsBoundedAndFollowedAcrossItsEnd) {
    EventReaderCore reader(*store_, {.follow = true});
    std::size_t found = 0;
    for (int i = 0; i < 40'000; ++i) {
        record("box", State::Running);
        if (i % 500 == 499) found += take(reader).size();
    }
    EXPECT_EQ(found, 40'000U);
    EXPECT_LE(fs::file_size(file()), 512U * 1024);
    EXPECT_LE(fs::file_size(file().string() + ".1"), 512U * 1024);
    EXPECT_EQ(std::distance(fs::directory_iterator(dir_ / EventDirectory), {}), 3) << "two files and a lock";
}

TEST_F(EventFileTest, WritersDoNotDisturbEachOther) {
    std::vector<std::thread> writers;
    for (int i = 0; i < 4; ++i) {
        writers.emplace_back([&, i] {
            const Store store(dir_.string()); // as another process would have
            const std::string name(1, static_cast<char>('a' + i));
            for (int n = 0; n < 200; ++n) append_event(store, event_line(name, event_fields(LimitEvent{name, 1}, "x")));
        });
    }
    for (std::thread& writer : writers) writer.join();
    EventReaderCore reader(*store_, {});
    EXPECT_EQ(take(reader).size(), 800U);
}

TEST_F(EventFileTest, SurvivesATornLine) {
    record("a", State::Running);
    std::ofstream(file(), std::ios::app) << R"({"time":"2024-02-29T23)";
    record("b", State::Running);
    std::ofstream(file(), std::ios::app) << "\n[]\n{}\nnull\n{\"time\":1,\"container\":[],\"event\":{}}\n";
    record("c", State::Running);
    EventReaderCore reader(*store_, {});
    EXPECT_THAT(take(reader), ElementsAre("a:\"running\"}", "b:\"running\"}", "c:\"running\"}"));
}

TEST_F(EventFileTest, WritesToNothingButARegularFile) {
    record("a", State::Running);
    fs::remove(file());
    fs::create_symlink(dir_ / "other", file());
    record("b", State::Running);
    EXPECT_FALSE(fs::exists(dir_ / "other"));
    fs::remove(file());
    ASSERT_EQ(::mkfifo(file().c_str(), 0600), 0);
    record("c", State::Running); // does not wait for a reader
    fs::remove(file());
    record("d", State::Running);
    EventReaderCore reader(*store_, {});
    EXPECT_THAT(take(reader), ElementsAre("d:\"running\"}"));
}

TEST_F(EventFileTest, TellsTheStatesOfThoseWhoRecordNothing) {
    EventReaderCore reader(*store_, {.follow = true});
    const auto put = [&](const char* name, Phase phase, bool recorded) {
        Record record;
        record.name = name;
        record.phase = phase;
        record.saved = true;
        record.records_events = recorded;
        record.viewpoint = store_->viewpoint();
        store_->lock(name).write(record);
    };
    put("box", Phase::Idle, false);
    EXPECT_THAT(take(reader), IsEmpty());
    put("box", Phase::Starting, false);
    put("other", Phase::Running, true); // tells itself
    EXPECT_THAT(take(reader), ElementsAre("box:\"starting\"}"));
    put("box", Phase::Running, false);
    EXPECT_THAT(take(reader), ElementsAre("box:\"running\"}"));
    store_->lock("box").remove();
    EXPECT_THAT(take(reader), ElementsAre("box:\"stopped\"}"));
    put("box", Phase::Running, false);
    EXPECT_THAT(take(reader), ElementsAre("box:\"running\"}")) << "another of that name";
    pollfd ready{reader.fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&ready, 1, 0), 0) << "nothing wakes it up for no reason";
    std::ofstream(dir_ / "box" / "record.json") << "damaged";
    put("third", Phase::Running, false);
    EXPECT_THAT(take(reader), ElementsAre("third:\"running\"}"));
}

TEST(EventFields, AreOneLineOfJson) {
    const std::string name = "box";
    EXPECT_EQ(event_fields(StateEvent{name, State::Starting, State::Running}),
              R"("event":"state","from":"starting","to":"running")");
    EXPECT_EQ(event_fields(OomEvent{name, 1, 2}), R"("event":"oom","kills":1,"all_kills":2)");
    EXPECT_EQ(event_fields(FrozenEvent{name, true}), R"("event":"frozen","frozen":true)");
    EXPECT_EQ(event_fields(LimitEvent{name, 3}, "pids_limit"), R"("event":"pids_limit","count":3)");
    EXPECT_EQ(event_fields(ProcessExitEvent{name, 4, {ExitStatus::Kind::Signaled, 9, false}}),
              R"("event":"process_exit","pid":4,"status":"signaled","signal":9)");
    const ExitRecord record{.container = name, .pid = 5, .status = {ExitStatus::Kind::Exited, 6, false}};
    EXPECT_THAT(event_fields(ExitEvent{name, record}),
                HasSubstr(R"("event":"exit","pid":5,"status":"exited","code":6,"record":{)"));
    EXPECT_THAT(event_fields(StartEvent{name, 7, {}}), HasSubstr(R"("event":"start","pid":7,"times":{"prepare":0,)"));
}

} // namespace
} // namespace ct::internal
