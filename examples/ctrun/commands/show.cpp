// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// list, inspect, ps: what only looks.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>

#include "../json.hpp"
#include "../table.hpp"
#include "commands.hpp"

namespace ctrun {

namespace {

using TimePoint = std::chrono::system_clock::time_point;

std::string local_time(std::optional<TimePoint> time) {
    if (!time) return "-";
    const std::time_t seconds = std::chrono::system_clock::to_time_t(*time);
    std::tm parts{};
    char text[32] = "-";
    if (::localtime_r(&seconds, &parts) != nullptr) (void)std::strftime(text, sizeof text, "%F %T", &parts);
    return text;
}

std::string number(pid_t pid) {
    return pid > 0 ? std::to_string(pid) : "-";
}

std::string words(const std::vector<std::string>& command) {
    std::string text;
    for (const std::string& word : command) text += (text.empty() ? "" : " ") + word;
    return text.empty() ? "-" : text;
}

/// "running", or how it has ended.
std::string state(const ct::ContainerInfo& info) {
    std::string text(to_string(info.state));
    if (info.state == ct::State::Stopped && info.last_exit) text += ", " + info.last_exit->describe();
    return text;
}

Json to_json(const ct::ContainerInfo& info) {
    const auto seconds = [](std::optional<TimePoint> time) {
        return time ? Json(std::chrono::system_clock::to_time_t(*time)) : Json();
    };
    const auto pid = [](pid_t value) { return value > 0 ? Json(value) : Json(); };
    Json json{{"name", info.name},
              {"state", std::string(to_string(info.state))},
              {"pid", pid(info.pid)},
              {"owner", pid(info.owner)},
              {"saved", info.saved},
              {"created", seconds(info.created)},
              {"started", seconds(info.started)},
              {"command", info.command},
              {"last_exit", nullptr}};
    // By its owner; null if that was not wanted.
    json["logged"] = info.log.empty() ? Json() : Json(info.owner > 0 && info.state != ct::State::Stopped);
    if (info.last_exit) {
        using Kind = ct::ExitStatus::Kind;
        const Kind kind = info.last_exit->kind;
        json["last_exit"] = {{"code", kind == Kind::Exited ? Json(info.last_exit->value) : Json()},
                             {"signal", kind == Kind::Signaled ? Json(info.last_exit->value) : Json()},
                             {"text", info.last_exit->describe()}};
    }
    return json;
}

void add_lines(Table& table, const std::string& place, const Json& json) {
    if (json.is_object() && !json.empty()) {
        for (const auto& [key, value] : json.items()) add_lines(table, place.empty() ? key : place + "." + key, value);
    } else if (json.is_array() && !json.empty() && json.front().is_structured()) {
        for (std::size_t i = 0; i < json.size(); ++i) add_lines(table, place + "[" + std::to_string(i) + "]", json[i]);
    } else if (json.is_string()) {
        table.add({place, json.get<std::string>()});
    } else {
        table.add({place, json.dump(-1, ' ', false, Json::error_handler_t::replace)});
    }
}

std::string file(const std::string& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
}

/// One process as the host sees it.
struct Row {
    pid_t pid;
    std::string inside; ///< Its pid in its own pid namespace.
    std::string user;
    std::string command;
};

std::string field(const std::string& status, const std::string& name) {
    const std::size_t at = status.find("\n" + name + ":");
    if (at == std::string::npos) return "-";
    const std::size_t begin = at + name.size() + 2;
    return status.substr(begin, status.find('\n', begin) - begin);
}

std::optional<Row> look(pid_t pid) {
    const std::string proc = "/proc/" + std::to_string(pid);
    const std::string status = file(proc + "/status");
    if (status.empty()) return std::nullopt; // it has just ended
    std::string command = file(proc + "/cmdline");
    while (!command.empty() && command.back() == '\0') command.pop_back();
    std::ranges::replace(command, '\0', ' ');
    if (command.empty()) command = "[" + file(proc + "/comm").substr(0, 15) + "]";
    std::erase(command, '\n');
    std::istringstream uids(field(status, "Uid"));
    std::istringstream pids(field(status, "NSpid"));
    Row row{.pid = pid, .inside = {}, .user = {}, .command = std::move(command)};
    uids >> row.user;
    for (std::string each; pids >> each;) row.inside = each; // the innermost is the last
    return row;
}

} // namespace

int execute(const ListCommand& command) {
    const std::vector<ct::ContainerInfo> containers = open_session().containers();
    if (command.json) {
        Json list = Json::array();
        for (const ct::ContainerInfo& info : containers) list.push_back(to_json(info));
        print_json(list);
        return 0;
    }
    Table table({"NAME", "PID", "STARTED", "STATE", "COMMAND"});
    for (const ct::ContainerInfo& info : containers)
        table.add({info.name, number(info.pid), local_time(info.started), state(info), words(info.command)});
    table.print(std::cout);
    return 0;
}

int execute(const InspectCommand& command) {
    ct::Session session = open_session();
    ct::Container container = session.open(command.name);
    Json json = to_json(container.info());
    json["spec"] = Json::parse(ct::to_json(container.spec()));
    const auto process = container.process();
    json["process"] = process ? Json::parse(ct::to_json(*process)) : Json();
    if (command.json) {
        print_json(json);
        return 0;
    }
    Table table;
    add_lines(table, "", json);
    table.print(std::cout);
    return 0;
}

int execute(const PsCommand& command) {
    ct::Session session = open_session();
    ct::Container container = session.open(command.name);
    Json list = Json::array();
    Table table({"PID", "INSIDE", "USER", "COMMAND"});
    if (!container.running()) throw std::runtime_error("container '" + command.name + "' is not running");
    for (const pid_t pid : container.processes()) {
        const auto row = look(pid);
        if (!row) continue;
        table.add({std::to_string(row->pid), row->inside, row->user, row->command});
        list.push_back({{"pid", row->pid},
                        {"inside", std::stoi(row->inside)},
                        {"user", std::stoll(row->user)},
                        {"command", row->command}});
    }
    if (command.json) {
        print_json(list);
    } else {
        table.print(std::cout);
    }
    return 0;
}

int execute(const HelpCommand& command) {
    std::cout << command.text;
    return 0;
}

} // namespace ctrun
