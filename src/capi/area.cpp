// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <utility>

#include <ct/export.hpp>
#include <ct/private_area.hpp>

#include "capi/container.hpp"
#include "capi/structs.hpp"

namespace ct::capi {

namespace {

PrivateArea area_of(const libct_area& given) {
    const std::string target = text_or(given.target, "/");
    const bool has_source = given.source != nullptr;
    switch (given.type) {
    case LIBCT_AREA_DIRECTORY:
        require(has_source, LCTERR_INVARG, "the private area has no path");
        return BindDir{.source = given.source, .target = target, .read_only = given.read_only != 0};
    case LIBCT_AREA_OVERLAY:
        return OverlayArea{.lower = text_list(given.lower),
                           .upper = text_or(given.upper),
                           .work = text_or(given.work),
                           .size = given.size_bytes,
                           .target = target};
    case LIBCT_AREA_TMPFS:
        return TmpfsArea{.size = given.size_bytes, .mode = given.mode == 0 ? 0755 : given.mode, .target = target};
    case LIBCT_AREA_IMAGE:
        require(has_source, LCTERR_INVARG, "the private area has no path");
        return ImageArea{
            .path = given.source, .type = text_or(given.fs_type), .target = target, .read_only = given.read_only != 0};
    default: throw Failure(LCTERR_BADTYPE, "there is no such kind of private area");
    }
}

char kind_of(ChangeKind kind) {
    switch (kind) {
    case ChangeKind::Added: return '+';
    case ChangeKind::Deleted: return '-';
    case ChangeKind::Modified: break;
    }
    return '~';
}

} // namespace

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_fs_set_area(ct_handler_t ct, const struct libct_area* area) {
    return guard([&] {
        const auto container = get(ct);
        ct::PrivateArea wanted = area_of(read_struct(area));
        container->configure([&](Config& config) { config.private_area = std::move(wanted); });
    });
}

CT_EXPORT int libct_fs_changes(ct_handler_t ct, int (*cb)(const char*, char, void*), void* user) {
    return guard([&] {
        const auto container = get(ct);
        require(cb != nullptr, LCTERR_INVARG, "there is no function");
        int result = 0;
        for (const ct::Change& change : with_codes([&] { return container->object().changes(); })) {
            result = cb(change.path.c_str(), kind_of(change.kind), user);
            if (result != 0) break;
        }
        return result;
    });
}

CT_EXPORT int libct_fs_commit(ct_handler_t ct, const char* directory) {
    return guard([&] {
        const auto container = get(ct);
        require(directory != nullptr, LCTERR_INVARG, "there is no directory");
        with_codes([&] { container->object().commit(directory); });
    });
}

CT_EXPORT int libct_fs_discard(ct_handler_t ct) {
    return guard([&] { get(ct)->with_stopped([](ct::Container& container) { container.discard(); }); });
}

} // extern "C"
