# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
import http.client
import json
import os
import socket

import pytest

from podman import LIMIT, QUIET, Podman, until

SOCKET = "/run/test/podman.sock"


@pytest.fixture
def remote(podman):
    """podman, asked over the socket of its service."""
    service = podman.start("system", "service", "--time=0", f"unix://{SOCKET}", **QUIET)
    until(lambda: os.path.exists(SOCKET) and ping(), "the service answers")
    yield Podman("--remote", "--url", f"unix://{SOCKET}")
    service.terminate()
    service.wait(timeout=LIMIT)
    if os.path.exists(SOCKET):
        os.unlink(SOCKET)


def ask(method, path, body=None):
    """The status and what the service says to a request."""
    connection = http.client.HTTPConnection("podman", timeout=LIMIT)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(SOCKET)
    connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, text


def ping():
    try:
        return ask("GET", "/_ping") == (200, b"OK")
    except OSError:
        return False


def test_run(remote):
    assert remote.both("run", "box", "sh", "-c", "echo out; echo err >&2; exit 7", code=7) == ("out\n", "err\n")


def test_input(remote):
    assert remote("run", "-i", "box", "cat", input="to and fro\n") == "to and fro\n"


def test_exec_and_logs(remote):
    container = remote.background("box", "sh", "-c", "echo started; exec sleep 1000")
    assert remote.both("exec", container, "sh", "-c", "echo out; exit 9", code=9)[0] == "out\n"
    until(lambda: remote("logs", container) == "started\n", "the log")
    remote("stop", "--time=0", container)
    assert remote.wait(container) == 137


def test_containers_are_those_of_podman(podman, remote):
    container = remote.background("box", "sleep", "1000")
    assert podman.state(container)["Running"]
    podman("kill", container)
    assert remote.wait(container) == 137


def test_requests_of_docker(remote):
    status, text = ask("POST", "/v1.41/containers/create", {"Image": "box", "Cmd": ["sh", "-c", "echo said; exit 4"]})
    assert status == 201, text
    container = json.loads(text)["Id"]
    assert ask("POST", f"/v1.41/containers/{container}/start")[0] == 204
    status, text = ask("POST", f"/v1.41/containers/{container}/wait")
    assert (status, json.loads(text)["StatusCode"]) == (200, 4)
    # Each piece has a header of eight bytes: the stream, and how long the piece is.
    assert ask("GET", f"/v1.41/containers/{container}/logs?stdout=true")[1] == b"\1\0\0\0\0\0\0\5said\n"


def test_exec_of_docker(remote):
    container = remote.background("box", "sleep", "1000")
    status, text = ask("POST", f"/v1.41/containers/{container}/exec",
                       {"Cmd": ["sh", "-c", "echo said; exit 4"], "AttachStdout": True})
    assert status == 201, text
    session = json.loads(text)["Id"]
    assert ask("POST", f"/v1.41/exec/{session}/start", {"Detach": False})[1].endswith(b"said\n")
    assert json.loads(ask("GET", f"/v1.41/exec/{session}/json")[1])["ExitCode"] == 4
