# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
import os
import signal
import subprocess

import pytest

from podman import LIMIT, Podman, Terminal, monitors, until


def test_run_hands_on_output_and_exit_code(podman):
    out, err = podman.both("run", "box", "sh", "-c", "echo out; echo err >&2; exit 7", code=7)
    assert (out, err) == ("out\n", "err\n")


def test_run_hands_on_input(podman):
    text = "".join(f"line {number}\n" for number in range(100000))
    assert podman("run", "-i", "box", "cat", input=text) == text


def test_end_of_input_ends_what_reads_it(podman):
    assert podman("run", "-i", "box", "wc", "-c", input="") == "0\n"


def test_without_input_it_is_empty(podman):
    assert podman("run", "box", "wc", "-c", input="nobody reads this") == "0\n"


def test_detached_container_is_waited_for(podman):
    container = podman.background("box", "sh", "-c", "exit 3")
    assert podman.wait(container) == 3
    state = podman.state(container)
    assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 3, False)


def test_create_then_start_attached(podman):
    container = podman("create", "box", "sh", "-c", "echo later; exit 4").strip()
    assert podman("start", "--attach", container, code=4) == "later\n"


def test_created_container_runs_what_comes_later(podman):
    container = podman("create", "box", "true").strip()
    podman("init", container)
    assert podman.state(container)["Status"] == "initialized"
    podman("start", container)
    assert podman.wait(container) == 0


def test_stop_lets_the_program_end(podman):
    container = podman.background("box", "sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done")
    until(lambda: "ready" in podman("logs", container), "the trap is set")
    podman("stop", "--time=120", container)
    assert podman.state(container)["ExitCode"] == 7


def test_stop_kills_what_does_not_end(podman):
    container = podman.background("box", "sleep", "1000")  # process 1, without a handler
    podman("stop", "--time=1", container)
    assert podman.state(container)["ExitCode"] == 128 + signal.SIGKILL


def test_kill(podman):
    container = podman.background("box", "sleep", "1000")
    podman("kill", container)
    assert podman.wait(container) == 128 + signal.SIGKILL


def test_kill_with_a_signal_of_ones_own(podman):
    container = podman.background("box", "sh", "-c", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.1; done")
    until(lambda: "ready" in podman("logs", container), "the trap is set")
    podman("kill", "--signal=USR1", container)
    assert podman.wait(container) == 9


def test_restart_is_a_new_process_with_the_same_log(podman):
    container = podman.background("box", "sh", "-c", "echo started; exec sleep 1000")
    until(lambda: podman("logs", container) == "started\n", "the first start")
    before = podman.state(container)
    podman("restart", "--time=0", container)
    after = podman.state(container)
    assert after["Running"] and after["Pid"] != before["Pid"] and after["ConmonPid"] != before["ConmonPid"]
    until(lambda: podman("logs", container) == "started\n" * 2, "the second start")


def test_restart_policy(podman):
    # It is the exit command that starts it again.
    container = podman.background("--restart=on-failure:2", "box", "sh", "-c", "echo again; exit 1")
    until(lambda: podman("logs", container) == "again\n" * 3, "two restarts")
    until(lambda: podman.state(container)["Status"] == "exited", "the end")
    assert podman.inspect(container)["RestartCount"] == 2


def test_remove_after_exit(podman):
    # It is the exit command that removes it.
    podman.background("--rm", "--name", "short", "box", "true")
    until(lambda: podman("ps", "--all", "--quiet") == "", "the container is removed")


def test_pause_and_unpause(podman):
    container = podman.background("box", "sleep", "1000")
    podman("pause", container)
    assert podman.state(container)["Status"] == "paused"
    podman("unpause", container)
    assert podman.state(container)["Status"] == "running"


def test_the_monitor_is_the_one_asked_for_and_ends_with_the_container(podman):
    container = podman.background("box", "sleep", "1000")
    monitor = podman.state(container)["ConmonPid"]
    assert monitors() == [monitor]
    podman("kill", container)
    podman.wait(container)
    until(lambda: not monitors(), "the monitor ends")


@pytest.mark.parametrize("command, code, message",
                         [("/nothing", 127, "no such file"), ("/tmp/text", 126, "permission denied")])
def test_command_that_cannot_run(podman, shared, command, code, message):
    (shared / "text").write_text("no program")
    _, err = podman.both("run", "-v", f"{shared}:/tmp", "box", command, code=code)
    assert message in err.lower()
    assert "no logs from conmon" not in err


def test_descriptors_are_handed_on(podman, tmp_path):
    subprocess.run(["sh", "-c", 'exec "$@" 3>through', "sh", *podman.command, "run", "--preserve-fds=1", "box",
                    "sh", "-c", "echo through >&3"], cwd=tmp_path, check=True, timeout=LIMIT)
    assert (tmp_path / "through").read_text() == "through\n"


def test_monitor_by_option(podman, tmp_path):
    # podman's own option, and a configuration that names another.
    (tmp_path / "containers.conf").write_text(
        open(os.environ["CONTAINERS_CONF"]).read().replace(os.environ["CT_MONITOR"], "/nothing"))
    environment = {**os.environ, "CONTAINERS_CONF": str(tmp_path / "containers.conf")}
    other = Podman(*podman.command[1:], "--conmon", os.environ["CT_MONITOR"])
    assert other("run", "box", "echo", "with", env=environment) == "with\n"


def test_info_names_the_monitor(podman):
    assert podman("info", "--format={{.Host.Conmon.Path}}").strip() == os.environ["CT_MONITOR"]
    assert "version" in podman("info", "--format={{.Host.Conmon.Version}}")


def test_health(podman):
    # Without systemd nobody asks by itself.
    container = podman.background("--health-cmd", "test -e /well", "--health-interval=disable", "--health-retries=1",
                                  "box", "sleep", "1000")
    podman("healthcheck", "run", container, code=1)
    assert podman.state(container)["Health"]["Status"] == "unhealthy"
    podman("exec", container, "touch", "/well")
    podman("healthcheck", "run", container)
    assert podman.state(container)["Health"]["Status"] == "healthy"


def test_terminal(podman):
    with Terminal([*podman.command, "run", "-it", "box", "sh"], rows=33, columns=77) as terminal:
        terminal.expect("#")
        terminal.type("tty; stty size; echo $((6*7))\n")
        terminal.expect("/dev/pts/0")
        terminal.expect("33 77")
        terminal.expect("42")
        terminal.resize(44, 99)
        terminal.type("until [ \"$(stty size)\" = '44 99' ]; do sleep 0.1; done; echo resi''zed\n")
        terminal.expect("resized")
        terminal.type("exit 5\n")
        assert terminal.code() == 5
