// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-attach.h>

#include <utility>

#include <ct/attach.hpp>
#include <ct/export.hpp>

#include "capi/container.hpp"
#include "capi/session.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

class AttachServerHandle : public Object {
public:
    explicit AttachServerHandle(AttachServer server) : server_(std::move(server)) {}
    AttachServer& server() { return server_; }

private:
    AttachServer server_;
};

namespace {

SlowClient slow_of(int given) {
    switch (given) {
    case LIBCT_SLOW_DISCONNECT: return SlowClient::Disconnect;
    case LIBCT_SLOW_SKIP: return SlowClient::Skip;
    case LIBCT_SLOW_WAIT: return SlowClient::Wait;
    default: throw Failure(LCTERR_INVARG, "there is no such way to treat slow clients");
    }
}

AttachServerOptions options_of(const libct_attach_server_options* pointer) {
    const libct_attach_server_options given = read_struct(pointer);
    AttachServerOptions options{.path = text_or(given.path),
                                .replace = given.replace != 0,
                                .history = {given.history_bytes},
                                .slow = slow_of(given.slow),
                                .eof = given.close_input != 0 ? ClientEof::CloseInput : ClientEof::Ignore};
    if (given.fd != 0) options.fd = given.fd;
    if (given.mode != 0) options.mode = given.mode;
    if (given.queue_bytes != 0) options.queue = {given.queue_bytes};
    if (given.max_clients != 0) options.max_clients = given.max_clients;
    if (given.orphaned_bytes != 0) options.orphaned_input = {given.orphaned_bytes};
    if (given.linger_ms != 0) options.linger = std::chrono::milliseconds(given.linger_ms);
    return options;
}

libct_attach_server_t handle_of(AttachServer server) {
    return add_handle<libct_attach_server_t>(std::make_shared<AttachServerHandle>(std::move(server)));
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT libct_attach_server_t libct_container_serve(ct_handler_t ct,
                                                      const struct libct_attach_server_options* options) {
    return guard_handle([&] {
        const auto container = get(ct);
        ct::AttachServerOptions wanted = options_of(options);
        return with_codes([&] { return handle_of(ct::AttachServer(container->object(), std::move(wanted))); });
    });
}

CT_EXPORT libct_attach_server_t libct_session_serve(libct_session_t s,
                                                    const struct libct_attach_server_options* options) {
    return guard_handle([&] {
        const auto session = get(s);
        const ct::AttachServerOptions wanted = options_of(options);
        return session->with_first([&](ct::Session& first) { return handle_of(ct::AttachServer(first, wanted)); });
    });
}

CT_EXPORT void libct_attach_server_close(libct_attach_server_t a) {
    (void)guard([&] {
        (void)get(a);
        remove_object(a);
    });
}

CT_EXPORT int libct_attach_server_finished(libct_attach_server_t a) {
    return guard([&] { return get(a)->server().finished() ? 1 : 0; });
}

CT_EXPORT int libct_attach_server_get_stats(libct_attach_server_t a, struct libct_attach_server_stats* stats) {
    return guard([&] {
        const ct::AttachServerStats now = get(a)->server().stats();
        write_struct(stats, {.struct_size = sizeof(libct_attach_server_stats),
                             .clients = now.clients,
                             .accepted = now.accepted,
                             .refused = now.refused,
                             .disconnected = now.disconnected,
                             .skipped_bytes = now.skipped_bytes,
                             .orphaned_input_bytes = now.orphaned_input,
                             .lost_input_bytes = now.lost_input});
    });
}

CT_EXPORT int libct_attach_server_disconnect_clients(libct_attach_server_t a) {
    return guard([&] { get(a)->server().disconnect_clients(); });
}

CT_EXPORT int libct_attach_server_write(libct_attach_server_t a, int stream, const void* bytes, size_t length) {
    return guard([&] {
        const auto server = get(a);
        require(stream == 1 || stream == 2, LCTERR_INVARG, "there is no such stream");
        with_codes([&] { server->server().write(static_cast<ct::Stream>(stream), bytes_of(bytes, length)); });
    });
}

CT_EXPORT int libct_attach_server_takes_output(libct_attach_server_t a) {
    return guard([&] { return with_codes([&] { return get(a)->server().takes_output() ? 1 : 0; }); });
}

CT_EXPORT int libct_attach_server_set_input(libct_attach_server_t a, int fd) {
    return guard([&] { with_codes([&] { get(a)->server().set_input(fd); }); });
}

CT_EXPORT int libct_attach_server_finish(libct_attach_server_t a) {
    return guard([&] { with_codes([&] { get(a)->server().finish(); }); });
}

} // extern "C"
