// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What calls through the C interface cost, beside the same calls of the C++ library, as ratios. See `run`.

#include <benchmark/benchmark.h>

#include <ct/ct.hpp>
#include <libct/libct-events.h>
#include <libct/libct-resources.h>
#include <libct/libct-streams.h>
#include <libct/libct.h>

#include <unistd.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include "compare.hpp"
#include "workloads.hpp"

namespace ct::bench {
namespace {

constexpr Owed SameCost{.at_most = 1.05};
constexpr int Pairs = 500;

/// What both containers are.
Spec spec_of(const Bundle& bundle) {
    Session session;
    Container container = session.create("bench");
    container.add_namespaces({Namespace::Pid, Namespace::Mount, Namespace::Uts, Namespace::Ipc})
        .set_root(bundle.root())
        .add_default_mounts()
        .set_hostname("bench");
    return container.spec();
}

/// The same, whose limits can be changed: without most of what only a start looks at.
Spec limited_spec() {
    Spec spec;
    spec.namespaces[Namespace::Pid] = NewNamespace{};
    spec.cgroup.controllers = {Controller::Pids};
    return spec;
}

std::string container_name(const char* side) {
    return "ct-bench-" + std::string(side) + '-' + std::to_string(getpid());
}

struct Cpp {
    explicit Cpp(Spec spec) { container.set_spec(std::move(spec)); }

    Session session;
    Container container = session.create(container_name("cpp"));
};

/// What a descriptor of the C interface says.
ProcessSpec process_of(std::vector<std::string> argv) {
    ProcessSpec process{.argv = std::move(argv), .user = User{}, .new_session = true};
    process.executable = process.argv.front();
    return process;
}

void check(int result, const char* what) {
    if (result >= 0) return;
    const libct_error* const error = libct_last_error();
    throw std::runtime_error(std::string(what) + ": " + (error == nullptr ? "" : error->message));
}

template <typename Handle>
Handle check(Handle handle, const char* what) {
    check(static_cast<int>(libct_handle_is_err(handle) != 0 ? libct_handle_to_err(handle) : 0), what);
    return handle;
}

libct_session_t open() {
    libct_session_options options{};
    options.struct_size = sizeof options;
    options.on_close = LIBCT_ON_CLOSE_KILL;
    return check(libct_session_open_with(&options), "open a session");
}

struct C {
    explicit C(const Spec& spec) {
        check(libct_container_set_spec(container, to_json(spec).c_str()), "set the specification");
        check(libct_process_desc_set_stdio(desc, LIBCT_STDIO_INHERIT, LIBCT_STDIO_INHERIT, LIBCT_STDIO_INHERIT),
              "set the streams");
    }
    C(const C&) = delete;
    C& operator=(const C&) = delete;
    ~C() { libct_session_close(session); }

    ct_process_t start(char** argv) const {
        return check(libct_container_spawn_execv(container, desc, argv[0], argv), "start");
    }

    libct_session_t session = open();
    ct_handler_t container = check(libct_container_create(session, container_name("c").c_str()), "create");
    ct_process_desc_t desc = check(libct_process_desc_create(session), "make a descriptor");
};

char TrueProgram[] = "/true";
char StayArgument[] = "stay";

Host::Action start_in_cpp(const Bundle& bundle) {
    const auto cpp = std::make_shared<Cpp>(spec_of(bundle));
    grow({});
    return [cpp, process = process_of({TrueProgram})] {
        cpp->container.start(process);
        if (!cpp->container.wait().success()) throw std::runtime_error("the program did not succeed");
    };
}

Host::Action start_in_c(const Bundle& bundle) {
    const auto c = std::make_shared<C>(spec_of(bundle));
    grow({});
    return [c] {
        char* argv[] = {TrueProgram, nullptr};
        int status = -1;
        check(libct_process_wait(c->start(argv), &status), "wait for the process");
        check(libct_container_wait(c->container), "wait");
        if (status != 0) throw std::runtime_error("the program did not succeed");
    };
}

Host::Action enter_in_cpp(const Bundle& bundle) {
    const auto cpp = std::make_shared<Cpp>(spec_of(bundle));
    grow({});
    cpp->container.start(process_of({TrueProgram, StayArgument}));
    return [cpp, process = process_of({TrueProgram})] {
        if (!cpp->container.enter(process).wait().success()) throw std::runtime_error("the program did not succeed");
    };
}

Host::Action enter_in_c(const Bundle& bundle) {
    const auto c = std::make_shared<C>(spec_of(bundle));
    grow({});
    char* stay[] = {TrueProgram, StayArgument, nullptr};
    c->start(stay);
    return [c] {
        char* argv[] = {TrueProgram, nullptr};
        const ct_process_t process =
            check(libct_container_enter_execv(c->container, c->desc, TrueProgram, argv), "enter");
        int status = -1;
        check(libct_process_wait(process, &status), "wait for the process");
        libct_process_destroy(process);
        if (status != 0) throw std::runtime_error("the program did not succeed");
    };
}

constexpr int Queries = 1000;

Host::Action query_in_cpp(const Bundle& bundle) {
    const auto cpp = std::make_shared<Cpp>(spec_of(bundle));
    grow({});
    cpp->container.start(process_of({TrueProgram, StayArgument}));
    return [cpp] {
        for (int i = 0; i < Queries; ++i) {
            if (cpp->container.state() != State::Running) throw std::runtime_error("the container does not run");
        }
    };
}

Host::Action query_in_c(const Bundle& bundle) {
    const auto c = std::make_shared<C>(spec_of(bundle));
    grow({});
    char* stay[] = {TrueProgram, StayArgument, nullptr};
    c->start(stay);
    return [c] {
        for (int i = 0; i < Queries; ++i) {
            if (libct_container_phase(c->container) != LIBCT_PHASE_RUNNING) {
                throw std::runtime_error("the container does not run");
            }
        }
    };
}

Host::Action update_in_cpp(const Bundle& bundle) {
    const auto cpp = std::make_shared<Cpp>(limited_spec());
    grow({});
    cpp->container.start(process_of({bundle.root() + TrueProgram, StayArgument}));
    return [cpp, most = std::uint64_t{100}]() mutable { cpp->container.update({.pids_max = ++most}); };
}

Host::Action update_in_c(const Bundle& bundle) {
    const auto c = std::make_shared<C>(limited_spec());
    grow({});
    std::string program = bundle.root() + TrueProgram;
    char* stay[] = {program.data(), StayArgument, nullptr};
    c->start(stay);
    return [c, most = std::uint64_t{100}]() mutable {
        libct_limits limits{};
        limits.struct_size = sizeof limits;
        limits.set = LIBCT_LIMIT_PIDS_MAX;
        limits.pids_max = ++most;
        check(libct_container_update_limits(c->container, &limits), "update");
    };
}

using Prepare = Host::Action (*)(const Bundle&);

void add(const char* name, const Bundle& bundle, Prepare subject, Prepare baseline) {
    const auto run = [=, &bundle](benchmark::State& state) {
        try {
            Host subject_host([=, &bundle] { return subject(bundle); });
            Host baseline_host([=, &bundle] { return baseline(bundle); });
            compare(state, subject_host, baseline_host, SameCost);
        } catch (const std::exception& error) {
            state.SkipWithError(error.what());
        }
    };
    benchmark::RegisterBenchmark(name, run)->Iterations(Pairs)->UseManualTime();
}

int run(int argc, char** argv) {
    const Bundle bundle;
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    add("start to end: C, C++", bundle, start_in_c, start_in_cpp);
    add("enter to end: C, C++", bundle, enter_in_c, enter_in_cpp);
    add("1000 queries of the state: C, C++", bundle, query_in_c, query_in_cpp);
    add("an update of a limit: C, C++", bundle, update_in_c, update_in_cpp);
    TableReporter table;
    benchmark::RunSpecifiedBenchmarks(&table);
    return table.all_kept() ? 0 : 1;
}

} // namespace
} // namespace ct::bench

int main(int argc, char** argv) {
    try {
        return ct::bench::run(argc, argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ct_capi_bench: %s\n", error.what());
        return 2;
    }
}
