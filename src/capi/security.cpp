// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-security.h>

#include <utility>

#include <ct/export.hpp>

#include "capi/process_desc.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

namespace {

std::vector<std::uint16_t> ports_of(const std::uint16_t* ports, std::size_t count) {
    require(ports != nullptr || count == 0, LCTERR_INVARG, "there are no ports");
    return count == 0 ? std::vector<std::uint16_t>{} : std::vector<std::uint16_t>(ports, ports + count);
}

Landlock landlock_of(const libct_landlock& given) {
    Landlock landlock{.scope_abstract_sockets = given.scope_abstract_sockets != 0,
                      .scope_signals = given.scope_signals != 0};
    require(given.paths != nullptr || given.path_count == 0, LCTERR_INVARG, "there are no paths");
    for (std::size_t i = 0; i < given.path_count; ++i) {
        const libct_landlock_path& one = given.paths[i];
        require(one.path != nullptr && one.access <= 7, LCTERR_INVARG, "a path of Landlock is malformed");
        landlock.paths.push_back({.path = one.path,
                                  .read = (one.access & LIBCT_LANDLOCK_READ) != 0,
                                  .write = (one.access & LIBCT_LANDLOCK_WRITE) != 0,
                                  .execute = (one.access & LIBCT_LANDLOCK_EXECUTE) != 0});
    }
    auto bind = ports_of(given.bind_ports, given.bind_count);
    auto connect = ports_of(given.connect_ports, given.connect_count);
    if (given.restrict_bind != 0) landlock.bind_ports = std::move(bind);
    if (given.restrict_connect != 0) landlock.connect_ports = std::move(connect);
    return landlock;
}

/// Capabilities are one of the kinds that there are.
void forget_capabilities(ProcessAttributes& attributes) {
    attributes.bounding.reset();
    attributes.capabilities.reset();
    attributes.base.capabilities.reset();
    attributes.base.capability_sets.reset();
    attributes.base.bounding_capabilities.reset();
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_process_desc_set_capabilities(ct_process_desc_t p, const char* const* names) {
    return guard([&] {
        const auto desc = get(p);
        std::vector<std::string> list = text_list(names);
        desc->change([&](ProcessAttributes& attributes) {
            forget_capabilities(attributes);
            if (names != nullptr) attributes.base.capabilities = std::move(list);
        });
    });
}

CT_EXPORT int libct_process_desc_set_capability_sets(ct_process_desc_t p, const struct libct_capability_sets* sets) {
    return guard([&] {
        const auto desc = get(p);
        const libct_capability_sets given = read_struct(sets);
        ct::CapabilitySets wanted{.bounding = text_list(given.bounding),
                                  .permitted = text_list(given.permitted),
                                  .effective = text_list(given.effective),
                                  .inheritable = text_list(given.inheritable),
                                  .ambient = text_list(given.ambient)};
        desc->change([&](ProcessAttributes& attributes) {
            forget_capabilities(attributes);
            attributes.base.capability_sets = std::move(wanted);
        });
    });
}

CT_EXPORT int libct_process_desc_set_no_new_privileges(ct_process_desc_t p, int set) {
    return guard(
        [&] { get(p)->change([&](ProcessAttributes& attributes) { attributes.base.no_new_privileges = set != 0; }); });
}

CT_EXPORT int libct_process_desc_set_secure_bits(ct_process_desc_t p, unsigned int bits) {
    return guard([&] { get(p)->change([&](ProcessAttributes& attributes) { attributes.base.secure_bits = bits; }); });
}

CT_EXPORT int libct_process_desc_set_landlock(ct_process_desc_t p, const struct libct_landlock* landlock) {
    return guard([&] {
        const auto desc = get(p);
        std::optional<ct::Landlock> wanted;
        if (landlock != nullptr) wanted = landlock_of(read_struct(landlock));
        desc->change([&](ProcessAttributes& attributes) { attributes.base.landlock = std::move(wanted); });
    });
}

} // extern "C"
