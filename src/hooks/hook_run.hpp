// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <ct/error.hpp>
#include <ct/hooks.hpp>
#include <ct/spec.hpp>

#include "monitor/loop.hpp"
#include "tool/tool.hpp"

namespace ct::internal {

/// A callable as a hook.
struct OwnHook {
    HookPoint point;
    std::size_t after; ///< How many commands of the specification come before it.
    HookHandler handler;
};
using OwnHooks = std::vector<OwnHook>;

/// The hooks of a container: those of its specification and its own ones, or null.
struct HookSet {
    std::shared_ptr<const Spec> spec;
    std::shared_ptr<const OwnHooks> own;

    [[nodiscard]] bool any_at(HookPoint point) const;
};

/// The hooks that run on the host at one point, one after the other. Nobody has to wait for a command: whoever has
/// time goes on with them, in any thread, as does the loop if there is one; callables run there, too.
class HookRun : public std::enable_shared_from_this<HookRun> {
public:
    struct About {
        std::string container;
        HookPoint point;
        State state;
        pid_t pid = -1;
    };
    /// Told of each hook that fails; what it throws ends the run.
    using Failed = std::function<void(const Error&)>;

    HookRun(About about, const HookSet& hooks, Failed failed);
    HookRun(const HookRun&) = delete;
    HookRun& operator=(const HookRun&) = delete;
    ~HookRun();

    /// Only the callables: the commands are, or were, somebody else's affair.
    void leave_out_commands();
    /// \param then  called once, when all are over, by whoever finds that out
    void begin(std::shared_ptr<Loop> loop, std::function<void()> then);
    /// Does what can be done without waiting. \returns whether all are over
    bool go_on();
    /// Blocks until all are over. \returns false if \p limit has passed first, or this is one of its callables
    bool await(std::optional<std::chrono::nanoseconds> limit);
    /// Whether the calling thread is in one of its callables.
    [[nodiscard]] bool is_in_callable() const;

private:
    using Item = std::variant<const Hook*, const HookHandler*>;

    /// \returns whether all are over
    bool advance();
    void start(const Hook& hook);
    void finish_command();
    void call(const HookHandler& handler);
    [[nodiscard]] Error failure(int error, std::string_view path, std::string_view hint) const;

    const About about_;
    const HookSet hooks_;
    const Failed failed_;
    std::vector<Item> items_;
    std::shared_ptr<Loop> loop_;
    std::function<void()> then_;

    mutable std::mutex mutex_; ///< Guards what follows; who has set `runner_` also has what is below.
    std::condition_variable changed_;
    std::thread::id runner_; ///< The thread that goes on with them right now.
    bool over_ = false;
    std::shared_ptr<Tool> tool_; ///< The command under way.
    const Hook* command_ = nullptr;
    std::size_t next_ = 0;
    std::optional<Loop::Id> watch_;
};

} // namespace ct::internal
