// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <ct/session.hpp>

#include "base/unique_fd.hpp"
#include "bridge/host_network.hpp"
#include "cgroup/parents.hpp"
#include "entered.hpp"
#include "launch/area.hpp"
#include "launch/low_fds.hpp"
#include "launch/start_thread.hpp"
#include "log/scratch.hpp"
#include "monitor/loop.hpp"
#include "seccomp/filter.hpp"
#include "state/store.hpp"

namespace ct::internal {

class AttachPoint;
class AttachServerCore;
class ContainerCore;
class EventRecorder;
class LogReaderCore;

/// What a record says, compared with what is there.
[[nodiscard]] ContainerInfo describe(const Record& record, const Viewpoint& viewpoint);

/// What the containers of a session share. Containers keep it alive; closing only takes the power to start from it.
class SessionCore : public std::enable_shared_from_this<SessionCore> {
public:
    explicit SessionCore(SessionOptions options);

    /// Cleans up what dead owners have left in the state directory.
    void sweep() noexcept;
    void sweep_records() noexcept;

    std::shared_ptr<ContainerCore> create(std::string name, Spec spec);
    std::shared_ptr<ContainerCore> adopt(std::string name, pid_t pid);
    std::shared_ptr<ContainerCore> open(std::string name);
    std::shared_ptr<ContainerCore> find(std::string_view name);
    [[nodiscard]] std::vector<ContainerInfo> containers();
    /// Those to which there are handles, or that run.
    [[nodiscard]] std::vector<std::shared_ptr<ContainerCore>> known();
    [[nodiscard]] const SessionOptions& options() const noexcept { return options_; }
    [[nodiscard]] OnClose on_close() const noexcept { return options_.on_close; }
    [[nodiscard]] bool records_events() const noexcept { return recorder_ != nullptr; }
    /// Null if events are not recorded.
    [[nodiscard]] std::shared_ptr<const EventRecorder> recorder() const noexcept { return recorder_; }
    [[nodiscard]] std::unique_ptr<LogReaderCore> read_log(const std::string& name, const LogReaderOptions& options);
    void close() noexcept;
    [[nodiscard]] bool closed() const;

    /// A running container lives without handles; \p container is kept until forget(). \returns false if closed
    [[nodiscard]] bool keep(const std::shared_ptr<ContainerCore>& container);
    void forget(const ContainerCore& container) noexcept;
    /// A container of that name has been destroyed.
    void release(const std::string& name) noexcept;
    /// The name is free, even if there are handles left.
    void drop(const ContainerCore& container) noexcept;

    /// The thread that makes processes; null if that is the calling one. The thread lives as long as the start under
    /// way holds it.
    [[nodiscard]] std::shared_ptr<StartThread> start_thread();

    /// Throws only what the handler throws.
    void log(LogLevel level, std::string_view text) const;
    /// For what must not throw: an error is logged.
    template <typename Body>
    void log_errors(const Body& body) const noexcept {
        try {
            body();
        } catch (const std::exception& error) {
            log(LogLevel::Warning, error.what());
        }
    }

    std::optional<Store> store; ///< None: no records.

    /// A server for those who attach to \p point, by default one of its own. It is closed with the session. \throws
    /// Error
    [[nodiscard]] std::shared_ptr<AttachServerCore> serve(AttachServerOptions options,
                                                          std::shared_ptr<AttachPoint> point = nullptr);
    /// What watches for events; made when it is needed first. \throws Error if the session is closed
    [[nodiscard]] std::shared_ptr<Loop> loop();
    /// The program of Init::Reaper, made on first use.
    [[nodiscard]] int reaper_image();
    /// Where containers have their groups; found out on first use.
    [[nodiscard]] GroupParents& group_parents();
    /// False in a process that the host has forked: its containers are not that one's to end.
    [[nodiscard]] bool is_in_its_process() const noexcept;

    HostNetwork network;
    LowFds low_fds;
    FilterCache filters;
    AreaPool areas;
    const std::shared_ptr<ScratchPool> scratches = std::make_shared<ScratchPool>();
    Entered leftovers; ///< Processes whose container is gone.

private:
    std::shared_ptr<ContainerCore> insert(std::string name, Spec spec, std::string_view action = "create");

    const SessionOptions options_;
    const pid_t process_ = ::getpid();
    std::shared_ptr<const EventRecorder> recorder_;
    std::once_flag parents_found_;
    std::unique_ptr<GroupParents> parents_;
    std::once_flag reaper_made_;
    UniqueFd reaper_image_;
    mutable std::mutex mutex_; ///< Guards what follows; never held over a system call that blocks.
    bool closed_ = false;
    std::shared_ptr<StartThread> start_thread_; ///< Made on first use.
    std::map<std::string, std::weak_ptr<ContainerCore>, std::less<>> containers_;
    std::map<const ContainerCore*, std::shared_ptr<ContainerCore>> running_;
    std::shared_ptr<Loop> loop_;
    std::vector<std::weak_ptr<AttachServerCore>> attach_servers_; ///< Some of them may be gone.
    const ContainerCore* last_visited_ = nullptr;                 ///< Only compared.
};

} // namespace ct::internal
