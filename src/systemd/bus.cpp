// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "systemd/bus.hpp"

#include "base/concat.hpp"
#include "base/shared_library.hpp"
#include "base/sys.hpp"

#ifdef CT_HAVE_SYSTEMD

#include <systemd/sd-bus.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string_view>

namespace ct::internal {

namespace {

constexpr const char* Manager = "org.freedesktop.systemd1";
constexpr const char* ManagerPath = "/org/freedesktop/systemd1";
constexpr const char* ManagerInterface = "org.freedesktop.systemd1.Manager";

Error unsupported(std::string_view hint) {
    return {Errc::Unsupported, Stage::Cgroup, "talk to systemd", {}, hint};
}

/// What is used of libsystemd.
struct Library {
    Library();

    decltype(&::sd_bus_open_system) open_system;
    decltype(&::sd_bus_open_user) open_user;
    decltype(&::sd_bus_flush_close_unref) close;
    decltype(&::sd_bus_match_signal) match_signal;
    decltype(&::sd_bus_process) process;
    decltype(&::sd_bus_wait) wait;
    decltype(&::sd_bus_call) call;
    decltype(&::sd_bus_get_property_string) get_string;
    decltype(&::sd_bus_message_new_method_call) new_call;
    decltype(&::sd_bus_message_append) append;
    decltype(&::sd_bus_message_open_container) open_container;
    decltype(&::sd_bus_message_close_container) close_container;
    decltype(&::sd_bus_message_read) read;
    decltype(&::sd_bus_message_unref) unref;
    decltype(&::sd_bus_error_free) free_error;
    decltype(&::sd_bus_error_get_errno) error_number;
};

Library::Library() {
    const SharedLibrary loaded("libsystemd.so.0", Stage::Cgroup, "talk to systemd");
    loaded.find(open_system, "sd_bus_open_system");
    loaded.find(open_user, "sd_bus_open_user");
    loaded.find(close, "sd_bus_flush_close_unref");
    loaded.find(match_signal, "sd_bus_match_signal");
    loaded.find(process, "sd_bus_process");
    loaded.find(wait, "sd_bus_wait");
    loaded.find(call, "sd_bus_call");
    loaded.find(get_string, "sd_bus_get_property_string");
    loaded.find(new_call, "sd_bus_message_new_method_call");
    loaded.find(append, "sd_bus_message_append");
    loaded.find(open_container, "sd_bus_message_open_container");
    loaded.find(close_container, "sd_bus_message_close_container");
    loaded.find(read, "sd_bus_message_read");
    loaded.find(unref, "sd_bus_message_unref");
    loaded.find(free_error, "sd_bus_error_free");
    loaded.find(error_number, "sd_bus_error_get_errno");
}

const Library& library() {
    static const Library loaded;
    return loaded;
}

void unref(sd_bus_message* message) {
    library().unref(message);
}
using Message = std::unique_ptr<sd_bus_message, decltype(&unref)>;

class BusError {
public:
    BusError() = default;
    BusError(const BusError&) = delete;
    BusError& operator=(const BusError&) = delete;
    ~BusError() { library().free_error(&error_); }

    [[nodiscard]] sd_bus_error* get() noexcept { return &error_; }
    [[nodiscard]] std::string_view name() const noexcept { return error_.name == nullptr ? "" : error_.name; }
    [[nodiscard]] std::string_view text() const noexcept { return error_.message == nullptr ? "" : error_.message; }
    [[nodiscard]] int number() const noexcept { return library().error_number(&error_); }

private:
    sd_bus_error error_ = SD_BUS_ERROR_NULL;
};

/// The end of a job of systemd's.
struct Job {
    std::string path;   ///< Empty until it is known.
    std::string result; ///< Empty while it runs.
    std::vector<std::pair<std::string, std::string>> others = {};

    void ended(const char* its_path, const char* its_result) {
        if (its_path == path) result = its_result;
        // It may end before the answer that tells its path.
        if (path.empty()) others.emplace_back(its_path, its_result);
    }
    void begin(const char* its_path) {
        path = its_path;
        for (const auto& [other, its_result] : others) {
            if (other == path) result = its_result;
        }
    }
};

/// Called by libsystemd, which takes no exceptions.
int on_job_removed(sd_bus_message* message, void* data, sd_bus_error*) noexcept {
    std::uint32_t id = 0;
    const char* path = nullptr;
    const char* unit = nullptr;
    const char* result = nullptr;
    if (library().read(message, "uoss", &id, &path, &unit, &result) < 0) return 0;
    try {
        static_cast<Job*>(data)->ended(path, result);
    } catch (const std::bad_alloc&) {
        return -ENOMEM;
    }
    return 0;
}

Error refusal(std::string_view action, const std::string& unit, const BusError& error, int number) {
    const std::string_view name = error.name();
    if (name == "org.freedesktop.systemd1.UnitExists") {
        return {Errc::NameInUse, Stage::Cgroup, action, unit, "a unit of that name is loaded"};
    }
    if (name == SD_BUS_ERROR_ACCESS_DENIED || name == SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED) {
        return sys::error(EACCES, Stage::Cgroup, action, unit, concat("systemd or polkit: ", error.text()));
    }
    return sys::error(name.empty() ? number : error.number(), Stage::Cgroup, action, unit,
                      name.empty() ? "" : concat("systemd: ", error.text()));
}

} // namespace

struct SystemdBus::Connection {
    sd_bus* bus = nullptr;
    Job job;

    /// \throws unless \p result is none of libsystemd's errors
    static void check(int result, std::string_view action, const std::string& unit) {
        if (result < 0) throw sys::error(-result, Stage::Cgroup, action, unit);
    }
    [[nodiscard]] Message new_call(const char* method) const {
        sd_bus_message* message = nullptr;
        check(library().new_call(bus, &message, Manager, ManagerPath, ManagerInterface, method), "call systemd",
              method);
        return {message, &unref};
    }
    /// \returns the answer; null if the error has the name \p expected
    [[nodiscard]] Message call(const Message& message, std::string_view action, const std::string& unit,
                               std::string_view expected = {}) const {
        BusError error;
        sd_bus_message* answer = nullptr;
        const int result = library().call(bus, message.get(), std::chrono::microseconds(SystemdPatience).count(),
                                          error.get(), &answer);
        if (result < 0 && !expected.empty() && error.name() == expected) return {nullptr, &unref};
        if (result < 0) throw refusal(action, unit, error, -result);
        return {answer, &unref};
    }
    /// Waits for the job whose path is in the answer. \returns its result; empty if it takes too long
    [[nodiscard]] std::string await(const Message& answer, std::string_view action, const std::string& unit) {
        const char* path = nullptr;
        check(library().read(answer.get(), "o", &path), action, unit);
        job.begin(path);
        const auto deadline = std::chrono::steady_clock::now() + SystemdPatience;
        while (job.result.empty()) {
            const int processed = library().process(bus, nullptr);
            check(processed, action, unit);
            if (processed > 0) continue;
            const auto left =
                std::chrono::duration_cast<std::chrono::microseconds>(deadline - std::chrono::steady_clock::now());
            if (left.count() <= 0) break;
            const int waited = library().wait(bus, static_cast<std::uint64_t>(left.count()));
            if (waited != -EINTR) check(waited, action, unit);
        }
        return std::exchange(job, {}).result;
    }
};

SystemdBus::SystemdBus() : connection_(std::make_unique<Connection>()) {
    if (::access("/run/systemd/system", F_OK) != 0) throw unsupported("this machine was not booted with systemd");
    const bool root = ::geteuid() == 0;
    const int error = root ? library().open_system(&connection_->bus) : library().open_user(&connection_->bus);
    if (error < 0) {
        const std::string_view hint =
            root ? "is dbus.service running?"
            : error == -ENOMEDIUM
                ? "XDG_RUNTIME_DIR is not set: is there a session or a lingering manager of this user?"
                : "is there a session or a lingering manager of this user? loginctl enable-linger";
        throw sys::error(-error, Stage::Cgroup, root ? "connect to the system's D-Bus" : "connect to the user's D-Bus",
                         {}, hint);
    }
    const int matched = library().match_signal(connection_->bus, nullptr, Manager, ManagerPath, ManagerInterface,
                                               "JobRemoved", &on_job_removed, &connection_->job);
    if (matched < 0) {
        library().close(connection_->bus);
        throw sys::error(-matched, Stage::Cgroup, "subscribe to the jobs of systemd");
    }
}

SystemdBus::~SystemdBus() {
    library().close(connection_->bus);
}

void SystemdBus::start_scope(const ScopeRequest& request) {
    constexpr std::string_view action = "start the scope";
    sys::fault_point(Stage::Cgroup, action, request.unit);
    const Library& lib = library();
    const Message message = connection_->new_call("StartTransientUnit");
    sd_bus_message* const raw = message.get();
    int worst = 0;
    const auto add = [&](int result) { worst = std::min(worst, result); };
    add(lib.append(raw, "ss", request.unit.c_str(), "fail"));
    add(lib.open_container(raw, 'a', "(sv)"));
    add(lib.append(raw, "(sv)", "Description", "s", request.description.c_str()));
    if (!request.slice.empty()) add(lib.append(raw, "(sv)", "Slice", "s", request.slice.c_str()));
    add(lib.append(raw, "(sv)", "Delegate", "b", 1));
    // One that has failed is not kept either.
    add(lib.append(raw, "(sv)", "CollectMode", "s", "inactive-or-failed"));
    add(lib.append(raw, "(sv)", "PIDs", "au", 1, static_cast<std::uint32_t>(request.process)));
    for (const SystemdProperty& property : request.properties) {
        const char* const name = property.name.c_str();
        if (const bool* const flag = std::get_if<bool>(&property.value)) {
            add(lib.append(raw, "(sv)", name, "b", *flag ? 1 : 0));
        } else if (const std::uint64_t* const number = std::get_if<std::uint64_t>(&property.value)) {
            add(lib.append(raw, "(sv)", name, "t", *number));
        } else {
            add(lib.append(raw, "(sv)", name, "s", std::get<std::string>(property.value).c_str()));
        }
    }
    add(lib.close_container(raw));
    add(lib.append(raw, "a(sa(sv))", 0));
    Connection::check(worst, action, request.unit);
    const Message answer = connection_->call(message, action, request.unit);
    const std::string result = connection_->await(answer, action, request.unit);
    if (result == "done") return;
    stop_scope(request.unit);
    if (result.empty()) {
        throw sys::error(ETIMEDOUT, Stage::Cgroup, action, request.unit, "systemd does not come to an end with it");
    }
    throw sys::error(EIO, Stage::Cgroup, action, request.unit,
                     concat("systemd says \"", result, "\"; see journalctl --unit=", request.unit));
}

void SystemdBus::attach(const std::string& unit, const std::string& group, pid_t process) {
    const Message message = connection_->new_call("AttachProcessesToUnit");
    Connection::check(
        library().append(message.get(), "ssau", unit.c_str(), group.c_str(), 1, static_cast<std::uint32_t>(process)),
        "move a process into", unit);
    (void)connection_->call(message, "move a process into", unit);
}

void SystemdBus::stop_scope(const std::string& unit) {
    constexpr std::string_view gone = "org.freedesktop.systemd1.NoSuchUnit";
    const Message message = connection_->new_call("StopUnit");
    Connection::check(library().append(message.get(), "ss", unit.c_str(), "replace"), "stop the scope", unit);
    const Message answer = connection_->call(message, "stop the scope", unit, gone);
    if (!answer) return;
    if (connection_->await(answer, "stop the scope", unit).empty()) {
        throw sys::error(ETIMEDOUT, Stage::Cgroup, "stop the scope", unit, "systemd does not come to an end with it");
    }
}

std::string SystemdBus::version() {
    BusError error;
    char* text = nullptr;
    const int result =
        library().get_string(connection_->bus, Manager, ManagerPath, ManagerInterface, "Version", error.get(), &text);
    if (result < 0) throw refusal("ask for the version of systemd", {}, error, -result);
    const std::unique_ptr<char, decltype(&::free)> owned(text, &::free);
    return text;
}

} // namespace ct::internal

#else

namespace ct::internal {

struct SystemdBus::Connection {};

SystemdBus::SystemdBus() {
    throw Error(Errc::Unsupported, Stage::Cgroup, "talk to systemd", {}, "libct was built without CT_SYSTEMD");
}
SystemdBus::~SystemdBus() = default;
void SystemdBus::start_scope(const ScopeRequest&) {}
void SystemdBus::attach(const std::string&, const std::string&, pid_t) {}
void SystemdBus::stop_scope(const std::string&) {}
std::string SystemdBus::version() {
    return {};
}

} // namespace ct::internal

#endif
