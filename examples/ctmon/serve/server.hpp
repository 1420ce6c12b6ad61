// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "monitor.hpp"
#include "serve/job.hpp"
#include "serve/message.hpp"

namespace ctmon {

/// Monitors many containers, for clients that connect to a socket. What it must not lose is with its keeper, which
/// started it and reaps the containers.
class Server {
public:
    /// \param keeper  the channel to it
    explicit Server(ct::internal::UniqueFd keeper);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    /// \returns the exit code of the process
    int run();

private:
    struct Client {
        ct::internal::UniqueFd socket;
        ct::internal::Loop::Id watch = 0;
        std::string waits_for; ///< The monitor whose end it is to be told.
        std::string begins;    ///< The monitor that it has begun, and has not said `go` for.
        unsigned long number = 0;
        ct::internal::Loop::Id timer = 0; ///< Until it has to have said so.
        [[nodiscard]] bool is_idle() const noexcept { return waits_for.empty() && begins.empty(); }
    };
    struct Entry {
        std::shared_ptr<Monitor> monitor;
        std::vector<std::string> arguments;
        bool has_foreign = false; ///< Descriptors that were inherited for the runtime's sake.
    };
    /// The one that was meant by a client; several execs may be in one container.
    using Entries = std::map<std::string, Entry>;

    void restore();
    void restore_one(Message message);
    void restore_ended(const Message& message);
    void tell_ended();
    void hear_keeper();
    void take_from_keeper(const Message& message);
    void keeper_is_gone();
    void watch_signals();
    void accept_from(bool now);
    void accept_some();
    bool make_room();
    void hear(int client);
    /// \returns false if the client is to be disconnected
    bool answer(Client& client, Message message);
    bool prepare(Client& client, Message message);
    void begin(Client& client);
    /// \param restored  then it also does without its log, if need be
    [[nodiscard]] Streams open_streams(Options& options, bool restored) const;
    std::shared_ptr<Monitor> make(const std::string& id, ReceivedJob job, bool restored);
    [[nodiscard]] std::vector<std::string> list() const;
    bool control(Client& client, const Message& message);
    /// Leaves with the keeper what is needed to go on.
    void save(const std::string& id);
    void sweep();
    void ended(const std::string& id, const Monitor& monitor);
    void forget(int client);
    [[nodiscard]] bool is_busy() const;
    [[noreturn]] void hand_over();
    void remove_socket();
    [[nodiscard]] Entries::iterator find(const std::string& name);
    void tell_keeper(const std::vector<std::string>& words, const std::vector<int>& fds = {});

    ct::internal::UniqueFd keeper_;
    ct::internal::UniqueFd listener_;
    const std::shared_ptr<ct::internal::Loop> loop_;
    const std::shared_ptr<ct::internal::ScratchPool> scratches_;
    const std::shared_ptr<const ct::internal::PipeView> view_;
    Reaper reaper_;
    const Shared shared_;
    ct::internal::Loop::Id keeper_watch_ = 0;
    ct::internal::Loop::Id listener_watch_ = 0;
    std::map<int, Client> clients_;
    Entries entries_;
    std::map<std::string, int> ended_; ///< Exit codes of those that are gone, for a while.
    std::vector<std::string> ended_order_;
    ct::internal::UniqueFd signals_;
    ct::internal::Loop::Id signal_watch_ = 0;
    ct::internal::Loop::Id accept_timer_ = 0;
    unsigned long last_client_ = 0;
    unsigned long last_id_ = 0;
    bool finishing_ = false;
    bool stopping_ = false;
};

} // namespace ctmon
