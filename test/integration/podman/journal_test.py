# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
import array
import os
import shutil
import socket
import struct
import subprocess
import threading

import pytest

from podman import LIMIT, QUIET, until

SOCKET = "/run/systemd/journal/socket"
JOURNALD = "/lib/systemd/systemd-journald"


def fields(record):
    """A record of the native protocol: lines NAME=value; or a NAME, a length of 64 bits, and a value of any bytes."""
    found = {}
    while record:
        line, record = record.split(b"\n", 1)
        name, equals, value = line.partition(b"=")
        if not equals:
            size = struct.unpack("<Q", record[:8])[0]
            value, record = record[8:8 + size], record[8 + size + 1:]
        found[name.decode()] = value.decode()
    return found


class Journal(threading.Thread):
    """Takes what is sent to the journal's socket."""

    def __init__(self):
        super().__init__(daemon=True)
        os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(SOCKET)
        self.records = []

    def run(self):
        while True:
            data, ancillary, _, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(4))
            for _, _, descriptor in ancillary:  # a large record comes as a file
                with os.fdopen(array.array("i", descriptor)[0], "rb") as file:
                    file.seek(0)
                    data = file.read()
            if not data:
                return
            self.records.append(fields(data))

    def of(self, container):
        return [record for record in self.records if record.get("CONTAINER_ID_FULL") == container]


@pytest.fixture
def journal():
    journal = Journal()
    journal.start()
    yield journal
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.sendto(b"", SOCKET)
    journal.join()
    journal.socket.close()
    os.unlink(SOCKET)


def test_entries(podman, journal):
    container = podman.background("--log-driver=journald", "--name=told", "box",
                                  "sh", "-c", "echo out; echo err >&2; printf end")
    podman.wait(container)
    until(lambda: len(journal.of(container)) == 3, "three entries")
    records = {record["MESSAGE"].rstrip("\n"): record for record in journal.of(container)}
    assert set(records) == {"out", "err", "end"}
    for record in records.values():
        assert record["CONTAINER_ID"] == container[:12]
        assert record["CONTAINER_NAME"] == "told"
        assert record["SYSLOG_IDENTIFIER"]
    assert (records["out"]["PRIORITY"], records["err"]["PRIORITY"]) == ("6", "3")
    assert [name for name, record in records.items() if "CONTAINER_PARTIAL_MESSAGE" in record] == ["end"]


def test_tag(podman, journal):
    container = podman.background("--log-driver=journald", "--log-opt", "tag=mine", "box", "echo", "out")
    podman.wait(container)
    until(lambda: journal.of(container), "an entry")
    assert journal.of(container)[0]["CONTAINER_TAG"] == "mine"
    assert journal.of(container)[0]["SYSLOG_IDENTIFIER"] == "mine"


def test_a_long_line_comes_in_parts(podman, journal):
    container = podman.background("--log-driver=journald", "box",
                                  "sh", "-c", "head -c 20000 /dev/zero | tr '\\0' x; echo")
    podman.wait(container)
    until(lambda: journal.of(container) and journal.of(container)[-1]["MESSAGE"].endswith("\n"), "the end of the line")
    records = journal.of(container)
    assert "".join(record["MESSAGE"] for record in records) == "x" * 20000 + "\n"
    assert ["CONTAINER_PARTIAL_MESSAGE" in record for record in records] == [True] * (len(records) - 1) + [False]


@pytest.fixture
def journald():
    if not os.path.exists(JOURNALD):
        pytest.skip("systemd is not installed")
    os.makedirs("/run/systemd/journal", exist_ok=True)
    os.makedirs("/run/log/journal", exist_ok=True)
    service = subprocess.Popen([JOURNALD], **QUIET)
    until(lambda: os.path.exists(SOCKET) or service.poll() is not None, "the journal's socket")
    assert service.poll() is None
    yield
    service.terminate()
    service.wait(timeout=LIMIT)
    shutil.rmtree("/run/systemd/journal")
    shutil.rmtree("/run/log/journal")


def test_podman_reads_them_from_a_real_journal(podman, journald):
    container = podman.background("--log-driver=journald", "box", "sh", "-c", "echo out; echo err >&2; seq 100")
    podman.wait(container)
    out = "out\n" + "".join(f"{number}\n" for number in range(1, 101))
    until(lambda: podman.both("logs", container) == (out, "err\n"), "the log is whole")
