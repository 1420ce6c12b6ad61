# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
from podman import LIMIT, Terminal, until

# When an attach without a terminal ends, podman 4.3 prints an empty line of its own. Its attach does not always hand on
# the container's exit code; its start does.


def test_input_and_output(podman):
    container = podman.background("-i", "box", "sh", "-c", "cat; echo err >&2; exit 3")
    with podman.start("attach", container) as client:
        out, err = client.communicate("to and fro\n", timeout=LIMIT)
    assert (out.strip(), err) == ("to and fro", "err\n")
    assert podman.wait(container) == 3


def test_start_hands_on_the_exit_code(podman):
    container = podman("create", "-i", "box", "sh", "-c", "cat; exit 3").strip()
    assert podman("start", "--attach", "--interactive", container, input="to and fro\n", code=3) == "to and fro\n"


def test_a_lot_of_input(podman):
    text = "".join(f"line {number}\n" for number in range(200000))
    container = podman.background("-i", "box", "cat")
    assert podman("attach", container, input=text).rstrip() == text.rstrip()


def test_several_clients_see_the_same(podman, shared):
    container = podman.background("-v", f"{shared}:/shared", "box", "sh", "-c",
                                  "while [ ! -e /shared/end ]; do echo tick; sleep 0.1; done; seq 5000; exit 3")
    clients = [podman.start("attach", "--no-stdin", container) for _ in range(4)]
    for client in clients:
        assert client.stdout.readline() == "tick\n"
    (shared / "end").touch()
    for client in clients:
        lines = client.communicate(timeout=LIMIT)[0].rstrip().splitlines()
        assert [line for line in lines if line != "tick"] == [str(number) for number in range(1, 5001)]
    assert podman.wait(container) == 3


def test_a_client_that_goes_leaves_the_container_and_the_others(podman, shared):
    container = podman.background("-v", f"{shared}:/shared", "box", "sh", "-c",
                                  "while [ ! -e /shared/end ]; do echo tick; sleep 0.1; done; echo last")
    clients = [podman.start("attach", "--no-stdin", container) for _ in range(2)]
    for client in clients:
        assert client.stdout.readline() == "tick\n"
    clients[0].kill()
    clients[0].communicate()
    (shared / "end").touch()
    assert clients[1].communicate(timeout=LIMIT)[0].rstrip().splitlines()[-1] == "last"
    assert podman.wait(container) == 0


def test_a_client_that_does_not_read_at_once_loses_nothing(podman):
    # 4 MB: more than pipes and sockets hold.
    container = podman("create", "box", "seq", "600000").strip()
    with podman.start("start", "--attach", container) as client:
        until(lambda: podman.state(container)["Status"] != "created", "the container runs")
        assert client.communicate(timeout=LIMIT)[0] == "".join(f"{number}\n" for number in range(1, 600001))
        assert client.returncode == 0


def test_detach_and_come_back(podman):
    container = podman("create", "-it", "box", "sh").strip()
    with Terminal([*podman.command, "start", "--attach", "-i", "--detach-keys=ctrl-x", container]) as terminal:
        terminal.expect("#")
        terminal.type("mine=kept; echo be''fore\n")
        terminal.expect("before")
        terminal.type("\x18")  # ctrl-x
        assert terminal.code() == 0
    assert podman.state(container)["Running"]
    with Terminal([*podman.command, "attach", container], rows=30, columns=70) as terminal:
        terminal.type("echo $mine-$mine; until [ \"$(stty size)\" = '30 70' ]; do sleep 0.1; done; echo si''zed\n")
        terminal.expect("kept-kept")
        terminal.expect("sized")
        terminal.type("exit 6\n")
        terminal.code()
    assert podman.wait(container) == 6


def test_keys_that_are_signals(podman):
    script = "trap 'exit 8' INT; echo ready; while :; do sleep 0.1; done"
    with Terminal([*podman.command, "run", "-it", "box", "sh", "-c", script]) as terminal:
        terminal.expect("ready")
        terminal.type("\x03")
        assert terminal.code() == 8


def test_a_lot_on_a_terminal(podman):
    with Terminal([*podman.command, "run", "-t", "box", "sh", "-c", "seq 50000; echo the''end"]) as terminal:
        for number in range(5000, 50001, 5000):
            terminal.expect(f"\n{number}\r\n")
        terminal.expect("theend")
        assert terminal.code() == 0
