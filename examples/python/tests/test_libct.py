# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
import asyncio
import errno
import os
import socket
import threading

import pytest

import libct


@pytest.fixture
def session():
    with libct.Session() as opened:
        yield opened


def test_exit_codes_and_lines(session):
    lines = []
    box = session.create(f"py-{os.getpid()}")
    box.on_line(lines.append)
    box.start(["/bin/sh", "-c", "echo one; echo two >&2; exit 3"])
    record = box.wait()
    assert record.status == 3 and "code 3" in record.description
    assert sorted((line.stream, line.text) for line in lines) == [(1, "one"), (2, "two")]
    box.start(["/bin/sh", "-c", "kill -9 $$"])
    assert box.wait().status == -9


def test_errors_are_exceptions(session):
    box = session.create(f"py-{os.getpid()}")
    with pytest.raises(libct.Error, match="missing") as caught:
        box.start(["/missing"])
    assert caught.value.errno == errno.ENOENT and caught.value.code == -1 and caught.value.stage == "exec"
    with pytest.raises(libct.Error) as caught:
        box.wait()
    assert caught.value.code == -libct.lib.LCTERR_BADCTSTATE
    with pytest.raises(libct.Error, match="colour"):
        session.create("other", spec={"colour": 1})


def test_events_in_asyncio(session):
    async def run():
        boxes = [session.create(f"py-{os.getpid()}-{i}", namespaces=libct.NEWPID) for i in range(3)]
        for i, box in enumerate(boxes):
            box.start(["/bin/sh", "-c", f"exit {i}"])
        return [record.status for record in await asyncio.gather(*(box.ended() for box in boxes))]

    assert asyncio.run(run()) == [0, 1, 2]
    assert asyncio.run(run_again(session)) == 7


async def run_again(session):
    box = session.create(f"py-{os.getpid()}-again")
    box.start(["/bin/sh", "-c", "exit 7"])
    return (await box.ended()).status


def test_enter_and_kill(session):
    box = session.create(f"py-{os.getpid()}", spec={"hostname": "there"},
                         namespaces=libct.NEWPID | libct.NEWUTS | libct.NEWNS)
    box.start(["/bin/sh", "-c", "read line < /dev/zero; exit 9"])
    assert box.enter(["/bin/sh", "-c", 'test "$(hostname)" = there']).wait() == 0
    box.kill()
    assert box.wait().status == -9


def test_waiting_leaves_the_others_running(session):
    """The GIL is not held: another thread ends what this one waits for."""
    box = session.create(f"py-{os.getpid()}", namespaces=libct.NEWPID)
    box.start(["/bin/sh", "-c", "read line < /dev/zero"])
    killer = threading.Thread(target=box.kill)
    killer.start()
    assert box.wait().status == -9
    killer.join()


def test_handlers_that_fail(session):
    box = session.create(f"py-{os.getpid()}")

    def fail(_record):
        raise ValueError("on purpose")

    box.on_exit(fail)
    box.start(["/bin/true"])
    with pytest.raises(ValueError, match="on purpose"):
        while True:
            session.dispatch(-1)
    box.wait()


def test_hooks(session):
    pids = []
    box = session.create(f"py-{os.getpid()}", namespaces=libct.NEWPID)
    box.add_hook(libct.Hook.POSTSTART, pids.append)
    box.add_hook(libct.Hook.POSTSTOP, pids.append)
    process = box.start(["/bin/sleep", "1000"])
    assert pids == [process.pid]
    box.kill()
    box.wait()
    assert pids[1:] == [-1]

    def refuse(_pid):
        raise ValueError("not today")

    box.add_hook(libct.Hook.CREATE_RUNTIME, refuse)
    with pytest.raises(libct.Error, match="a function has returned 1") as caught:
        box.start(["/bin/true"])
    assert isinstance(caught.value.__cause__, ValueError) and caught.value.stage == "hooks"


def test_serves_other_programs(session, tmp_path):
    box = session.create(f"py-{os.getpid()}", namespaces=libct.NEWPID)
    server = box.serve(str(tmp_path / "socket"), history_bytes=1000)
    box.start(["/bin/cat"])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.connect(str(tmp_path / "socket"))
        client.send(b"hello")
        client.setblocking(False)
        while True:
            session.dispatch()
            try:
                assert client.recv(100) == b"\2hello"
                break
            except BlockingIOError:
                continue
        assert server.clients == 1 and not server.finished
        box.kill()
        box.wait()
    while not server.finished:
        session.dispatch()
    server.close()
    assert not (tmp_path / "socket").exists()
