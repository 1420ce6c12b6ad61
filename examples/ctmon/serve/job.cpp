// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "serve/job.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>

namespace ctmon {

using ct::internal::UniqueFd;

namespace {

void append_list(std::vector<std::string>& words, const std::vector<std::string>& list) {
    words.push_back(std::to_string(list.size()));
    words.insert(words.end(), list.begin(), list.end());
}

bool read_list(const Message& message, std::size_t& at, std::vector<std::string>& list) {
    const long count = message.number(at++);
    if (count < 0 || static_cast<std::size_t>(count) > message.words.size() - std::min(at, message.words.size()))
        return false;
    for (long i = 0; i < count; ++i) list.emplace_back(message.word(at++));
    return true;
}

rlim_t limit_of(const std::string& text) {
    rlim_t value = RLIM_INFINITY;
    (void)std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

} // namespace

void append_job(const Job& job, std::vector<std::string>& words, std::vector<int>& fds) {
    append_list(words, job.arguments);
    append_list(words, job.inherited.environment);
    words.push_back(job.inherited.oom_score_adj);
    words.emplace_back(job.inherited.sigpipe_ignored ? "1" : "0");
    std::vector<std::string> limits;
    for (const rlimit& limit : job.inherited.limits) {
        limits.push_back(std::to_string(limit.rlim_cur));
        limits.push_back(std::to_string(limit.rlim_max));
    }
    append_list(words, limits);
    std::vector<std::string> blocked;
    for (int number = 1; number < NSIG; ++number)
        if (::sigismember(&job.inherited.blocked_signals, number) == 1) blocked.push_back(std::to_string(number));
    append_list(words, blocked);
    std::vector<std::string> names;
    for (const auto& [name, fd] : job.fds) {
        names.push_back(name);
        fds.push_back(fd);
    }
    append_list(words, names);
}

UniqueFd ReceivedJob::take(std::string_view name) {
    const auto found = std::ranges::find(fds, name, [](const auto& each) { return std::string_view(each.first); });
    return found == fds.end() ? UniqueFd() : std::move(found->second);
}

std::optional<ReceivedJob> read_job(Message& message, std::size_t at) {
    ReceivedJob job;
    std::vector<std::string> names;
    std::vector<std::string> limits;
    if (!read_list(message, at, job.arguments) || !read_list(message, at, job.inherited.environment))
        return std::nullopt;
    job.inherited.oom_score_adj = message.word(at++);
    job.inherited.sigpipe_ignored = message.word(at++) == "1";
    if (!read_list(message, at, limits) || limits.size() % 2 != 0) return std::nullopt;
    for (std::size_t i = 0; i < limits.size(); i += 2)
        job.inherited.limits.push_back({.rlim_cur = limit_of(limits[i]), .rlim_max = limit_of(limits[i + 1])});
    std::vector<std::string> blocked;
    if (!read_list(message, at, blocked)) return std::nullopt;
    ::sigemptyset(&job.inherited.blocked_signals);
    for (const std::string& number : blocked)
        (void)::sigaddset(&job.inherited.blocked_signals, std::atoi(number.c_str()));
    if (!read_list(message, at, names) || names.size() != message.fds.size()) return std::nullopt;
    for (std::size_t i = 0; i < names.size(); ++i) job.fds.emplace_back(std::move(names[i]), std::move(message.fds[i]));
    return job;
}

} // namespace ctmon
