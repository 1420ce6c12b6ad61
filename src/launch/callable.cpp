// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "launch/callable.hpp"

#include <linux/sched.h>
#include <stdio_ext.h>
#include <sys/prctl.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include <ext/stdio_sync_filebuf.h>

#include "child/child_main.hpp"
#include "child/clone.hpp"

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif

namespace ct::internal {

namespace {

/// What the kernel keeps for glibc's threads and clone3(2) does not hand on.
struct ThreadRegistration {
    int* tid_address = nullptr;
    robust_list_head* robust_head = nullptr;

    static ThreadRegistration current() {
        ThreadRegistration registration;
        ::prctl(PR_GET_TID_ADDRESS, &registration.tid_address, 0, 0, 0);
        std::size_t size = 0;
        ::syscall(SYS_get_robust_list, 0, &registration.robust_head, &size);
        return registration;
    }

    void restore() const {
        if (robust_head != nullptr) ::syscall(SYS_set_robust_list, robust_head, sizeof *robust_head);
        if (__rseq_size != 0) {
            auto* const area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
            // Already registered where the memory was copied; then this fails, which is as good.
            ::syscall(SYS_rseq, area, sizeof(struct rseq), 0, RSEQ_SIG);
        }
    }
};

/// What the host had not written yet is for the host to write.
void discard_unwritten() {
    ::__fpurge(stdout);
    ::__fpurge(stderr);
#ifdef __GLIBCXX__
    // After sync_with_stdio(false) these have buffers of their own.
    static __gnu_cxx::stdio_sync_filebuf<char> out(stdout);
    static __gnu_cxx::stdio_sync_filebuf<char> err(stderr);
    std::cout.rdbuf(&out);
    std::cerr.rdbuf(&err);
    std::clog.rdbuf(&err);
#endif
}

/// This process, a fork of the host, moves into the new namespaces: a child takes its place, on its stack and, where
/// the kernel allows, in its memory, as another child of the host.
void move_into_namespaces(const Plan& plan, Handshake& handshake, const ThreadRegistration& thread) {
    clone_args args{};
    args.flags = plan.new_namespaces | CLONE_PARENT | CLONE_PARENT_SETTID | CLONE_CLEAR_SIGHAND;
    if (plan.shares_memory) args.flags |= CLONE_VM;
    child::set_group(args, plan.group);
    args.parent_tid = reinterpret_cast<std::uintptr_t>(&handshake.child_pid);
    if (thread.tid_address != nullptr) {
        // glibc believes this thread's id to be there; and this process's end must not clear it.
        args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
        args.child_tid = reinterpret_cast<std::uintptr_t>(thread.tid_address);
        ::syscall(SYS_set_tid_address, nullptr);
    }
    const long error = child::clone_and_vanish(&args);
    if (error == 0) return;
    handshake.steps_of = Handshake::OfHelper;
    handshake.step = plan.joins.list().count;
    __atomic_store_n(&handshake.error, static_cast<std::int32_t>(-error), __ATOMIC_RELEASE);
    child::give_up(handshake);
    ::_exit(127);
}

} // namespace

void run_callable(const Plan& plan, Handshake& handshake, const std::function<int()>& callable) noexcept {
    handshake.steps_of = Handshake::OfHelper;
    if (child::die_with_parent(handshake) < 0 || !child::perform_steps(plan.joins.list(), handshake)) {
        child::give_up(handshake);
        ::_exit(127);
    }
    handshake.steps_of = Handshake::OfChild;
    const ThreadRegistration thread = ThreadRegistration::current();
    move_into_namespaces(plan, handshake, thread);

    child::adopt_handshake(handshake);
    const StepList all = plan.steps.list();
    const bool filtered_last = all.count > 0 && all.steps[all.count - 1].op == Op::Seccomp;
    const StepList unfiltered{all.steps, filtered_last ? all.count - 1 : all.count};
    if (!child::perform_steps(unfiltered, handshake)) ::_exit(127);
    // A filter may not let anything of this pass; its last step tells the parent itself that all is ready.
    child::announce(handshake, filtered_last ? Handshake::Filtering : Handshake::Ready);
    thread.restore();
    if (filtered_last && !child::perform_steps(all, handshake, unfiltered.count)) ::_exit(127);

    if (plan.environment != nullptr) ::environ = const_cast<char**>(plan.environment);
    discard_unwritten();
    const int status = callable();
    std::cout.flush();
    std::fflush(stdout);
    std::fflush(stderr);
    ::_exit(status & 0xff);
}

} // namespace ct::internal
