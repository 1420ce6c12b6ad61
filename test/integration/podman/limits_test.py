# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
import signal

from podman import commands, until

SMALL = ["--memory=32m", "--memory-swap=32m"]


def test_out_of_memory(podman):
    container = podman.background(*SMALL, "box", "tail", "/dev/zero")
    assert podman.wait(container) == 128 + signal.SIGKILL
    assert podman.state(container)["OOMKilled"]


def test_out_of_memory_of_a_child(podman):
    container = podman.background(*SMALL, "box", "sh", "-c", "tail /dev/zero; exit 4")
    assert podman.wait(container) == 4
    assert podman.state(container)["OOMKilled"]


def test_killed_for_another_reason(podman):
    container = podman.background(*SMALL, "box", "sleep", "1000")
    podman("kill", container)
    assert podman.wait(container) == 128 + signal.SIGKILL
    assert not podman.state(container)["OOMKilled"]


def test_a_limit_that_is_kept(podman):
    container = podman.background(*SMALL, "box", "seq", "100000")
    assert podman.wait(container) == 0
    assert not podman.state(container)["OOMKilled"]


def test_timeout(podman):
    podman("run", "--timeout=1", "--name=slow", "box", "sleep", "100000", code=255)
    until(lambda: podman.state("slow")["Status"] == "exited", "the end is known")


def test_timeout_not_reached(podman):
    podman("run", "--timeout=100000", "box", "sh", "-c", "exit 3", code=3)


def test_a_timeout_kills_the_program(podman):
    container = podman.background("--timeout=1", "box", "sleep", "12321")
    assert podman.wait(container) == -1
    until(lambda: b"sleep\x0012321\0" not in commands().values(), "the program ends")
