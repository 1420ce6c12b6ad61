# SPDX-License-Identifier: Apache-2.0
# SPDX-FileCopyrightText: The libct authors
import datetime
import os
import re
import subprocess

import pytest

from podman import LIMIT

LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d\d:\d\d) (stdout|stderr) ([FP]) (.*)")


def log_file(podman, container):
    return podman.inspect(container)["HostConfig"]["LogConfig"]["Path"]


@pytest.mark.parametrize("driver", ["k8s-file", "json-file"])  # podman's json-file is k8s-file
def test_streams_are_kept_apart(podman, driver):
    container = podman.background("--log-driver", driver, "box", "sh", "-c", "echo out; echo err >&2; echo; printf end")
    podman.wait(container)
    assert podman.both("logs", container) == ("out\n\nend", "err\n")


def test_lines_of_the_file(podman):
    container = podman.background("box", "sh", "-c", "echo '  two words '; printf end")
    podman.wait(container)
    lines = open(log_file(podman, container)).read().splitlines()
    found = [LINE.fullmatch(line).groups() for line in lines]
    assert [groups[1:] for groups in found] == [("stdout", "F", "  two words "), ("stdout", "P", "end")]
    for time, *_ in found:
        assert datetime.datetime.fromisoformat(time[:26] + time[29:]).tzinfo


def test_every_line_of_many(podman):
    container = podman.background("box", "seq", "200000")
    podman.wait(container)
    assert podman("logs", container) == "".join(f"{number}\n" for number in range(1, 200001))


def test_a_line_longer_than_any_buffer(podman):
    container = podman.background("box", "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x; echo; echo next")
    podman.wait(container)
    assert podman("logs", container) == "x" * 300000 + "\nnext\n"


def test_follow(podman, shared):
    # podman's logs itself may miss what is written in the last moment of a container.
    script = "echo one; cat /shared/go; echo three; cat /shared/go"
    container = podman.background("-v", f"{shared}:/shared", "box", "sh", "-c", script)
    with podman.start("logs", "--follow", container) as follower:
        assert follower.stdout.readline() == "one\n"
        (shared / "go").write_text("two\n")
        assert [follower.stdout.readline() for _ in range(2)] == ["two\n", "three\n"]
        (shared / "go").write_text("")
        follower.communicate(timeout=LIMIT)
        assert follower.returncode == 0


def test_follow_over_the_limit(podman, shared):
    # The file is replaced while podman reads it.
    script = "echo one; cat /shared/go; seq -w 10000; echo three; cat /shared/go"
    container = podman.background("-v", f"{shared}:/shared", "--log-opt", "max-size=10k", "box", "sh", "-c", script)
    with podman.start("logs", "--follow", container) as follower:
        assert follower.stdout.readline() == "one\n"
        (shared / "go").write_text("")
        while (line := follower.stdout.readline()) != "three\n":
            assert line
        (shared / "go").write_text("")
        follower.communicate(timeout=LIMIT)
        assert follower.returncode == 0


def test_no_log(podman):
    container = podman.background("--log-driver=none", "box", "echo", "unseen")
    podman.wait(container)
    podman("logs", container, code=125)
    assert podman("run", "--log-driver=none", "box", "echo", "seen") == "seen\n"


def test_passthrough(podman, tmp_path):
    with open(tmp_path / "out", "w+") as out, open(tmp_path / "err", "w+") as err:
        command = podman.start("run", "--log-driver=passthrough", "box", "sh", "-c", "echo out; echo err >&2; exit 6",
                               stdout=out, stderr=err)
        command.communicate(timeout=LIMIT)
    assert command.returncode == 6
    assert ((tmp_path / "out").read_text(), (tmp_path / "err").read_text()) == ("out\n", "err\n")


def test_passthrough_of_the_file_itself(podman, tmp_path):
    # Not a pipe with a copying process, but the very file.
    with open(tmp_path / "out", "w+") as out:
        command = podman.start("run", "--log-driver=passthrough", "box", "stat", "-L", "-c", "%i", "/proc/self/fd/1",
                               stdout=out)
        command.communicate(timeout=LIMIT)
    assert int((tmp_path / "out").read_text()) == os.stat(tmp_path / "out").st_ino


def test_size_limit(podman):
    container = podman.background("--log-opt", "max-size=10k", "box", "seq", "-w", "10000")
    podman.wait(container)
    assert 0 < os.stat(log_file(podman, container)).st_size <= 10000
    lines = podman("logs", container).splitlines()
    assert lines == [f"{number:05}" for number in range(10001 - len(lines), 10001)]


def test_an_earlier_run_counts_for_the_limit(podman):
    container = podman.background("--log-opt", "max-size=10k", "box", "seq", "100")
    podman.wait(container)
    for _ in range(2):
        podman("start", container)
        podman.wait(container)
    assert os.stat(log_file(podman, container)).st_size <= 10000


def test_terminal_lines(podman):
    container = podman.background("-t", "box", "sh", "-c", "echo out; echo err >&2")
    podman.wait(container)
    assert podman.both("logs", container) == ("out\nerr\n", "")


def test_full_disk_does_not_stop_the_container(podman, tmp_path):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=True)
    try:
        container = podman.background("--log-opt", f"path={tmp_path}/log", "box", "sh", "-c", "seq 20000; exit 5")
        assert podman.wait(container) == 5
        assert podman("logs", container).startswith("1\n2\n3\n")
        podman("rm", container)
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


def test_log_to_a_device(podman):
    container = podman.background("--log-opt", "path=/dev/null", "box", "sh", "-c", "echo unseen; exit 5")
    assert podman.wait(container) == 5
