// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "serve/message.hpp"

namespace ctmon {

/// The process that `ctmon serve` begins as. It does next to nothing, so that it does not fail: it starts the server,
/// keeps a copy of all descriptors and records of it, and reaps the containers, whose processes become its children. If
/// the server dies, it starts another one, which goes on where that one was. SIGHUP replaces both by what is installed
/// now. SIGTERM has the server take nothing new; both end with the last container, or by a second SIGTERM.
class Keeper {
public:
    /// \param program  what is executed, now and later
    /// \throws ct::Error
    Keeper(std::string program, const std::string& socket_path);
    /// Goes on with what another one left, see upgrade(). \throws ct::Error
    Keeper(std::string program, int state);

    /// \returns the exit code of the process
    int run();

private:
    struct Entry {
        std::vector<std::string> words;
        std::vector<ct::internal::UniqueFd> fds;
    };
    struct Status {
        int status = 0;
        bool told = false;
    };

    void watch_signals();
    void start_server();
    void hand_over();
    /// Replaces this process by the program as it is installed now; returns if that fails.
    void upgrade();
    void take_signals();
    void reap();
    /// \returns false if the server is gone
    bool take_messages();
    void take(Message message);
    /// Tells the server what it does not know yet, as far as it takes it. \returns whether that was all
    bool tell_server();
    void server_ended(int status);

    const std::string program_;
    std::string socket_path_;
    ct::internal::UniqueFd listener_;
    ct::internal::UniqueFd signals_;
    ct::internal::UniqueFd channel_;
    pid_t server_ = -1;
    std::optional<int> result_;
    bool finishing_ = false;
    bool upgrading_ = false;
    bool finish_told_ = false;
    bool stop_told_ = false;
    std::map<std::string, Entry> entries_; ///< Of the server, by its own names.
    std::map<pid_t, Status> statuses_;     ///< Until the server has noted them.
};

} // namespace ctmon
