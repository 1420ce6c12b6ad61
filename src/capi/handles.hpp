// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <typeinfo>
#include <utility>

#include <libct/libct-attach.h>
#include <libct/libct-readers.h>
#include <libct/libct-security.h>
#include <libct/libct.h>

/// The handles of the C interface.
namespace ct::capi {

/// What a handle stands for. Calls hold a reference, so that another thread may close the handle meanwhile.
class Object {
public:
    Object() = default;
    Object(const Object&) = delete;
    Object& operator=(const Object&) = delete;
    virtual ~Object() = default;

    /// Set by add_handle().
    void* handle = nullptr;
};

class Session;
class Container;
class Process;
class ProcessDesc;
class NetDevice;
class Route;
class NextHop;
class Attachment;
class AttachServerHandle;
class LogReaderObject;
class EventReaderObject;
class Notice;

template <typename Handle>
struct Kind;
template <>
struct Kind<libct_session_t> {
    using Type = Session;
};
template <>
struct Kind<ct_handler_t> {
    using Type = Container;
};
template <>
struct Kind<ct_process_t> {
    using Type = Process;
};
template <>
struct Kind<ct_process_desc_t> {
    using Type = ProcessDesc;
};
template <>
struct Kind<ct_net_t> {
    using Type = NetDevice;
};
template <>
struct Kind<ct_net_route_t> {
    using Type = Route;
};
template <>
struct Kind<ct_net_route_nh_t> {
    using Type = NextHop;
};
template <>
struct Kind<libct_attachment_t> {
    using Type = Attachment;
};
template <>
struct Kind<libct_attach_server_t> {
    using Type = AttachServerHandle;
};
template <>
struct Kind<libct_log_reader_t> {
    using Type = LogReaderObject;
};
template <>
struct Kind<libct_event_reader_t> {
    using Type = EventReaderObject;
};
template <>
struct Kind<libct_notice_t> {
    using Type = Notice;
};
template <typename Handle>
using ObjectOf = typename Kind<Handle>::Type;

/// A handle is a number that was never one before, and no address: what it stands for is looked up, so that nothing a
/// caller passes is ever followed. \returns the new handle
void* add_object(std::shared_ptr<Object> object);
/// Null if there is none.
[[nodiscard]] std::shared_ptr<Object> find_object(const void* handle);
/// The object lives on as long as it is used. Nothing happens if there is none.
void remove_object(const void* handle) noexcept;

template <typename Handle>
Handle add_handle(std::shared_ptr<ObjectOf<Handle>> object) {
    return static_cast<Handle>(add_object(std::move(object)));
}

/// \throws Failure with LCTERR_INVARG if it is no handle of that kind
[[noreturn]] void refuse_handle(const void* handle);

template <typename Handle>
[[nodiscard]] std::shared_ptr<ObjectOf<Handle>> get(Handle handle) {
    std::shared_ptr<Object> object = find_object(handle);
    const Object* const found = object.get();
    if (found == nullptr || typeid(*found) != typeid(ObjectOf<Handle>)) refuse_handle(handle);
    return std::static_pointer_cast<ObjectOf<Handle>>(std::move(object));
}

} // namespace ct::capi
