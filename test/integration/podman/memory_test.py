# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
import signal

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
