// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// namespaces_only: a network for two containers, which outlives both, and into which a thread of this program goes.
#include <exception>
#include <iostream>
#include <string>
#include <thread>

#include <net/if.h>

#include <ct/ct.hpp>

namespace {

void show(const std::string& who) {
    const unsigned loopback = ::if_nametoindex("lo");
    struct if_nameindex* const list = ::if_nameindex();
    std::cout << who << " sees";
    for (const struct if_nameindex* link = list; link != nullptr && link->if_index != 0; ++link)
        std::cout << (link->if_index == loopback ? " the loopback link" : " a link");
    std::cout << '\n';
    ::if_freenameindex(list);
}

int run() {
    ct::Session session;
    //! [hold]
    ct::Container pod = session.create("pod")
                            .add_namespaces({ct::Namespace::Net, ct::Namespace::Uts})
                            .set_hostname("pod")
                            .set_sysctl("net.ipv4.ip_unprivileged_port_start", "80");
    pod.hold(); // running, without a process
    //! [hold]

    //! [join]
    ct::Container web = session.create("web").join_namespace(ct::Namespace::Net, pod);
    ct::Container log = session.create("log").join_namespace(ct::Namespace::Net, pod);
    //! [join]
    for (ct::Container* const container : {&web, &log}) {
        container->start({.argv = {"cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"}});
        container->wait();
    }

    //! [enter]
    const ct::Process process = pod.enter({.argv = {"hostname"}});
    process.wait();
    //! [enter]

    //! [switch_to]
    std::thread inside([&] {
        pod.switch_to(); // this thread alone
        show("the thread");
    });
    //! [switch_to]
    inside.join();

    pod.stop(std::chrono::seconds(1)); // the namespaces go with the last process in them
    return 0;
}

} // namespace

int main() {
    try {
        return run();
    } catch (const std::exception& error) {
        std::cerr << "namespaces_only: " << error.what() << '\n';
        return 1;
    }
}
