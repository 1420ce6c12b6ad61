// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <ct/session.hpp>

#include <vector>

#include "attach/server.hpp"
#include "base/concat.hpp"
#include "base/subject.hpp"
#include "config/validate.hpp"
#include "container_core.hpp"
#include "features/features.hpp"
#include "reaper/image.hpp"
#include "session_core.hpp"
#include "state/cleanup.hpp"
#include "state/event_file.hpp"
#include "systemd/scope.hpp"

namespace ct {

namespace internal {

std::vector<std::shared_ptr<ContainerCore>> SessionCore::known() {
    std::vector<std::shared_ptr<ContainerCore>> found;
    const std::lock_guard lock(mutex_);
    for (const auto& [name, container] : containers_) {
        if (auto held = container.lock()) found.push_back(std::move(held));
    }
    return found;
}

std::shared_ptr<ContainerCore> SessionCore::find(std::string_view name) {
    const std::lock_guard lock(mutex_);
    const auto found = containers_.find(name);
    return found == containers_.end() ? nullptr : found->second.lock();
}

SessionCore::SessionCore(SessionOptions options)
    : network(options.network_directory, [this](const std::string& text) { log(LogLevel::Warning, text); }),
      options_(std::move(options)) {
    const bool systemd = options_.cgroup_manager == CgroupManager::Systemd;
    if (options_.cgroup_parent) (systemd ? check_slice : check_cgroup_parent)(*options_.cgroup_parent);
    if (!options_.state_directory) return;
    store.emplace(*options_.state_directory);
    if (options_.record_events) recorder_ = std::make_shared<const EventRecorder>(*options_.state_directory);
    store->set_warn([this](const std::string& text) { log(LogLevel::Warning, text); });
}

void SessionCore::sweep() noexcept {
    sweep_records();
    network.sweep(); // once the links are gone
    // Empty ones, of sessions whose process was killed.
    if (options_.cgroup_parent && options_.cgroup_manager == CgroupManager::Cgroupfs) {
        log_errors([&] { group_parents().remove_abandoned(); });
    }
}

void SessionCore::sweep_records() noexcept {
    if (!store) return;
    log_errors([&] { internal::sweep(*store, [&](const std::string& text) { log(LogLevel::Warning, text); }); });
}

std::shared_ptr<ContainerCore> SessionCore::insert(std::string name, Spec spec, std::string_view action) {
    check_container_name(name);
    // A container that has ended unnoticed and has no handles left does not keep its name.
    if (const auto holder = find(name)) (void)holder->life();
    auto container = std::make_shared<ContainerCore>(shared_from_this(), name, std::move(spec));
    const std::lock_guard lock(mutex_);
    const std::string subject = concat("container '", name, "': ", action);
    if (closed_) throw Error(Errc::InvalidState, Stage::Configure, subject, {}, "the session is closed");
    std::weak_ptr<ContainerCore>& entry = containers_[std::move(name)];
    if (!entry.expired()) throw Error(Errc::NameInUse, Stage::Configure, subject);
    entry = container;
    return container;
}

std::shared_ptr<ContainerCore> SessionCore::create(std::string name, Spec spec) {
    with_subject(concat("container '", name, "'"), [&] { check_spec(spec); });
    auto container = insert(std::move(name), std::move(spec));
    container->reserve();
    return container;
}

std::shared_ptr<ContainerCore> SessionCore::open(std::string name) {
    check_container_name(name);
    const auto fail = [&](Errc code, std::string_view hint = {}) {
        return Error(code, Stage::State, concat("container '", name, "': open"), {}, hint);
    };
    for (;;) {
        if (auto known = find(name)) {
            (void)known->state();
            if (find(name) == known) return known; // it was not removed meanwhile
            continue;
        }
        auto stored =
            store ? with_subject(concat("container '", name, "'"), [&] { return store->read(name); }) : std::nullopt;
        if (!stored) throw fail(Errc::NotFound);
        const Assessment found = assess(stored->record, store->viewpoint());
        switch (found.standing) {
        case Standing::Elsewhere: throw fail(Errc::Unsupported, "it is one of another pid namespace");
        case Standing::Reserved:
            throw fail(Errc::InvalidState, concat("process ", stored->record.owner.pid,
                                                  " has made it, and has neither started nor saved it"));
        case Standing::Starting:
        case Standing::Ending: store->wait_for_change(name, stored->token, found.owner.get()); break;
        case Standing::HalfStarted:
        case Standing::Ended:
        case Standing::Abandoned: settle(*store, name); break;
        case Standing::Saved:
        case Standing::Running: {
            auto container = insert(name, {}, "open");
            container->follow(std::move(*stored));
            return container;
        }
        }
    }
}

std::vector<ContainerInfo> SessionCore::containers() {
    std::map<std::string, ContainerInfo> infos;
    for (const auto& container : known()) infos.emplace(container->name(), container->info());
    if (store) {
        for (const std::string& name : store->names()) {
            log_errors([&] {
                if (infos.contains(name)) return;
                const auto stored = store->read(name);
                if (stored) infos.emplace(name, describe(stored->record, store->viewpoint()));
            });
        }
    }
    std::vector<ContainerInfo> list;
    for (auto& [name, info] : infos) list.push_back(std::move(info));
    return list;
}

std::shared_ptr<ContainerCore> SessionCore::adopt(std::string name, pid_t pid) {
    auto container = insert(std::move(name), {}, "adopt");
    container->reserve();
    container->adopt(pid);
    return container;
}

bool SessionCore::closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
}

bool SessionCore::keep(const std::shared_ptr<ContainerCore>& container) {
    std::vector<std::shared_ptr<ContainerCore>> unattended;
    {
        const std::lock_guard lock(mutex_);
        if (closed_) return false;
        running_[container.get()] = container;
        // Two at every start are enough to notice the end of all that nobody else will ask about.
        for (int i = 0; i < 2; ++i) {
            auto next = running_.upper_bound(last_visited_);
            if (next == running_.end()) next = running_.begin();
            last_visited_ = next->first;
            if (next->second.use_count() == 1) unattended.push_back(next->second);
        }
    }
    for (const auto& other : unattended) (void)other->state();
    return true;
}

void SessionCore::forget(const ContainerCore& container) noexcept {
    std::shared_ptr<ContainerCore> last; // may be the last reference: released after the lock
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(&container);
    if (found == running_.end()) return;
    last = std::move(found->second);
    running_.erase(found);
}

void SessionCore::release(const std::string& name) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = containers_.find(name);
    if (found != containers_.end() && found->second.expired()) containers_.erase(found);
}

void SessionCore::drop(const ContainerCore& container) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = containers_.find(container.name());
    if (found != containers_.end() && found->second.lock().get() == &container) containers_.erase(found);
}

std::shared_ptr<StartThread> SessionCore::start_thread() {
    if (options_.start_thread == ct::StartThread::Caller) return nullptr;
    const std::lock_guard lock(mutex_);
    if (closed_) return nullptr;
    // A fork of the host has no such thread.
    if (!start_thread_ || !start_thread_->usable()) start_thread_ = std::make_shared<StartThread>();
    return start_thread_;
}

namespace {

/// A fork of the host takes nothing down that is the host's, and so never destroys its copies of what would.
void keep_for_good(std::shared_ptr<const void> object) {
    static auto* const kept = new std::vector<std::shared_ptr<const void>>;
    kept->push_back(std::move(object));
}

} // namespace

bool SessionCore::is_in_its_process() const noexcept {
    return ::getpid() == process_;
}

void SessionCore::close() noexcept {
    decltype(running_) running;
    std::shared_ptr<StartThread> thread;
    std::shared_ptr<Loop> loop;
    decltype(attach_servers_) servers;
    {
        std::unique_lock lock(mutex_, std::defer_lock);
        if (is_in_its_process()) {
            lock.lock();
        } else if (!lock.try_lock()) {
            return keep_for_good(shared_from_this()); // a thread that the fork does not have holds it
        }
        closed_ = true;
        running = std::exchange(running_, {});
        thread = std::move(start_thread_);
        loop = std::move(loop_);
        servers.swap(attach_servers_);
    }
    for (const auto& [key, container] : running) {
        if (container->started_here()) {
            container->close(options_.on_close);
        } else {
            keep_for_good(container);
        }
    }
    for (const auto& each : servers)
        if (const auto server = each.lock()) server->close();
    if (thread && options_.on_close == OnClose::Detach) thread->outlive_object();
    leftovers.sweep();
    if (loop && is_in_its_process()) loop->close();
    if (parents_ && is_in_its_process()) parents_->remove_made();
}

std::shared_ptr<Loop> SessionCore::loop() {
    const std::lock_guard lock(mutex_);
    if (closed_) throw Error(Errc::InvalidState, Stage::Session, "watch for events", {}, "the session is closed");
    if (!loop_) loop_ = std::make_shared<Loop>();
    return loop_;
}

std::shared_ptr<AttachServerCore> SessionCore::serve(AttachServerOptions options, std::shared_ptr<AttachPoint> point) {
    auto server = std::make_shared<AttachServerCore>(std::move(options), std::move(point), loop(), scratches);
    server->open();
    {
        const std::lock_guard lock(mutex_);
        std::erase_if(attach_servers_, [](const auto& each) { return each.expired(); });
        attach_servers_.push_back(server);
        if (!closed_) return server;
    }
    server->close();
    throw Error(Errc::InvalidState, Stage::Stdio, "serve those who attach", {}, "the session is closed");
}

int SessionCore::reaper_image() {
    std::call_once(reaper_made_, [&] { reaper_image_ = internal::reaper_image(); });
    return reaper_image_.get();
}

GroupParents& SessionCore::group_parents() {
    std::call_once(parents_found_, [&] {
        const bool systemd = options_.cgroup_manager == CgroupManager::Systemd;
        parents_ = std::make_unique<GroupParents>(systemd ? std::nullopt : options_.cgroup_parent);
    });
    return *parents_;
}

void SessionCore::log(LogLevel level, std::string_view text) const {
    if (options_.log_handler) options_.log_handler(level, text);
}

} // namespace internal

Session::Session(SessionOptions options) : core_(std::make_shared<internal::SessionCore>(std::move(options))) {
    core_->sweep();
}

Session::Session(Session&&) noexcept = default;

Session& Session::operator=(Session&& other) noexcept {
    if (this == &other) return *this;
    if (core_) core_->close();
    core_ = std::move(other.core_);
    return *this;
}

Session::~Session() {
    if (core_) core_->close();
}

Container Session::create(std::string name) {
    return create(std::move(name), {});
}

Container Session::create(std::string name, Spec spec) {
    return Container(core_->create(std::move(name), std::move(spec)));
}

std::optional<Container> Session::find(std::string_view name) const {
    auto found = core_->find(name);
    if (!found) return std::nullopt;
    return Container(std::move(found));
}

Container Session::open(std::string name) {
    return Container(core_->open(std::move(name)));
}

std::vector<ContainerInfo> Session::containers() const {
    return core_->containers();
}

std::vector<HostFeature> Session::capabilities() const {
    internal::Features features;
    internal::add_namespace_features(features, core_->areas);
    internal::add_mount_features(features);
    internal::add_cgroup_features(features, core_->group_parents());
    internal::add_security_features(features);
    internal::add_process_features(features);
    return features;
}

Container Session::adopt(std::string name, pid_t pid) {
    return Container(core_->adopt(std::move(name), pid));
}

int Session::fd() {
    return core_->loop()->fd();
}

std::size_t Session::dispatch() {
    return core_->loop()->dispatch();
}

std::size_t Session::dispatch_for(std::chrono::nanoseconds limit) {
    return core_->loop()->dispatch_for(limit);
}

void Session::run(std::stop_token stop) {
    core_->loop()->run(stop);
}

} // namespace ct
