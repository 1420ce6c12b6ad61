# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
from podman import commands, until


def test_timeout(podman):
    podman("run", "--timeout=1", "--name=slow", "box", "sleep", "100000", code=255)
    until(lambda: podman.state("slow")["Status"] == "exited", "the end is known")


def test_timeout_not_reached(podman):
    podman("run", "--timeout=100000", "box", "sh", "-c", "exit 3", code=3)


def test_a_timeout_kills_the_program(podman):
    container = podman.background("--timeout=1", "box", "sleep", "12321")
    assert podman.wait(container) == -1
    until(lambda: b"sleep\x0012321\0" not in commands().values(), "the program ends")
