// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ct/container.hpp>

#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/net.hpp"
#include "capi/process.hpp"

namespace ct::capi {

/// A mount as it was asked for.
struct MountRequest {
    std::string target;
    Mount mount;
    MountHooks hooks;
    bool always = false; ///< Also without a root.
};

/// The configuration that the setters make; nothing of it is checked before a start.
struct Config {
    unsigned long nsmask = 0;
    std::vector<std::pair<int, std::string>> nspaths = {};
    std::string hostname = {};
    std::string domainname = {};
    std::vector<std::pair<std::string, std::string>> sysctls = {};
    std::vector<IdRange> uid_map = {};
    std::vector<IdRange> gid_map = {};
    Spec base = {}; ///< What has no setter here; the other fields add to it.
    bool auto_proc = false;
    bool killable = false;
    bool taskless = false;
    bool new_session = true;
    std::optional<std::string> cgroup_submount = {};
    int console = -1;
    std::string root = {};
    bool root_read_only = false;
    std::optional<Propagation> root_propagation = {};
    std::optional<PrivateArea> private_area = {};
    std::vector<MountRequest> mounts = {};
    std::vector<Device> devices = {};
    std::vector<Controller> controllers = {};
    std::vector<ControllerValue> values = {};
    std::vector<std::string> named_hierarchies = {};
    std::vector<std::shared_ptr<NetDevice>> net_devices = {};
    std::vector<std::shared_ptr<Route>> routes = {};
    bool loopback_up = false;

    /// Takes it over.
    void set_spec(Spec spec);
    [[nodiscard]] bool has_root() const { return !root.empty() || base.root; }
    [[nodiscard]] bool makes(int kind) const { return (nsmask & static_cast<unsigned long>(kind)) != 0; }
    /// All but the mounts.
    [[nodiscard]] Spec spec() const;
    /// Configures the container with all of it.
    void apply(ct::Container& container) const;
};

/// Its devices and routes, whose handles are gone then.
void drop_network(Config& config) noexcept;

class Container : public Object {
public:
    Container(std::weak_ptr<Session> session, ct::Container container);

    /// Changes the configuration. \throws Failure with LCTERR_BADCTSTATE unless it is stopped
    template <typename Change>
    void configure(const Change& change) {
        const std::lock_guard lock(mutex_);
        check_stopped();
        change(config_);
    }
    /// Hands the container of the C++ library to a function. \throws as before
    template <typename Call>
    auto with_stopped(const Call& call) {
        const std::lock_guard lock(mutex_);
        check_stopped();
        return with_codes([&] { return call(container_); });
    }
    /// Both, for what the one is to check and the other to remember.
    template <typename Change>
    void configure_both(const Change& change) {
        const std::lock_guard lock(mutex_);
        check_stopped();
        with_codes([&] { change(config_, container_); });
    }
    /// That container, in any state.
    [[nodiscard]] ct::Container object() const {
        const std::lock_guard lock(mutex_);
        return container_;
    }
    /// Sets a handler of that container, or takes it away: \p set is told which.
    using SetHandler = std::function<void(ct::Container&, bool)>;
    void set_handler(const std::string& what, SetHandler set, bool present);
    /// Has a callable run at that point.
    void add_hook(HookPoint point, HookHandler handler);
    void clear_hooks();
    /// One that somebody else has started or saved.
    void open();
    void save();
    [[nodiscard]] Spec spec() const;
    void update(const Limits& limits);
    /// Of the running container. \throws Failure with LCTERR_INVARG without groups
    [[nodiscard]] Stats stats();
    /// The same in any state, which is handed to it.
    template <typename Change>
    auto change(const Change& change) {
        const std::lock_guard lock(mutex_);
        return change(config_, state_);
    }

    [[nodiscard]] ct_state state() const {
        const std::lock_guard lock(mutex_);
        return state_;
    }
    /// What the entry points do to a container in the right state.
    ct_process_t spawn(ProcessSpec process, std::function<int()> main);
    /// What start_set() starts.
    void set_process(ProcessSpec process);
    ct_process_t start_set();
    std::shared_ptr<Process> enter(ProcessSpec process, std::function<int()> main);
    ct_process_t load(pid_t pid);
    void kill();
    void wait();
    /// \returns false if the limit has passed first
    bool wait_for(std::chrono::nanoseconds limit);
    void stop(std::chrono::nanoseconds grace, int number);
    void freeze(std::chrono::nanoseconds limit);
    void thaw(std::chrono::nanoseconds limit);
    void remove_forced();
    void switch_to();
    void pause();
    void resume();
    void write_now(const ControllerValue& value);
    /// \returns how many bytes
    int read(Controller controller, const std::string& file, void* buffer, std::size_t size);
    [[nodiscard]] std::string group_path(Controller controller);
    [[nodiscard]] std::vector<pid_t> processes();
    /// The handle is gone, and those of what it owns. \param running  what becomes of the container if it runs; to
    /// kill it is left to the session
    void close(OnClose running) noexcept;
    void leave_session() const noexcept;

private:
    void check_stopped() const;
    void check_running() const;
    void check_freezer() const;
    void become_paused(bool paused);
    [[nodiscard]] ct::Process start(const Config& config, ProcessSpec process, const std::function<int()>& main);
    /// Once `starting_` is set: has \p begin give it a first process.
    ct_process_t run(const Config& config, const std::function<ct::Process()>& begin);
    ct_process_t become_running(ct::Process init, const Config& config);
    [[nodiscard]] ct::Process adopt(pid_t pid, const Config& config, bool held);

    const std::weak_ptr<Session> session_;
    ct::Container container_; ///< Replaced by load() alone.
    const std::shared_ptr<Process> init_ = std::make_shared<Process>(Process::Owner::Container);
    mutable std::mutex mutex_; ///< Guards what follows; not held while a process is started or waited for.
    ct_state state_ = CT_STOPPED;
    bool starting_ = false;
    std::optional<OnClose> closed_ = {}; ///< What becomes of a start under way: the handle is gone.
    unsigned run_ = 0;                   ///< Counts the starts.
    bool opened_ = false;                ///< It runs without this session.
    std::map<std::string, SetHandler> handlers_ = {};
    std::vector<std::pair<HookPoint, HookHandler>> hooks_ = {};
    bool held_ = false;                             ///< It runs without a first process of the library's.
    std::map<Controller, std::string> groups_ = {}; ///< The directories of its controllers.
    Config config_;
};

} // namespace ct::capi
