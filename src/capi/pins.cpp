// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-namespaces.h>
#include <libct/libct-network.h>

#include <ct/export.hpp>

#include "capi/container.hpp"
#include "capi/namespaces.hpp"
#include "capi/structs.hpp"

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_container_pin(ct_handler_t ct, const char* directory, char* buf, size_t size) {
    return guard([&] {
        const auto container = get(ct);
        require(buf != nullptr || size == 0, LCTERR_INVARG, "an argument is NULL");
        return write_text(with_codes([&] { return container->object().pin(text_or(directory)); }), buf, size);
    });
}

CT_EXPORT int libct_container_unpin(ct_handler_t ct, const char* directory) {
    return guard([&] { with_codes([&] { get(ct)->object().unpin(text_or(directory)); }); });
}

CT_EXPORT int libct_container_namespace_fd(ct_handler_t ct, int kind) {
    return guard([&] {
        const auto container = get(ct);
        const ct::Namespace wanted = kind_of(kind);
        return with_codes([&] { return container->object().namespace_fd(wanted); });
    });
}

CT_EXPORT int libct_net_pin(ct_handler_t ct, const char* name) {
    return guard([&] {
        const auto container = get(ct);
        require(name != nullptr, LCTERR_INVARG, "the network has no name");
        with_codes([&] { container->object().pin_network(name); });
    });
}

CT_EXPORT int libct_net_unpin(const char* name) {
    return guard([&] {
        require(name != nullptr, LCTERR_INVARG, "the network has no name");
        with_codes([&] { ct::unpin_network(name); });
    });
}

CT_EXPORT int libct_net_named(const char* name, char* buf, size_t size) {
    return guard([&] {
        require(name != nullptr, LCTERR_INVARG, "the network has no name");
        return write_text(with_codes([&] { return ct::named_network(name); }), buf, size);
    });
}

} // extern "C"
