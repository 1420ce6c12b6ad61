# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
"""All containers of podman in one monitor, `ctmon serve`."""
import os
import signal
import subprocess

import pytest

from podman import Terminal, commands, until

COUNT = ["sh", "-c", "trap 'exit 5' TERM; i=0; while :; do echo $((i += 1)); sleep 0.01; done"]


class Server:
    def __init__(self, socket):
        self.socket = str(socket)
        self.keeper = subprocess.Popen([os.environ["CT_MONITOR"], "serve", self.socket])
        until(lambda: self.at("list", check=False) is not None, "the server answers")

    def at(self, *arguments, check=True):
        """What `ctmon at` prints; None if it fails, and does not have to succeed."""
        done = subprocess.run([os.environ["CT_MONITOR"], "at", self.socket, *arguments], capture_output=True, text=True)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout if done.returncode == 0 else None

    def containers(self):
        return [line.split()[1] for line in self.at("list").splitlines()[1:]]

    def process(self):
        """The process of the server, which is not the keeper."""
        return until(lambda: next((pid for pid, command in commands().items()
                                   if command.split(b"\0")[1:2] == [b"serve-server"]), None), "a server")

    def kill(self):
        killed = self.process()
        os.kill(killed, signal.SIGKILL)
        until(lambda: self.process() != killed and self.at("list", check=False) is not None, "another server answers")


@pytest.fixture
def server(podman, tmp_path, monkeypatch):
    server = Server(tmp_path / "socket")
    with open(os.environ["CONTAINERS_CONF"]) as file:
        conf = file.read()
    variables = f'["PATH={os.environ["PATH"]}", "TMPDIR={os.environ["TMPDIR"]}", "CTMON_SERVER={server.socket}"]'
    (tmp_path / "containers.conf").write_text(conf.replace("[engine]\n", f"[engine]\nconmon_env_vars = {variables}\n"))
    monkeypatch.setenv("CONTAINERS_CONF", str(tmp_path / "containers.conf"))
    yield server
    podman("rm", "--all", "--force", "--time=0")
    until(lambda: not server.containers(), "nothing is monitored")
    server.keeper.terminate()
    assert server.keeper.wait() == 0


def numbers(podman, container):
    return [int(line) for line in podman("logs", container).split()]


def test_life(podman, server):
    assert podman.both("run", "box", "sh", "-c", "cat; echo err >&2; exit 7", code=7) == ("", "err\n")
    assert podman("run", "--rm", "--interactive", "box", "cat", input="through\n") == "through\n"
    container = podman.background("--name=first", "box", *COUNT)
    assert server.containers() == [container]
    assert podman("exec", "first", "echo", "in it") == "in it\n"
    podman("exec", "first", "sh", "-c", "exit 9", code=9)
    podman("stop", "first")
    assert podman.wait("first") == 5
    podman("start", "first")
    podman("kill", "--signal=KILL", "first")
    assert podman.wait("first") == 137
    podman("run", "box", "/missing", code=127)
    assert server.at("wait", container) == "137\n"


def test_terminal(podman, server):
    with Terminal([*podman.command, "run", "--interactive", "--tty", "box", "sh"], rows=31, columns=97) as terminal:
        terminal.type("stty size\n")
        terminal.expect("31 97\r\n")
        terminal.type("exit 6\n")
        assert terminal.code() == 6


def test_many_at_once(podman, server):
    running = [podman.start("run", "box", "sh", "-c", f"seq 1000; exit {code}") for code in range(20)]
    for code, process in enumerate(running):
        out, err = process.communicate()
        assert (process.returncode, out) == (code, "".join(f"{i}\n" for i in range(1, 1001))), err


def test_killed_and_replaced(podman, server):
    container = podman.background("box", *COUNT)
    for disturb in server.kill, lambda: server.keeper.send_signal(signal.SIGHUP), server.kill:
        before = len(numbers(podman, container))
        disturb()
        until(lambda: len(numbers(podman, container)) > before + 10, "it goes on")
    assert podman("exec", container, "echo", "here") == "here\n"
    podman("stop", container)
    assert podman.wait(container) == 5
    seen = numbers(podman, container)
    assert sorted(set(seen)) == list(range(1, max(seen) + 1))
