// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-readers.h>

#include <utility>

#include <ct/export.hpp>
#include <ct/state.hpp>

#include "capi/container.hpp"
#include "capi/exit_record.hpp"
#include "capi/session.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

namespace {

/// With what its pointers lead to.
class ToldInfo {
public:
    explicit ToldInfo(ContainerInfo info) : info_(std::move(info)) {
        for (const std::string& argument : info_.command) command_.push_back(argument.c_str());
        command_.push_back(nullptr);
    }
    [[nodiscard]] libct_container_info told() const {
        return {.struct_size = sizeof(libct_container_info),
                .name = info_.name.c_str(),
                .phase = static_cast<libct_phase>(info_.state),
                .pid = info_.pid,
                .owner = info_.owner,
                .own = info_.own ? 1 : 0,
                .saved = info_.saved ? 1 : 0,
                .detached = info_.on_close == OnClose::Detach ? 1 : 0,
                .command = command_.data(),
                .created_ns = since_1970(info_.created),
                .started_ns = since_1970(info_.started),
                .has_ended = info_.last_exit ? 1 : 0,
                .status = info_.last_exit ? raw_status(*info_.last_exit) : -1,
                .attach_socket = info_.attach_socket.c_str()};
    }

private:
    static std::int64_t since_1970(const std::optional<std::chrono::system_clock::time_point>& time) {
        if (!time) return 0;
        return std::chrono::duration_cast<std::chrono::nanoseconds>(time->time_since_epoch()).count();
    }

    ContainerInfo info_;
    std::vector<const char*> command_ = {};
};

} // namespace

ct_handler_t Session::find(std::string_view name) {
    const std::lock_guard lock(mutex_);
    for (const void* const one : containers_) {
        const auto container = std::dynamic_pointer_cast<Container>(find_object(one));
        if (container && container->object().name() == name) return static_cast<ct_handler_t>(container->handle);
    }
    throw Failure(LCTERR_NOTFOUND, "the session has no container of that name");
}

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_session_containers(libct_session_t s, int (*cb)(const struct libct_container_info*, void*),
                                       void* user) {
    return guard([&] {
        const auto session = get(s);
        require(cb != nullptr, LCTERR_INVARG, "there is no function");
        int result = 0;
        for (ct::ContainerInfo& info : session->containers()) {
            const ToldInfo one(std::move(info));
            const libct_container_info told = one.told();
            result = cb(&told, user);
            if (result != 0) break;
        }
        return result;
    });
}

CT_EXPORT ct_handler_t libct_session_find(libct_session_t s, const char* name) {
    return guard_handle([&] {
        const auto session = get(s);
        require(name != nullptr, LCTERR_INVARG, "the container has no name");
        return session->find(name);
    });
}

CT_EXPORT int libct_container_get_info(ct_handler_t ct, struct libct_container_info* info) {
    return guard([&] {
        static thread_local std::optional<ToldInfo> last;
        last.emplace(with_codes([&] { return get(ct)->object().info(); }));
        write_struct(info, last->told());
    });
}

CT_EXPORT int libct_default_state_directory(char* buf, size_t size) {
    return guard([&] { return write_text(ct::default_state_directory(), buf, size); });
}

} // extern "C"
