# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
"""The C interface as its headers have it; no compiler is needed. cffi releases the GIL during each call."""
import os
from pathlib import Path
from typing import Any

import cffi

from ._headers import declarations

_HEADERS = ("libct-errors", "libct-log-levels", "libct", "libct-events", "libct-resources", "libct-streams",
            "libct-attach", "libct-hooks", "libct-mounts", "libct-namespaces", "libct-network", "libct-processes",
            "libct-readers", "libct-security")


def load(library: str, directory: Path) -> tuple[Any, Any]:
    ffi = cffi.FFI()
    ffi.cdef("typedef int pid_t;")
    for header in _HEADERS:
        ffi.cdef(declarations((directory / f"{header}.h").read_text(encoding="utf-8")))
    return ffi, ffi.dlopen(library)


#: Where the library and its headers are; the environment can say otherwise.
ffi, lib = load(os.environ.get("LIBCT_LIBRARY", "libct.so.1"),
                Path(os.environ.get("LIBCT_HEADERS", "/usr/include/libct")))
