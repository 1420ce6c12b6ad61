// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// A session in libuv's loop.
#include <uv.h>

#include "two_containers.hpp"

void check(int result, const char* action) {
    if (result < 0) throw std::runtime_error(std::string(action) + ": " + uv_strerror(result));
}

//! [uv]
/// Dispatches in \p loop whenever the session's descriptor is readable.
class SessionWatch {
public:
    SessionWatch(uv_loop_t& loop, int fd, std::function<void()> dispatch,
                 std::function<void(const std::exception&)> failed)
        : dispatch_(std::move(dispatch)), failed_(std::move(failed)) {
        handle_.data = this;
        check(uv_poll_init(&loop, &handle_, fd), "watch the session");
        check(uv_poll_start(&handle_, UV_READABLE, ready), "watch the session");
    }
    SessionWatch(const SessionWatch&) = delete;
    SessionWatch& operator=(const SessionWatch&) = delete;
    /// Ends the watch, also from within `dispatch`. The loop has to run once more before this object goes.
    void close() { uv_close(reinterpret_cast<uv_handle_t*>(&handle_), nullptr); }

private:
    static void ready(uv_poll_t* handle, int /*status*/, int /*events*/) {
        const auto& watch = *static_cast<SessionWatch*>(handle->data);
        try {
            watch.dispatch_();
        } catch (const std::exception& error) {
            watch.failed_(error); // an exception must not get into C
        }
    }

    const std::function<void()> dispatch_;
    const std::function<void(const std::exception&)> failed_;
    uv_poll_t handle_{};
};
//! [uv]

int main() {
    try {
        uv_loop_t loop;
        check(uv_loop_init(&loop), "make a loop");
        SessionWatch* watching = nullptr;
        TwoContainers containers([&] { watching->close(); });
        SessionWatch watch(
            loop, containers.fd(), [&] { containers.dispatch(); },
            [&](const std::exception& error) { containers.failed(error); });
        watching = &watch;
        uv_run(&loop, UV_RUN_DEFAULT); // until nothing is watched
        check(uv_loop_close(&loop), "close the loop");
        containers.sum_up();
    } catch (const std::exception& error) {
        std::cerr << "loop_uv: " << error.what() << '\n';
        return 1;
    }
}
