// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <linux/sched.h>

#include <utility>

#include "capi/container.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

/// Changes the network of later starts of a container, if that has one, by what is given in a struct. What is malformed
/// lets the start fail.
template <typename Struct, typename Change>
int change_network(ct_handler_t ct, const Struct* pointer, const Change& change) {
    return guard([&] {
        const auto container = get(ct);
        container->change([](Config& config, ct_state) {
            require(config.makes(CLONE_NEWNET), LCTERR_NONS, "there is no new network namespace");
        });
        container->configure([&](Config& config) {
            Network network = config.base.network;
            change(network, read_struct(pointer));
            config.base.network = std::move(network);
        });
    });
}

} // namespace ct::capi
