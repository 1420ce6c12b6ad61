// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <libct/libct-streams.h>

#include <limits>

#include <ct/export.hpp>

#include "capi/guard.hpp"
#include "capi/process_desc.hpp"

namespace ct::capi {

namespace {

Stdio stdio_of(int given) {
    switch (given) {
    case LIBCT_STDIO_INHERIT: return Stdio::Inherit;
    case LIBCT_STDIO_NULL: return Stdio::Null;
    case LIBCT_STDIO_PIPE: return Stdio::Pipe;
    case LIBCT_STDIO_OUTPUT: return Stdio::Output;
    default: throw Failure(LCTERR_BADTYPE, "there is no such kind of stream");
    }
}

} // namespace

TerminalSize terminal_size(unsigned rows, unsigned columns) {
    constexpr unsigned most = std::numeric_limits<std::uint16_t>::max();
    const bool valid = rows > 0 && columns > 0 && rows <= most && columns <= most;
    require(valid, LCTERR_INVARG, "a terminal has 1 to 65535 rows and columns");
    return {.rows = static_cast<std::uint16_t>(rows), .columns = static_cast<std::uint16_t>(columns)};
}

} // namespace ct::capi

using namespace ct::capi;

extern "C" {

CT_EXPORT int libct_process_desc_set_stdio(ct_process_desc_t p, enum libct_stdio in, enum libct_stdio out,
                                           enum libct_stdio err) {
    return guard([&] {
        const auto desc = get(p);
        const ct::StandardStreams streams{.in = stdio_of(in), .out = stdio_of(out), .err = stdio_of(err)};
        require(streams.in != ct::Stdio::Output && streams.out != ct::Stdio::Output, LCTERR_BADTYPE,
                "only standard error can go where standard output goes");
        desc->change([&](ProcessAttributes& attributes) {
            attributes.fds.reset();
            attributes.terminal.reset();
            attributes.streams = streams;
        });
    });
}

CT_EXPORT int libct_process_desc_set_terminal(ct_process_desc_t p, unsigned int rows, unsigned int columns) {
    return guard([&] {
        const auto desc = get(p);
        const ct::TerminalSize size = terminal_size(rows, columns);
        desc->change([&](ProcessAttributes& attributes) {
            attributes.fds.reset();
            attributes.streams.reset();
            attributes.terminal = size;
        });
    });
}

} // extern "C"
