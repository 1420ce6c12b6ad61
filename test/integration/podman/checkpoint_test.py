# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
"""Containers that go on from a checkpoint. That takes CRIU, and a kernel which it knows."""
import shutil
import subprocess

import pytest

from podman import until

# Debian's crun cannot do it.
pytestmark = pytest.mark.parametrize("podman", ["runc"], indirect=True)

COUNT = ["sh", "-c", "trap 'exit 5' TERM; i=0; while :; do echo $((i += 1)); sleep 0.1; done"]


@pytest.fixture(autouse=True)
def criu():
    if not shutil.which("criu") or subprocess.run(["criu", "check"], capture_output=True).returncode != 0:
        pytest.skip("CRIU does not work here")


def numbers(podman, container):
    return [int(line) for line in podman("logs", container).split()]


def checkpoint(podman, *options):
    """A container that counts, and was stopped in a checkpoint."""
    container = podman.background(*options, "box", *COUNT)
    until(lambda: len(numbers(podman, container)) >= 3, "it counts")
    podman("container", "checkpoint", "--keep", container)
    assert not podman.state(container)["Running"]
    return container


@pytest.mark.parametrize("options", [[], ["--tty"]], ids=["pipes", "terminal"])
def test_goes_on(podman, options):
    container = checkpoint(podman, *options)
    before = len(numbers(podman, container))
    podman("container", "restore", container)
    until(lambda: len(numbers(podman, container)) > before + 3, "it counts on")
    after = numbers(podman, container)
    assert after == list(range(1, len(after) + 1))
    assert podman("exec", container, "echo", "here") == "here\n"
    podman("stop", container)
    assert podman.wait(container) == 5


def test_that_is_damaged(podman):
    container = checkpoint(podman)
    image = podman.inspect(container)["State"]["CheckpointPath"]
    with open(f"{image}/pstree.img", "wb"):
        pass
    _, err = podman.both("container", "restore", container, code=125)
    assert "criu failed" in err
    assert not podman.state(container)["Running"]
