// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// A session in Boost.Asio's loop.
#include <memory>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "two_containers.hpp"

//! [asio]
/// Dispatches whenever the session's descriptor is readable; what a handler throws leaves io_context::run().
class SessionWatch : public std::enable_shared_from_this<SessionWatch> {
public:
    SessionWatch(boost::asio::io_context& io, int fd, std::function<void()> dispatch)
        : descriptor_(io, fd), dispatch_(std::move(dispatch)) {}
    /// The descriptor stays the session's.
    ~SessionWatch() { descriptor_.release(); }

    void wait() {
        // Weak: a call may be on its way when this is released.
        descriptor_.async_wait(descriptor_.wait_read, [weak = weak_from_this()](boost::system::error_code error) {
            if (const auto self = weak.lock(); self && !error) self->dispatch();
        });
    }

private:
    void dispatch() {
        try {
            dispatch_();
        } catch (...) {
            wait();
            throw;
        }
        wait();
    }

    boost::asio::posix::stream_descriptor descriptor_;
    const std::function<void()> dispatch_;
};
//! [asio]

int main() {
    try {
        boost::asio::io_context io;
        std::shared_ptr<SessionWatch> watch;
        TwoContainers containers([&] { watch.reset(); });
        watch = std::make_shared<SessionWatch>(io, containers.fd(), [&] { containers.dispatch(); });
        watch->wait();
        for (bool again = true; again;) {
            try {
                io.run(); // until nothing is waited for
                again = false;
            } catch (const std::exception& error) {
                containers.failed(error);
            }
        }
        containers.sum_up();
    } catch (const std::exception& error) {
        std::cerr << "loop_asio: " << error.what() << '\n';
        return 1;
    }
}
