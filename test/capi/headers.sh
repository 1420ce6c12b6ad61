#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
#
# headers.sh CC CXX LIBRARY DIRECTORY: each header of the C interface can be used alone, as C and as C++, and by cffi.
set -eu

cc=$1 cxx=$2 library=$3 dir=$4
for path in "$dir"/*.h; do
    header=$(basename "$path" .h)
    for standard in c99 c11 gnu17; do
        printf "#include <%s.h>\\nextern int one;\\n" "$header" |
            $cc -std=$standard -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror -I"$dir" -fsyntax-only -xc -
    done
    for standard in c++11 c++20; do
        printf "#include <%s.h>\\nextern int one;\\n" "$header" | $cxx -std=$standard -Wall -Wextra -Wpedantic -Werror -I"$dir" -fsyntax-only -xc++ -
    done
done
# In an order in which each comes after those that it needs.
exec /usr/bin/python3 "$(dirname "$0")/headers.py" "$library" "$dir/libct-errors.h" "$dir/libct-log-levels.h" "$dir/libct.h" \
    "$dir/libct-events.h" "$dir/libct-resources.h" "$dir/libct-streams.h" "$dir/libct-attach.h" "$dir/libct-hooks.h" \
    "$dir/libct-mounts.h" "$dir/libct-namespaces.h" "$dir/libct-network.h" "$dir/libct-processes.h" "$dir/libct-readers.h" \
    "$dir/libct-security.h"
