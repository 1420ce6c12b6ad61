# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
import signal

import pytest

from podman import LIMIT, Terminal, until


@pytest.fixture
def running(podman):
    return podman.background("box", "sleep", "100000")


def test_output_and_exit_code(podman, running):
    assert podman.both("exec", running, "sh", "-c", "echo out; echo err >&2; exit 9", code=9) == ("out\n", "err\n")


def test_input(podman, running):
    text = "".join(f"line {number}\n" for number in range(100000))
    assert podman("exec", "-i", running, "cat", input=text) == text


def test_without_input_it_is_empty(podman, running):
    assert podman("exec", running, "wc", "-c", input="nobody reads this") == "0\n"


def test_a_lot_of_output(podman, running):
    assert podman("exec", running, "seq", "600000") == "".join(f"{number}\n" for number in range(1, 600001))


def test_killed_by_a_signal(podman, running):
    podman("exec", running, "sh", "-c", "kill -KILL $$", code=128 + signal.SIGKILL)


@pytest.mark.parametrize("command, code, message",
                         [("/nothing", 127, "no such file"), ("/bin", 126, "permission denied")])
def test_command_that_cannot_run(podman, running, command, code, message):
    _, err = podman.both("exec", running, command, code=code)
    assert message in err.lower()
    # The container is none the worse.
    assert podman("exec", running, "echo", "well") == "well\n"


def test_terminal(podman, running):
    with Terminal([*podman.command, "exec", "-it", running, "sh"], rows=31, columns=71) as terminal:
        terminal.expect("#")
        terminal.type("tty; stty size\n")
        terminal.expect("/dev/pts/")
        terminal.expect("31 71")
        terminal.resize(41, 91)
        terminal.type("until [ \"$(stty size)\" = '41 91' ]; do sleep 0.1; done; echo resi''zed\n")
        terminal.expect("resized")
        terminal.type("exit 5\n")
        assert terminal.code() == 5


def test_terminal_and_nobody_types(podman, running):
    with Terminal([*podman.command, "exec", "-t", running, "sh", "-c", "tty; exit 4"]) as terminal:
        terminal.expect("/dev/pts/")
        assert terminal.code() == 4


def test_detached(podman, running):
    podman("exec", "-d", running, "sh", "-c", "echo made >/made; sleep 100000")
    until(lambda: podman("exec", running, "sh", "-c", "cat /made || true") == "made\n", "it runs")
    assert "sleep 100000" in podman("top", running, "args")


def test_ends_with_its_container(podman, running):
    with podman.start("exec", running, "sh", "-c", "echo ready; sleep 100000") as inner:
        assert inner.stdout.readline() == "ready\n"
        podman("kill", running)
        inner.communicate(timeout=LIMIT)
        assert inner.returncode != 0
    assert podman.wait(running) == 128 + signal.SIGKILL


def test_many_at_once(podman, running):
    several = [podman.start("exec", running, "sh", "-c", f"echo {number}; exit {number}") for number in range(10)]
    for number, one in enumerate(several):
        out, err = one.communicate(timeout=LIMIT)
        assert (out, one.returncode) == (f"{number}\n", number), err
    until(lambda: not podman.inspect(running)["ExecIDs"], "no session is left")


def test_does_not_disturb_who_is_attached(podman, shared):
    # An exec has control files of its own; the container's stay.
    container = podman.background("-it", "box", "sh")
    with Terminal([*podman.command, "attach", container]) as terminal:
        terminal.type("echo on''e\n")
        terminal.expect("one")
        assert podman("exec", container, "echo", "between") == "between\n"
        terminal.type("echo tw''o\n")
        terminal.expect("two")
