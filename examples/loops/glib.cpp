// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// A session in GLib's main loop, which is GTK's, too.
#include <glib-unix.h>

#include <memory>

#include "two_containers.hpp"

//! [glib]
/// Dispatches in the default main context whenever the session's descriptor is readable.
class SessionWatch {
public:
    SessionWatch(int fd, std::function<void()> dispatch, std::function<void(const std::exception&)> failed)
        : dispatch_(std::move(dispatch)), failed_(std::move(failed)), source_(g_unix_fd_add(fd, G_IO_IN, ready, this)) {
    }
    SessionWatch(const SessionWatch&) = delete;
    SessionWatch& operator=(const SessionWatch&) = delete;
    /// Not from within `dispatch`.
    ~SessionWatch() { g_source_remove(source_); }

private:
    static gboolean ready(int /*fd*/, GIOCondition /*condition*/, gpointer self) {
        auto& watch = *static_cast<SessionWatch*>(self);
        try {
            watch.dispatch_();
        } catch (const std::exception& error) {
            watch.failed_(error); // an exception must not get into C
        }
        return G_SOURCE_CONTINUE;
    }

    const std::function<void()> dispatch_;
    const std::function<void(const std::exception&)> failed_;
    const guint source_;
};
//! [glib]

int main() {
    try {
        const std::unique_ptr<GMainLoop, void (*)(GMainLoop*)> loop(g_main_loop_new(nullptr, FALSE), g_main_loop_unref);
        TwoContainers containers([&] { g_main_loop_quit(loop.get()); });
        {
            const SessionWatch watch(
                containers.fd(), [&] { containers.dispatch(); },
                [&](const std::exception& error) { containers.failed(error); });
            g_main_loop_run(loop.get());
        }
        containers.sum_up();
    } catch (const std::exception& error) {
        std::cerr << "loop_glib: " << error.what() << '\n';
        return 1;
    }
}
