# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
import os

from podman import LIMIT, monitors, until


def test_20_at_once(podman):
    starts = [podman.start("run", f"--name=n{number}", "box", "sh", "-c", f"echo {number}; exit {number}")
              for number in range(20)]
    for number, start in enumerate(starts):
        out, err = start.communicate(timeout=LIMIT)
        assert (out, start.returncode) == (f"{number}\n", number), err
    for number in range(20):
        assert podman("logs", f"n{number}") == f"{number}\n"


def test_20_that_run_at_the_same_time(podman):
    containers = [podman.background("box", "sleep", "1000") for _ in range(20)]
    assert sorted(monitors()) == sorted(podman.state(container)["ConmonPid"] for container in containers)
    podman("stop", "--time=0", "--all")
    assert {podman.wait(container) for container in containers} == {137}
    until(lambda: not monitors(), "all monitors end")


def test_one_after_the_other(podman):
    for number in range(200 if os.environ.get("CT_TEST_FULL") == "1" else 10):
        code = number % 100
        assert podman("run", "--rm", "box", "sh", "-c", f"echo {number}; exit {code}", code=code) == f"{number}\n"
