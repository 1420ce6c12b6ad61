# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
"""headers.py LIBRARY HEADER...: whether cffi can read the headers, without a compiler, and find all functions."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../examples/python/libct"))
sys.dont_write_bytecode = True
# pylint: disable=wrong-import-position
from _headers import declarations


def main():
    try:
        import cffi
    except ImportError:
        print("there is no cffi: tools/setup test installs it")
        return 1 if os.environ.get("CT_TEST_STRICT") else 77
    ffi = cffi.FFI()
    ffi.cdef("typedef int pid_t;")
    names = []
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as header:
            text = declarations(header.read())
        ffi.cdef(text)
        names += re.findall(r"\b(libct_\w+)\(", text)
    library = ffi.dlopen(sys.argv[1])
    missing = [name for name in names if not hasattr(library, name)]
    if missing or len(names) < 74:
        print("missing:", *missing)
        return 1
    assert ffi.sizeof("struct libct_cmd") == 40 and ffi.sizeof("struct libct_exit_record") > 100
    assert library.LIBCT_CONSOLE_FD == -2 and library.LCTERR_INVARG == 1007 and library.CT_ERROR == -1

    # And they work: a container is made, and asked for its state.
    session = library.libct_session_open_local()
    assert not library.libct_handle_is_err(session)
    container = library.libct_container_create(session, b"cffi")
    assert library.libct_container_state(container) == library.CT_STOPPED
    assert library.libct_container_wait(container) == -library.LCTERR_BADCTSTATE
    assert ffi.string(library.libct_last_error().message) == b"the container is not running"
    library.libct_session_close(session)
    print(f"{len(names)} functions")
    return 0


sys.exit(main())
