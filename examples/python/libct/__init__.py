# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
"""Containers from Python, by the C interface of libct.

    session = libct.Session()
    box = session.create("box", spec={"hostname": "box"}, namespaces=libct.NEWPID | libct.NEWNS)
    box.on_line(lambda line: print(line.text))
    box.start(["/bin/echo", "hello"])
    print(await box.ended())

Events come while the loop of asyncio runs, see Session.attach_loop(), or by Session.dispatch(). Errors are raised as
libct.Error. What is not wrapped here can be called as libct.lib.libct_*(), with libct.ffi for its arguments.
"""
import asyncio
import enum
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from ._binding import ffi, lib

__all__ = ["AttachServer", "Container", "Error", "ExitRecord", "Hook", "Line", "Process", "Session",
           "NEWIPC", "NEWNET", "NEWNS", "NEWPID", "NEWUSER", "NEWUTS", "ffi", "lib"]

NEWNS, NEWUTS, NEWIPC = 0x00020000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000


class Error(Exception):
    """Why a call has failed; `code` is that of <libct-errors.h>, negated, and `errno` is 0 if there is none."""

    def __init__(self, code: int) -> None:
        last = lib.libct_last_error()
        same = last != ffi.NULL and last.code == code
        super().__init__(_text(last.message) if same else f"error {code}")
        self.code = code
        self.errno: int = last.error_number if same else 0
        self.stage: str = _text(last.stage) if same else ""
        self.path: str = _text(last.path) if same else ""


@dataclass(frozen=True)
class ExitRecord:
    pid: int
    status: int  #: exit code, or the negative number of a signal, as subprocess has it
    description: str
    oom_kills: int | None
    peak_memory_bytes: int | None


@dataclass(frozen=True)
class Line:
    stream: int  #: 1: standard output, 2: standard error
    data: bytes
    partial: bool

    @property
    def text(self) -> str:
        return self.data.decode(errors="replace")


class Hook(enum.IntEnum):
    """When a hook runs, see Container.add_hook()."""
    CREATE_RUNTIME = 0
    POSTSTART = 2
    POSTSTOP = 3


def _text(pointer: Any) -> str:
    return ffi.string(pointer).decode(errors="surrogateescape")


def _check(result: Any) -> Any:
    if result < 0:
        raise Error(result)
    return result


def _checked(handle: Any) -> Any:
    if lib.libct_handle_is_err(handle):
        raise Error(lib.libct_handle_to_err(handle))
    return handle


def _struct(name: str, **fields: Any) -> Any:
    made = ffi.new(f"struct {name} *", fields)
    made.struct_size = ffi.sizeof(f"struct {name}")
    return made


def _strings(texts: Iterable[str]) -> tuple[Any, list[Any]]:
    kept = [ffi.new("char[]", os.fsencode(text)) for text in texts]
    return ffi.new("char *[]", [*kept, ffi.NULL]), kept


class Process:
    """One that has entered a container, or its first one."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    @property
    def pid(self) -> int:
        return _check(lib.libct_process_get_pid(self._handle))

    def wait(self) -> int:
        """Blocks without the GIL; see ExitRecord.status."""
        status = ffi.new("int *")
        _check(lib.libct_process_wait(self._handle, status))
        lib.libct_process_destroy(self._handle)
        return os.waitstatus_to_exitcode(status[0])


class AttachServer:
    """Serves the streams of a container to other programs, see libct_attach(3), until it is closed."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    @property
    def clients(self) -> int:
        stats = _struct("libct_attach_server_stats")
        _check(lib.libct_attach_server_get_stats(self._handle, stats))
        return stats.clients

    @property
    def finished(self) -> bool:
        """The container has ended, and all clients are gone."""
        return bool(_check(lib.libct_attach_server_finished(self._handle)))

    def close(self) -> None:
        lib.libct_attach_server_close(self._handle)


class Container:
    def __init__(self, session: "Session", handle: Any) -> None:
        self._session = session
        self._handle = handle
        self._callbacks: dict[str, Any] = {}  # cffi's, which have to live as long as they may be called
        self._exit: asyncio.Future[ExitRecord] | None = None
        self._hook_failure: BaseException | None = None

    def _desc(self) -> Any:
        desc = _checked(lib.libct_process_desc_create(self._session._handle))
        _check(lib.libct_process_desc_set_stdio(desc, lib.LIBCT_STDIO_INHERIT, lib.LIBCT_STDIO_INHERIT,
                                                lib.LIBCT_STDIO_INHERIT))
        return desc

    def _run(self, call: Callable[..., Any], argv: list[str]) -> Process:
        desc = self._desc()
        pointers, kept = _strings(argv)
        self._hook_failure = None
        try:
            return Process(_checked(call(self._handle, desc, kept[0], pointers)))
        except Error as error:
            raise error from self._hook_failure
        finally:
            lib.libct_process_desc_destroy(desc)

    def start(self, argv: list[str]) -> Process:
        return self._run(lib.libct_container_spawn_execv, argv)

    def enter(self, argv: list[str]) -> Process:
        return self._run(lib.libct_container_enter_execv, argv)

    def kill(self) -> None:
        _check(lib.libct_container_kill(self._handle))

    def wait(self) -> ExitRecord:
        """Blocks without the GIL until the container is stopped."""
        _check(lib.libct_container_wait(self._handle))
        return self.exit_record()

    def exit_record(self) -> ExitRecord:
        record = _struct("libct_exit_record")
        _check(lib.libct_container_exit_record(self._handle, record))
        length = _check(lib.libct_container_describe_exit(self._handle, ffi.NULL, 0))
        sentence = ffi.new("char[]", length + 1)
        lib.libct_container_describe_exit(self._handle, sentence, length + 1)
        known = record.known
        return ExitRecord(record.pid, os.waitstatus_to_exitcode(record.status) if record.status >= 0 else 255,
                          _text(sentence),
                          record.oom_kills if known & lib.LIBCT_EXIT_OOM_KILLS else None,
                          record.peak_memory_bytes if known & lib.LIBCT_EXIT_PEAK_MEMORY else None)

    def on_exit(self, handler: Callable[[ExitRecord], None]) -> None:
        def told(_container: Any, _record: Any, _user: Any) -> None:
            self._session._guarded(lambda: handler(self.exit_record()))

        callback = ffi.callback("void(ct_handler_t, const struct libct_exit_record *, void *)", told)
        _check(lib.libct_container_on_exit(self._handle, callback, ffi.NULL))
        self._callbacks["exit"] = callback

    def on_line(self, handler: Callable[[Line], None]) -> None:
        """Lines of output; set it before start()."""
        def told(_container: Any, line: Any, _user: Any) -> None:
            copy = Line(line.stream, bytes(ffi.buffer(line.bytes, line.length)), bool(line.partial))
            self._session._guarded(lambda: handler(copy))

        callback = ffi.callback("void(ct_handler_t, const struct libct_output *, void *)", told)
        _check(lib.libct_container_on_line(self._handle, callback, ffi.NULL))
        self._callbacks["line"] = callback

    def add_hook(self, point: Hook, handler: Callable[[int], None]) -> None:
        """Calls `handler` with the pid of the container, -1 at POSTSTOP. What it raises lets a start fail, and is the
        cause of that error."""
        def told(_container: Any, event: Any, _user: Any) -> int:
            try:
                handler(event.pid)
                return 0
            except BaseException as failure:  # pylint: disable=broad-except
                self._hook_failure = failure
                return 1

        callback = ffi.callback("int(ct_handler_t, const struct libct_hook_event *, void *)", told)
        _check(lib.libct_container_add_hook_cb(self._handle, int(point), callback, ffi.NULL))
        self._callbacks[f"hook {len(self._callbacks)}"] = callback

    def serve(self, path: str, history_bytes: int = 0) -> AttachServer:
        """Has programs attach to the container by a socket at `path`; call it before start()."""
        _check(lib.libct_container_set_attachable(self._handle, 1, history_bytes))
        place = ffi.new("char[]", os.fsencode(path))
        options = _struct("libct_attach_server_options", path=place, history_bytes=history_bytes)
        return AttachServer(_checked(lib.libct_container_serve(self._handle, options)))

    async def ended(self) -> ExitRecord:
        """The end of the running container, in the loop of asyncio, which does not stop meanwhile."""
        loop = asyncio.get_running_loop()
        self._session.attach_loop(loop)
        future: asyncio.Future[ExitRecord] = loop.create_future()
        self.on_exit(lambda record: None if future.done() else future.set_result(record))
        if lib.libct_container_phase(self._handle) == lib.LIBCT_PHASE_STOPPED and not future.done():
            future.set_result(self.exit_record())
        record = await future
        _check(lib.libct_container_wait(self._handle))
        return record

    def close(self) -> None:
        """A running container goes on."""
        lib.libct_container_destroy(self._handle)


class Session:
    """Containers end with it, unless they were closed before."""

    def __init__(self, state_directory: str | None = None) -> None:
        path = ffi.NULL if state_directory is None else ffi.new("char[]", os.fsencode(state_directory))
        options = _struct("libct_session_options", state_directory=path, on_close=lib.LIBCT_ON_CLOSE_KILL)
        self._handle = _checked(lib.libct_session_open_with(options))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: BaseException | None = None

    def _guarded(self, call: Callable[[], None]) -> None:
        """No exception can pass through C: the first one is raised by dispatch()."""
        try:
            call()
        except BaseException as failure:  # pylint: disable=broad-except
            self._failure = self._failure or failure

    def create(self, name: str, spec: Mapping[str, Any] | None = None, namespaces: int = 0) -> Container:
        """`spec` has the fields of ct::Spec."""
        handle = _checked(lib.libct_container_create(self._handle, name.encode()))
        container = Container(self, handle)
        if spec is not None:
            _check(lib.libct_container_set_spec(handle, json.dumps(spec).encode()))
        if namespaces:
            _check(lib.libct_container_set_nsmask(handle, namespaces))
        return container

    def open(self, name: str) -> Container:
        return Container(self, _checked(lib.libct_container_open(self._handle, name.encode())))

    def fileno(self) -> int:
        return _check(lib.libct_session_fd(self._handle))

    def dispatch(self, timeout_ms: int = 0) -> int:
        told = _check(lib.libct_session_dispatch(self._handle, timeout_ms))
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return told

    def attach_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not loop:
            self._detach_loop()
            loop.add_reader(self.fileno(), self.dispatch)
            self._loop = loop

    def _detach_loop(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self.fileno())
        self._loop = None

    def close(self) -> None:
        self._detach_loop()
        lib.libct_session_close(self._handle)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None,
                 _trace: TracebackType | None) -> None:
        self.close()
