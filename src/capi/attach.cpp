// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-attach.h>

#include <utility>

#include <ct/attach.hpp>
#include <ct/export.hpp>

#include "capi/container.hpp"
#include "capi/output.hpp"
#include "capi/process_desc.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

class Attachment : public Object {
public:
    explicit Attachment(const libct_attach_options& options) : given_(options) {}

    void attach(ct::Container container) {
        const auto own = static_cast<libct_attachment_t>(handle);
        AttachOptions options{.history = {given_.history_bytes}};
        if (given_.on_output != nullptr) {
            options.on_output = [given = given_, own](const OutputChunk& chunk) {
                const libct_output told = output_of(chunk);
                given.on_output(own, &told, given.user);
            };
        }
        if (given_.on_room != nullptr) {
            options.on_room = [given = given_, own] { given.on_room(own, given.user); };
        }
        if (given_.on_end != nullptr) options.on_end = [given = given_, own] { given.on_end(own, given.user); };
        stream_ = container.attach(std::move(options));
    }
    AttachStream& stream() { return stream_; }

private:
    const libct_attach_options given_;
    AttachStream stream_; ///< Set before anybody else has the handle.
};

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_container_set_attachable(ct_handler_t ct, int input, uint64_t history_bytes) {
    return guard([&] {
        get(ct)->with_stopped([&](ct::Container& container) {
            container.set_attachable({.input = input != 0, .history = {history_bytes}});
        });
    });
}

CT_EXPORT int libct_container_clear_attachable(ct_handler_t ct) {
    return guard([&] { get(ct)->with_stopped([](ct::Container& container) { container.clear_attachable(); }); });
}

CT_EXPORT int libct_container_resize_terminal(ct_handler_t ct, unsigned int rows, unsigned int columns) {
    return guard([&] {
        const auto container = get(ct);
        const ct::TerminalSize size = terminal_size(rows, columns);
        with_codes([&] { container->object().resize_terminal(size); });
    });
}

CT_EXPORT long libct_container_write_input(ct_handler_t ct, const void* bytes, size_t length) {
    return guard_count([&] {
        const auto container = get(ct);
        return container->object().write_input(bytes_of(bytes, length));
    });
}

CT_EXPORT int libct_container_close_input(ct_handler_t ct) {
    return guard([&] { with_codes([&] { get(ct)->object().close_input(); }); });
}

CT_EXPORT libct_attachment_t libct_container_attach(ct_handler_t ct, const struct libct_attach_options* options) {
    return guard_handle([&] {
        const auto container = get(ct);
        const auto attachment = std::make_shared<Attachment>(read_struct(options));
        const auto handle = add_handle<libct_attachment_t>(attachment);
        try {
            with_codes([&] { attachment->attach(container->object()); });
        } catch (...) {
            remove_object(handle);
            throw;
        }
        return handle;
    });
}

CT_EXPORT long libct_attachment_write(libct_attachment_t a, const void* bytes, size_t length) {
    return guard_count([&] {
        const auto attachment = get(a);
        return attachment->stream().write(bytes_of(bytes, length));
    });
}

CT_EXPORT int libct_attachment_close_input(libct_attachment_t a) {
    return guard([&] { with_codes([&] { get(a)->stream().close_input(); }); });
}

CT_EXPORT int libct_attachment_attached(libct_attachment_t a) {
    return guard([&] { return get(a)->stream().attached() ? 1 : 0; });
}

CT_EXPORT void libct_attachment_close(libct_attachment_t a) {
    (void)guard([&] {
        const auto attachment = get(a);
        attachment->stream().detach();
        remove_object(a);
    });
}

} // extern "C"
